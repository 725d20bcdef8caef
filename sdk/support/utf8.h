/* SPDX-License-Identifier: MIT
 *
 * Well-formed UTF-8, as Unicode's table 3-7 has it: no overlong forms, no
 * surrogates, nothing past U+10FFFF.
 */
#ifndef SDK_UTF8_H
#define SDK_UTF8_H

#include <stdbool.h>
#include <stddef.h>

#include "endian.h"

static inline bool
sdk_utf8_tail(unsigned char byte)
{
    return (byte & 0xC0) == 0x80;
}

/* Bytes of the well-formed sequence that starts `text`, 1 to 4; 0 if there
 * is none within `size_bytes`. */
static inline size_t
sdk_utf8_length(const unsigned char *text, size_t size_bytes)
{
    unsigned char first = size_bytes > 0 ? text[0] : 0xFF;

    if (first < 0x80)
        return 1;
    if (first < 0xC2 || first > 0xF4)
        return 0;
    if (first < 0xE0)
        return size_bytes >= 2 && sdk_utf8_tail(text[1]) ? 2 : 0;
    if (size_bytes < 3 || !sdk_utf8_tail(text[1]) || !sdk_utf8_tail(text[2]))
        return 0;
    if (first < 0xF0) {
        if ((first == 0xE0 && text[1] < 0xA0) ||
            (first == 0xED && text[1] > 0x9F))
            return 0;
        return 3;
    }
    if (size_bytes < 4 || !sdk_utf8_tail(text[3]) ||
        (first == 0xF0 && text[1] < 0x90) || (first == 0xF4 && text[1] > 0x8F))
        return 0;
    return 4;
}

/* Whether the whole text is well formed but for halves of surrogate pairs, as
 * Python keeps them. */
static inline bool
sdk_utf8_surrogates(const void *text, size_t size_bytes)
{
    const unsigned char *p = text;
    size_t at = 0, length;

    while (at < size_bytes) {
        length = sdk_utf8_length(p + at, size_bytes - at);
        if (length == 0 && size_bytes - at >= 3 && p[at] == 0xED &&
            sdk_utf8_tail(p[at + 1]) && sdk_utf8_tail(p[at + 2]))
            length = 3;
        if (length == 0)
            return false;
        at += length;
    }
    return true;
}

/* Whether the whole text is well formed. */
static inline bool
sdk_utf8_valid(const void *text, size_t size_bytes)
{
    const unsigned char *p = text;
    size_t at, length;

    for (at = 0; at < size_bytes; at += length) {
        while (size_bytes - at >= 8 &&
               (sdk_load_le64(p + at) & UINT64_C(0x8080808080808080)) == 0)
            at += 8;
        if (at == size_bytes)
            break;
        length = sdk_utf8_length(p + at, size_bytes - at);
        if (length == 0)
            return false;
    }
    return true;
}

#endif
