/* SPDX-License-Identifier: MIT
 *
 * The order in which a reader of the output meets the tensors. The output's
 * tree is made as the reader will have it, names and lists alone, and the
 * reader's own code orders it.
 */
#include <stdlib.h>
#include <string.h>

#include "endian.h"
#include "hdf5_keras.h"
#include "hdf5_layers.h"
#include "hdf5_plan.h"
#include "hdf5_tree.h"

struct ordering {
    const struct ckpt_host *host;
    const struct ckpt_graph *graph;
    struct hdf5_tree tree;
    struct sdk_table paths;    /* of groups: index of the object */
    struct hdf5_layers layers; /* whose texts the tree borrows */
};

/* Bytewise, part by part: a `/` comes before all. */
static int
order_compare(const void *left, const void *right)
{
    const struct ckpt_text *a =
        &(*(const struct ckpt_entry *const *)left)->name;
    const struct ckpt_text *b =
        &(*(const struct ckpt_entry *const *)right)->name;
    size_t i,
        least = a->size_bytes < b->size_bytes ? a->size_bytes : b->size_bytes;

    for (i = 0; i < least; i++) {
        if (a->data[i] == b->data[i])
            continue;
        if (a->data[i] == '/' || b->data[i] == '/')
            return a->data[i] == '/' ? -1 : 1;
        return (unsigned char)a->data[i] < (unsigned char)b->data[i] ? -1 : 1;
    }
    return (a->size_bytes > b->size_bytes) - (a->size_bytes < b->size_bytes);
}

/* One more object, under a link of a group; NULL makes the root. */
static int
order_object(struct ordering *o, struct hdf5_object *group,
             const struct ckpt_text *name, uint32_t kind,
             struct hdf5_object **made)
{
    struct hdf5_link link = {.kind = HDF5_HARD};
    struct hdf5_object *object;
    bool added;
    int status =
        hdf5_tree_object(&o->tree, o->tree.object_count, &object, &added);

    if (status != CKPT_OK)
        return status;
    object->kind = kind;
    *made = object;
    if (group == NULL)
        return CKPT_OK;
    link.name = name->data;
    link.name_bytes = name->size_bytes;
    link.object = object;
    return hdf5_tree_link(&o->tree, group, &link);
}

/* Makes the groups of a path, and what it leads to. */
static int
order_path(struct ordering *o, const struct ckpt_text *path)
{
    struct hdf5_object *group = o->tree.objects[0], *object;
    struct ckpt_text part;
    size_t i, begin = 0;
    uint64_t *number;
    bool added;
    int status = CKPT_OK;

    for (i = 0; i <= path->size_bytes && status == CKPT_OK; i++) {
        if (i < path->size_bytes && path->data[i] != '/')
            continue;
        part.data = path->data + begin;
        part.size_bytes = i - begin;
        begin = i + 1;
        if (i == path->size_bytes)
            return order_object(o, group, &part, HDF5_DATA, &object);
        number = sdk_table_add(o->host, &o->paths, path->data, i, &added);
        if (number == NULL)
            return CKPT_MEMORY;
        if (added) {
            *number = o->tree.object_count;
            status = order_object(o, group, &part, HDF5_GROUP, &object);
        }
        group = o->tree.objects[*number];
    }
    return status;
}

/* A list of strings at a group, if the group is there. */
static int
order_list(struct ordering *o, const struct ckpt_text *path, const char *own,
           const struct ckpt_text *texts, size_t count)
{
    const uint64_t *number =
        sdk_table_find(&o->paths, path->data, path->size_bytes);
    struct hdf5_value value = {.type.class = HDF5_FIXED};
    struct ckpt_text *copy;

    if (number == NULL && path->size_bytes > 0)
        return CKPT_OK;
    copy = hdf5_tree_hold(&o->tree, (count + 1) * sizeof *copy);
    if (copy == NULL)
        return CKPT_MEMORY;
    if (count > 0)
        memcpy(copy, texts, count * sizeof *copy);
    value.texts = copy;
    value.space.kind = HDF5_SIMPLE;
    value.space.count = count;
    return hdf5_tree_attr(
        &o->tree, o->tree.objects[number != NULL ? *number : 0], own, &value);
}

/* A list of strings, or a number, of the graph's attributes: the two kinds
 * that an order can follow from. */
static int
order_attr(struct ordering *o, const struct ckpt_attr *attr)
{
    const struct ckpt_value *value = attr->value;
    struct ckpt_text path = {attr->name, 0}, *texts;
    struct hdf5_value made = {
        .type = {.class = HDF5_NUMBER, .dtype = CKPT_INT64, .size_bytes = 8},
        .space = {.kind = HDF5_SCALAR, .count = 1}};
    unsigned char *bytes;
    const char *own;
    size_t i;
    const uint64_t *number;

    path.size_bytes = hdf5_attr_path(attr->name, &own);
    if (value->kind == CKPT_KIND_LIST) {
        texts = hdf5_tree_hold(&o->tree,
                               (value->as.list.count + 1) * sizeof *texts);
        if (texts == NULL)
            return CKPT_MEMORY;
        for (i = 0; i < value->as.list.count; i++)
            if (value->as.list.items[i]->kind == CKPT_KIND_STRING)
                texts[i] = value->as.list.items[i]->as.text;
        return order_list(o, &path, own, texts, value->as.list.count);
    }
    number = sdk_table_find(&o->paths, path.data, path.size_bytes);
    if (value->kind != CKPT_KIND_INT || value->wide ||
        (number == NULL && path.size_bytes > 0))
        return CKPT_OK;
    bytes = hdf5_tree_hold(&o->tree, 8);
    if (bytes == NULL)
        return CKPT_MEMORY;
    sdk_store_le64(bytes, (uint64_t)value->as.integer);
    made.bytes = bytes;
    return hdf5_tree_attr(
        &o->tree, o->tree.objects[number != NULL ? *number : 0], own, &made);
}

/* Whether an order can follow from the attribute. */
static bool
order_wants(const char *name)
{
    const char *own;

    hdf5_attr_path(name, &own);
    return hdf5_attr_lists(own, "layer_names") ||
           hdf5_attr_lists(own, "weight_names") ||
           strcmp(own, "nb_layers") == 0 || strcmp(own, "nb_params") == 0;
}

/* The lists that the layout itself makes. */
static int
order_layers(struct ordering *o, const struct hdf5_names *names)
{
    const struct ckpt_text base = {names->base.data,
                                   names->base.size_bytes -
                                       (names->base.size_bytes > 0)};
    struct hdf5_layers *layers = &o->layers;
    size_t i, count;
    int status = hdf5_layers_init(layers, names, o->graph);

    if (status == CKPT_OK) {
        count = hdf5_layers_names(layers);
        status = order_list(o, &base, "layer_names", layers->list, count);
    }
    for (i = 0; i < layers->count && status == CKPT_OK; i++) {
        count = hdf5_layers_weights(layers, i);
        status = order_list(o, &layers->paths[i], "weight_names", layers->list,
                            count);
    }
    return status;
}

/* Sorts the entries, and looks whether HDF5 can hold them all. If not, there
 * will be no output, and the plan says why. */
static bool
order_sort(struct ordering *o, const struct ckpt_entry **sorted)
{
    const struct ckpt_text *name, *before = NULL;
    const char *reason;
    size_t i, count = o->graph->entry_count;

    for (i = 0; i < count; i++)
        sorted[i] = &o->graph->entries[i];
    qsort(sorted, count, sizeof(void *), order_compare);
    for (i = 0; i < count; i++, before = name) {
        name = &sorted[i]->name;
        if (!hdf5_path_valid(name->data, name->size_bytes, &reason) ||
            (before != NULL && name->size_bytes > before->size_bytes &&
             name->data[before->size_bytes] == '/' &&
             memcmp(name->data, before->data, before->size_bytes) == 0))
            return false;
    }
    return true;
}

/* Fills the tree. */
static int
order_tree(struct ordering *o, const struct hdf5_names *names,
           const struct ckpt_entry *const *sorted)
{
    const struct ckpt_attr *attr = o->graph->attrs;
    struct hdf5_object *root;
    size_t i;
    int status = order_object(o, NULL, NULL, HDF5_GROUP, &root);

    for (i = 0; i < o->graph->entry_count && status == CKPT_OK; i++)
        status = order_path(o, &sorted[i]->name);
    for (; attr != NULL && status == CKPT_OK; attr = attr->next)
        if (order_wants(attr->name) && !hdf5_names_makes(names, attr->name))
            status = order_attr(o, attr);
    if (status == CKPT_OK && names->layout == HDF5_KERAS2)
        status = order_layers(o, names);
    return status;
}

/* Turns the order of the list into that of the entries. */
static int
order_give(struct ordering *o, const struct hdf5_list *list, uint32_t *order)
{
    const uint64_t *index = (const uint64_t *)(void *)list->order.data;
    const struct ckpt_text *path;
    struct sdk_table entries = {0};
    size_t i, count = o->graph->entry_count;
    uint64_t *number;
    bool added;
    int status = CKPT_OK;

    for (i = 0; i < count && status == CKPT_OK; i++) {
        path = &o->graph->entries[i].name;
        number = sdk_table_add(o->host, &entries, path->data, path->size_bytes,
                               &added);
        if (number == NULL)
            status = CKPT_MEMORY;
        else
            *number = i;
    }
    for (i = 0; i < count && status == CKPT_OK; i++) {
        path = &hdf5_list_at(list, index[i])->path;
        number = sdk_table_find(&entries, path->data, path->size_bytes);
        order[i] = number != NULL ? (uint32_t)*number : (uint32_t)i;
    }
    sdk_table_fini(o->host, &entries);
    return status;
}

static int
order_find(struct ordering *o, const struct hdf5_names *names,
           const struct ckpt_entry *const *sorted, uint32_t *order)
{
    struct hdf5_list list = {0};
    int status = order_tree(o, names, sorted);

    if (status != CKPT_OK)
        return status;
    status = hdf5_list_make(&o->tree, &list);
    if (status == CKPT_OK)
        status = hdf5_keras_order(&list);
    if (status == CKPT_OK)
        status = order_give(o, &list, order);
    hdf5_list_fini(&list);
    return status;
}

int
hdf5_arrange(const struct ckpt_host *host, enum hdf5_layout layout,
             const struct ckpt_graph *graph, uint32_t *order)
{
    const struct hdf5_part part = {0};
    struct ordering o = {.host = host, .graph = graph};
    const struct ckpt_entry **sorted =
        host->allocate(host, (graph->entry_count + 1) * sizeof *sorted);
    struct hdf5_names names;
    uint32_t i;
    int status = hdf5_names_init(&names, host, layout, graph);

    hdf5_tree_init(host, &part, &o.tree);
    for (i = 0; i < graph->entry_count; i++)
        order[i] = i;
    if (sorted == NULL)
        status = CKPT_MEMORY;
    if (status == CKPT_OK && order_sort(&o, sorted))
        status = order_find(&o, &names, sorted, order);
    host->release(host, sorted);
    sdk_table_fini(host, &o.paths);
    hdf5_tree_fini(&o.tree);
    hdf5_layers_fini(&o.layers);
    hdf5_names_fini(&names);
    return status;
}
