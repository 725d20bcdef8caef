/* SPDX-License-Identifier: MIT
 *
 * The numbers that a Constant node may have instead of a tensor.
 */
#include "onnx_build.h"

#include "onnx_proto.h"
#include "onnx_types.h"

static const struct constant {
    uint32_t field, dtype;
    bool list;
} constants[] = {
    [ONNX_ITEM_FLOAT] = {ONNX_ATTRIBUTE_F, CKPT_FLOAT32, false},
    [ONNX_ITEM_INT] = {ONNX_ATTRIBUTE_I, CKPT_INT64, false},
    [ONNX_ITEM_FLOATS] = {ONNX_ATTRIBUTE_FLOATS, CKPT_FLOAT32, true},
    [ONNX_ITEM_INTS] = {ONNX_ATTRIBUTE_INTS, CKPT_INT64, true},
};

/* How many varints a run of them holds. */
static int
count_packed(const struct onnx_wire *wire, const struct onnx_field *field,
             uint64_t *count)
{
    uint64_t at = field->offset, end = at + field->size_bytes, value;
    int status = CKPT_OK;

    while (status == CKPT_OK && at < end) {
        status = onnx_wire_varint(wire, &at, end, 10, &value);
        if (++*count % 65536 == 0 && wire->host->cancelled(wire->host))
            return CKPT_CANCELLED;
    }
    return status;
}

static int
count_numbers(const struct onnx_build *b, const struct onnx_item *item,
              const struct constant *constant, struct onnx_numbers *numbers,
              uint64_t *count)
{
    struct onnx_field part;
    struct onnx_wire wire;
    int status;

    onnx_wire_again(&b->wire, item->offset, item->size_bytes, item->depth,
                    &onnx_attribute_message, &wire);
    while ((status = onnx_wire_next(&wire, &part)) == CKPT_OK) {
        if (part.number != constant->field || part.size_bytes == 0)
            continue;
        onnx_numbers_add(numbers, &part);
        if (constant->dtype == CKPT_FLOAT32)
            *count = numbers->data_bytes / 4;
        else if (part.type == ONNX_VARINT)
            ++*count;
        else
            status = count_packed(&wire, &part, count);
        if (status != CKPT_OK)
            return status;
    }
    if (constant->dtype == CKPT_FLOAT32 && numbers->data_bytes % 4 != 0)
        return b->host->fail(b->host, CKPT_FORMAT, item->name, numbers->offset,
                             "a part of a value");
    return status == CKPT_END ? CKPT_OK : status;
}

/* A zero that was left out, as proto3 does. */
static int
zero_storage(const struct onnx_build *b, uint32_t dtype,
             const struct ckpt_storage **storage)
{
    static const unsigned char zero[8];
    struct ckpt_storage like = {.place = CKPT_PLACE_OWNED,
                                .data = zero,
                                .size_bytes = ckpt_dtype_width_bits(dtype) / 8,
                                .word_bytes = ckpt_dtype_word_bytes(dtype)};

    return b->host->storage_new(b->host, b->graph, &like, sizeof like, storage);
}

static int
number_storage(const struct onnx_build *b, const struct onnx_item *item,
               const struct constant *constant,
               const struct onnx_numbers *numbers, uint64_t count,
               const struct ckpt_storage **storage)
{
    struct onnx_coded coded = {.offset = item->offset,
                               .message_bytes = item->size_bytes,
                               .depth = item->depth,
                               .attribute = true,
                               .typed =
                                   onnx_type_of_dtype(constant->dtype)->typed,
                               .label = item->name};

    if (numbers->field == 0 && !constant->list)
        return zero_storage(b, constant->dtype, storage);
    if (numbers->field == 0 || onnx_lies_there(numbers, &coded.typed))
        return onnx_span_storage(b, constant->dtype,
                                 numbers->field == 0 ? item->offset
                                                     : numbers->offset,
                                 numbers->data_bytes, storage);
    coded.typed.field = constant->field;
    coded.count = count;
    coded.data_bytes = count * coded.typed.item_bytes;
    return onnx_coded_storage(b, &coded, constant->dtype, storage);
}

int
onnx_build_numbers(const struct onnx_build *b, const struct onnx_item *item,
                   struct ckpt_value **value)
{
    const struct constant *constant = &constants[item->kind];
    struct onnx_numbers numbers = {.field = 0};
    uint64_t count = 0;
    struct ckpt_tensor like = {.dtype = constant->dtype,
                               .rank = constant->list ? 1 : 0,
                               .shape = &count};
    int status = count_numbers(b, item, constant, &numbers, &count);

    if (status == CKPT_OK)
        status =
            number_storage(b, item, constant, &numbers, count, &like.storage);
    return status == CKPT_OK
               ? b->host->tensor_new(b->host, b->graph, &like, sizeof like,
                                     item->name, value)
               : status;
}
