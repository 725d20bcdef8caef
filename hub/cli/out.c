/* SPDX-License-Identifier: MIT
 *
 * The output buffer. It knows numbers and bytes; escaping is escape.c, JSON
 * is json_out.c.
 */
#include "out.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OUT_BUFFER_BYTES 65536

void
cli_out_init(struct cli_out *out, int fd)
{
    memset(out, 0, sizeof *out);
    out->fd = fd;
    out->terminal = fd >= 0 && isatty(fd) == 1;
}

void
cli_out_fini(struct cli_out *out)
{
    free(out->data);
    out->data = NULL;
    out->size_bytes = out->capacity_bytes = 0;
}

static void
out_write(struct cli_out *out, const char *data, size_t size_bytes)
{
    ssize_t written;

    while (out->error == 0 && size_bytes > 0) {
        written = write(out->fd, data, size_bytes);
        if (written >= 0) {
            data += written;
            size_bytes -= (size_t)written;
        } else if (errno != EINTR) {
            out->error = errno;
        }
    }
}

int
cli_out_flush(struct cli_out *out)
{
    if (out->fd >= 0) {
        out_write(out, out->data, out->size_bytes);
        out->size_bytes = 0;
    }
    return out->error;
}

static void
out_grow(struct cli_out *out, size_t more)
{
    size_t capacity = out->capacity_bytes ? out->capacity_bytes : 256;
    char *data;

    if (out->fd >= 0)
        capacity = OUT_BUFFER_BYTES;
    while (capacity - out->size_bytes < more) {
        if (capacity > SIZE_MAX / 4) {
            out->error = ENOMEM;
            return;
        }
        capacity *= 2;
    }
    data = realloc(out->data, capacity);
    if (data == NULL) {
        out->error = ENOMEM;
        return;
    }
    out->data = data;
    out->capacity_bytes = capacity;
}

static bool
out_make_room(struct cli_out *out, size_t more)
{
    if (out->error != 0)
        return false;
    if (out->fd >= 0 && out->data != NULL)
        cli_out_flush(out);
    else
        out_grow(out, more);
    return out->error == 0;
}

/* Makes room for a few bytes: at most half the buffer of a descriptor. */
static inline bool
out_room(struct cli_out *out, size_t more)
{
    return (out->capacity_bytes - out->size_bytes >= more && out->error == 0) ||
           out_make_room(out, more);
}

void
cli_out_bytes(struct cli_out *out, const void *bytes, size_t size_bytes)
{
    if (out->fd >= 0 && size_bytes > OUT_BUFFER_BYTES / 2) {
        cli_out_flush(out);
        out_write(out, bytes, size_bytes);
        return;
    }
    if (size_bytes == 0 || !out_room(out, size_bytes))
        return;
    memcpy(out->data + out->size_bytes, bytes, size_bytes);
    out->size_bytes += size_bytes;
}

void
cli_out_char(struct cli_out *out, char c)
{
    if (out_room(out, 1))
        out->data[out->size_bytes++] = c;
}

void
cli_out_string(struct cli_out *out, const char *text)
{
    cli_out_bytes(out, text, strlen(text));
}

void
cli_out_u64(struct cli_out *out, uint64_t number)
{
    char digits[20];
    size_t at = sizeof digits;

    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    cli_out_bytes(out, digits + at, sizeof digits - at);
}

void
cli_out_i64(struct cli_out *out, int64_t number)
{
    if (number < 0)
        cli_out_char(out, '-');
    cli_out_u64(out, number < 0 ? -(uint64_t)number : (uint64_t)number);
}

void
cli_out_hex(struct cli_out *out, const void *bytes, size_t size_bytes)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *p = bytes;
    size_t i;

    for (i = 0; i < size_bytes; i++) {
        cli_out_char(out, digits[p[i] >> 4]);
        cli_out_char(out, digits[p[i] & 15]);
    }
}

void
cli_out_base64(struct cli_out *out, const void *bytes, size_t size_bytes)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                 "abcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *p = bytes;
    uint32_t group;
    size_t i, left;

    for (i = 0; i < size_bytes; i += 3) {
        left = size_bytes - i;
        group = (uint32_t)p[i] << 16;
        if (left > 1)
            group |= (uint32_t)p[i + 1] << 8;
        if (left > 2)
            group |= p[i + 2];
        cli_out_char(out, digits[group >> 18]);
        cli_out_char(out, digits[group >> 12 & 63]);
        cli_out_char(out, left > 1 ? digits[group >> 6 & 63] : '=');
        cli_out_char(out, left > 2 ? digits[group & 63] : '=');
    }
}

void
cli_out_fill(struct cli_out *out, char c, size_t count)
{
    while (count-- > 0)
        cli_out_char(out, c);
}

void
cli_out_double(struct cli_out *out, double number)
{
    char text[40];
    int digits;

    if (isnan(number)) {
        cli_out_string(out, "nan");
        return;
    }
    if (isinf(number)) {
        cli_out_string(out, number < 0 ? "-inf" : "inf");
        return;
    }
    for (digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, number);
        if (strtod(text, NULL) == number)
            break;
    }
    cli_out_string(out, text);
    if (strpbrk(text, ".e") == NULL)
        cli_out_string(out, ".0");
}

void
cli_out_size(struct cli_out *out, uint64_t size_bytes)
{
    static const char *const units[] = {"kB", "MB", "GB", "TB", "PB", "EB"};
    double size = (double)size_bytes / 1000;
    char text[40];
    size_t unit = 0;

    if (size_bytes < 10000) {
        cli_out_u64(out, size_bytes);
        cli_out_string(out, size_bytes == 1 ? " byte" : " bytes");
        return;
    }
    while (size >= 999.95) {
        size /= 1000;
        unit++;
    }
    snprintf(text, sizeof text, "%.1f %s", size, units[unit]);
    cli_out_string(out, text);
}

const char *
cli_out_text(struct cli_out *out)
{
    if (!out_room(out, 1))
        return "";
    out->data[out->size_bytes] = '\0';
    return out->data;
}

void
cli_out_clear(struct cli_out *out)
{
    out->size_bytes = 0;
    out->error = 0;
}
