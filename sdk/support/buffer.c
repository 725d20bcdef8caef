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
    int length, status;

    va_start(arguments, format);
    length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (length < 0)
        return host->fail(host, CKPT_LIMIT, NULL, CKPT_NOWHERE,
                          "text of more than 2 GiB");
    status = sdk_buffer_reserve(host, buffer, (size_t)length + 1);
    if (status != CKPT_OK)
        return status;
    va_start(arguments, format);
    vsnprintf((char *)buffer->data + buffer->size_bytes, (size_t)length + 1,
              format, arguments);
    va_end(arguments);
    buffer->size_bytes += (size_t)length;
    return CKPT_OK;
}

void
sdk_buffer_fini(const struct ckpt_host *host, struct sdk_buffer *buffer)
{
    host->release(host, buffer->data);
    memset(buffer, 0, sizeof *buffer);
}
