/* SPDX-License-Identifier: MIT
 *
 * The tree and its arena. What types mean is in hdf5_type.c.
 */
#include "hdf5_tree.h"

#include <string.h>

#include "checked.h"

/* Blocks grow fourfold from the first size to the last. */
#define TREE_FIRST_BYTES ((size_t)16 << 10)
#define TREE_LAST_BYTES (((size_t)8 << 20) - 64)
#define TREE_ALIGN 8

/* A block of the arena; its bytes follow. */
struct hdf5_block {
    struct hdf5_block *next;
    size_t size_bytes;
};

void
hdf5_tree_init(const struct ckpt_host *host, const struct hdf5_part *part,
               struct hdf5_tree *tree)
{
    memset(tree, 0, sizeof *tree);
    tree->host = host;
    tree->part = *part;
}

void
hdf5_tree_fini(struct hdf5_tree *tree)
{
    struct hdf5_block *block = tree->blocks, *next;
    const struct ckpt_host *host = tree->host;

    for (; block != NULL; block = next) {
        next = block->next;
        host->release(host, block);
    }
    if (host != NULL) {
        sdk_table_fini(host, &tree->addresses);
        host->release(host, tree->objects);
    }
    memset(tree, 0, sizeof *tree);
}

/* A new block, with room for at least `size_bytes`. */
static bool
tree_grow(struct hdf5_tree *tree, size_t size_bytes)
{
    size_t room = TREE_FIRST_BYTES;
    struct hdf5_block *block;

    if (tree->blocks != NULL)
        room = 4 * tree->blocks->size_bytes;
    if (room > TREE_LAST_BYTES)
        room = TREE_LAST_BYTES;
    if (room < size_bytes)
        room = size_bytes;
    block = tree->host->allocate(tree->host, sizeof *block + room);
    if (block == NULL)
        return false;
    block->size_bytes = room;
    block->next = tree->blocks;
    tree->blocks = block;
    tree->block_room = room;
    return true;
}

void *
hdf5_tree_hold(struct hdf5_tree *tree, size_t size_bytes)
{
    size_t size = (size_bytes + TREE_ALIGN - 1) / TREE_ALIGN * TREE_ALIGN;
    unsigned char *end;

    if (size_bytes == 0)
        size = TREE_ALIGN;
    if (size_bytes > SIZE_MAX / 2)
        size = SIZE_MAX / 2; /* refused by the host, which says so */
    if (size > tree->block_room && !tree_grow(tree, size))
        return NULL;
    end = (unsigned char *)(tree->blocks + 1) + tree->blocks->size_bytes;
    tree->block_room -= size;
    return end - tree->block_room - size;
}

char *
hdf5_tree_copy(struct hdf5_tree *tree, const void *bytes, size_t size_bytes)
{
    char *copy =
        hdf5_tree_hold(tree, size_bytes < SIZE_MAX ? size_bytes + 1 : SIZE_MAX);

    if (copy != NULL && size_bytes > 0)
        memcpy(copy, bytes, size_bytes);
    return copy;
}

static int
tree_room(struct hdf5_tree *tree)
{
    const struct ckpt_host *host = tree->host;
    size_t room = tree->object_room > 0 ? 2 * tree->object_room : 64;
    struct hdf5_object **objects;

    if (tree->object_count < tree->object_room)
        return CKPT_OK;
    if (tree->object_count >= HDF5_OBJECTS_MAX)
        return host->fail(host, CKPT_LIMIT, NULL, CKPT_NOWHERE,
                          "more than %llu objects",
                          (unsigned long long)HDF5_OBJECTS_MAX);
    objects = host->reallocate(host, tree->objects, room * sizeof *objects);
    if (objects == NULL)
        return CKPT_MEMORY;
    tree->objects = objects;
    tree->object_room = room;
    return CKPT_OK;
}

int
hdf5_tree_reserve(struct hdf5_tree *tree, size_t count)
{
    if (count > HDF5_OBJECTS_MAX)
        return CKPT_OK; /* refused when the last of them comes */
    return sdk_table_reserve(tree->host, &tree->addresses,
                             tree->object_count + count);
}

int
hdf5_tree_object(struct hdf5_tree *tree, uint64_t address,
                 struct hdf5_object **object, bool *added)
{
    uint64_t *index =
        sdk_table_find(&tree->addresses, &address, sizeof address);
    struct hdf5_object *made;
    bool fresh;
    int status;

    if (index != NULL) {
        *object = tree->objects[*index];
        *added = false;
        return CKPT_OK;
    }
    status = tree_room(tree);
    if (status != CKPT_OK)
        return status;
    made = hdf5_tree_hold(tree, sizeof *made);
    if (made == NULL)
        return CKPT_MEMORY;
    made->address = address;
    made->offset = tree->part.base + tree->user_block_bytes + address;
    made->index = (uint32_t)tree->object_count;
    made->attrs_end = &made->attrs;
    made->links_end = &made->links;
    /* The table borrows its keys: this one is in the arena. */
    index = sdk_table_add(tree->host, &tree->addresses, &made->address,
                          sizeof made->address, &fresh);
    if (index == NULL)
        return CKPT_MEMORY;
    *index = tree->object_count;
    tree->objects[tree->object_count++] = made;
    *object = made;
    *added = true;
    return CKPT_OK;
}

static bool
tree_name_fine(const struct hdf5_link *link)
{
    return link->name_bytes > 0 &&
           !(link->name_bytes == 1 && link->name[0] == '.') &&
           memchr(link->name, '/', link->name_bytes) == NULL &&
           memchr(link->name, 0, link->name_bytes) == NULL;
}

int
hdf5_tree_link(struct hdf5_tree *tree, struct hdf5_object *group,
               const struct hdf5_link *like)
{
    const struct ckpt_host *host = tree->host;
    struct hdf5_link *link;

    if (!tree_name_fine(like))
        return host->fail(host, CKPT_FORMAT, NULL, group->offset,
                          "a group has a link whose name is empty or not one "
                          "of a link");
    if (++tree->link_count > HDF5_OBJECTS_MAX)
        return host->fail(host, CKPT_LIMIT, NULL, group->offset,
                          "more than %llu links",
                          (unsigned long long)HDF5_OBJECTS_MAX);
    link = hdf5_tree_hold(tree, sizeof *link);
    if (link == NULL)
        return CKPT_MEMORY;
    *link = *like;
    link->next = NULL;
    link->name = hdf5_tree_copy(tree, like->name, like->name_bytes);
    if (link->name == NULL)
        return CKPT_MEMORY;
    if (like->target != NULL) {
        link->target = hdf5_tree_copy(tree, like->target, strlen(like->target));
        if (link->target == NULL)
            return CKPT_MEMORY;
    }
    *group->links_end = link;
    group->links_end = &link->next;
    if (link->object != NULL && link->object->link == NULL &&
        link->object->index > 0) {
        link->object->link = link;
        link->object->parent = group;
    }
    return CKPT_OK;
}

int
hdf5_tree_attr(struct hdf5_tree *tree, struct hdf5_object *object,
               const char *name, const struct hdf5_value *value)
{
    struct hdf5_attr *attr = hdf5_tree_hold(tree, sizeof *attr);

    if (attr == NULL)
        return CKPT_MEMORY;
    attr->name = hdf5_tree_copy(tree, name, strlen(name));
    if (attr->name == NULL)
        return CKPT_MEMORY;
    attr->value = *value;
    *object->attrs_end = attr;
    object->attrs_end = &attr->next;
    return CKPT_OK;
}

const char *
hdf5_tree_path(struct hdf5_tree *tree, const struct hdf5_object *object)
{
    const struct hdf5_object *at = object;
    size_t size = 0;
    char *path;

    for (; at->link != NULL; at = at->parent)
        size += at->link->name_bytes + 1;
    if (size == 0)
        return NULL;
    path = hdf5_tree_hold(tree, size);
    if (path == NULL)
        return NULL;
    for (at = object, size--; at->link != NULL; at = at->parent) {
        size -= at->link->name_bytes;
        memcpy(path + size, at->link->name, at->link->name_bytes);
        if (size > 0)
            path[--size] = '/';
    }
    return path;
}

const struct hdf5_attr *
hdf5_attr_find(const struct hdf5_object *object, const char *name)
{
    const struct hdf5_attr *attr = object->attrs;

    while (attr != NULL && strcmp(attr->name, name) != 0)
        attr = attr->next;
    return attr;
}

int
hdf5_space_make(struct hdf5_tree *tree, uint32_t kind, uint32_t rank,
                const uint64_t *shape, uint64_t byte, struct hdf5_space *space)
{
    const struct ckpt_host *host = tree->host;
    struct hdf5_space made = {.kind = kind, .count = kind != HDF5_NULL};
    uint64_t *copy, nonzero = 1;
    uint32_t i;

    if (rank > HDF5_RANK_MAX)
        return host->fail(host, CKPT_FORMAT, NULL, byte,
                          "a space of %u dimensions, the most are 32", rank);
    if (kind == HDF5_SIMPLE && rank > 0) {
        copy = hdf5_tree_hold(tree, rank * sizeof *copy);
        if (copy == NULL)
            return CKPT_MEMORY;
        for (i = 0; i < rank; i++) {
            copy[i] = shape[i];
            made.count *= shape[i]; /* checked by `nonzero`, which is more */
            if (shape[i] > 0 && !sdk_mul_u64(nonzero, shape[i], &nonzero))
                return host->fail(host, CKPT_FORMAT, NULL, byte,
                                  "the product of the dimensions overflows");
        }
        made.rank = rank;
        made.shape = copy;
    }
    *space = made;
    return CKPT_OK;
}

int
hdf5_space_bytes(struct hdf5_tree *tree, const struct hdf5_space *space,
                 const struct hdf5_type *type, uint64_t byte,
                 uint64_t *size_bytes)
{
    if (!sdk_mul_u64(space->count, type->size_bytes, size_bytes))
        return tree->host->fail(tree->host, CKPT_FORMAT, NULL, byte,
                                "%llu elements of %u bytes overflow",
                                (unsigned long long)space->count,
                                type->size_bytes);
    return CKPT_OK;
}

int
hdf5_data_check(struct hdf5_tree *tree, const struct hdf5_object *object,
                const char *name)
{
    const struct ckpt_host *host = tree->host;
    const struct hdf5_data *data = &object->data;
    const struct hdf5_part *part = &tree->part;
    uint64_t stored = data->place == HDF5_CODED ? data->stored_bytes : 0;

    if (data->place == HDF5_SPAN &&
        (data->offset < part->base ||
         !sdk_within(data->offset - part->base, data->size_bytes,
                     part->size_bytes)))
        return host->fail(host, CKPT_FORMAT, name, object->offset,
                          "%llu bytes of data at byte %llu reach beyond the "
                          "end of the file",
                          (unsigned long long)data->size_bytes,
                          (unsigned long long)data->offset);
    if ((data->place == HDF5_CODED || data->place == HDF5_FILL) &&
        data->size_bytes > HDF5_UNBACKED_MAX &&
        data->size_bytes / HDF5_UNBACKED_RATIO > stored)
        return host->fail(host, CKPT_LIMIT, name, object->offset,
                          "%llu bytes are claimed, of which the file has %llu",
                          (unsigned long long)data->size_bytes,
                          (unsigned long long)stored);
    return CKPT_OK;
}
