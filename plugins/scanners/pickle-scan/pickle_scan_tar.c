/* SPDX-License-Identifier: MIT
 *
 * A tar archive, member by member. The oldest checkpoints are of this form,
 * with their pickles among raw bytes, so pickles are looked for everywhere.
 *
 *   0    name, 100 bytes         148  checksum, octal
 *   124  size, octal, or with    156  kind
 *        the top bit set binary  257  "ustar", in all but the oldest
 *
 * Where readers could take an archive in two ways, that is said, and all
 * that follows is searched as a run of bytes.
 */
#include <stdio.h>
#include <string.h>

#include "pickle_scan_sweep.h"

#define BLOCK_BYTES 512
#define MEMBERS_MAX 100000
#define RECORDS_MAX ((size_t)64 << 10)

struct tar {
    const struct pickle_scan_view *view;
    unsigned depth;
    uint64_t at, all;
    unsigned char block[BLOCK_BYTES];
    bool told; /* a record before this header gives its size */
    uint64_t told_bytes;
    const char *odd; /* why no more can be read as an archive */
};

/* Octal after spaces, up to a NUL or spaces; or big-endian after 80. */
static bool
number_of(const unsigned char *field, size_t width, uint64_t *number)
{
    size_t i = 0;

    *number = 0;
    if (field[0] & 0x80) {
        for (i = 1; i < width - 8; i++)
            if (field[i] != 0)
                return false;
        for (i = width > 8 ? width - 8 : 1; i < width; i++)
            *number = *number << 8 | field[i];
        return field[0] == 0x80 && *number < UINT64_MAX / 4;
    }
    while (i < width && field[i] == ' ')
        i++;
    for (; i < width && field[i] >= '0' && field[i] <= '7'; i++)
        *number = *number * 8 + (uint64_t)(field[i] - '0');
    while (i < width && field[i] == ' ')
        i++;
    return i == width || field[i] == '\0';
}

/* Old writers sum bytes with a sign. */
static bool
is_header(const unsigned char *block)
{
    uint64_t sum = 0, high = 0, told;
    size_t i;

    for (i = 0; i < BLOCK_BYTES; i++) {
        unsigned char byte = i >= 148 && i < 156 ? ' ' : block[i];

        sum += byte;
        high += byte >> 7;
    }
    return number_of(block + 148, 8, &told) &&
           (told == sum || told + 256 * high == sum);
}

static bool
is_zero(const unsigned char *block)
{
    size_t i;

    for (i = 0; i < BLOCK_BYTES && block[i] == 0; i++)
        continue;
    return i == BLOCK_BYTES;
}

/* The members of torch's form, each of which begins with a pickle. */
static bool
is_torch(const char *name)
{
    return strcmp(name, "pickle") == 0 || strcmp(name, "tensors") == 0 ||
           strcmp(name, "storages") == 0 || strcmp(name, "sys_info") == 0;
}

static int
look_at_member(const struct tar *tar, uint64_t size)
{
    const struct pickle_scan_view *view = tar->view;
    struct pickle_scan_view part;
    char place[500], name[101];
    bool known = false;
    int status;

    snprintf(name, sizeof name, "%.100s", (const char *)tar->block);
    snprintf(place, sizeof place, "%.300s%s%s",
             view->place != NULL ? view->place : "",
             view->place != NULL ? ": " : "", name);
    part = pickle_scan_part(view, tar->at, size, place);
    status =
        pickle_scan_sweep(&part, PICKLE_SCAN_STREAM, tar->depth + 1, &known);
    if (status != CKPT_OK || known ||
        !is_torch(strncmp(name, "./", 2) == 0 ? name + 2 : name))
        return status;
    return pickle_scan_find(&part, CKPT_SEVERITY_SUSPICIOUS, "unscanned", NULL,
                            0, "where torch has a pickle is none");
}

/* One record of a pax header, "LENGTH KEY=VALUE\n". */
static const char *
read_record(struct tar *tar, const unsigned char **p, size_t *left)
{
    static const char odd[] = "its pax records are damaged";
    const unsigned char *from = *p, *end, *key;
    size_t size = 0, i = 0;

    for (; i < *left && i < 6 && from[i] >= '0' && from[i] <= '9'; i++)
        size = size * 10 + from[i] - '0';
    if (i == 0 || i + 3 > size || size > *left || from[i] != ' ' ||
        from[size - 1] != '\n')
        return odd;
    key = from + i + 1;
    end = from + size - 1;
    *p += size;
    *left -= size;
    if (memchr(key, '=', (size_t)(end - key)) == NULL)
        return odd;
    if (end - key >= 10 && memcmp(key, "GNU.sparse", 10) == 0)
        return "a member is sparse";
    if (end - key < 5 || memcmp(key, "size=", 5) != 0)
        return NULL;
    tar->told = true;
    tar->told_bytes = 0;
    for (key += 5; key < end; key++) {
        if (*key < '0' || *key > '9' || tar->told_bytes > UINT64_MAX / 64)
            return odd;
        tar->told_bytes = tar->told_bytes * 10 + *key - '0';
    }
    return NULL;
}

static int
read_records(struct tar *tar, uint64_t size)
{
    struct ckpt_span span;
    const unsigned char *p;
    size_t left;
    int status;

    if (size > RECORDS_MAX) {
        tar->odd = "its pax records are very long";
        return CKPT_OK;
    }
    status = pickle_scan_peek(tar->view, tar->at, (size_t)size, &span);
    if (status != CKPT_OK)
        return status;
    p = span.data;
    left = span.size_bytes < size ? span.size_bytes : (size_t)size;
    while (left > 0 && tar->odd == NULL)
        tar->odd = read_record(tar, &p, &left);
    if (tar->told && tar->block[156] == 'g')
        tar->odd = "a size is told for all members";
    return CKPT_OK;
}

/* Whether readers agree on what such a header is and how long. */
static const char *
judge_header(const struct tar *tar, uint64_t size)
{
    unsigned char kind = tar->block[156];
    size_t length = strnlen((const char *)tar->block, 100);
    bool folder = kind == '5' ||
                  (kind == '\0' && length > 0 && tar->block[length - 1] == '/');

    if (tar->told && kind != '0' && kind != '\0' && kind != '7')
        return "a size is told for what is no file";
    if (((kind >= '1' && kind <= '6') || folder) && size > 0)
        return "a link or folder has a size";
    if (memchr("0123456\0"
               "7LKxXg",
               kind, 14) == NULL)
        return "a member is of a strange kind";
    return NULL;
}

/* The member whose header is in hand. */
static int
take_member(struct tar *tar)
{
    unsigned char kind = tar->block[156];
    uint64_t size, from = tar->at;
    int status = CKPT_OK;

    if (!is_header(tar->block))
        tar->odd = "a header is damaged";
    else if (!number_of(tar->block + 124, 12, &size))
        tar->odd = "the size of a member cannot be read";
    else
        tar->odd = judge_header(tar, tar->told ? tar->told_bytes : size);
    if (tar->odd != NULL)
        return CKPT_OK;
    if (tar->told)
        size = tar->told_bytes;
    tar->told = false;
    tar->at += BLOCK_BYTES;
    if (tar->at > tar->all || size > tar->all - tar->at)
        tar->odd = "it ends within a member";
    else if (kind == 'x' || kind == 'X' || kind == 'g')
        status = read_records(tar, size);
    if (tar->odd != NULL) {
        tar->at = from;
        return CKPT_OK;
    }
    if (status == CKPT_OK && size > 0)
        status = look_at_member(tar, size);
    tar->at += (size + BLOCK_BYTES - 1) / BLOCK_BYTES * BLOCK_BYTES;
    return status;
}

/* Searches all from here on, and says why. */
static int
take_rest(const struct tar *tar)
{
    struct pickle_scan_view part = pickle_scan_part(
        tar->view, tar->at, tar->all - tar->at, tar->view->place);
    char text[120];
    bool known = false;
    int status;

    snprintf(text, sizeof text, "an archive that is not read on: %s", tar->odd);
    status = pickle_scan_find(&part, CKPT_SEVERITY_SUSPICIOUS, "unscanned",
                              NULL, 0, text);
    if (status == CKPT_OK)
        status = pickle_scan_sequence(&part, 0, PICKLE_SCAN_STREAM, tar->depth,
                                      &known);
    return status;
}

/* All members up to the end, which is a block of zeros, or of the file. */
static int
take_members(struct tar *tar)
{
    uint64_t count = 0;
    int status = CKPT_OK;

    while (status == CKPT_OK && tar->odd == NULL && tar->at < tar->all) {
        size_t got = 0;

        status = pickle_scan_copy(tar->view, tar->at, tar->block,
                                  sizeof tar->block, &got);
        if (status != CKPT_OK)
            break;
        if (got < sizeof tar->block)
            tar->odd = "it ends within a header";
        else if (is_zero(tar->block))
            break;
        else if (count++ == MEMBERS_MAX)
            tar->odd = "it has very many members";
        else
            status = take_member(tar);
        if (status == CKPT_OK && tar->view->host->cancelled(tar->view->host))
            status = CKPT_CANCELLED;
    }
    return status;
}

int
pickle_scan_tar(const struct pickle_scan_view *view, unsigned depth,
                bool *known)
{
    struct tar tar = {.view = view, .depth = depth};
    bool behind = false;
    size_t got = 0;
    int status = pickle_scan_copy(view, 0, tar.block, sizeof tar.block, &got);

    if (status != CKPT_OK || got < sizeof tar.block || !is_header(tar.block))
        return status;
    *known = true;
    status = pickle_scan_size(view, &tar.all);
    if (status == CKPT_OK)
        status = pickle_scan_find(view, CKPT_SEVERITY_NOTE, "scanned", NULL, 0,
                                  "a tar archive");
    if (status == CKPT_OK)
        status = take_members(&tar);
    if (status == CKPT_OK && tar.odd != NULL)
        return take_rest(&tar);
    /* Readers stop at the end that the archive has, but not all loaders. */
    return status == CKPT_OK
               ? pickle_scan_sequence(view, tar.at, PICKLE_SCAN_BYTES, depth,
                                      &behind)
               : status;
}
