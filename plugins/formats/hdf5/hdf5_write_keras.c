/* SPDX-License-Identifier: MIT
 *
 * What Keras 2 looks for: `layer_names` where the layers are, `weight_names`
 * in each layer's group, and which Keras wrote it. Layers without weights
 * have a group and an empty list.
 */
#include <string.h>

#include "hdf5_write.h"

/* A group of weights that belong to the model, and to none of its layers. */
#define TOP_LEVEL "top_level_model_weights"

/* The layout is that of any Keras 2: kernels are not to be turned round. */
#define BACKEND "tensorflow"
#define VERSION "2.15.0"

struct layers {
    struct hdf5_out *out;
    struct sdk_table table;  /* of paths: 1 + index */
    struct ckpt_text *paths; /* of their groups, in order */
    size_t count, room;
    size_t *layer;          /* of each entry: 1 + index; 0: none */
    struct ckpt_text *list; /* one at a time */
};

static int
layer_add(struct layers *layers, const char *path, size_t size_bytes,
          size_t *number)
{
    const struct ckpt_host *host = layers->out->host;
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
layer_listed(struct layers *layers, const struct ckpt_text *name)
{
    const struct ckpt_text *base = &layers->out->names.base;
    const char *path, *reason;
    size_t number;

    if (!hdf5_path_valid(name->data, name->size_bytes, &reason))
        return CKPT_OK;
    path = hdf5_out_keep(layers->out, base, name);
    if (path == NULL)
        return CKPT_MEMORY;
    return layer_add(layers, path, base->size_bytes + name->size_bytes,
                     &number);
}

/* The layers that attributes tell: first by lists of them, then by the list of
 * weights in their group. */
static int
layers_of_attr(struct layers *layers, const struct ckpt_attr *attr, bool lists)
{
    const struct ckpt_value *item, *list = attr->value;
    const char *own;
    size_t i, number, path = hdf5_attr_path(attr->name, &own);
    int status = CKPT_OK;

    if (!hdf5_names_makes(&layers->out->names, attr->name) ||
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
layers_find(struct layers *layers)
{
    struct hdf5_out *out = layers->out;
    const struct ckpt_attr *attr;
    size_t i, length, count = out->graph->entry_count;
    int status = CKPT_OK;

    layers->layer =
        out->host->allocate(out->host, (count + 1) * sizeof *layers->layer);
    if (layers->layer == NULL)
        return CKPT_MEMORY;
    for (attr = out->graph->attrs; attr != NULL && status == CKPT_OK;
         attr = attr->next)
        status = layers_of_attr(layers, attr, true);
    for (attr = out->graph->attrs; attr != NULL && status == CKPT_OK;
         attr = attr->next)
        status = layers_of_attr(layers, attr, false);
    for (i = 0; i < count && status == CKPT_OK; i++) {
        length = hdf5_names_layer(&out->names, &out->graph->entries[i].name);
        if (length > 0)
            status = layer_add(layers, out->graph->entries[i].name.data,
                               length, &layers->layer[i]);
    }
    return status;
}

/* The weights of one layer, by their paths within its group. `from` is its
 * first entry among those that are sorted by layer. */
static int
layer_weights(struct layers *layers, size_t layer, const size_t *sorted,
              size_t count)
{
    struct hdf5_out *out = layers->out;
    const struct ckpt_text *path = &layers->paths[layer], *name;
    hid_t group = -1;
    size_t i;
    int status = hdf5_out_group(out, path->data, path->size_bytes, &group);

    if (status == CKPT_END)
        return out->host->fail(out->host, CKPT_UNSUPPORTED, path->data,
                               CKPT_NOWHERE,
                               "a layer has the name of a tensor");
    for (i = 0; i < count; i++) {
        name = &out->graph->entries[sorted[i]].name;
        layers->list[i].data = name->data + path->size_bytes + 1;
        layers->list[i].size_bytes = name->size_bytes - path->size_bytes - 1;
    }
    if (status == CKPT_OK)
        status =
            hdf5_out_list(out, group, "weight_names", layers->list, count);
    if (group >= 0)
        H5Gclose(group);
    return status;
}

/* Sorts the entries by layer, in their order, and writes each layer's. */
static int
layers_weights(struct layers *layers, size_t *begin, size_t *sorted)
{
    size_t i, at, total = 0, count = layers->out->graph->entry_count;
    int status = CKPT_OK;

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
            sorted[begin[layers->layer[i]]++] = i;
    for (i = 0; i < layers->count && status == CKPT_OK; i++)
        status = layer_weights(layers, i, sorted + begin[i],
                               begin[i + 1] - begin[i]);
    return status;
}

/* Whether the attribute is there, as the graph's own. */
static bool
layers_told(struct hdf5_out *out, const char *own)
{
    const struct ckpt_text *base = &out->names.base;
    const struct ckpt_attr *attr = out->graph->attrs;
    const char *name;
    size_t path;

    for (; attr != NULL; attr = attr->next) {
        path = hdf5_attr_path(attr->name, &name);
        if (strcmp(name, own) == 0 &&
            path == base->size_bytes - (base->size_bytes > 0) &&
            memcmp(attr->name, base->data, path) == 0)
            return true;
    }
    return false;
}

static int
layers_names(struct layers *layers)
{
    struct hdf5_out *out = layers->out;
    size_t base = out->names.base.size_bytes, i, count = 0;
    struct ckpt_text *name;
    hid_t group = -1;
    int status = hdf5_out_group(out, out->names.base.data,
                                base - (base > 0), &group);

    for (i = 0; i < layers->count; i++) {
        name = &layers->list[count];
        name->data = layers->paths[i].data + base;
        name->size_bytes = layers->paths[i].size_bytes - base;
        count += name->size_bytes != strlen(TOP_LEVEL) ||
                 memcmp(name->data, TOP_LEVEL, name->size_bytes) != 0;
    }
    if (status == CKPT_OK)
        status = hdf5_out_list(out, group, "layer_names", layers->list, count);
    if (status == CKPT_OK && !layers_told(out, "backend"))
        status = hdf5_out_string(out, group, "backend", BACKEND);
    if (status == CKPT_OK && !layers_told(out, "keras_version"))
        status = hdf5_out_string(out, group, "keras_version", VERSION);
    if (group >= 0)
        H5Gclose(group);
    return status;
}

int
hdf5_out_layers(struct hdf5_out *out)
{
    const struct ckpt_host *host = out->host;
    struct layers layers = {.out = out};
    size_t *begin = NULL, *sorted = NULL, count = out->graph->entry_count;
    int status = layers_find(&layers);

    if (status == CKPT_OK) {
        begin = host->allocate(host, (layers.count + 2) * sizeof *begin);
        sorted = host->allocate(host, (count + 1) * sizeof *sorted);
        layers.list = host->allocate(host, (count + layers.count + 1) *
                                               sizeof *layers.list);
        if (begin == NULL || sorted == NULL || layers.list == NULL)
            status = CKPT_MEMORY;
    }
    if (status == CKPT_OK)
        status = layers_names(&layers);
    if (status == CKPT_OK)
        status = layers_weights(&layers, begin, sorted);
    host->release(host, begin);
    host->release(host, sorted);
    host->release(host, layers.list);
    host->release(host, layers.layer);
    host->release(host, layers.paths);
    sdk_table_fini(host, &layers.table);
    return status;
}
