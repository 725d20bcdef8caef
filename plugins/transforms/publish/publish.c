/* SPDX-License-Identifier: MIT
 *
 * The transform `publish`: of a training checkpoint what others need, the
 * weights by their plain names, and a file name that tells its hash.
 */
#include "ckpt/plugin.h"

#include <string.h>

#include "graph_each.h"
#include "state_dict.h"

struct publish {
    const struct ckpt_host *host;
    struct ckpt_edits *edits;
    struct ckpt_graph *graph; /* new values */
    const char *prefix;       /* off all keys */
    size_t prefix_bytes;
};

static int
publish_open(const struct ckpt_host *host, const char *argument,
             const struct ckpt_option_value *options, void **self)
{
    (void)host;
    (void)argument;
    (void)options;
    *self = NULL;
    return CKPT_OK;
}

static void
publish_close(const struct ckpt_host *host, void *self)
{
    (void)host;
    (void)self;
}

/* A map of the same class, empty. */
static int
map_begin(const struct publish *publish, const struct ckpt_value *like,
          struct ckpt_value **map)
{
    struct ckpt_value empty = {.kind = CKPT_KIND_MAP,
                               .type_name = like->type_name};

    return publish->host->value_new(publish->host, publish->graph, &empty,
                                    sizeof empty, map);
}

/* Stores under a key without its first bytes. */
static int
pair_take(const struct publish *publish, struct ckpt_value *map,
          const struct ckpt_pair *pair, size_t less)
{
    const struct ckpt_host *host = publish->host;
    struct ckpt_value like = {.kind = CKPT_KIND_STRING}, *key;
    int status;

    like.as.text.data = pair->key->as.text.data + less;
    like.as.text.size_bytes = pair->key->as.text.size_bytes - less;
    status = host->value_new(host, publish->graph, &like, sizeof like, &key);
    if (status == CKPT_OK)
        status = host->map_set(host, publish->graph, map, key, pair->value);
    return status;
}

/* How many bytes a module's name loses; SIZE_MAX: it is a wrapper's. The module
 * that was wrapped has the prefix without its dot. */
static size_t
metadata_less(const struct publish *publish, const struct ckpt_text *name)
{
    size_t prefix = publish->prefix_bytes;

    if (prefix > 0 && name->size_bytes + 1 == prefix)
        prefix--;
    if (name->size_bytes < prefix ||
        (prefix > 0 && memcmp(name->data, publish->prefix, prefix) != 0))
        return SIZE_MAX;
    return prefix;
}

/* What torch keeps by module: the wrappers' own entries go. */
static int
metadata_take(const struct publish *publish, const struct ckpt_value *from,
              struct ckpt_value *map)
{
    const struct ckpt_host *host = publish->host;
    const struct ckpt_pair *pair = from->as.map.pairs;
    size_t less, i;
    struct ckpt_value *metadata;
    int status = map_begin(publish, from, &metadata);

    for (i = 0; i < from->as.map.count && status == CKPT_OK; i++, pair++) {
        if (pair->key->kind != CKPT_KIND_STRING)
            continue;
        less = metadata_less(publish, &pair->key->as.text);
        if (less != SIZE_MAX)
            status = pair_take(publish, metadata, pair, less);
    }
    if (status == CKPT_OK)
        status =
            host->attr_set(host, publish->graph, map, "_metadata", metadata);
    return status;
}

static int
attributes_take(const struct publish *publish, const struct ckpt_value *from,
                struct ckpt_value *map)
{
    const struct ckpt_host *host = publish->host;
    const struct ckpt_attr *attr = from->attrs;
    int status = CKPT_OK;

    for (; attr != NULL && status == CKPT_OK; attr = attr->next)
        if (strcmp(attr->name, "_metadata") == 0 &&
            attr->value->kind == CKPT_KIND_MAP)
            status = metadata_take(publish, attr->value, map);
        else
            status = host->attr_set(host, publish->graph, map, attr->name,
                                    attr->value);
    return status;
}

static int
weights_take(const struct publish *publish, const struct ckpt_value *from,
             struct ckpt_value **map)
{
    const struct ckpt_pair *pair = from->as.map.pairs;
    size_t i;
    int status = map_begin(publish, from, map);

    for (i = 0; i < from->as.map.count && status == CKPT_OK; i++, pair++)
        if (pair->key->kind == CKPT_KIND_STRING &&
            pair->value->kind == CKPT_KIND_TENSOR)
            status = pair_take(publish, *map, pair, publish->prefix_bytes);
    if (status == CKPT_OK)
        status = attributes_take(publish, from, *map);
    return status;
}

/* Values beside the tensors, in the same map, are told. */
static void
others_tell(const struct publish *publish, const struct ckpt_value *from)
{
    const struct ckpt_pair *pair = from->as.map.pairs;
    size_t i;

    for (i = 0; i < from->as.map.count; i++, pair++)
        if (pair->value->kind != CKPT_KIND_TENSOR)
            publish->host->warn(publish->host,
                                pair->key->kind == CKPT_KIND_STRING
                                    ? pair->key->as.text.data
                                    : NULL,
                                CKPT_NOWHERE, "it is no tensor, and left out");
}

static int
publish_apply(const struct ckpt_host *host, void *self,
              const struct ckpt_graph *const *graphs, size_t graph_count,
              struct ckpt_edits *edits)
{
    struct publish publish = {.host = host,
                              .edits = edits,
                              .graph = host->edit_graph(host, edits),
                              .prefix = ""};
    const struct ckpt_value *found = sdk_state_dict_find(graphs[0]->root);
    struct ckpt_value *map;
    int status;

    (void)self;
    (void)graph_count;
    if (found == NULL) {
        host->edit_unmatched(host, edits,
                             "which part is the state dict cannot be told: "
                             "choose it by 'root:' first");
        return CKPT_OK;
    }
    publish.prefix_bytes = sdk_wrapper_of(found, &publish.prefix);
    others_tell(&publish, found);
    status = weights_take(&publish, found, &map);
    if (status == CKPT_OK)
        status = host->edit_root(host, edits, map);
    if (status == CKPT_OK)
        host->edit_hash_name(host, edits);
    return status;
}

static const struct ckpt_transform publish_transform = {
    .size = sizeof(struct ckpt_transform),
    .id = "publish",
    .summary = "the weights alone, by their plain names, in a file whose name "
               "tells its hash",
    .open = publish_open,
    .apply = publish_apply,
    .close = publish_close,
};

static const struct ckpt_transform *const publish_transforms[] = {
    &publish_transform, NULL};

CKPT_PLUGIN(publish) = {
    .abi = CKPT_ABI,
    .size = sizeof(struct ckpt_plugin),
    .id = "publish",
    .version = "0.1.0",
    .summary = "weights for others",
    .transforms = publish_transforms,
};
