/* SPDX-License-Identifier: MIT
 *
 * Fields one after the other. All bytes are looked at through the window of
 * the source, and none that a field holds beyond its head.
 */
#include "onnx_wire.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "checked.h"
#include "endian.h"

#define TAG_BYTES_MAX 5
#define LENGTH_BYTES_MAX 5
#define VALUE_BYTES_MAX 10
#define COPY_BYTES_MAX 4096
#define CANCEL_STEP 4096 /* bytes, a power of two */

int
onnx_wire_fail(const struct onnx_wire *wire, int status, uint64_t byte,
               const char *format, ...)
{
    char text[200];
    va_list arguments;

    if (wire->silent)
        return status;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return wire->host->fail(wire->host, status, NULL, byte, "%s: %s",
                            wire->message->name, text);
}

void
onnx_wire_open(const struct ckpt_host *host, const struct ckpt_source *source,
               const struct onnx_message *message, struct onnx_wire *wire)
{
    *wire = (struct onnx_wire){.host = host,
                               .source = source,
                               .message = message,
                               .end = host->source_size(host, source)};
}

void
onnx_wire_again(const struct onnx_wire *wire, uint64_t offset,
                uint64_t size_bytes, uint32_t depth,
                const struct onnx_message *message, struct onnx_wire *inner)
{
    *inner = (struct onnx_wire){.host = wire->host,
                                .source = wire->source,
                                .message = message,
                                .at = offset,
                                .end = offset + size_bytes,
                                .depth = depth,
                                .silent = wire->silent};
}

int
onnx_wire_enter(const struct onnx_wire *wire, const struct onnx_field *field,
                const struct onnx_message *message, struct onnx_wire *inner)
{
    if (wire->depth + 1 >= ONNX_DEPTH_MAX)
        return onnx_wire_fail(wire, CKPT_FORMAT, field->tag_offset,
                              "more than %d messages within each other",
                              ONNX_DEPTH_MAX);
    onnx_wire_again(wire, field->offset, field->size_bytes, wire->depth + 1,
                    message, inner);
    return CKPT_OK;
}

int
onnx_wire_varint(const struct onnx_wire *wire, uint64_t *at, uint64_t end,
                 uint32_t most, uint64_t *value)
{
    uint64_t left = end - *at, result = 0;
    uint32_t wanted = left < most ? (uint32_t)left : most, i;
    struct ckpt_span span;
    int status =
        wire->host->source_peek(wire->host, wire->source, *at, wanted, &span);

    if (status != CKPT_OK)
        return status;
    for (i = 0; i < wanted; i++) {
        /* The tenth byte has room for one bit. */
        if (i == 9 && (span.data[i] & 0x7e) != 0)
            return onnx_wire_fail(wire, CKPT_FORMAT, *at,
                                  "a number of more than 64 bits");
        result |= (uint64_t)(span.data[i] & 0x7f) << (7 * i);
        if (span.data[i] < 0x80) {
            *at += i + 1;
            *value = result;
            return CKPT_OK;
        }
    }
    return onnx_wire_fail(wire, CKPT_FORMAT, *at,
                          wanted < most ? "a number that does not end"
                                        : "a number of too many bytes");
}

static int
read_fixed(struct onnx_wire *wire, struct onnx_field *field)
{
    uint32_t size = field->type == ONNX_FIXED32 ? 4 : 8;
    struct ckpt_span span;
    int status;

    if (wire->end - wire->at < size)
        return onnx_wire_fail(wire, CKPT_FORMAT, field->tag_offset,
                              "field %u does not end within it", field->number);
    status = wire->host->source_peek(wire->host, wire->source, wire->at, size,
                                     &span);
    if (status != CKPT_OK)
        return status;
    field->value =
        size == 4 ? sdk_load_le32(span.data) : sdk_load_le64(span.data);
    field->offset = wire->at;
    field->size_bytes = size;
    return CKPT_OK;
}

static int
read_content(struct onnx_wire *wire, struct onnx_field *field)
{
    uint64_t at = wire->at;
    int status;

    if (field->type == ONNX_FIXED32 || field->type == ONNX_FIXED64)
        return read_fixed(wire, field);
    status = onnx_wire_varint(wire, &at, wire->end,
                              field->type == ONNX_VARINT ? VALUE_BYTES_MAX
                                                         : LENGTH_BYTES_MAX,
                              &field->value);
    if (status != CKPT_OK)
        return status;
    field->offset = field->type == ONNX_VARINT ? wire->at : at;
    field->size_bytes =
        field->type == ONNX_VARINT ? at - wire->at : field->value;
    if (!sdk_within(field->offset, field->size_bytes, wire->end))
        return onnx_wire_fail(wire, CKPT_FORMAT, field->tag_offset,
                              "field %u has %llu bytes, %llu are left",
                              field->number, (unsigned long long)field->value,
                              (unsigned long long)(wire->end - at));
    return CKPT_OK;
}

static int
check_known(struct onnx_wire *wire, const struct onnx_field *field)
{
    const struct onnx_message *m = wire->message;
    uint64_t bit = field->number < 64 ? ONNX_BIT(field->number) : 0, fits;

    if (((m->varints | m->bytes | m->fixed32 | m->fixed64) & bit) == 0)
        return CKPT_OK;
    fits = field->type == ONNX_VARINT    ? m->varints
           : field->type == ONNX_BYTES   ? m->bytes
           : field->type == ONNX_FIXED32 ? m->fixed32
                                         : m->fixed64;
    if ((fits & bit) == 0)
        return onnx_wire_fail(wire, CKPT_FORMAT, field->tag_offset,
                              "field %u has the wire type %u", field->number,
                              field->type);
    if ((wire->seen & m->once & bit) != 0)
        return onnx_wire_fail(wire, CKPT_FORMAT, field->tag_offset,
                              "field %u comes twice", field->number);
    wire->seen |= bit;
    return CKPT_OK;
}

static int
read_tag(struct onnx_wire *wire, struct onnx_field *field)
{
    uint64_t tag;
    int status =
        onnx_wire_varint(wire, &wire->at, wire->end, TAG_BYTES_MAX, &tag);

    if (status != CKPT_OK)
        return status;
    field->number = (uint32_t)(tag >> 3);
    field->type = (uint32_t)(tag & 7);
    if (tag > UINT32_MAX || field->number == 0)
        return onnx_wire_fail(wire, CKPT_FORMAT, field->tag_offset,
                              "a field with an impossible number");
    if (field->type == 3 || field->type == 4)
        return onnx_wire_fail(wire, CKPT_FORMAT, field->tag_offset,
                              "field %u is a group", field->number);
    if (field->type > 5)
        return onnx_wire_fail(wire, CKPT_FORMAT, field->tag_offset,
                              "field %u has the wire type %u", field->number,
                              field->type);
    return CKPT_OK;
}

int
onnx_wire_next(struct onnx_wire *wire, struct onnx_field *field)
{
    int status;

    if (wire->at == wire->end)
        return CKPT_END;
    field->tag_offset = wire->at;
    status = read_tag(wire, field);
    if (status == CKPT_OK)
        status = read_content(wire, field);
    if (status == CKPT_OK)
        status = check_known(wire, field);
    if (status != CKPT_OK)
        return status;
    wire->at = field->offset + field->size_bytes;
    if (wire->at / CANCEL_STEP != field->tag_offset / CANCEL_STEP &&
        wire->host->cancelled(wire->host))
        return CKPT_CANCELLED;
    return CKPT_OK;
}

int
onnx_wire_copy(const struct onnx_wire *wire, uint64_t offset, void *to,
               size_t size_bytes)
{
    struct ckpt_span span;
    int status;

    if (size_bytes > COPY_BYTES_MAX)
        return wire->host->source_read(wire->host, wire->source, offset, to,
                                       size_bytes);
    status = wire->host->source_peek(wire->host, wire->source, offset,
                                     size_bytes, &span);
    if (status == CKPT_OK && size_bytes > 0)
        memcpy(to, span.data, size_bytes);
    return status;
}
