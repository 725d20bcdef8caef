/* SPDX-License-Identifier: MIT
 *
 * Which layers Keras 2 will see.
 */
#include "hdf5_layers.h"

#include <string.h>

#include "hdf5_tree.h"

/* A group of weights that belong to the model, and to none of its layers. */
#define TOP_LEVEL "top_level_model_weights"

struct hdf5_kept {
    struct hdf5_kept *next;
    char text[];
};

/* Both texts, one behind the other. */
static const char *
layer_keep(struct hdf5_layers *layers, const struct ckpt_text *first,
           const struct ckpt_text *second)
{
    struct hdf5_kept *kept =
        layers->host->allocate(layers->host, sizeof *kept + first->size_bytes +
                                                 second->size_bytes + 1);

    if (kept == NULL)
        return NULL;
    memcpy(kept->text, first->data, first->size_bytes);
    memcpy(kept->text + first->size_bytes, second->data, second->size_bytes);
    kept->next = layers->kept;
    layers->kept = kept;
    return kept->text;
}

static int
layer_add(struct hdf5_layers *layers, const char *path, size_t size_bytes,
          size_t *number)
{
    const struct ckpt_host *host = layers->host;
    struct ckpt_text *grown;
    uint64_t *found;
    bool added;

    found = sdk_table_add(host, &layers->table, path, size_bytes, &added);
    if (found == NULL)
        return CKPT_MEMORY;
    if (added) {
        if (layers->count == layers->room) {
            layers->room = layers->room > 0 ? 2 * layers->room : 64;
            grown = host->reallocate(host, layers->paths,
                                     layers->room * sizeof *grown);
            if (grown == NULL)
                return CKPT_MEMORY;
            layers->paths = grown;
        }
        layers->paths[layers->count].data = path;
        layers->paths[layers->count].size_bytes = size_bytes;
        *found = ++layers->count;
    }
    *number = (size_t)*found;
    return CKPT_OK;
}

/* A layer that an attribute lists by its name. */
static int
layer_listed(struct hdf5_layers *layers, const struct ckpt_text *name)
{
    const struct ckpt_text *base = &layers->names->base;
    const char *path, *reason;
    size_t number;

    if (!hdf5_path_valid(name->data, name->size_bytes, &reason))
        return CKPT_OK;
    path = layer_keep(layers, base, name);
    if (path == NULL)
        return CKPT_MEMORY;
    return layer_add(layers, path, base->size_bytes + name->size_bytes,
                     &number);
}

/* The layers that attributes tell: first by lists of them, then by the list of
 * weights in their group. */
static int
layers_of_attr(struct hdf5_layers *layers, const struct ckpt_attr *attr,
               bool lists)
{
    const struct ckpt_value *item, *list = attr->value;
    const char *own;
    size_t i, number, path = hdf5_attr_path(attr->name, &own);
    int status = CKPT_OK;

    if (!hdf5_names_makes(layers->names, attr->name) ||
        lists != hdf5_attr_lists(own, "layer_names"))
        return CKPT_OK;
    if (!lists)
        return layer_add(layers, attr->name, path, &number);
    for (i = 0; list->kind == CKPT_KIND_LIST && i < list->as.list.count &&
                status == CKPT_OK;
         i++) {
        item = list->as.list.items[i];
        if (item->kind == CKPT_KIND_STRING)
            status = layer_listed(layers, &item->as.text);
    }
    return status;
}

/* All layers in order: those that are listed, then others as they come. */
static int
layers_find(struct hdf5_layers *layers, const struct ckpt_graph *graph)
{
    const struct ckpt_attr *attr;
    size_t i, length;
    int status = CKPT_OK;

    for (attr = graph->attrs; attr != NULL && status == CKPT_OK;
         attr = attr->next)
        status = layers_of_attr(layers, attr, true);
    for (attr = graph->attrs; attr != NULL && status == CKPT_OK;
         attr = attr->next)
        status = layers_of_attr(layers, attr, false);
    for (i = 0; i < graph->entry_count && status == CKPT_OK; i++) {
        length = hdf5_names_layer(layers->names, &graph->entries[i].name);
        if (length > 0)
            status = layer_add(layers, graph->entries[i].name.data, length,
                               &layers->layer[i]);
    }
    return status;
}

/* Sorts the entries by layer, in their order. */
static int
layers_sort(struct hdf5_layers *layers, size_t count)
{
    const struct ckpt_host *host = layers->host;
    size_t i, at, total = 0, *begin;

    begin = host->allocate(host, (layers->count + 2) * sizeof *begin);
    layers->begin = begin;
    layers->sorted = host->allocate(host, (count + 1) * sizeof *begin);
    if (begin == NULL || layers->sorted == NULL)
        return CKPT_MEMORY;
    for (i = 0; i < count; i++)
        if (layers->layer[i] > 0)
            begin[layers->layer[i]]++;
    for (i = 0; i <= layers->count; i++) {
        at = begin[i];
        begin[i] = total;
        total += at;
    }
    for (i = 0; i < count; i++)
        if (layers->layer[i] > 0)
            layers->sorted[begin[layers->layer[i]]++] = i;
    return CKPT_OK;
}

int
hdf5_layers_init(struct hdf5_layers *layers, const struct hdf5_names *names,
                 const struct ckpt_graph *graph)
{
    size_t count = graph->entry_count;
    int status;

    memset(layers, 0, sizeof *layers);
    layers->host = names->host;
    layers->names = names;
    layers->graph = graph;
    layers->layer =
        names->host->allocate(names->host, (count + 1) * sizeof(size_t));
    if (layers->layer == NULL)
        return CKPT_MEMORY;
    status = layers_find(layers, graph);
    if (status == CKPT_OK)
        status = layers_sort(layers, count);
    if (status != CKPT_OK)
        return status;
    layers->list = names->host->allocate(
        names->host, (count + layers->count + 1) * sizeof *layers->list);
    return layers->list != NULL ? CKPT_OK : CKPT_MEMORY;
}

size_t
hdf5_layers_names(struct hdf5_layers *layers)
{
    size_t base = layers->names->base.size_bytes, i, count = 0;
    struct ckpt_text *name;

    for (i = 0; i < layers->count; i++) {
        name = &layers->list[count];
        name->data = layers->paths[i].data + base;
        name->size_bytes = layers->paths[i].size_bytes - base;
        count += name->size_bytes != strlen(TOP_LEVEL) ||
                 memcmp(name->data, TOP_LEVEL, name->size_bytes) != 0;
    }
    return count;
}

size_t
hdf5_layers_weights(struct hdf5_layers *layers, size_t layer)
{
    size_t begin = layers->begin[layer], i;
    size_t count = layers->begin[layer + 1] - begin;
    size_t cut = layers->paths[layer].size_bytes + 1;
    const struct ckpt_text *name;

    for (i = 0; i < count; i++) {
        name = &layers->graph->entries[layers->sorted[begin + i]].name;
        layers->list[i].data = name->data + cut;
        layers->list[i].size_bytes = name->size_bytes - cut;
    }
    return count;
}

void
hdf5_layers_fini(struct hdf5_layers *layers)
{
    const struct ckpt_host *host = layers->host;
    struct hdf5_kept *kept;

    if (host == NULL)
        return;
    while ((kept = layers->kept) != NULL) {
        layers->kept = kept->next;
        host->release(host, kept);
    }
    host->release(host, layers->begin);
    host->release(host, layers->sorted);
    host->release(host, layers->list);
    host->release(host, layers->layer);
    host->release(host, layers->paths);
    sdk_table_fini(host, &layers->table);
}
