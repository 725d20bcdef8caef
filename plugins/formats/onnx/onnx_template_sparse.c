/* SPDX-License-Identifier: MIT
 *
 * Edits for one sparse tensor of a template. Its values are a tensor as any.
 * Its indices are [nnz, rank] there, and [rank, nnz] by the reader's names, so
 * they are turned round in memory.
 */
#include "endian.h"
#include "onnx_proto.h"
#include "onnx_template_private.h"

/* How many dimensions the whole has. */
static int
sparse_rank(struct onnx_templating *t, const struct onnx_item *item,
            uint32_t *rank)
{
    struct onnx_wire message;
    struct onnx_field part;
    uint64_t at, end, dim;
    int status;

    *rank = 0;
    onnx_wire_again(&t->wire, item->offset, item->size_bytes, item->depth,
                    &onnx_sparse_message, &message);
    while ((status = onnx_wire_next(&message, &part)) == CKPT_OK) {
        at = part.offset;
        end = at + part.size_bytes;
        if (part.number != ONNX_SPARSE_DIMS)
            continue;
        for (; at < end && status == CKPT_OK; ++*rank)
            status = onnx_wire_varint(&message, &at, end, 10, &dim);
        if (status != CKPT_OK)
            break;
    }
    return status == CKPT_END ? CKPT_OK
                              : onnx_template_blame(t, status, item->name);
}

/* Appends the indices to the texts of the splice, [columns, rows] as
 * [rows, columns]. */
static int
indices_put(struct onnx_templating *t, const struct ckpt_tensor *tensor,
            uint64_t rows, uint64_t columns)
{
    unsigned char *bytes =
        t->host->allocate(t->host, (size_t)tensor->size_bytes + 1);
    uint64_t row, column;
    int status;

    if (bytes == NULL)
        return CKPT_MEMORY;
    status = t->host->tensor_read(t->host, tensor, bytes);
    onnx_put_head(&t->splice.put, ONNX_TENSOR_RAW, tensor->size_bytes);
    for (row = 0; row < rows && status == CKPT_OK; row++)
        for (column = 0; column < columns; column++)
            onnx_put_raw(&t->splice.put,
                         bytes + 8 * (size_t)(column * rows + row), 8);
    t->host->release(t->host, bytes);
    return status == CKPT_OK ? t->splice.put.status : status;
}

static int
sparse_indices(struct onnx_templating *t, const struct onnx_item *item,
               const struct onnx_field *part, uint32_t rank,
               const struct ckpt_entry *entry)
{
    size_t text = t->splice.put.buffer.size_bytes;
    struct onnx_tensor tensor;
    struct onnx_wire message;
    uint64_t shape[2];
    bool linear;
    int status = onnx_tensor_read(&t->wire, item->name, part->offset,
                                  part->size_bytes, item->depth + 1, &tensor);

    if (status != CKPT_OK)
        return onnx_template_blame(t, status, item->name);
    if (tensor.rank == 0 || tensor.rank > 2)
        return t->host->fail(t->host, CKPT_FORMAT, item->name, part->offset,
                             "in the template: a sparse tensor whose values "
                             "and indices do not fit each other");
    linear = tensor.rank == 1 && rank != 1;
    shape[0] = linear             ? tensor.shape[0]
               : tensor.rank == 2 ? tensor.shape[1]
                                  : 1;
    shape[1] = tensor.shape[0];
    status =
        onnx_template_compare(t, entry, tensor.dtype, linear ? 1 : 2, shape);
    if (status != CKPT_OK || tensor.data_bytes == 0)
        return status;
    status = linear
                 ? indices_put(t, entry->value->as.tensor, shape[0], 1)
                 : indices_put(t, entry->value->as.tensor, shape[1], shape[0]);
    onnx_wire_again(&t->wire, tensor.offset, tensor.size_bytes, tensor.depth,
                    &onnx_tensor_message, &message);
    return status == CKPT_OK
               ? onnx_template_replace(t, &message, onnx_value_fields, text,
                                       NULL, entry->name.data)
               : status;
}

int
onnx_template_sparse(struct onnx_templating *t, const struct onnx_item *item,
                     const struct onnx_given *given)
{
    const struct ckpt_entry *values = given->entry;
    struct onnx_wire message;
    struct onnx_field part;
    uint32_t rank = 0;
    int status = sparse_rank(t, item, &rank);

    if (status != CKPT_OK)
        return status;
    onnx_wire_again(&t->wire, item->offset, item->size_bytes, item->depth,
                    &onnx_sparse_message, &message);
    while ((status = onnx_wire_next(&message, &part)) == CKPT_OK) {
        if (part.number == ONNX_SPARSE_INDICES && given->indices != NULL)
            status = sparse_indices(t, item, &part, rank, given->indices);
        else if (part.number == ONNX_SPARSE_VALUES ||
                 part.number == ONNX_SPARSE_INDICES)
            status = onnx_template_tensor(
                t, item, part.offset, part.size_bytes, item->depth + 1,
                part.number == ONNX_SPARSE_VALUES ? values : NULL);
        if (status != CKPT_OK)
            return status;
    }
    return status == CKPT_END ? CKPT_OK
                              : onnx_template_blame(t, status, item->name);
}
