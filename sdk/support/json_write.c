/* SPDX-License-Identifier: MIT
 *
 * Writing JSON: the least of escapes, integers, doubles that read back.
 */
#include <langinfo.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "utf8.h"

int
sdk_json_write_raw(const struct ckpt_host *host, struct sdk_buffer *buffer,
                   const char *text)
{
    return sdk_buffer_append(host, buffer, text, strlen(text));
}

static bool
json_needs_escape(unsigned char c)
{
    return c < 0x20 || c == '"' || c == '\\';
}

/* Puts the escape for `c` at `out`, at most 6 bytes; returns how many. */
static size_t
json_escape(unsigned char c, unsigned char *out)
{
    static const char hex[] = "0123456789abcdef";
    static const char from[] = "\b\f\n\r\t\"\\", to[] = "bfnrt\"\\";
    const char *known = c != 0 ? strchr(from, c) : NULL;

    out[0] = '\\';
    if (known != NULL) {
        out[1] = (unsigned char)to[known - from];
        return 2;
    }
    memcpy(out + 1, "u00", 3);
    out[4] = (unsigned char)hex[c >> 4];
    out[5] = (unsigned char)hex[c & 15];
    return 6;
}

/* Writes a string that may need escapes. */
static int
json_write_escaped(const struct ckpt_host *host, struct sdk_buffer *buffer,
                   const unsigned char *text, size_t size_bytes)
{
    unsigned char *out;
    size_t i, escapes = 0;
    int status;

    for (i = 0; i < size_bytes; i++)
        escapes += json_needs_escape(text[i]);
    status = sdk_buffer_reserve(host, buffer, size_bytes + 5 * escapes + 2);
    if (status != CKPT_OK)
        return status;
    out = buffer->data + buffer->size_bytes;
    *out++ = '"';
    for (i = 0; i < size_bytes; i++)
        if (json_needs_escape(text[i]))
            out += json_escape(text[i], out);
        else
            *out++ = text[i];
    *out++ = '"';
    buffer->size_bytes = (size_t)(out - buffer->data);
    return CKPT_OK;
}

int
sdk_json_write_string(const struct ckpt_host *host, struct sdk_buffer *buffer,
                      const void *text, size_t size_bytes)
{
    unsigned char *out;
    int status;

    if (size_bytes > SIZE_MAX / 16)
        return host->fail(host, CKPT_LIMIT, NULL, CKPT_NOWHERE,
                          "text for json that is too long");
    if (sdk_json_plain_bytes(text, size_bytes) < size_bytes) {
        if (!sdk_utf8_valid(text, size_bytes))
            return host->fail(host, CKPT_FORMAT, NULL, CKPT_NOWHERE,
                              "text for json that is not utf-8");
        return json_write_escaped(host, buffer, text, size_bytes);
    }
    status = sdk_buffer_reserve(host, buffer, size_bytes + 2);
    if (status != CKPT_OK)
        return status;
    out = buffer->data + buffer->size_bytes;
    out[0] = '"';
    if (size_bytes > 0)
        memcpy(out + 1, text, size_bytes);
    out[size_bytes + 1] = '"';
    buffer->size_bytes += size_bytes + 2;
    return CKPT_OK;
}

int
sdk_json_write_u64(const struct ckpt_host *host, struct sdk_buffer *buffer,
                   uint64_t value)
{
    char digits[20];
    size_t at = sizeof digits;

    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    return sdk_buffer_append(host, buffer, digits + at, sizeof digits - at);
}

int
sdk_json_write_i64(const struct ckpt_host *host, struct sdk_buffer *buffer,
                   int64_t value)
{
    int status = CKPT_OK;

    if (value >= 0)
        return sdk_json_write_u64(host, buffer, (uint64_t)value);
    status = sdk_json_write_raw(host, buffer, "-");
    if (status != CKPT_OK)
        return status;
    return sdk_json_write_u64(host, buffer, 0 - (uint64_t)value);
}

/* Turns the locale's point, which may be several bytes, into one dot. */
static void
json_set_point(char *text)
{
    const char *point = nl_langinfo(RADIXCHAR);
    size_t length = strlen(point);
    char *at = length > 0 ? strstr(text, point) : NULL;

    if (at != NULL) {
        *at = '.';
        memmove(at + 1, at + length, strlen(at + length) + 1);
    }
}

int
sdk_json_write_double(const struct ckpt_host *host, struct sdk_buffer *buffer,
                      double value)
{
    char text[64];
    int precision;

    if (!isfinite(value))
        return host->fail(host, CKPT_UNSUPPORTED, NULL, CKPT_NOWHERE,
                          "json has no %s", isnan(value) ? "nan" : "infinity");
    /* 17 digits tell every double from every other; fewer often do. */
    for (precision = 15; precision <= 17; precision++) {
        snprintf(text, sizeof text - 2, "%.*g", precision, value);
        if (strtod(text, NULL) == value)
            break;
    }
    json_set_point(text);
    if (strpbrk(text, ".e") == NULL)
        memcpy(text + strlen(text), ".0", 3);
    return sdk_json_write_raw(host, buffer, text);
}
