/* SPDX-License-Identifier: MIT
 *
 * An array of NumPy on its own: one of objects is a pickle behind a header.
 *
 *   0  93 "NUMPY"
 *   6  version, two bytes
 *   8  size of the header: uint16 in version 1, else uint32
 *   .  the header, a Python dict as text
 *   .  the data
 *
 * The header is read as Python, which has many ways to say object. So only
 * what NumPy itself writes for numbers is taken as numbers.
 */
#include <string.h>

#include "endian.h"
#include "pickle_scan_sweep.h"

#define HEADER_MAX ((size_t)64 << 10)
#define FIELDS_DEPTH 8

struct header {
    const unsigned char *p, *end;
};

static bool
take(struct header *self, const char *word)
{
    size_t size = strlen(word);

    while (self->p < self->end && *self->p == ' ')
        self->p++;
    if ((size_t)(self->end - self->p) < size ||
        memcmp(self->p, word, size) != 0)
        return false;
    self->p += size;
    return true;
}

/* A text in quotes, without escapes. */
static bool
take_text(struct header *self, const unsigned char **text, size_t *size)
{
    unsigned char quote;

    if (!take(self, "'") && !take(self, "\""))
        return false;
    quote = self->p[-1];
    *text = self->p;
    while (self->p < self->end && *self->p != quote && *self->p != '\\')
        self->p++;
    *size = (size_t)(self->p - *text);
    return self->p < self->end && *self->p++ == quote;
}

/* An order, a letter, a size and perhaps a unit: "<f4", "|b1", "<M8[ns]". */
static bool
is_number_code(const unsigned char *p, size_t size)
{
    const unsigned char *end = p + size;

    if (p < end && memchr("<>|=", *p, 4) != NULL)
        p++;
    if (p == end || memchr("?bBhHiIlLqQefdgFDGSUaVmMc", *p++, 25) == NULL)
        return false;
    while (p < end && *p >= '0' && *p <= '9')
        p++;
    if (p == end)
        return true;
    if (*p++ != '[' || end[-1] != ']')
        return false;
    while (p < end - 1 &&
           ((*p >= '0' && *p <= '9') || (*p >= 'a' && *p <= 'z') ||
            memchr("YMWD", *p, 4) != NULL))
        p++;
    return p == end - 1;
}

static bool
take_digits(struct header *self)
{
    const unsigned char *from;

    take(self, "");
    for (from = self->p;
         self->p < self->end && *self->p >= '0' && *self->p <= '9'; self->p++)
        continue;
    if (self->p == from)
        return false;
    take(self, "L"); /* of Python 2 */
    return true;
}

static bool
take_shape(struct header *self)
{
    if (!take(self, "("))
        return take_digits(self);
    while (!take(self, ")")) {
        if (!take_digits(self))
            return false;
        if (!take(self, ","))
            return take(self, ")");
    }
    return true;
}

/* One code, or a record: a list of names, codes and perhaps shapes. */
static bool
take_numbers(struct header *self, unsigned depth) /* recurses */
{
    const unsigned char *text;
    size_t size;

    if (!take(self, "["))
        return take_text(self, &text, &size) && is_number_code(text, size);
    while (!take(self, "]")) {
        if (depth == 0 || !take(self, "(") || !take_text(self, &text, &size) ||
            !take(self, ",") || !take_numbers(self, depth - 1))
            return false;
        if (take(self, ",") && !take_shape(self))
            return false;
        if (!take(self, ")"))
            return false;
        if (!take(self, ",") && self->p < self->end && *self->p != ']')
            return false;
    }
    return true;
}

/* Whether the header says numbers in the words that NumPy has for it. */
static bool
holds_numbers(struct header self)
{
    const unsigned char *key;
    size_t size;
    bool told = false, good = take(&self, "{");

    while (good && !take(&self, "}")) {
        good = take_text(&self, &key, &size) && take(&self, ":");
        if (good && size == 5 && memcmp(key, "descr", 5) == 0)
            good = told = take_numbers(&self, FIELDS_DEPTH);
        else if (good && size == 5 && memcmp(key, "shape", 5) == 0)
            good = take_shape(&self);
        else
            good = good && size == 13 &&
                   memcmp(key, "fortran_order", 13) == 0 &&
                   (take(&self, "True") || take(&self, "False"));
        if (good && !take(&self, ","))
            good = self.p < self.end && *self.p == '}';
    }
    take(&self, "");
    return good && told &&
           (self.p == self.end || (*self.p == '\n' && self.p + 1 == self.end));
}

/* Whether the dtype has an object in it, as NumPy says it. */
static bool
holds_objects(const struct header *header)
{
    const unsigned char *p = header->p;

    for (; p + 1 < header->end; p++)
        if (p[1] == 'O' && memchr("'\"|<>=", *p, 6) != NULL)
            return true;
    return false;
}

static int
look_at_objects(const struct pickle_scan_view *view, uint64_t data, bool told,
                unsigned depth)
{
    bool found = false;
    int status =
        told ? pickle_scan_find(view, CKPT_SEVERITY_NOTE, "scanned", NULL, 0,
                                "an array of objects, which is a pickle")
             : pickle_scan_find(view, CKPT_SEVERITY_SUSPICIOUS, "unscanned",
                                NULL, 0,
                                "an array of what its header does not say "
                                "plainly; looked at as a pickle");

    if (status == CKPT_OK)
        status =
            pickle_scan_sequence(view, data, PICKLE_SCAN_FILE, depth, &found);
    if (status != CKPT_OK || found || !told)
        return status;
    return pickle_scan_find(view, CKPT_SEVERITY_SUSPICIOUS, "unscanned", NULL,
                            data, "where the pickle should be is none");
}

int
pickle_scan_numpy(const struct pickle_scan_view *view, unsigned depth,
                  bool *known)
{
    unsigned char start[12];
    struct ckpt_span span = {0};
    struct header header;
    size_t got = 0;
    uint64_t at, size;
    bool whole;
    int status = pickle_scan_copy(view, 0, start, sizeof start, &got);

    if (status != CKPT_OK || got < sizeof start ||
        memcmp(start, "\x93NUMPY", 6) != 0)
        return status;
    *known = true;
    at = start[6] > 1 ? 12 : 10;
    size = start[6] > 1 ? sdk_load_le32(start + 8) : sdk_load_le16(start + 8);
    status = pickle_scan_peek(
        view, at, size < HEADER_MAX ? (size_t)size : HEADER_MAX, &span);
    if (status != CKPT_OK)
        return status;
    if (span.size_bytes == 0)
        return look_at_objects(view, at + size, false, depth);
    whole = size <= HEADER_MAX && span.size_bytes >= size;
    header.p = span.data;
    header.end = span.data + (whole ? (size_t)size : span.size_bytes);
    if (whole && holds_numbers(header))
        return pickle_scan_find(view, CKPT_SEVERITY_NOTE, "scanned", NULL, 0,
                                "an array of numbers");
    return look_at_objects(view, at + size, holds_objects(&header), depth);
}
