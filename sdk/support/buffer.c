/* SPDX-License-Identifier: MIT
 *
 * The growing buffer. Growth doubles, so appending is cheap on the whole.
 */
#include "buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int
sdk_buffer_reserve(const struct ckpt_host *host, struct sdk_buffer *buffer,
                   size_t more)
{
    size_t wanted,
        capacity = buffer->capacity_bytes ? buffer->capacity_bytes : 256;
    unsigned char *data;

    if (more > SIZE_MAX / 2 - buffer->size_bytes)
        return host->fail(host, CKPT_LIMIT, NULL, CKPT_NOWHERE,
                          "a buffer of more than half the address space");
    wanted = buffer->size_bytes + more;
    if (wanted <= buffer->capacity_bytes)
        return CKPT_OK;
    while (capacity < wanted)
        capacity *= 2;
    data = host->reallocate(host, buffer->data, capacity);
    if (data == NULL)
        return CKPT_MEMORY;
    buffer->data = data;
    buffer->capacity_bytes = capacity;
    return CKPT_OK;
}

int
sdk_buffer_append(const struct ckpt_host *host, struct sdk_buffer *buffer,
                  const void *bytes, size_t size_bytes)
{
    int status = sdk_buffer_reserve(host, buffer, size_bytes);

    if (status != CKPT_OK)
        return status;
    if (size_bytes > 0)
        memcpy(buffer->data + buffer->size_bytes, bytes, size_bytes);
    buffer->size_bytes += size_bytes;
    return CKPT_OK;
}

int
sdk_buffer_printf(const struct ckpt_host *host, struct sdk_buffer *buffer,
                  const char *format, ...)
{
    va_list arguments;
    char text[512];
    int length;

    va_start(arguments, format);
    length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (length < 0 || (size_t)length >= sizeof text)
        return host->fail(host, CKPT_CONTRACT, NULL, CKPT_NOWHERE,
                          "formatted text of more than %zu bytes",
                          sizeof text - 1);
    return sdk_buffer_append(host, buffer, text, (size_t)length);
}

void
sdk_buffer_fini(const struct ckpt_host *host, struct sdk_buffer *buffer)
{
    host->release(host, buffer->data);
    memset(buffer, 0, sizeof *buffer);
}
