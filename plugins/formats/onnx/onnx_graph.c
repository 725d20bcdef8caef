/* SPDX-License-Identifier: MIT
 *
 * Builds the graph: one map, first with the initialisers of the model's own
 * graph, then with all else in the order of the file.
 */
#include "onnx_build.h"

#include <string.h>

#include "onnx_attributes.h"
#include "onnx_proto.h"
#include "onnx_types.h"

/* ---- Values ---- */

int
onnx_new_text(const struct onnx_build *b, const char *text, size_t size_bytes,
              struct ckpt_value **value)
{
    struct ckpt_value like = {.kind = CKPT_KIND_STRING};

    like.as.text.data = text;
    like.as.text.size_bytes = size_bytes;
    return b->host->value_new(b->host, b->graph, &like, sizeof like, value);
}

int
onnx_new_integer(const struct onnx_build *b, uint64_t integer,
                 struct ckpt_value **value)
{
    struct ckpt_value like = {.kind = CKPT_KIND_INT};

    like.as.integer = (int64_t)integer;
    return b->host->value_new(b->host, b->graph, &like, sizeof like, value);
}

int
onnx_put(const struct onnx_build *b, struct ckpt_value *map, const char *key,
         size_t key_bytes, const struct ckpt_value *value)
{
    struct ckpt_value *name;
    int status = onnx_new_text(b, key, key_bytes, &name);

    return status == CKPT_OK
               ? b->host->map_set(b->host, b->graph, map, name, value)
               : status;
}

/* ---- Storages ---- */

int
onnx_span_storage(const struct onnx_build *b, uint32_t dtype, uint64_t offset,
                  uint64_t size_bytes, const struct ckpt_storage **storage)
{
    struct ckpt_storage like = {.place = CKPT_PLACE_SPAN,
                                .source = b->onnx->source,
                                .source_offset = offset,
                                .size_bytes = size_bytes,
                                .word_bytes = ckpt_dtype_word_bytes(dtype)};

    return b->host->storage_new(b->host, b->graph, &like, sizeof like, storage);
}

int
onnx_coded_storage(const struct onnx_build *b, const struct onnx_coded *coded,
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
bool
onnx_lies_there(const struct onnx_numbers *numbers,
                const struct onnx_typed *typed)
{
    return numbers->runs == 1 && typed->least == 0 && typed->most == 0;
}

int
onnx_tensor_storage(const struct onnx_build *b,
                    const struct onnx_tensor *tensor,
                    const struct ckpt_storage **storage)
{
    struct onnx_coded coded = {.offset = tensor->offset,
                               .message_bytes = tensor->size_bytes,
                               .depth = tensor->depth,
                               .typed =
                                   onnx_type_of_dtype(tensor->dtype)->typed,
                               .count = onnx_tensor_numbers(tensor),
                               .data_bytes = tensor->data_bytes,
                               .label = tensor->label};

    if (tensor->outside)
        return onnx_external_storage(b->host, b->onnx->source, b->graph, tensor,
                                     &b->onnx->files, storage);
    if (tensor->numbers.field == 0)
        return onnx_span_storage(
            b, tensor->dtype, tensor->raw ? tensor->raw_offset : tensor->offset,
            tensor->data_bytes, storage);
    if (onnx_lies_there(&tensor->numbers, &coded.typed))
        return onnx_span_storage(b, tensor->dtype, tensor->numbers.offset,
                                 tensor->data_bytes, storage);
    return onnx_coded_storage(b, &coded, tensor->dtype, storage);
}

/* ---- Tensors ---- */

int
onnx_new_tensor(const struct onnx_build *b, const struct onnx_tensor *tensor,
                struct ckpt_value **value)
{
    struct ckpt_tensor like = {
        .dtype = tensor->dtype, .rank = tensor->rank, .shape = tensor->shape};
    int status = onnx_tensor_storage(b, tensor, &like.storage);

    return status == CKPT_OK
               ? b->host->tensor_new(b->host, b->graph, &like, sizeof like,
                                     tensor->label, value)
               : status;
}

/* What a tensor says of itself is kept as attributes of it. */
static int
set_attributes(const struct onnx_build *b, const struct onnx_tensor *tensor,
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
build_tensor(const struct onnx_build *b, const struct onnx_item *item,
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
    status = onnx_new_tensor(b, &tensor, value);
    return status == CKPT_OK ? set_attributes(b, &tensor, *value) : status;
}

/* ---- All of them ---- */

static int
build_item(const struct onnx_build *b, const struct onnx_item *item)
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
        status = onnx_build_sparse(b, item, &value);
    else
        status = onnx_build_numbers(b, item, &value);
    return status == CKPT_OK
               ? onnx_put(b, b->root, item->name, item->name_bytes, value)
               : status;
}

static int
build_all(const struct onnx_build *b, bool first)
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
    struct onnx_build b = {.host = host, .onnx = onnx, .graph = graph};
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
