/* SPDX-License-Identifier: MIT
 *
 * Which tensor goes into which file, the names of the files, and the index.
 * The attributes of the graph go into the index, as with other shards.
 */
#include "torch_zip_split.h"

#include <stdlib.h>
#include <string.h>

#include "checked.h"
#include "shard_index.h"

#define INDEX_SUFFIX ".index.json"

static int
check_root(const struct ckpt_host *host, const struct ckpt_value *root)
{
    size_t i;

    if (root->kind != CKPT_KIND_MAP)
        return host->fail(host, CKPT_UNSUPPORTED, NULL, CKPT_NOWHERE,
                          "shard-size: only a map of tensors can be split");
    for (i = 0; i < root->as.map.count; i++) {
        const struct ckpt_pair *pair = &root->as.map.pairs[i];

        if (pair->key->kind != CKPT_KIND_STRING)
            return host->fail(host, CKPT_UNSUPPORTED, NULL, CKPT_NOWHERE,
                              "shard-size: a key that is no text cannot be "
                              "in an index");
        if (pair->value->kind != CKPT_KIND_TENSOR)
            return host->fail(host, CKPT_UNSUPPORTED, NULL, CKPT_NOWHERE,
                              "shard-size: only a map of tensors can be "
                              "split, and '%.200s' is none",
                              pair->key->as.text.data);
    }
    return CKPT_OK;
}

static const struct ckpt_storage *
storage_of(const struct ckpt_graph *graph, size_t i)
{
    return graph->root->as.map.pairs[i].value->as.tensor->storage;
}

/* Each storage becomes an item, where it is met first: places[id] is its
 * number and one. */
static int
gather(const struct ckpt_host *host, const struct ckpt_graph *graph,
       struct sdk_shard_item *items, uint32_t *places, size_t *item_count,
       uint64_t *total)
{
    size_t count = graph->root->as.map.count, i;

    for (i = 0; i < count; i++) {
        const struct ckpt_storage *storage = storage_of(graph, i);

        if (places[storage->id] != 0)
            continue;
        items[*item_count].size_bytes = storage->size_bytes;
        places[storage->id] = (uint32_t)++ * item_count;
        if (!sdk_add_u64(*total, storage->size_bytes, total))
            return host->fail(host, CKPT_UNSUPPORTED, NULL, CKPT_NOWHERE,
                              "the data overflow 64 bits");
    }
    return CKPT_OK;
}

static int
deal(const struct ckpt_host *host, const struct ckpt_graph *graph,
     uint64_t shard_bytes, struct torch_zip_split *split)
{
    size_t count = graph->root->as.map.count, item_count = 0, i;
    struct sdk_shard_item *items =
        host->allocate(host, (count + 1) * sizeof *items);
    uint32_t *places = host->allocate(host, ((size_t)graph->storage_count + 1) *
                                                sizeof *places);
    int status = CKPT_MEMORY;

    split->shards = host->allocate(host, (count + 1) * sizeof *split->shards);
    if (items != NULL && places != NULL && split->shards != NULL)
        status = gather(host, graph, items, places, &item_count,
                        &split->total_bytes);
    if (status == CKPT_OK)
        status =
            sdk_shard_deal(host, items, item_count, shard_bytes, &split->count);
    for (i = 0; i < count && status == CKPT_OK; i++)
        split->shards[i] = items[places[storage_of(graph, i)->id] - 1].shard;
    host->release(host, items);
    host->release(host, places);
    return status;
}

/* The suffix of the files that an index of this name belongs to, or NULL. */
const char *
torch_zip_index_suffix(const char *file)
{
    static const char *const suffixes[] = {".bin", ".pt", ".pth"};
    size_t i, length = strlen(file), own = strlen(INDEX_SUFFIX);

    if (length <= own || strcmp(file + length - own, INDEX_SUFFIX) != 0)
        return NULL;
    length -= own;
    for (i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        size_t size = strlen(suffixes[i]);

        if (length > size &&
            memcmp(file + length - size, suffixes[i], size) == 0)
            return suffixes[i];
    }
    return NULL;
}

/* "x.bin" and "x.bin.index.json" name the same set. */
static void
split_name(struct torch_zip_split *split, const char *file)
{
    const char *dot = strrchr(file, '.'), *suffix;

    suffix = torch_zip_index_suffix(file);
    split->stem.data = file;
    if (suffix != NULL) {
        split->index_named = true;
        split->suffix = suffix;
        split->stem.size_bytes =
            strlen(file) - strlen(INDEX_SUFFIX) - strlen(suffix);
        return;
    }
    split->suffix = dot != NULL && dot != file ? dot : ".bin";
    split->stem.size_bytes =
        dot != NULL && dot != file ? (size_t)(dot - file) : strlen(file);
}

int
torch_zip_split(const struct ckpt_host *host, const struct ckpt_graph *graph,
                const char *file, uint64_t shard_bytes,
                struct torch_zip_split *split)
{
    int status = check_root(host, graph->root);

    split_name(split, file);
    return status == CKPT_OK ? deal(host, graph, shard_bytes, split) : status;
}

int
torch_zip_split_name(const struct ckpt_host *host,
                     struct torch_zip_split *split, uint32_t shard,
                     const char **name)
{
    int status = sdk_shard_name(host, &split->name, &split->stem, shard,
                                split->count, split->suffix);

    if (status == CKPT_OK)
        *name = (const char *)split->name.data;
    return status;
}

/* ---- The index ---- */

struct named {
    const struct ckpt_text *name;
    uint32_t shard;
};

static int
compare_names(const void *left, const void *right)
{
    const struct ckpt_text *a = ((const struct named *)left)->name;
    const struct ckpt_text *b = ((const struct named *)right)->name;
    size_t least =
        a->size_bytes < b->size_bytes ? a->size_bytes : b->size_bytes;
    int order = least > 0 ? memcmp(a->data, b->data, least) : 0;

    return order != 0 ? order
                      : (a->size_bytes > b->size_bytes) -
                            (a->size_bytes < b->size_bytes);
}

static int
write_map(const struct ckpt_host *host, struct torch_zip_split *split,
          const struct ckpt_graph *graph)
{
    size_t count = graph->root->as.map.count, i;
    struct named *sorted = host->allocate(host, (count + 1) * sizeof *sorted);
    const char *name;
    int status = sorted != NULL ? CKPT_OK : CKPT_MEMORY;

    for (i = 0; i < count && status == CKPT_OK; i++) {
        sorted[i].name = &graph->root->as.map.pairs[i].key->as.text;
        sorted[i].shard = split->shards[i];
    }
    if (status == CKPT_OK)
        qsort(sorted, count, sizeof *sorted, compare_names);
    for (i = 0; i < count && status == CKPT_OK; i++) {
        status = torch_zip_split_name(host, split, sorted[i].shard, &name);
        if (status == CKPT_OK)
            status = sdk_shard_index_tensor(host, &split->text, i == 0,
                                            sorted[i].name, name);
    }
    host->release(host, sorted);
    return status;
}

static int
write_index(const struct ckpt_host *host, struct torch_zip_split *split,
            const struct ckpt_graph *graph)
{
    const struct ckpt_attr *attr;
    int status = sdk_shard_index_begin(host, &split->text, split->total_bytes);

    for (attr = graph->attrs; attr != NULL; attr = attr->next)
        if (status == CKPT_OK && attr->value->kind == CKPT_KIND_STRING &&
            strcmp(attr->name, "total_size") != 0)
            status = sdk_shard_index_pair(host, &split->text, attr->name,
                                          &attr->value->as.text);
    if (status == CKPT_OK)
        status = sdk_shard_index_map(host, &split->text);
    if (status == CKPT_OK)
        status = write_map(host, split, graph);
    return status == CKPT_OK ? sdk_shard_index_end(host, &split->text) : status;
}

int
torch_zip_split_index(const struct ckpt_host *host,
                      struct torch_zip_split *split,
                      const struct ckpt_graph *graph, struct ckpt_plan *output)
{
    struct ckpt_segment segment = {.kind = CKPT_SEGMENT_BYTES};
    int status = write_index(host, split, graph);

    if (status == CKPT_OK && split->text.size_bytes > SDK_SHARD_INDEX_MAX)
        return host->fail(host, CKPT_UNSUPPORTED, NULL, CKPT_NOWHERE,
                          "an index of %zu bytes; readers take at most %llu",
                          split->text.size_bytes,
                          (unsigned long long)SDK_SHARD_INDEX_MAX);
    split->name.size_bytes = 0;
    if (status == CKPT_OK)
        status = sdk_buffer_append(host, &split->name, split->stem.data,
                                   split->stem.size_bytes);
    if (status == CKPT_OK)
        status = sdk_buffer_printf(host, &split->name, "%s" INDEX_SUFFIX "%c",
                                   split->suffix, '\0');
    if (status == CKPT_OK)
        status = host->plan_file(host, output, (const char *)split->name.data);
    segment.data = split->text.data;
    segment.size_bytes = split->text.size_bytes;
    return status == CKPT_OK
               ? host->plan_add(host, output, &segment, sizeof segment, NULL)
               : status;
}

void
torch_zip_split_fini(const struct ckpt_host *host,
                     struct torch_zip_split *split)
{
    host->release(host, split->shards);
    sdk_buffer_fini(host, &split->name);
    sdk_buffer_fini(host, &split->text);
}
