/* SPDX-License-Identifier: MIT
 *
 * Writing small messages; see the header.
 */
#include "onnx_put.h"

#include <string.h>

/* Types of a field on the wire. */
#define WIRE_VARINT 0
#define WIRE_BYTES 2
#define WIRE_FIXED32 5

size_t
onnx_varint_store(unsigned char *bytes, uint64_t number)
{
    size_t count = 0;

    for (; number >= 0x80; number >>= 7)
        bytes[count++] = (unsigned char)(number | 0x80);
    bytes[count++] = (unsigned char)number;
    return count;
}

void
onnx_put_raw(struct onnx_put *put, const void *bytes, size_t size_bytes)
{
    if (put->status == CKPT_OK)
        put->status =
            sdk_buffer_append(put->host, &put->buffer, bytes, size_bytes);
}

static void
put_varint(struct onnx_put *put, uint64_t number)
{
    unsigned char bytes[ONNX_VARINT_MAX];

    onnx_put_raw(put, bytes, onnx_varint_store(bytes, number));
}

static void
put_tag(struct onnx_put *put, uint32_t field, uint32_t wire)
{
    put_varint(put, (uint64_t)field << 3 | wire);
}

void
onnx_put_number(struct onnx_put *put, uint32_t field, uint64_t number)
{
    put_tag(put, field, WIRE_VARINT);
    put_varint(put, number);
}

void
onnx_put_fixed32(struct onnx_put *put, uint32_t field,
                 const unsigned char *bytes)
{
    put_tag(put, field, WIRE_FIXED32);
    onnx_put_raw(put, bytes, 4);
}

void
onnx_put_head(struct onnx_put *put, uint32_t field, uint64_t size_bytes)
{
    put_tag(put, field, WIRE_BYTES);
    put_varint(put, size_bytes);
}

void
onnx_put_text(struct onnx_put *put, uint32_t field, const char *data,
              size_t size_bytes)
{
    onnx_put_head(put, field, size_bytes);
    onnx_put_raw(put, data, size_bytes);
}

size_t
onnx_put_open(struct onnx_put *put, uint32_t field)
{
    put_tag(put, field, WIRE_BYTES);
    return put->buffer.size_bytes;
}

size_t
onnx_put_close(struct onnx_put *put, size_t place, uint64_t more)
{
    unsigned char bytes[ONNX_VARINT_MAX];
    size_t inner = put->buffer.size_bytes - place;
    size_t count = onnx_varint_store(bytes, inner + more);
    unsigned char *data;

    onnx_put_raw(put, bytes, count);
    if (put->status != CKPT_OK)
        return 0;
    data = put->buffer.data + place;
    memmove(data + count, data, inner);
    memcpy(data, bytes, count);
    return count;
}

void
onnx_put_pair(struct onnx_put *put, uint32_t field, const char *key,
              const char *value, size_t value_bytes)
{
    size_t place = onnx_put_open(put, field);

    onnx_put_text(put, 1, key, strlen(key));
    onnx_put_text(put, 2, value, value_bytes);
    onnx_put_close(put, place, 0);
}
