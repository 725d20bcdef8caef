/* SPDX-License-Identifier: MIT
 *
 * Builds the graph of one file, or of a set of shards.
 *
 * The reference keeps one of several tied tensors and writes
 * `dropped name = kept name` into the metadata. Where such a pair is found,
 * and no record of the hub that says more, the tie is made again.
 */
#include "safetensors_graph.h"

#include <string.h>

#include "safetensors_types.h"

/* The key under which the hub keeps its own record. */
#define GRAPH_RECORD "ckpt.graph"

#define GRAPH_CANCEL_STEP 4096

struct builder {
    const struct ckpt_host *host;
    const struct safetensors_set *set;
    const struct sdk_table *names; /* or NULL: there are no ties */
    struct ckpt_graph *graph;
    struct ckpt_value *root;
};

static int
graph_refuse_twin(const struct ckpt_host *host,
                  const struct safetensors_set *set,
                  const struct safetensors_entry *entry)
{
    return host->fail(host, CKPT_FORMAT, entry->name.data,
                      safetensors_place(set, entry->file, &entry->name),
                      "%s%stwo tensors of one name",
                      safetensors_file_name(host, set, entry->file),
                      safetensors_colon(set));
}

int
safetensors_collect(const struct ckpt_host *host,
                    const struct safetensors_set *set, struct sdk_table *names)
{
    const struct safetensors_entry *entry;
    size_t count = safetensors_entry_count(set), i;
    int status = sdk_table_reserve(host, names, count);
    uint64_t *index;
    bool added;

    for (i = 0; i < count && status == CKPT_OK; i++) {
        entry = safetensors_entry_at(set, i);
        index = sdk_table_put(names, entry->name.data, entry->name.size_bytes,
                              &added);
        if (added)
            *index = i;
        else
            status = graph_refuse_twin(host, set, entry);
    }
    return status;
}

bool
safetensors_may_tie(const struct safetensors_set *set)
{
    size_t count = safetensors_pair_count(set), i;
    bool other = false;
    const char *key;

    for (i = 0; i < count; i++) {
        key = safetensors_pair_at(set, i)->key.data;
        if (strcmp(key, GRAPH_RECORD) == 0)
            return false;
        if (strcmp(key, "format") != 0)
            other = true;
    }
    return other;
}

static int
graph_text(const struct builder *b, const struct ckpt_text *text,
           struct ckpt_value **value)
{
    struct ckpt_value like = {.kind = CKPT_KIND_STRING, .as.text = *text};

    return b->host->value_new(b->host, b->graph, &like, sizeof like, value);
}

/* Adds a tensor to the root under a name. */
static int
graph_put(const struct builder *b, const struct ckpt_text *name,
          const struct ckpt_tensor *like)
{
    struct ckpt_value *key, *value;
    int status;

    status = b->host->tensor_new(b->host, b->graph, like, sizeof *like,
                                 name->data, &value);
    if (status == CKPT_OK)
        status = graph_text(b, name, &key);
    if (status == CKPT_OK)
        status = b->host->map_set(b->host, b->graph, b->root, key, value);
    return status;
}

static int
graph_entry(const struct builder *b, const struct safetensors_entry *entry)
{
    const struct ckpt_host *host = b->host;
    const struct safetensors_file *file =
        safetensors_file_at(b->set, entry->file);
    uint64_t shape[CKPT_MAX_RANK];
    uint32_t dtype = safetensors_types[entry->type].dtype;
    struct ckpt_storage storage = {
        .place = CKPT_PLACE_SPAN,
        .size_bytes = entry->end - entry->begin,
        .source = file->source,
        .source_offset = sizeof(uint64_t) + file->header_bytes + entry->begin,
    };
    struct ckpt_tensor tensor = {.rank = entry->rank, .shape = shape};
    size_t known = b->root->as.map.count;
    int status;

    if (entry->rank > 0)
        memcpy(shape, b->set->dims.data + entry->shape_at * sizeof *shape,
               entry->rank * sizeof *shape);
    if (entry->type == SAFETENSORS_F4 && entry->rank > 0 &&
        shape[entry->rank - 1] % 2 == 0) {
        dtype = CKPT_FLOAT4_E2M1FN_X2;
        shape[entry->rank - 1] /= 2;
    }
    storage.word_bytes = ckpt_dtype_word_bytes(dtype);
    tensor.dtype = dtype;
    status = host->storage_new(host, b->graph, &storage, sizeof storage,
                               &tensor.storage);
    if (status == CKPT_OK)
        status = graph_put(b, &entry->name, &tensor);
    if (status != CKPT_OK || b->root->as.map.count > known)
        return status;
    return graph_refuse_twin(host, b->set, entry);
}

static int
graph_tensors(const struct builder *b)
{
    size_t count = safetensors_entry_count(b->set), i;
    int status = CKPT_OK;

    for (i = 0; i < count && status == CKPT_OK; i++) {
        if (i % GRAPH_CANCEL_STEP == 0 && b->host->cancelled(b->host))
            return CKPT_CANCELLED;
        status = graph_entry(b, safetensors_entry_at(b->set, i));
    }
    return status;
}

/* If the pair tells a tie, the index of the tensor that was kept, else
 * NULL. */
static const uint64_t *
graph_tie(const struct builder *b, const struct safetensors_pair *pair)
{
    const struct ckpt_text *key = &pair->key, *value = &pair->value;

    if (b->names == NULL ||
        sdk_table_find(b->names, key->data, key->size_bytes) != NULL)
        return NULL;
    return sdk_table_find(b->names, value->data, value->size_bytes);
}

/* Adds a twin of the tensor at `kept`: the entries are the first values of
 * the root, in the same order. */
static int
graph_twin(const struct builder *b, const struct safetensors_pair *pair,
           uint64_t kept)
{
    const struct ckpt_tensor *twin =
        b->root->as.map.pairs[kept].value->as.tensor;
    struct ckpt_tensor like = {
        .dtype = twin->dtype,
        .rank = twin->rank,
        .shape = twin->shape,
        .storage = twin->storage,
    };

    return graph_put(b, &pair->key, &like);
}

static int
graph_attr(const struct builder *b, const struct safetensors_pair *pair)
{
    struct ckpt_value *value;
    int status;

    if (memchr(pair->key.data, '\0', pair->key.size_bytes) != NULL)
        return b->host->fail(b->host, CKPT_UNSUPPORTED, NULL,
                             safetensors_place(b->set, pair->file, &pair->key),
                             "%s%sa key of the metadata with a NUL in it",
                             safetensors_file_name(b->host, b->set, pair->file),
                             safetensors_colon(b->set));
    status = graph_text(b, &pair->value, &value);
    if (status != CKPT_OK)
        return status;
    return b->host->attr_set(b->host, b->graph, NULL, pair->key.data, value);
}

static bool
graph_equal(const struct ckpt_text *a, const struct ckpt_text *b)
{
    return a->size_bytes == b->size_bytes &&
           memcmp(a->data, b->data, a->size_bytes) == 0;
}

/* A key that was there before: an error within a file; between files the
 * first one stands. */
static int
graph_again(const struct builder *b, const struct safetensors_pair *pair,
            const struct safetensors_pair *first)
{
    const struct ckpt_host *host = b->host;
    const char *file = safetensors_file_name(host, b->set, pair->file);
    const char *colon = safetensors_colon(b->set);
    uint64_t place = safetensors_place(b->set, pair->file, &pair->key);

    if (pair->file == first->file)
        return host->fail(host, CKPT_FORMAT, NULL, place,
                          "%s%sa key of the metadata comes twice", file, colon);
    if (!graph_equal(&pair->value, &first->value))
        host->warn(host, NULL, place,
                   "%s%sthe metadata differ from those of an earlier file, "
                   "which stand: %s",
                   file, colon, pair->key.data);
    return CKPT_OK;
}

static int
graph_metadata(const struct builder *b, struct sdk_table *keys)
{
    const struct safetensors_pair *pair;
    size_t count = safetensors_pair_count(b->set), i;
    int status = sdk_table_reserve(b->host, keys, count);
    const uint64_t *kept;
    uint64_t *first;
    bool added;

    for (i = 0; i < count && status == CKPT_OK; i++) {
        if (i % GRAPH_CANCEL_STEP == 0 && b->host->cancelled(b->host))
            return CKPT_CANCELLED;
        pair = safetensors_pair_at(b->set, i);
        first =
            sdk_table_put(keys, pair->key.data, pair->key.size_bytes, &added);
        if (added)
            *first = i;
        kept = graph_tie(b, pair);
        if (!added)
            status = graph_again(b, pair, safetensors_pair_at(b->set, *first));
        else if (kept != NULL)
            status = graph_twin(b, pair, *kept);
        else
            status = graph_attr(b, pair);
    }
    return status;
}

int
safetensors_build(const struct ckpt_host *host,
                  const struct safetensors_set *set,
                  const struct sdk_table *names, struct ckpt_graph *graph)
{
    const struct ckpt_value map = {.kind = CKPT_KIND_MAP};
    struct builder b = {host, set, names, graph, NULL};
    struct sdk_table keys = {0};
    int status = host->value_new(host, graph, &map, sizeof map, &b.root);

    if (status == CKPT_OK)
        status = graph_tensors(&b);
    if (status == CKPT_OK)
        status = graph_metadata(&b, &keys);
    if (status == CKPT_OK)
        status = host->root_set(host, graph, b.root);
    sdk_table_fini(host, &keys);
    return status;
}
