/* SPDX-License-Identifier: MIT
 *
 * Keras: families and order.
 *
 * Keras 1 and 2 keep the names of layers in the attribute layer_names of the
 * root or of the group model_weights, and those of weights in weight_names of
 * each layer's group. What is too long for an attribute is cut into name0,
 * name1, ... Keras 0 counts: nb_layers, nb_params. Keras 3 numbers what is in
 * groups `vars`.
 */
#include "hdf5_keras.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PARTS_MAX 100000 /* of an attribute that was cut */

static const char *const family_names[] = {
    [HDF5_PLAIN] = "a plain tree",
    [HDF5_KERAS_0] = "Keras 0 weights",
    [HDF5_KERAS_WEIGHTS] = "Keras 2 weights",
    [HDF5_KERAS_MODEL] = "Keras 2 whole model",
    [HDF5_KERAS_3] = "Keras 3 weights",
    [HDF5_MATLAB] = "MATLAB 7.3",
    [HDF5_PYTABLES] = "PyTables",
};

const char *
hdf5_family_name(enum hdf5_family family)
{
    return family_names[family];
}

struct sign {
    const char *name;
    unsigned seen;
};

static const struct sign attr_signs[] = {
    {"layer_names", HDF5_SEEN_LAYERS},
    {"layer_names0", HDF5_SEEN_LAYERS},
    {"nb_layers", HDF5_SEEN_COUNT},
    {"PYTABLES_FORMAT_VERSION", HDF5_SEEN_PYTABLES},
    {NULL, 0},
};

static const struct sign link_signs[] = {
    {"model_weights", HDF5_SEEN_MODEL},
    {"layers", HDF5_SEEN_VARS},
    {"_layer_checkpoint_dependencies", HDF5_SEEN_VARS},
    {"vars", HDF5_SEEN_VARS},
    {NULL, 0},
};

static unsigned
sign_find(const struct sign *sign, const char *name, size_t name_bytes)
{
    while (sign->name != NULL && (strlen(sign->name) != name_bytes ||
                                  memcmp(sign->name, name, name_bytes) != 0))
        sign++;
    return sign->seen;
}

unsigned
hdf5_seen_attr(const char *name, size_t name_bytes)
{
    return sign_find(attr_signs, name, name_bytes);
}

unsigned
hdf5_seen_link(const char *name, size_t name_bytes)
{
    return sign_find(link_signs, name, name_bytes);
}

enum hdf5_family
hdf5_family_of(unsigned seen)
{
    return seen & HDF5_SEEN_LAYERS     ? HDF5_KERAS_WEIGHTS
           : seen & HDF5_SEEN_MODEL    ? HDF5_KERAS_MODEL
           : seen & HDF5_SEEN_COUNT    ? HDF5_KERAS_0
           : seen & HDF5_SEEN_PYTABLES ? HDF5_PYTABLES
           : seen & HDF5_SEEN_VARS     ? HDF5_KERAS_3
                                       : HDF5_PLAIN;
}

enum hdf5_family
hdf5_keras_family(const struct hdf5_tree *tree)
{
    const struct hdf5_object *root = tree->objects[0];
    const struct hdf5_attr *attr = root->attrs;
    const struct hdf5_link *link = root->links;
    unsigned seen = 0;

    for (; attr != NULL; attr = attr->next)
        seen |= hdf5_seen_attr(attr->name, strlen(attr->name));
    for (; link != NULL; link = link->next)
        if (link->kind == HDF5_HARD && link->object->kind == HDF5_GROUP)
            seen |= hdf5_seen_link(link->name, link->name_bytes);
    return hdf5_family_of(seen);
}

bool
hdf5_keras_names(uint32_t family)
{
    return family == HDF5_KERAS_0 || family == HDF5_KERAS_WEIGHTS ||
           family == HDF5_KERAS_MODEL;
}

/* ---- Numbers as names ---- */

struct numbered {
    struct hdf5_link *link;
    uint64_t number; /* UINT64_MAX: the name is none */
    size_t place;
};

static uint64_t
link_number(const struct hdf5_link *link)
{
    uint64_t number = 0;
    size_t i;

    if (link->name_bytes > 18)
        return UINT64_MAX;
    for (i = 0; i < link->name_bytes; i++) {
        if (link->name[i] < '0' || link->name[i] > '9')
            return UINT64_MAX;
        number = number * 10 + (uint64_t)(link->name[i] - '0');
    }
    return number;
}

static int
numbered_order(const void *left, const void *right)
{
    const struct numbered *a = left, *b = right;

    if (a->number != b->number)
        return a->number < b->number ? -1 : 1;
    return a->place < b->place ? -1 : a->place > b->place;
}

static bool
path_ends(const struct ckpt_text *path, const char *name)
{
    size_t size = strlen(name), at = path->size_bytes - size;

    return path->size_bytes >= size &&
           memcmp(path->data + at, name, size) == 0 &&
           (at == 0 || path->data[at - 1] == '/');
}

int
hdf5_keras_sort_vars(struct hdf5_tree *tree, struct hdf5_object *group,
                     const struct ckpt_text *path)
{
    const struct ckpt_host *host = tree->host;
    struct numbered item = {group->links, 0, 0}, *items;
    struct sdk_buffer sorted = {0};
    size_t count, i;
    int status = CKPT_OK;

    if (!path_ends(path, "vars"))
        return CKPT_OK;
    for (; item.link != NULL && status == CKPT_OK;
         item.link = item.link->next, item.place++) {
        item.number = link_number(item.link);
        status = sdk_buffer_append(host, &sorted, &item, sizeof item);
    }
    items = (struct numbered *)(void *)sorted.data;
    count = sorted.size_bytes / sizeof *items;
    if (status == CKPT_OK && count > 1) {
        qsort(items, count, sizeof *items, numbered_order);
        group->links_end = &group->links;
        for (i = 0; i < count; i++) {
            *group->links_end = items[i].link;
            group->links_end = &items[i].link->next;
        }
        *group->links_end = NULL;
    }
    sdk_buffer_fini(host, &sorted);
    return status;
}

/* ---- Names in attributes ---- */

/* The names in an attribute, which may be cut into parts: one after the
 * other. */
struct names {
    const struct hdf5_object *owner;
    const char *name;
    const struct hdf5_attr *attr; /* the part that is read */
    uint64_t at;
    unsigned part;
};

static const struct hdf5_attr *
names_part(const struct names *names)
{
    char name[48];

    snprintf(name, sizeof name, "%s%u", names->name, names->part);
    return hdf5_attr_find(names->owner, name);
}

static void
names_begin(struct names *names, const struct hdf5_object *owner,
            const char *name)
{
    memset(names, 0, sizeof *names);
    names->owner = owner;
    names->name = name;
    names->attr = hdf5_attr_find(owner, name);
    names->part = PARTS_MAX;
    if (names->attr != NULL)
        return;
    names->part = 0;
    names->attr = names_part(names);
}

/* The next name, or NULL. An empty list may be of any type. */
static const struct ckpt_text *
names_next(struct names *names)
{
    const struct hdf5_attr *attr = names->attr;

    while (attr != NULL) {
        if (attr->value.texts != NULL && names->at < attr->value.space.count)
            return &attr->value.texts[names->at++];
        names->at = 0;
        names->part++;
        names->attr = names->part < PARTS_MAX ? names_part(names) : NULL;
        attr = names->attr;
    }
    return NULL;
}

/* ---- Order ---- */

struct order {
    struct hdf5_list *list;
    uint64_t missing; /* names of weights that are not there */
};

/* The entry of `group/name`, or of `name` if the group is the root. */
static int
order_find(struct order *order, const struct ckpt_text *group, const char *name,
           size_t name_bytes, struct hdf5_entry **found)
{
    const struct ckpt_host *host = order->list->tree->host;
    struct sdk_buffer path = {0};
    int status = CKPT_OK;

    if (group->size_bytes > 0) {
        status = sdk_buffer_append(host, &path, group->data, group->size_bytes);
        if (status == CKPT_OK)
            status = sdk_buffer_append(host, &path, "/", 1);
    }
    if (status == CKPT_OK)
        status = sdk_buffer_append(host, &path, name, name_bytes);
    if (status == CKPT_OK)
        *found = hdf5_list_find(order->list, (const char *)path.data,
                                path.size_bytes);
    sdk_buffer_fini(host, &path);
    return status;
}

/* Places what weight_names of a group tells. */
static int
order_weights(struct order *order, const struct ckpt_text *path,
              const struct hdf5_object *group)
{
    const struct ckpt_text *name;
    struct hdf5_entry *found;
    struct names names;
    int status = CKPT_OK;

    names_begin(&names, group, "weight_names");
    while (status == CKPT_OK && (name = names_next(&names)) != NULL) {
        status = order_find(order, path, name->data, name->size_bytes, &found);
        if (status != CKPT_OK)
            break;
        if (found != NULL && found->object->kind == HDF5_DATA)
            status = hdf5_list_place(order->list, found);
        else
            order->missing++;
    }
    return status;
}

/* Places the layers of a group with layer_names. */
static int
order_layers(struct order *order, const struct ckpt_text *path,
             const struct hdf5_object *group)
{
    const struct ckpt_text *name;
    struct hdf5_entry *found;
    struct names names;
    int status = CKPT_OK;

    names_begin(&names, group, "layer_names");
    while (status == CKPT_OK && (name = names_next(&names)) != NULL) {
        status = order_find(order, path, name->data, name->size_bytes, &found);
        if (status == CKPT_OK && found != NULL)
            status = order_weights(order, &found->path, found->object);
    }
    return status;
}

/* Places the weights of one group of the root or of model_weights. */
static int
order_group(struct order *order, const struct ckpt_text *path, const char *name)
{
    struct hdf5_entry *found;
    int status = order_find(order, path, name, strlen(name), &found);

    if (status == CKPT_OK && found != NULL)
        status = order_weights(order, &found->path, found->object);
    return status;
}

static uint64_t
attr_count(const struct hdf5_object *object, const char *name)
{
    const struct hdf5_attr *attr = hdf5_attr_find(object, name);
    const struct hdf5_value *value = attr != NULL ? &attr->value : NULL;
    uint64_t count = 0;
    uint32_t i;

    if (value == NULL || value->bytes == NULL || value->space.count != 1 ||
        value->type.class != HDF5_NUMBER ||
        value->type.byte_order != CKPT_LITTLE_ENDIAN ||
        value->type.size_bytes > 8)
        return 0;
    for (i = value->type.size_bytes; i > 0; i--)
        count = count << 8 | value->bytes[i - 1];
    return count;
}

/* Keras 0: layer_<k>/param_<j>. What is missing ends the count. */
static int
order_counted(struct order *order, const struct hdf5_object *root)
{
    const struct ckpt_text top = {"", 0};
    uint64_t layers = attr_count(root, "nb_layers"), k, j, params;
    struct hdf5_entry *layer = NULL, *param;
    char name[40];
    int status = CKPT_OK;

    for (k = 0; k < layers && status == CKPT_OK; k++) {
        snprintf(name, sizeof name, "layer_%llu", (unsigned long long)k);
        status = order_find(order, &top, name, strlen(name), &layer);
        if (status != CKPT_OK || layer == NULL)
            return status;
        params = attr_count(layer->object, "nb_params");
        for (j = 0; j < params && status == CKPT_OK; j++) {
            snprintf(name, sizeof name, "param_%llu", (unsigned long long)j);
            status =
                order_find(order, &layer->path, name, strlen(name), &param);
            if (status != CKPT_OK || param == NULL)
                break;
            status = hdf5_list_place(order->list, param);
        }
    }
    return status;
}

/* Everything else, as it comes. */
static int
order_rest(struct hdf5_list *list)
{
    size_t count = hdf5_list_count(list), i;
    int status = CKPT_OK;

    for (i = 0; i < count && status == CKPT_OK; i++)
        status = hdf5_list_place(list, hdf5_list_at(list, i));
    return status;
}

int
hdf5_keras_order(struct hdf5_list *list)
{
    const struct hdf5_object *weights = list->tree->objects[0];
    const uint32_t family = list->family;
    const struct ckpt_text top = {"", 0}, model = {"model_weights", 13};
    const struct ckpt_text *base = family == HDF5_KERAS_MODEL ? &model : &top;
    struct order order = {list, 0};
    const struct hdf5_entry *found;
    int status = CKPT_OK;

    if (family == HDF5_KERAS_MODEL) {
        found = hdf5_list_find(list, model.data, model.size_bytes);
        if (found == NULL) /* the group is listed by another name */
            return order_rest(list);
        weights = found->object;
    }
    if (family == HDF5_KERAS_0)
        status = order_counted(&order, weights);
    if (family == HDF5_KERAS_WEIGHTS || family == HDF5_KERAS_MODEL) {
        status = order_layers(&order, base, weights);
        if (status == CKPT_OK)
            status = order_group(&order, base, "top_level_model_weights");
        if (status == CKPT_OK)
            status = order_group(&order, &top, "optimizer_weights");
    }
    if (status == CKPT_OK)
        status = order_rest(list);
    if (status == CKPT_OK && order.missing > 0)
        list->tree->host->warn(list->tree->host, NULL, CKPT_NOWHERE,
                               "weight_names tells %llu names that are not "
                               "those of data sets",
                               (unsigned long long)order.missing);
    return status;
}
