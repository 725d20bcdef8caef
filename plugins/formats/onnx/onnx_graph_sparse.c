/* SPDX-License-Identifier: MIT
 *
 * A sparse tensor is a map as torch's sparse tensors are, so that it becomes
 * one:
 *
 *   torch.sparse_coo   indices [rank, nnz], values, size, is_coalesced
 *
 * ONNX keeps indices as [nnz, rank], which is the same bytes seen the other
 * way. Where it keeps one number for each element of several dimensions, the
 * map has no type, and indices are those numbers.
 */
#include "onnx_build.h"

#include "checked.h"
#include "onnx_proto.h"

#define SPARSE_TYPE "torch.sparse_coo"

struct sparse {
    struct onnx_tensor values, indices;
    uint64_t dims[CKPT_MAX_RANK];
    uint32_t rank;
    bool has_values, has_indices;
};

static int
fail_sparse(const struct onnx_build *b, const struct onnx_item *item,
            const char *what)
{
    return b->host->fail(b->host, CKPT_FORMAT, item->name, item->offset,
                         "a sparse tensor %s", what);
}

static int
add_dims(const struct onnx_build *b, const struct onnx_item *item,
         const struct onnx_wire *wire, const struct onnx_field *field,
         struct sparse *sparse)
{
    uint64_t at = field->offset, end = at + field->size_bytes, dim;
    int status = CKPT_OK;

    while (status == CKPT_OK && at < end) {
        status = onnx_wire_varint(wire, &at, end, 10, &dim);
        if (status != CKPT_OK)
            return status;
        if (dim > INT64_MAX || sparse->rank == CKPT_MAX_RANK)
            return fail_sparse(b, item,
                               "with a negative dimension, or more than 64");
        sparse->dims[sparse->rank++] = dim;
    }
    return status;
}

static int
read_sparse(const struct onnx_build *b, const struct onnx_item *item,
            struct sparse *sparse)
{
    struct onnx_field part;
    struct onnx_wire wire;
    int status;

    onnx_wire_again(&b->wire, item->offset, item->size_bytes, item->depth,
                    &onnx_sparse_message, &wire);
    while ((status = onnx_wire_next(&wire, &part)) == CKPT_OK) {
        if (part.number == ONNX_SPARSE_DIMS)
            status = add_dims(b, item, &wire, &part, sparse);
        if (part.number == ONNX_SPARSE_VALUES)
            status = onnx_tensor_read(&wire, item->name, part.offset,
                                      part.size_bytes, item->depth + 1,
                                      &sparse->values);
        if (part.number == ONNX_SPARSE_INDICES)
            status = onnx_tensor_read(&wire, item->name, part.offset,
                                      part.size_bytes, item->depth + 1,
                                      &sparse->indices);
        if (status != CKPT_OK)
            return status;
    }
    sparse->has_values = (wire.seen & ONNX_BIT(ONNX_SPARSE_VALUES)) != 0;
    sparse->has_indices = (wire.seen & ONNX_BIT(ONNX_SPARSE_INDICES)) != 0;
    return status == CKPT_END ? CKPT_OK : status;
}

static int
check_sparse(const struct onnx_build *b, const struct onnx_item *item,
             const struct sparse *s)
{
    uint64_t all = 1;
    uint32_t i;

    if (!s->has_values || !s->has_indices)
        return fail_sparse(b, item, "without values or indices");
    if (s->rank == 0)
        return fail_sparse(b, item, "without dimensions");
    if (s->values.rank != 1 || s->indices.dtype != CKPT_INT64 ||
        s->indices.rank < 1 || s->indices.rank > 2 ||
        s->indices.shape[0] != s->values.shape[0] ||
        (s->indices.rank == 2 && s->indices.shape[1] != s->rank))
        return fail_sparse(b, item,
                           "whose values and indices do not fit each other");
    for (i = 0; i < s->rank; i++)
        if (!sdk_mul_u64(all, s->dims[i], &all))
            return fail_sparse(b, item, "whose dimensions overflow");
    if (s->values.shape[0] > all)
        return fail_sparse(b, item, "of more values than it has elements");
    return CKPT_OK;
}

/* Indices as torch has them, [rank, nnz]; linear ones as they are. */
static int
new_indices(const struct onnx_build *b, const struct sparse *s,
            struct ckpt_value **value)
{
    uint64_t count = s->values.shape[0];
    uint64_t shape[2] = {s->rank, count}, strides[2] = {1, s->rank};
    struct ckpt_tensor like = {
        .dtype = CKPT_INT64, .rank = 2, .shape = shape, .strides = strides};
    int status;

    if (s->indices.rank == 1 && s->rank > 1)
        return onnx_new_tensor(b, &s->indices, value);
    status = onnx_tensor_storage(b, &s->indices, &like.storage);
    return status == CKPT_OK
               ? b->host->tensor_new(b->host, b->graph, &like, sizeof like,
                                     s->indices.label, value)
               : status;
}

static int
new_size(const struct onnx_build *b, const struct sparse *s,
         struct ckpt_value **value)
{
    struct ckpt_value like = {.kind = CKPT_KIND_SIZE}, *made, *item;
    uint32_t i;
    int status =
        b->host->value_new(b->host, b->graph, &like, sizeof like, &made);

    for (i = 0; i < s->rank && status == CKPT_OK; i++) {
        status = onnx_new_integer(b, s->dims[i], &item);
        if (status == CKPT_OK)
            status = b->host->list_add(b->host, b->graph, made, item);
    }
    if (status == CKPT_OK)
        *value = made;
    return status;
}

static int
fill_sparse(const struct onnx_build *b, const struct sparse *s,
            struct ckpt_value *map)
{
    struct ckpt_value *value, truth = {.kind = CKPT_KIND_BOOL}, *coalesced;
    int status = new_indices(b, s, &value);

    if (status == CKPT_OK)
        status = onnx_put(b, map, "indices", 7, value);
    if (status == CKPT_OK)
        status = onnx_new_tensor(b, &s->values, &value);
    if (status == CKPT_OK)
        status = onnx_put(b, map, "values", 6, value);
    if (status == CKPT_OK)
        status = new_size(b, s, &value);
    if (status == CKPT_OK)
        status = onnx_put(b, map, "size", 4, value);
    /* The format asks for ascending indices, each once. */
    truth.as.truth = true;
    if (status == CKPT_OK)
        status = b->host->value_new(b->host, b->graph, &truth, sizeof truth,
                                    &coalesced);
    return status == CKPT_OK ? onnx_put(b, map, "is_coalesced", 12, coalesced)
                             : status;
}

int
onnx_build_sparse(const struct onnx_build *b, const struct onnx_item *item,
                  struct ckpt_value **value)
{
    struct ckpt_value like = {.kind = CKPT_KIND_MAP}, *map;
    struct sparse *s = b->host->allocate(b->host, sizeof *s);
    int status;

    if (s == NULL)
        return CKPT_MEMORY;
    status = read_sparse(b, item, s);
    if (status == CKPT_OK)
        status = check_sparse(b, item, s);
    if (status == CKPT_OK && (s->indices.rank == 2 || s->rank == 1))
        like.type_name = SPARSE_TYPE;
    if (status == CKPT_OK)
        status =
            b->host->value_new(b->host, b->graph, &like, sizeof like, &map);
    if (status == CKPT_OK)
        status = fill_sparse(b, s, map);
    b->host->release(b->host, s);
    if (status == CKPT_OK)
        *value = map;
    return status;
}
