/* SPDX-License-Identifier: MIT
 *
 * The cursor over typed fields. Packed runs and single numbers may take turns,
 * and all are one sequence. Only here is each number looked at, and counted.
 */
#include "onnx_numbers.h"

#include <string.h>

#include "endian.h"
#include "onnx_proto.h"

#define WINDOW_BYTES ((size_t)64 << 10)

struct cursor {
    const struct onnx_coded *coded;
    struct onnx_wire wire;
    uint64_t at, end;         /* what is left of a packed run */
    uint64_t left;            /* numbers that are still to come */
    uint32_t pool, pool_bits; /* those of a byte that is not full */
    size_t room;
    unsigned char window[];
};

int
onnx_coded_add(const struct ckpt_host *host, struct onnx_coded_list *list,
               const struct onnx_coded *like, uint64_t *key)
{
    size_t wanted = list->capacity == 0 ? 64 : list->capacity * 2;
    struct onnx_coded *all = list->all;

    if (list->count == list->capacity) {
        all = host->reallocate(host, all, wanted * sizeof *all);
        if (all == NULL)
            return CKPT_MEMORY;
        list->all = all;
        list->capacity = wanted;
    }
    *key = list->count;
    list->all[list->count++] = *like;
    return CKPT_OK;
}

int
onnx_cursor_open(const struct ckpt_host *host, const struct ckpt_source *source,
                 const struct onnx_coded *coded, void **cursor)
{
    size_t room = coded->data_bytes < WINDOW_BYTES ? (size_t)coded->data_bytes
                                                   : WINDOW_BYTES;
    /* The last number may fill one byte and begin another. */
    struct cursor *made = host->allocate(host, sizeof *made + room + 1);

    if (made == NULL)
        return CKPT_MEMORY;
    made->coded = coded;
    made->room = room;
    made->left = coded->count;
    made->wire.host = host;
    made->wire.source = source;
    onnx_wire_again(
        &made->wire, coded->offset, coded->message_bytes, coded->depth,
        coded->attribute ? &onnx_attribute_message : &onnx_tensor_message,
        &made->wire);
    *cursor = made;
    return CKPT_OK;
}

/* Moves to the next field that has numbers. CKPT_END behind the last one. */
static int
next_field(struct cursor *c, struct onnx_field *field)
{
    int status;

    do {
        status = onnx_wire_next(&c->wire, field);
    } while (status == CKPT_OK &&
             (field->number != c->coded->typed.field ||
              (field->type == ONNX_BYTES && field->size_bytes == 0)));
    if (status == CKPT_OK && field->type == ONNX_BYTES) {
        c->at = field->offset;
        c->end = field->offset + field->size_bytes;
    }
    return status;
}

static bool
is_fixed(const struct onnx_typed *typed)
{
    return typed->least == 0 && typed->most == 0;
}

static int
read_packed_fixed(struct cursor *c, uint64_t *value, uint64_t byte)
{
    uint32_t size = c->coded->typed.item_bytes;
    struct ckpt_span span;
    int status;

    if (c->end - byte < size)
        return c->wire.host->fail(c->wire.host, CKPT_FORMAT, c->coded->label,
                                  byte, "a part of a value");
    status = c->wire.host->source_peek(c->wire.host, c->wire.source, byte, size,
                                       &span);
    if (status != CKPT_OK)
        return status;
    *value = size == 4 ? sdk_load_le32(span.data) : sdk_load_le64(span.data);
    c->at += size;
    return CKPT_OK;
}

static int
next_number(struct cursor *c, uint64_t *value)
{
    const struct onnx_typed *typed = &c->coded->typed;
    struct onnx_field field;
    uint64_t byte = c->at;
    int status = CKPT_OK;

    if (c->at == c->end) {
        status = next_field(c, &field);
        byte = field.offset;
        *value = field.value;
    }
    if (status == CKPT_OK && c->at < c->end)
        status = is_fixed(typed)
                     ? read_packed_fixed(c, value, c->at)
                     : onnx_wire_varint(&c->wire, &c->at, c->end, 10, value);
    if (status != CKPT_OK || is_fixed(typed))
        return status;
    if ((int64_t)*value < typed->least || (int64_t)*value > typed->most)
        return c->wire.host->fail(c->wire.host, CKPT_FORMAT, c->coded->label,
                                  byte, "%lld, which its data type cannot hold",
                                  (long long)*value);
    return CKPT_OK;
}

/* Bits behind each other, the first in the lowest; the last byte is filled up
 * with zeros. */
static size_t
store_bits(struct cursor *c, unsigned char *to, uint64_t value)
{
    size_t made = 0;

    c->pool |= (uint32_t)value << c->pool_bits;
    c->pool_bits += c->coded->typed.bits;
    while (c->pool_bits >= 8 || (c->left == 0 && c->pool_bits > 0)) {
        to[made++] = (unsigned char)c->pool;
        c->pool >>= 8;
        c->pool_bits -= c->pool_bits < 8 ? c->pool_bits : 8;
    }
    return made;
}

/* Gives how many bytes that made. */
static size_t
store(struct cursor *c, unsigned char *to, uint64_t value)
{
    uint32_t i, size = c->coded->typed.item_bytes;

    if (c->coded->typed.bits > 0)
        return store_bits(c, to, value);
    for (i = 0; i < size; i++)
        to[i] = (unsigned char)(value >> (8 * i));
    return size;
}

static int
fail_count(const struct cursor *c, const char *what)
{
    return c->wire.host->fail(c->wire.host, CKPT_FORMAT, c->coded->label,
                              c->coded->offset, "%s values than its shape has",
                              what);
}

int
onnx_cursor_next(const struct ckpt_host *host, void *cursor,
                 struct ckpt_span *span)
{
    struct cursor *c = cursor;
    uint32_t size = c->coded->typed.item_bytes;
    uint64_t value;
    size_t filled = 0;
    int status = CKPT_OK;

    if (host->cancelled(host))
        return CKPT_CANCELLED;
    while (filled + size <= c->room && c->left > 0) {
        status = next_number(c, &value);
        if (status != CKPT_OK)
            return status == CKPT_END ? fail_count(c, "fewer") : status;
        c->left--;
        filled += store(c, c->window + filled, value);
    }
    if (c->left == 0) {
        status = next_number(c, &value);
        if (status == CKPT_OK)
            return fail_count(c, "more");
    }
    if (status < CKPT_OK || filled == 0)
        return status;
    span->data = c->window;
    span->size_bytes = filled;
    return CKPT_OK;
}

void
onnx_cursor_close(const struct ckpt_host *host, void *cursor)
{
    host->release(host, cursor);
}
