/* SPDX-License-Identifier: MIT
 *
 * Edits for the numbers that a node has without a tensor around them: f and i,
 * one each, and floats and ints, a list.
 */
#include "endian.h"
#include "onnx_proto.h"
#include "onnx_template_private.h"

struct number_kind {
    uint32_t field, dtype, item_bytes;
    bool list;
};

static bool
numbers_kind(uint32_t item_kind, struct number_kind *kind)
{
    static const struct number_kind kinds[] = {
        [ONNX_ITEM_FLOAT] = {ONNX_ATTRIBUTE_F, CKPT_FLOAT32, 4, false},
        [ONNX_ITEM_INT] = {ONNX_ATTRIBUTE_I, CKPT_INT64, 8, false},
        [ONNX_ITEM_FLOATS] = {ONNX_ATTRIBUTE_FLOATS, CKPT_FLOAT32, 4, true},
        [ONNX_ITEM_INTS] = {ONNX_ATTRIBUTE_INTS, CKPT_INT64, 8, true},
    };

    if (item_kind >= sizeof kinds / sizeof *kinds ||
        kinds[item_kind].field == 0)
        return false;
    *kind = kinds[item_kind];
    return true;
}

static void
numbers_open(const struct onnx_templating *t, const struct onnx_item *item,
             struct onnx_wire *message)
{
    onnx_wire_again(&t->wire, item->offset, item->size_bytes, item->depth,
                    &onnx_attribute_message, message);
}

/* How many numbers a field holds; more than one if they are packed. */
static int
numbers_in_field(struct onnx_wire *message, const struct onnx_field *field,
                 uint64_t *count)
{
    uint64_t at = field->offset, end = at + field->size_bytes, number;
    int status = CKPT_OK;

    if (field->type != ONNX_BYTES) {
        ++*count;
        return CKPT_OK;
    }
    if (field->number == ONNX_ATTRIBUTE_FLOATS) {
        *count += field->size_bytes / 4;
        return CKPT_OK;
    }
    for (; at < end && status == CKPT_OK; ++*count)
        status = onnx_wire_varint(message, &at, end, 10, &number);
    return status;
}

static int
numbers_count(struct onnx_templating *t, const struct onnx_item *item,
              const struct number_kind *kind, uint64_t *count)
{
    struct onnx_wire message;
    struct onnx_field field;
    int status;

    *count = 0;
    numbers_open(t, item, &message);
    while ((status = onnx_wire_next(&message, &field)) == CKPT_OK) {
        if (field.number == kind->field)
            status = numbers_in_field(&message, &field, count);
        if (status != CKPT_OK)
            break;
    }
    return status == CKPT_END ? CKPT_OK
                              : onnx_template_blame(t, status, item->name);
}

/* Writes the new numbers behind the texts of the splice. */
static int
numbers_put(struct onnx_templating *t, const struct number_kind *kind,
            const struct ckpt_tensor *tensor)
{
    unsigned char *bytes =
        t->host->allocate(t->host, (size_t)tensor->size_bytes + 1);
    size_t at;
    int status;

    if (bytes == NULL)
        return CKPT_MEMORY;
    status = t->host->tensor_read(t->host, tensor, bytes);
    for (at = 0; status == CKPT_OK && at < tensor->size_bytes;
         at += kind->item_bytes) {
        if (kind->item_bytes == 4)
            onnx_put_fixed32(&t->splice.put, kind->field, bytes + at);
        else
            onnx_put_number(&t->splice.put, kind->field,
                            sdk_load_le64(bytes + at));
    }
    t->host->release(t->host, bytes);
    return status == CKPT_OK ? t->splice.put.status : status;
}

/* Numbers that may be weights are counted, if they get no new values. */
static int
numbers_keep(struct onnx_templating *t, const struct onnx_item *item)
{
    struct number_kind kind;
    uint64_t count = 0;
    int status = CKPT_OK;

    if (item->kind != ONNX_ITEM_FLOATS || !numbers_kind(item->kind, &kind))
        return CKPT_OK;
    status = numbers_count(t, item, &kind, &count);
    if (count > 1 && t->kept_count++ == 0)
        t->kept = item->name;
    return status;
}

int
onnx_template_numbers(struct onnx_templating *t, const struct onnx_item *item,
                      const struct ckpt_entry *entry)
{
    size_t text = t->splice.put.buffer.size_bytes;
    const struct ckpt_tensor *tensor;
    struct onnx_wire message;
    struct number_kind kind;
    uint64_t count = 0;
    int status;

    if (entry == NULL)
        return numbers_keep(t, item);
    tensor = entry->value->as.tensor;
    if (!numbers_kind(item->kind, &kind))
        return t->host->fail(t->host, CKPT_UNSUPPORTED, entry->name.data,
                             CKPT_NOWHERE, "the template has strings there");
    status = numbers_count(t, item, &kind, &count);
    if (!kind.list)
        count = 1; /* a zero may have been left out */
    if (status == CKPT_OK)
        status = onnx_template_compare(t, entry, kind.dtype, kind.list, &count);
    if (status == CKPT_OK)
        status = numbers_put(t, &kind, tensor);
    if (status != CKPT_OK || count == 0)
        return status;
    numbers_open(t, item, &message);
    return onnx_template_replace(t, &message, ONNX_BIT(kind.field), text, NULL,
                                 entry->name.data);
}
