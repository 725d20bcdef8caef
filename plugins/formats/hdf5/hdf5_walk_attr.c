/* SPDX-License-Identifier: MIT
 *
 * Attributes that are messages of a header.
 *
 *  1. version u8, flags u8 (0: shared type, 1: shared space); sizes u16 of
 *     name, type and space; version 3: character set u8; name with its NUL,
 *     type, space, and the elements. In version 1 the three parts are padded
 *     to 8 bytes each.
 *  2. message 21, attribute information: version 0, flags (0: creation order
 *     tracked), highest order u16 if flag 0, fractal heap u64, B-tree u64.
 */
#include <stdlib.h>
#include <string.h>

#include "hdf5_walk_file.h"

#define ATTR_SHARED_TYPE 1
#define ATTR_SHARED_SPACE 2
#define INFO_TRACKED 1

/* A part of an attribute, padded as its version wants. */
static struct hdf5_run
attr_part(struct hdf5_run *run, size_t size_bytes, uint8_t version)
{
    struct hdf5_run part = hdf5_take_run(run, size_bytes);

    if (version == 1)
        hdf5_take(run, (8 - size_bytes % 8) % 8);
    return part;
}

/* The elements: strings as texts, all else as bytes. */
static int
attr_elements(struct hdf5_walk *walk, struct hdf5_run *run,
              struct hdf5_value *value)
{
    uint64_t size;
    struct hdf5_run part;
    int status = hdf5_space_bytes(walk->tree, &value->space, &value->type,
                                  walk->base + run->address, &size);

    if (status != CKPT_OK)
        return status;
    if (size > run->left)
        run->cut = true;
    part = hdf5_take_run(run, run->cut ? 0 : (size_t)size);
    status = hdf5_run_check(walk, run, "an attribute");
    if (status != CKPT_OK || value->type.class == HDF5_OTHER)
        return status;
    if (value->type.class == HDF5_VARIABLE)
        return hdf5_walk_texts(walk, &part, value->space.count, &value->texts);
    if (value->type.class == HDF5_FIXED)
        return hdf5_texts_fixed(walk->tree, &value->type, value->space.count,
                                part.at, &value->texts);
    value->bytes =
        (const unsigned char *)hdf5_tree_copy(walk->tree, part.at, part.left);
    return value->bytes != NULL ? CKPT_OK : CKPT_MEMORY;
}

static int
attr_value(struct hdf5_walk *walk, uint8_t flags, struct hdf5_run *type,
           struct hdf5_run *space, struct hdf5_value *value)
{
    int status = flags & ATTR_SHARED_TYPE
                     ? hdf5_walk_type_shared(walk, type, &value->type)
                     : hdf5_walk_type(walk, type, &value->type);

    if (status == CKPT_OK)
        status = hdf5_walk_space(walk, space, &value->space);
    return status;
}

static int
attr_read(struct hdf5_walk *walk, const struct hdf5_message *message)
{
    struct hdf5_run run = hdf5_message_run(walk, message), name, type, space;
    uint8_t version = hdf5_take_u8(&run), flags = hdf5_take_u8(&run);
    size_t name_bytes = hdf5_take_u16(&run), type_bytes = hdf5_take_u16(&run);
    size_t space_bytes = hdf5_take_u16(&run);
    struct hdf5_value value = {0};
    int status;

    if (!run.cut && (version < 1 || version > 3))
        return CKPT_END;
    if (version == 3)
        hdf5_take(&run, 1);
    else if (version == 1)
        flags = 0;
    if (flags & ATTR_SHARED_SPACE)
        return CKPT_END;
    name = attr_part(&run, name_bytes, version);
    type = attr_part(&run, type_bytes, version);
    space = attr_part(&run, space_bytes, version);
    if (name.left == 0 || memchr(name.at, 0, name.left) == NULL)
        run.cut = true;
    status = hdf5_run_check(walk, &run, "an attribute");
    if (status == CKPT_OK)
        status = attr_value(walk, flags, &type, &space, &value);
    if (status == CKPT_OK)
        status = attr_elements(walk, &run, &value);
    if (status == CKPT_OK)
        status = hdf5_tree_attr(walk->tree, walk->object, (const char *)name.at,
                                &value);
    return status;
}

static int
message_by_order(const void *left, const void *right)
{
    const struct hdf5_message *a = left, *b = right;

    return a->order < b->order ? -1 : a->order > b->order;
}

/* Sorts all messages, which nobody looks at in the order of the header
 * any more. */
static int
attrs_info(struct hdf5_walk *walk, const struct hdf5_message *info)
{
    struct hdf5_run run = hdf5_message_run(walk, info);
    uint8_t version = hdf5_take_u8(&run), flags = hdf5_take_u8(&run);
    uint64_t heap;
    int status;

    if (flags & INFO_TRACKED)
        hdf5_take(&run, 2);
    heap = hdf5_take_u64(&run);
    status = hdf5_run_check(walk, &run, "the information on attributes");
    if (status == CKPT_OK && (version != 0 || heap != WALK_NOWHERE))
        return CKPT_END;
    if (status == CKPT_OK && (flags & INFO_TRACKED))
        qsort(walk->messages.data,
              walk->messages.size_bytes / sizeof(struct hdf5_message),
              sizeof(struct hdf5_message), message_by_order);
    return status;
}

int
hdf5_walk_attrs(struct hdf5_walk *walk)
{
    const struct hdf5_message *message =
        hdf5_message_find(walk, HDF5_MESSAGE_ATTRIBUTE_INFO);
    size_t count, i;
    int status = CKPT_OK;

    if (message != NULL)
        status = attrs_info(walk, message);
    count = walk->messages.size_bytes / sizeof *message;
    for (i = 0; i < count && status == CKPT_OK; i++) {
        message = (const struct hdf5_message *)(void *)walk->messages.data + i;
        if (message->type == HDF5_MESSAGE_ATTRIBUTE)
            status = message->flags & HDF5_MESSAGE_SHARED
                         ? CKPT_END
                         : attr_read(walk, message);
    }
    return status;
}
