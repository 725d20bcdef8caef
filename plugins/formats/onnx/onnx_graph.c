/* SPDX-License-Identifier: MIT
 *
 * Builds the graph: one map, first with the initialisers of the model's own
 * graph, then with all else in the order of the file. A sparse tensor is a map
 * as torch's sparse tensors are, so that it becomes one:
 *
 *   torch.sparse_coo   indices [rank, nnz], values, size, is_coalesced
 *
 * ONNX keeps indices as [nnz, rank], which is the same bytes seen the other
 * way. Where it keeps one number for each element of several dimensions, the
 * map has no type, and indices are those numbers.
 */
#include "onnx_graph.h"

#include <string.h>

#include "checked.h"
#include "onnx_attributes.h"
#include "onnx_proto.h"

#define SPARSE_TYPE "torch.sparse_coo"

struct build {
    const struct ckpt_host *host;
    struct onnx *onnx;
    struct ckpt_graph *graph;
    struct onnx_wire wire; /* any of the source, to begin others with */
    struct ckpt_value *root;
};

/* ---- Values ---- */

static int
new_text(const struct build *b, const char *text, size_t size_bytes,
         struct ckpt_value **value)
{
    struct ckpt_value like = {.kind = CKPT_KIND_STRING};

    like.as.text.data = text;
    like.as.text.size_bytes = size_bytes;
    return b->host->value_new(b->host, b->graph, &like, sizeof like, value);
}

static int
new_integer(const struct build *b, uint64_t integer, struct ckpt_value **value)
{
    struct ckpt_value like = {.kind = CKPT_KIND_INT};

    like.as.integer = (int64_t)integer;
    return b->host->value_new(b->host, b->graph, &like, sizeof like, value);
}

static int
put(const struct build *b, struct ckpt_value *map, const char *key,
    size_t key_bytes, const struct ckpt_value *value)
{
    struct ckpt_value *name;
    int status = new_text(b, key, key_bytes, &name);

    return status == CKPT_OK
               ? b->host->map_set(b->host, b->graph, map, name, value)
               : status;
}

/* ---- Storages ---- */

static int
span_storage(const struct build *b, uint32_t dtype, uint64_t offset,
             uint64_t size_bytes, const struct ckpt_storage **storage)
{
    struct ckpt_storage like = {.place = CKPT_PLACE_SPAN,
                                .source = b->onnx->source,
                                .source_offset = offset,
                                .size_bytes = size_bytes,
                                .word_bytes = ckpt_dtype_word_bytes(dtype)};

    return b->host->storage_new(b->host, b->graph, &like, sizeof like, storage);
}

static int
coded_storage(const struct build *b, const struct onnx_coded *coded,
              uint32_t dtype, const struct ckpt_storage **storage)
{
    struct ckpt_storage like = {.place = CKPT_PLACE_CODED,
                                .size_bytes = coded->data_bytes,
                                .word_bytes = ckpt_dtype_word_bytes(dtype)};
    int status =
        onnx_coded_add(b->host, &b->onnx->coded, coded, &like.cursor_key);

    return status == CKPT_OK ? b->host->storage_new(b->host, b->graph, &like,
                                                    sizeof like, storage)
                             : status;
}

/* Numbers of a fixed size, in one run, lie there as they are. */
static bool
lies_there(const struct onnx_numbers *numbers, const struct onnx_typed *typed)
{
    return numbers->runs == 1 && typed->least == 0 && typed->most == 0;
}

static int
tensor_storage(const struct build *b, const struct onnx_tensor *tensor,
               const struct ckpt_storage **storage)
{
    struct onnx_coded coded = {.offset = tensor->offset,
                               .message_bytes = tensor->size_bytes,
                               .depth = tensor->depth,
                               .typed = *onnx_typed_of(tensor->dtype),
                               .data_bytes = tensor->data_bytes,
                               .label = tensor->label};

    if (tensor->outside)
        return onnx_external_storage(b->host, b->onnx->source, b->graph, tensor,
                                     &b->onnx->files, storage);
    if (tensor->numbers.field == 0)
        return span_storage(b, tensor->dtype,
                            tensor->raw ? tensor->raw_offset : tensor->offset,
                            tensor->data_bytes, storage);
    if (lies_there(&tensor->numbers, &coded.typed))
        return span_storage(b, tensor->dtype, tensor->numbers.offset,
                            tensor->data_bytes, storage);
    return coded_storage(b, &coded, tensor->dtype, storage);
}

/* ---- Tensors ---- */

static int
new_tensor(const struct build *b, const struct onnx_tensor *tensor,
           struct ckpt_value **value)
{
    struct ckpt_tensor like = {
        .dtype = tensor->dtype, .rank = tensor->rank, .shape = tensor->shape};
    int status = tensor_storage(b, tensor, &like.storage);

    return status == CKPT_OK
               ? b->host->tensor_new(b->host, b->graph, &like, sizeof like,
                                     tensor->label, value)
               : status;
}

/* What a tensor says of itself is kept as attributes of it. */
static int
set_attributes(const struct build *b, const struct onnx_tensor *tensor,
               struct ckpt_value *value)
{
    struct onnx_keys keys = {.count = 0};
    struct onnx_field part;
    struct onnx_wire wire;
    int status = CKPT_OK;

    if (tensor->doc.size_bytes > 0)
        status = onnx_text_attribute(&b->wire, &tensor->doc, b->graph, value,
                                     "doc_string");
    if (!tensor->metadata || status != CKPT_OK)
        return status;
    onnx_wire_again(&b->wire, tensor->offset, tensor->size_bytes, tensor->depth,
                    &onnx_tensor_message, &wire);
    while (status == CKPT_OK &&
           (status = onnx_wire_next(&wire, &part)) == CKPT_OK)
        if (part.number == ONNX_TENSOR_METADATA)
            status = onnx_pair_attribute(&wire, &part, b->graph, value,
                                         tensor->label, &keys);
    onnx_keys_fini(b->host, &keys);
    return status == CKPT_END ? CKPT_OK : status;
}

static int
build_tensor(const struct build *b, const struct onnx_item *item,
             struct ckpt_value **value)
{
    struct onnx_tensor tensor;
    int status = onnx_tensor_read(&b->wire, item->name, item->offset,
                                  item->size_bytes, item->depth, &tensor);
    uint64_t *last;

    if (status != CKPT_OK)
        return status;
    /* Rows of whole bytes are what torch has a type for. */
    last = tensor.rank > 0 ? &tensor.shape[tensor.rank - 1] : NULL;
    if (tensor.dtype == CKPT_FLOAT4_E2M1 && last != NULL && *last % 2 == 0) {
        tensor.dtype = CKPT_FLOAT4_E2M1FN_X2;
        *last /= 2;
    }
    status = new_tensor(b, &tensor, value);
    return status == CKPT_OK ? set_attributes(b, &tensor, *value) : status;
}

/* ---- Sparse tensors ---- */

struct sparse {
    struct onnx_tensor values, indices;
    uint64_t dims[CKPT_MAX_RANK];
    uint32_t rank;
    bool has_values, has_indices;
};

static int
fail_sparse(const struct build *b, const struct onnx_item *item,
            const char *what)
{
    return b->host->fail(b->host, CKPT_FORMAT, item->name, item->offset,
                         "a sparse tensor %s", what);
}

static int
add_dims(const struct build *b, const struct onnx_item *item,
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
read_sparse(const struct build *b, const struct onnx_item *item,
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
check_sparse(const struct build *b, const struct onnx_item *item,
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
new_indices(const struct build *b, const struct sparse *s,
            struct ckpt_value **value)
{
    uint64_t count = s->values.shape[0];
    uint64_t shape[2] = {s->rank, count}, strides[2] = {1, s->rank};
    struct ckpt_tensor like = {
        .dtype = CKPT_INT64, .rank = 2, .shape = shape, .strides = strides};
    int status;

    if (s->indices.rank == 1 && s->rank > 1)
        return new_tensor(b, &s->indices, value);
    status = tensor_storage(b, &s->indices, &like.storage);
    return status == CKPT_OK
               ? b->host->tensor_new(b->host, b->graph, &like, sizeof like,
                                     s->indices.label, value)
               : status;
}

static int
new_size(const struct build *b, const struct sparse *s,
         struct ckpt_value **value)
{
    struct ckpt_value like = {.kind = CKPT_KIND_SIZE}, *made, *item;
    uint32_t i;
    int status =
        b->host->value_new(b->host, b->graph, &like, sizeof like, &made);

    for (i = 0; i < s->rank && status == CKPT_OK; i++) {
        status = new_integer(b, s->dims[i], &item);
        if (status == CKPT_OK)
            status = b->host->list_add(b->host, b->graph, made, item);
    }
    if (status == CKPT_OK)
        *value = made;
    return status;
}

static int
fill_sparse(const struct build *b, const struct sparse *s,
            struct ckpt_value *map)
{
    struct ckpt_value *value, truth = {.kind = CKPT_KIND_BOOL}, *coalesced;
    int status = new_indices(b, s, &value);

    if (status == CKPT_OK)
        status = put(b, map, "indices", 7, value);
    if (status == CKPT_OK)
        status = new_tensor(b, &s->values, &value);
    if (status == CKPT_OK)
        status = put(b, map, "values", 6, value);
    if (status == CKPT_OK)
        status = new_size(b, s, &value);
    if (status == CKPT_OK)
        status = put(b, map, "size", 4, value);
    /* The format asks for ascending indices, each once. */
    truth.as.truth = true;
    if (status == CKPT_OK)
        status = b->host->value_new(b->host, b->graph, &truth, sizeof truth,
                                    &coalesced);
    return status == CKPT_OK ? put(b, map, "is_coalesced", 12, coalesced)
                             : status;
}

static int
build_sparse(const struct build *b, const struct onnx_item *item,
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

/* ---- Numbers of Constant nodes ---- */

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
count_numbers(const struct build *b, const struct onnx_item *item,
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
zero_storage(const struct build *b, uint32_t dtype,
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
number_storage(const struct build *b, const struct onnx_item *item,
               const struct constant *constant,
               const struct onnx_numbers *numbers, uint64_t count,
               const struct ckpt_storage **storage)
{
    struct onnx_coded coded = {.offset = item->offset,
                               .message_bytes = item->size_bytes,
                               .depth = item->depth,
                               .attribute = true,
                               .typed = *onnx_typed_of(constant->dtype),
                               .label = item->name};

    if (numbers->field == 0 && !constant->list)
        return zero_storage(b, constant->dtype, storage);
    if (numbers->field == 0 || lies_there(numbers, &coded.typed))
        return span_storage(b, constant->dtype,
                            numbers->field == 0 ? item->offset
                                                : numbers->offset,
                            numbers->data_bytes, storage);
    coded.typed.field = constant->field;
    coded.data_bytes = count * coded.typed.item_bytes;
    return coded_storage(b, &coded, constant->dtype, storage);
}

static int
build_numbers(const struct build *b, const struct onnx_item *item,
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

/* ---- All of them ---- */

static int
build_item(const struct build *b, const struct onnx_item *item)
{
    struct ckpt_value *value = NULL;
    int status;

    if (b->host->cancelled(b->host))
        return CKPT_CANCELLED;
    if (item->kind == ONNX_ITEM_STRINGS)
        return b->host->fail(b->host, CKPT_UNSUPPORTED, item->name,
                             item->offset, "a constant of strings");
    if (item->kind == ONNX_ITEM_TENSOR)
        status = build_tensor(b, item, &value);
    else if (item->kind == ONNX_ITEM_SPARSE)
        status = build_sparse(b, item, &value);
    else
        status = build_numbers(b, item, &value);
    return status == CKPT_OK
               ? put(b, b->root, item->name, item->name_bytes, value)
               : status;
}

static int
build_all(const struct build *b, bool first)
{
    const struct onnx_found *found = &b->onnx->found;
    size_t i;
    int status = CKPT_OK;

    for (i = 0; i < found->item_count && status == CKPT_OK; i++) {
        const struct onnx_item *item = &found->items[i];

        if ((item->initializer && item->scope == 0) == first)
            status = build_item(b, item);
    }
    return status;
}

int
onnx_graph_build(const struct ckpt_host *host, struct onnx *onnx,
                 struct ckpt_graph *graph)
{
    const struct ckpt_value map = {.kind = CKPT_KIND_MAP};
    struct build b = {.host = host, .onnx = onnx, .graph = graph};
    int status = host->value_new(host, graph, &map, sizeof map, &b.root);

    onnx_wire_open(host, onnx->source, &onnx_model_message, &b.wire);
    if (status == CKPT_OK)
        status = build_all(&b, true);
    if (status == CKPT_OK)
        status = build_all(&b, false);
    if (status == CKPT_OK)
        status = onnx_external_check(host, &onnx->files);
    return status == CKPT_OK ? host->root_set(host, graph, b.root) : status;
}
