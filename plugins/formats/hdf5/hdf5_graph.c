/* SPDX-License-Identifier: MIT
 *
 * Builds the graph of a tree: a map of paths.
 *
 * A data set of numbers is a tensor; several names of one are ties. A data set
 * of strings, or of a null space, is a value. Attributes of the root are those
 * of the graph, attributes of any other group are too, as PATH@NAME, and those
 * of a data set stay with its value.
 */
#include "hdf5_graph.h"

#include <string.h>

#include "hdf5_keras.h"
#include "hdf5_value.h"
#include "utf8.h"

#define GRAPH_OWNED_MAX ((uint64_t)64 << 10) /* of an unwritten data set */
#define GRAPH_CANCEL_STEP 4096

struct builder {
    const struct ckpt_host *host;
    struct hdf5_tree *tree;
    struct ckpt_graph *graph;
    struct ckpt_value *root;
    const struct ckpt_storage **storages; /* by index of the object */
    enum hdf5_family family;
    uint64_t cursor_base;
};

/* What a data set is as a tensor. */
struct form {
    uint32_t dtype, rank, byte_order;
    uint64_t shape[HDF5_RANK_MAX + 1];
    bool split; /* an opaque element is a row of bytes */
    bool named; /* the attribute `dtype` was used */
};

static int
graph_text(const struct builder *b, const char *text, size_t size_bytes,
           struct ckpt_value **value)
{
    struct ckpt_value like = {.kind = CKPT_KIND_STRING};

    like.as.text.data = text;
    like.as.text.size_bytes = size_bytes;
    return b->host->value_new(b->host, b->graph, &like, sizeof like, value);
}

/* ---- Attributes ---- */

/* `of` is what the attribute is told of, or NULL for the root. */
static int
graph_attr(const struct builder *b, struct ckpt_value *owner, const char *name,
           const char *of, uint64_t offset, const struct hdf5_attr *attr)
{
    struct ckpt_value *value = NULL;
    bool text = sdk_utf8_valid(name, strlen(name));
    int status = CKPT_OK;

    if (text)
        status = hdf5_value_make(b->tree, b->graph, &attr->value, &value);
    if (status != CKPT_OK)
        return status;
    if (value != NULL)
        return b->host->attr_set(b->host, b->graph, owner, name, value);
    b->host->lose(b->host, of, offset, "the attribute %s is left out: %s",
                  text ? name : "?",
                  !text                            ? "its name is not UTF-8"
                  : attr->value.type.other != NULL ? attr->value.type.other
                                                   : "a number of a kind that "
                                                     "no value can be");
    return CKPT_OK;
}

/* A group without links and attributes leaves a mark, so that it is not lost:
 * the attribute `PATH@`, which is None. */
static int
graph_group_mark(const struct builder *b, const struct hdf5_object *group)
{
    const struct ckpt_value none = {.kind = CKPT_KIND_NONE};
    size_t path_bytes = strlen(group->path);
    struct ckpt_value *value;
    char *name;
    int status;

    if (path_bytes == 0 || group->attrs != NULL || group->links != NULL)
        return CKPT_OK;
    name = hdf5_tree_hold(b->tree, path_bytes + 2);
    if (name == NULL)
        return CKPT_MEMORY;
    memcpy(name, group->path, path_bytes);
    name[path_bytes] = '@';
    status = b->host->value_new(b->host, b->graph, &none, sizeof none, &value);
    return status == CKPT_OK
               ? b->host->attr_set(b->host, b->graph, NULL, name, value)
               : status;
}

/* The attributes of a group, and of a value that has none of its own, go to
 * the graph. */
static int
graph_path_attrs(const struct builder *b, const struct hdf5_object *object,
                 const char *path)
{
    const struct hdf5_attr *attr = object->attrs;
    size_t path_bytes = strlen(path), before = path_bytes > 0, size;
    int status = CKPT_OK;
    char *name;

    for (; attr != NULL && status == CKPT_OK; attr = attr->next) {
        size = strlen(attr->name);
        name = hdf5_tree_hold(b->tree, path_bytes + size + 2);
        if (name == NULL)
            return CKPT_MEMORY;
        memcpy(name, path, path_bytes);
        name[path_bytes] = '@';
        memcpy(name + path_bytes + before, attr->name, size);
        status = graph_attr(b, NULL, name, path_bytes > 0 ? path : NULL,
                            object->offset, attr);
    }
    return status;
}

static int
graph_group_attrs(const struct builder *b, const struct hdf5_object *group)
{
    int status = graph_group_mark(b, group);

    return status == CKPT_OK ? graph_path_attrs(b, group, group->path) : status;
}

static int
graph_data_attrs(const struct builder *b, const struct hdf5_entry *entry,
                 bool without_dtype, struct ckpt_value *owner)
{
    const struct hdf5_object *object = entry->object;
    const struct hdf5_attr *attr = object->attrs;
    int status = CKPT_OK;

    for (; attr != NULL && status == CKPT_OK; attr = attr->next)
        if (!without_dtype || strcmp(attr->name, "dtype") != 0)
            status = graph_attr(b, owner, attr->name, entry->path.data,
                                object->offset, attr);
    return status;
}

/* The names of an enum's numbers, as the attribute `enum`. */
static int
graph_enum(const struct builder *b, const struct hdf5_type *type,
           struct ckpt_value *owner)
{
    const struct ckpt_value map = {.kind = CKPT_KIND_MAP};
    struct ckpt_value number = {.kind = CKPT_KIND_INT};
    struct ckpt_value *names, *key, *value;
    const struct hdf5_member *member;
    uint32_t i;
    int status =
        b->host->value_new(b->host, b->graph, &map, sizeof map, &names);

    for (i = 0; i < type->member_count && status == CKPT_OK; i++) {
        member = &type->members[i];
        number.as.integer = member->number;
        status = graph_text(b, member->name, strlen(member->name), &key);
        if (status == CKPT_OK)
            status = b->host->value_new(b->host, b->graph, &number,
                                        sizeof number, &value);
        if (status == CKPT_OK)
            status = b->host->map_set(b->host, b->graph, names, key, value);
    }
    if (status == CKPT_OK)
        status = b->host->attr_set(b->host, b->graph, owner, "enum", names);
    return status;
}

/* ---- Tensors ---- */

static bool
is_keras(enum hdf5_family family)
{
    return family == HDF5_KERAS_3 || family == HDF5_KERAS_MODEL ||
           family == HDF5_KERAS_WEIGHTS;
}

/* The dtype that the attribute `dtype` of opaque elements tells, as Keras 3
 * does for bfloat16; its first files did without, and those in the form of
 * Keras 2 still do. */
static uint32_t
form_opaque(const struct builder *b, const struct hdf5_object *object)
{
    const struct hdf5_attr *attr = hdf5_attr_find(object, "dtype");
    uint32_t size = object->data.type.size_bytes, dtype = CKPT_DTYPE_NONE;

    if (attr != NULL && attr->value.texts != NULL &&
        attr->value.space.count == 1)
        dtype = ckpt_dtype_from_name(attr->value.texts[0].data);
    else if (is_keras(b->family) && size == 2 &&
             object->data.type.tag[0] == '\0')
        dtype = CKPT_BFLOAT16;
    return size <= 16 && ckpt_dtype_width_bits(dtype) == 8 * size
               ? dtype
               : CKPT_DTYPE_NONE;
}

static void
form_of(const struct builder *b, const struct hdf5_object *object,
        struct form *form)
{
    const struct hdf5_data *data = &object->data;

    form->dtype = data->type.dtype;
    form->byte_order = data->type.byte_order;
    form->rank = data->space.rank;
    if (form->rank > 0)
        memcpy(form->shape, data->space.shape,
               form->rank * sizeof *form->shape);
    if (data->type.class != HDF5_OPAQUE)
        return;
    form->dtype = form_opaque(b, object);
    form->named = form->dtype != CKPT_DTYPE_NONE;
    form->split = !form->named;
    if (form->split) {
        form->dtype = CKPT_UINT8;
        form->shape[form->rank++] = data->type.size_bytes;
    }
}

/* The bytes of a small data set that was never written. */
static int
storage_fill(const struct builder *b, const struct hdf5_data *data,
             struct ckpt_storage *storage)
{
    size_t size = (size_t)data->size_bytes, element = data->type.size_bytes, at;
    unsigned char *bytes = hdf5_tree_hold(b->tree, size);

    if (bytes == NULL)
        return CKPT_MEMORY;
    for (at = 0; at < size && data->bytes != NULL; at += element)
        memcpy(bytes + at, data->bytes, element);
    storage->place = CKPT_PLACE_OWNED;
    storage->data = bytes;
    return CKPT_OK;
}

/* The storage of an object, made once. */
static int
graph_storage(const struct builder *b, const struct hdf5_object *object,
              const struct form *form, const char *name,
              const struct ckpt_storage **made)
{
    const struct hdf5_data *data = &object->data;
    struct ckpt_storage storage = {
        .size_bytes = data->size_bytes,
        .place = CKPT_PLACE_CODED,
        .byte_order = form->byte_order,
        .word_bytes = ckpt_dtype_word_bytes(form->dtype),
        .cursor_key = b->cursor_base + object->index,
    };
    int status = CKPT_OK;

    if (b->storages[object->index] != NULL) {
        *made = b->storages[object->index];
        return CKPT_OK;
    }
    if (data->place == HDF5_REFUSED)
        return b->host->fail(b->host, CKPT_UNSUPPORTED, name, object->offset,
                             "%s, and that is not followed", data->refused);
    if (data->place == HDF5_SPAN) {
        storage.place = CKPT_PLACE_SPAN;
        storage.source = b->tree->part.source;
        storage.source_offset = data->offset;
    } else if (data->place == HDF5_INLINE) {
        storage.place = CKPT_PLACE_OWNED;
        storage.data = data->bytes;
    } else if (data->place == HDF5_FILL &&
               data->size_bytes <= GRAPH_OWNED_MAX) {
        status = storage_fill(b, data, &storage);
    }
    if (status == CKPT_OK)
        status = b->host->storage_new(b->host, b->graph, &storage,
                                      sizeof storage, made);
    if (status == CKPT_OK)
        b->storages[object->index] = *made;
    return status;
}

static int
graph_tensor(const struct builder *b, const struct hdf5_entry *entry,
             struct ckpt_value **value)
{
    const struct hdf5_object *object = entry->object;
    const char *name = entry->path.data;
    struct form form = {0};
    struct ckpt_tensor tensor = {.shape = form.shape};
    int status;

    form_of(b, object, &form);
    status = graph_storage(b, object, &form, name, &tensor.storage);
    if (status != CKPT_OK)
        return status;
    tensor.dtype = form.dtype;
    tensor.rank = form.rank;
    status = b->host->tensor_new(b->host, b->graph, &tensor, sizeof tensor,
                                 name, value);
    if (status == CKPT_OK)
        status = graph_data_attrs(b, entry, form.named, *value);
    if (status == CKPT_OK && object->data.type.class == HDF5_ENUM)
        status = graph_enum(b, &object->data.type, *value);
    if (status == CKPT_OK && form.split)
        b->host->warn(b->host, name, object->offset,
                      "its opaque elements of %u bytes are read as rows of "
                      "uint8",
                      object->data.type.size_bytes);
    return status;
}

static int
graph_value(const struct builder *b, const struct hdf5_entry *entry,
            struct ckpt_value **value)
{
    const struct hdf5_data *data = &entry->object->data;
    const struct hdf5_value like = {data->type, data->space, NULL, data->texts};
    int status = hdf5_value_make(b->tree, b->graph, &like, value);

    if (status != CKPT_OK)
        return status;
    return (*value)->kind < CKPT_KIND_SIZE
               ? graph_path_attrs(b, entry->object, entry->path.data)
               : graph_data_attrs(b, entry, false, *value);
}

static int
graph_entry(const struct builder *b, const struct hdf5_entry *entry)
{
    const struct hdf5_data *data = &entry->object->data;
    size_t count = b->root->as.map.count;
    struct ckpt_value *key, *value;
    int status;

    if (data->place == HDF5_TEXT || data->space.kind == HDF5_NULL) {
        status = graph_value(b, entry, &value);
    } else if (data->type.class == HDF5_OTHER) {
        b->host->lose(b->host, entry->path.data, entry->object->offset,
                      "it is left out: its elements are of a type that no "
                      "tensor has: %s",
                      data->type.other);
        return CKPT_OK;
    } else {
        status = graph_tensor(b, entry, &value);
    }
    if (status == CKPT_OK)
        status = graph_text(b, entry->path.data, entry->path.size_bytes, &key);
    if (status == CKPT_OK)
        status = b->host->map_set(b->host, b->graph, b->root, key, value);
    if (status == CKPT_OK && b->root->as.map.count == count)
        return b->host->fail(b->host, CKPT_FORMAT, entry->path.data,
                             CKPT_NOWHERE, "it is in two files");
    return status;
}

static int
graph_entries(const struct builder *b, const struct hdf5_list *list)
{
    const uint64_t *order = (const uint64_t *)(void *)list->order.data;
    size_t count = list->order.size_bytes / sizeof *order, i;
    int status = CKPT_OK;

    for (i = 0; i < count && status == CKPT_OK; i++) {
        if (i % GRAPH_CANCEL_STEP == 0 && b->host->cancelled(b->host))
            return CKPT_CANCELLED;
        status = graph_entry(b, hdf5_list_at(list, order[i]));
    }
    return status;
}

static int
graph_groups(const struct builder *b, const struct hdf5_list *list)
{
    size_t count = hdf5_list_count(list), i;
    const struct hdf5_object *object;
    int status = graph_group_attrs(b, b->tree->objects[0]);

    for (i = 0; i < count && status == CKPT_OK; i++) {
        object = hdf5_list_at(list, i)->object;
        if (object->kind == HDF5_GROUP)
            status = graph_group_attrs(b, object);
    }
    return status;
}

int
hdf5_graph_begin(const struct ckpt_host *host, struct ckpt_graph *graph,
                 struct ckpt_value **root)
{
    const struct ckpt_value map = {.kind = CKPT_KIND_MAP};

    return host->value_new(host, graph, &map, sizeof map, root);
}

int
hdf5_graph_add(struct hdf5_tree *tree, struct ckpt_graph *graph,
               struct ckpt_value *root, uint64_t cursor_base)
{
    struct builder b = {.host = tree->host,
                        .tree = tree,
                        .graph = graph,
                        .root = root,
                        .cursor_base = cursor_base};
    struct hdf5_list list;
    int status = hdf5_list_make(tree, &list);

    if (status == CKPT_OK)
        status = hdf5_keras_order(&list);
    b.family = list.family;
    b.storages = hdf5_tree_hold(tree, tree->object_count * sizeof *b.storages);
    if (status == CKPT_OK && b.storages == NULL)
        status = CKPT_MEMORY;
    if (status == CKPT_OK)
        status = graph_entries(&b, &list);
    if (status == CKPT_OK)
        status = graph_groups(&b, &list);
    hdf5_list_fini(&list);
    return status;
}

int
hdf5_graph_build(struct hdf5_tree *tree, struct ckpt_graph *graph)
{
    const struct ckpt_host *host = tree->host;
    struct ckpt_value *root;
    int status = hdf5_graph_begin(host, graph, &root);

    if (status == CKPT_OK)
        status = hdf5_graph_add(tree, graph, root, 0);
    return status == CKPT_OK ? host->root_set(host, graph, root) : status;
}
