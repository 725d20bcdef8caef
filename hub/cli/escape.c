/* SPDX-License-Identifier: MIT
 *
 * Escaping for lines and for JSON. Both copy runs of plain characters whole
 * and differ only in what they write for the others.
 */
#include "escape.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* Decodes one character; the return value is its length, or 0 if the bytes
 * are no UTF-8: too long a form, a surrogate, past U+10FFFF, cut off. */
static size_t
escape_decode(const unsigned char *p, size_t left, uint32_t *point)
{
    size_t length = p[0] < 0x80 ? 1 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    uint32_t value = p[0];
    size_t i;

    if (length > left || (length > 1 && (p[0] < 0xc2 || p[0] > 0xf4)))
        return 0;
    if (length > 1)
        value &= 0x7fu >> length;
    for (i = 1; i < length; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        value = value << 6 | (p[i] & 0x3f);
    }
    if (value < least[length] || value > 0x10ffff ||
        (value >= 0xd800 && value <= 0xdfff))
        return 0;
    *point = value;
    return length;
}

/* Characters that change what a reader sees without being seen. */
static bool
escape_hidden(uint32_t point)
{
    static const struct {
        uint32_t first, last;
    } hidden[] = {
        {0x80, 0x9f},       /* C1 controls */
        {0xad, 0xad},       /* soft hyphen */
        {0x61c, 0x61c},     /* Arabic letter mark */
        {0x180e, 0x180e},   /* Mongolian vowel separator */
        {0x200b, 0x200f},   /* zero width, direction marks */
        {0x2028, 0x202e},   /* separators, embeddings, overrides */
        {0x2060, 0x206f},   /* invisible operators, isolates */
        {0xfe00, 0xfe0f},   /* variation selectors */
        {0xfeff, 0xfeff},   /* byte order mark */
        {0xfff9, 0xfffb},   /* interlinear annotation */
        {0xe0000, 0xe0fff}, /* tags, more variation selectors */
    };
    size_t i;

    for (i = 0; i < sizeof hidden / sizeof hidden[0]; i++)
        if (point >= hidden[i].first && point <= hidden[i].last)
            return true;
    return false;
}

#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

/* The high bit of each byte that is zero; of others too, above such a one. */
static uint64_t
bytes_zero(uint64_t word)
{
    return (word - EACH(0x01)) & ~word & EACH(0x80);
}

/* Length of the run of plain ASCII, eight bytes at a time as long as all of
 * them are. */
static size_t
escape_ascii(const unsigned char *p, size_t size_bytes, unsigned char quote)
{
    uint64_t word, odd;
    size_t at = 0;

    for (; size_bytes - at >= sizeof word; at += sizeof word) {
        memcpy(&word, p + at, sizeof word);
        odd = (word & EACH(0x80)) | ((word - EACH(0x20)) & EACH(0x80)) |
              bytes_zero(word ^ EACH(0x7f)) | bytes_zero(word ^ EACH('\\')) |
              bytes_zero(word ^ EACH(quote));
        if (odd != 0)
            break;
    }
    while (at < size_bytes && p[at] - 0x20u < 0x5f && p[at] != '\\' &&
           p[at] != quote)
        at++;
    return at;
}

/* Length of the run at the start that needs no escape. */
static size_t
escape_plain(const unsigned char *p, size_t size_bytes, char quote)
{
    uint32_t point;
    size_t at = 0, length;

    for (;;) {
        at += escape_ascii(p + at, size_bytes - at, (unsigned char)quote);
        if (at == size_bytes || p[at] < 0x80)
            return at;
        length = escape_decode(p + at, size_bytes - at, &point);
        if (length == 0 || escape_hidden(point))
            return at;
        at += length;
    }
}

static bool
escape_short(struct cli_out *out, uint32_t point, char quote)
{
    char letter = point == '\n'   ? 'n'
                  : point == '\t' ? 't'
                  : point == '\r' ? 'r'
                  : point == '\\' ? '\\'
                                  : '\0';

    if (letter == '\0' && quote != '\0' && point == (unsigned char)quote)
        letter = quote;
    if (letter == '\0')
        return false;
    cli_out_char(out, '\\');
    cli_out_char(out, letter);
    return true;
}

/* Writes one character that is not plain; returns its length. */
static size_t
escape_one(struct cli_out *out, const unsigned char *p, size_t left)
{
    uint32_t point = 0;
    size_t length = escape_decode(p, left, &point);
    char text[16];

    if (length != 0 && escape_short(out, point, '\0'))
        return length;
    if (length <= 1)
        snprintf(text, sizeof text, "\\%03o", p[0]);
    else if (point < 0x10000)
        snprintf(text, sizeof text, "\\u%04x", (unsigned)point);
    else
        snprintf(text, sizeof text, "\\U%08x", (unsigned)point);
    cli_out_string(out, text);
    return length ? length : 1;
}

static size_t
escape_one_json(struct cli_out *out, const unsigned char *p, size_t left)
{
    uint32_t point = 0;
    size_t length = escape_decode(p, left, &point);
    char text[16];

    if (length == 0) {
        cli_out_string(out, "\\ufffd");
        return 1;
    }
    if (escape_short(out, point, '"'))
        return length;
    if (point < 0x10000)
        snprintf(text, sizeof text, "\\u%04x", (unsigned)point);
    else
        snprintf(text, sizeof text, "\\u%04x\\u%04x",
                 (unsigned)(0xd800 + ((point - 0x10000) >> 10)),
                 (unsigned)(0xdc00 + ((point - 0x10000) & 0x3ff)));
    cli_out_string(out, text);
    return length;
}

void
cli_escape(struct cli_out *out, const char *data, size_t size_bytes)
{
    const unsigned char *p = (const unsigned char *)data;
    size_t at = 0, run;

    while (at < size_bytes) {
        run = escape_plain(p + at, size_bytes - at, '\\');
        cli_out_bytes(out, p + at, run);
        at += run;
        if (at < size_bytes)
            at += escape_one(out, p + at, size_bytes - at);
    }
}

void
cli_escape_string(struct cli_out *out, const char *text)
{
    cli_escape(out, text, strlen(text));
}

void
cli_escape_prose(struct cli_out *out, const char *data, size_t size_bytes)
{
    const char *backslash;
    size_t length;

    for (; size_bytes > 0; data += length, size_bytes -= length) {
        backslash = memchr(data, '\\', size_bytes);
        length = backslash != NULL ? (size_t)(backslash - data) : size_bytes;
        cli_escape(out, data, length);
        if (backslash == NULL)
            continue;
        cli_out_char(out, '\\');
        length++;
    }
}

void
cli_escape_json(struct cli_out *out, const char *data, size_t size_bytes)
{
    const unsigned char *p = (const unsigned char *)data;
    size_t at = 0, run;

    cli_out_char(out, '"');
    while (at < size_bytes) {
        run = escape_plain(p + at, size_bytes - at, '"');
        cli_out_bytes(out, p + at, run);
        at += run;
        if (at < size_bytes)
            at += escape_one_json(out, p + at, size_bytes - at);
    }
    cli_out_char(out, '"');
}
