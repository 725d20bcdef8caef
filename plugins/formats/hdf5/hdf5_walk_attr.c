/* SPDX-License-Identifier: MIT
 *
 * Attributes in messages of a header or, if they are many or large, in a
 * fractal heap.
 *
 *  1. version u8, flags u8 (0: shared type, 1: shared space); sizes u16 of
 *     name, type and space; version 3: character set u8; name with its NUL,
 *     type, space, and the elements. In version 1 the three parts are padded
 *     to 8 bytes each.
 *  2. message 21, attribute information: version 0, flags (0: creation order
 *     tracked), highest order u16 if flag 0, fractal heap u64, B-tree u64.
 *  3. a record of that B-tree: id of 8 bytes, flags u8 of a message, order
 *     u32, hash u32.
 */
#include <stdlib.h>
#include <string.h>

#include "hdf5_walk_dense.h"

#define ATTR_SHARED_TYPE 1
#define ATTR_SHARED_SPACE 2
#define INFO_TRACKED 1
#define RECORD_BYTES 17
#define RECORD_FLAGS_AT 8
#define RECORD_ORDER_AT 9

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
attr_read(struct hdf5_walk *walk, struct hdf5_run run)
{
    struct hdf5_run name, type, space;
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

/* Attributes in messages of the header. Sorting them sorts all messages,
 * which nobody looks at in the order of the header any more. */
static int
attrs_messages(struct hdf5_walk *walk, bool tracked)
{
    const struct hdf5_message *message;
    size_t count = walk->messages.size_bytes / sizeof *message, i;
    int status = CKPT_OK;

    if (tracked && count > 1)
        qsort(walk->messages.data, count, sizeof *message, message_by_order);
    for (i = 0; i < count && status == CKPT_OK; i++) {
        message = (const struct hdf5_message *)(void *)walk->messages.data + i;
        if (message->type == HDF5_MESSAGE_ATTRIBUTE)
            status = message->flags & HDF5_MESSAGE_SHARED
                         ? CKPT_END
                         : attr_read(walk, hdf5_message_run(walk, message));
    }
    return status;
}

static int
record_by_order(const void *left, const void *right)
{
    const unsigned char *a = left, *b = right;
    uint32_t first = sdk_load_le32(a + RECORD_ORDER_AT);
    uint32_t second = sdk_load_le32(b + RECORD_ORDER_AT);

    return first < second ? -1 : first > second;
}

static int
attrs_dense(struct hdf5_walk *walk, uint64_t heap, uint64_t tree, bool tracked)
{
    struct hdf5_dense dense = {0};
    const unsigned char *record;
    struct hdf5_run run;
    size_t count, i;
    int status = hdf5_dense_read(walk, heap, tree, HDF5_TREE_ATTRS, &dense);

    count = hdf5_dense_count(&dense);
    if (status == CKPT_OK && count > 0 && dense.record_bytes != RECORD_BYTES)
        status = CKPT_END;
    if (status == CKPT_OK && tracked && count > 1)
        qsort(dense.records.data, count, RECORD_BYTES, record_by_order);
    for (i = 0; i < count && status == CKPT_OK; i++) {
        record = dense.records.data + i * RECORD_BYTES;
        if (record[RECORD_FLAGS_AT] & HDF5_MESSAGE_SHARED)
            status = CKPT_END;
        else
            status = hdf5_dense_object(walk, &dense, i, 0, &run);
        if (status == CKPT_OK)
            status = attr_read(walk, run);
    }
    hdf5_dense_fini(walk, &dense);
    return status;
}

int
hdf5_walk_attrs(struct hdf5_walk *walk)
{
    const struct hdf5_message *info =
        hdf5_message_find(walk, HDF5_MESSAGE_ATTRIBUTE_INFO);
    struct hdf5_run run;
    uint8_t version, flags;
    uint64_t heap, tree;
    int status;

    if (info == NULL)
        return attrs_messages(walk, false);
    run = hdf5_message_run(walk, info);
    version = hdf5_take_u8(&run);
    flags = hdf5_take_u8(&run);
    if (flags & INFO_TRACKED)
        hdf5_take(&run, 2);
    heap = hdf5_take_u64(&run);
    tree = hdf5_take_u64(&run);
    status = hdf5_run_check(walk, &run, "the information on attributes");
    if (status == CKPT_OK && version != 0)
        status = CKPT_END;
    if (status != CKPT_OK)
        return status;
    if (heap == WALK_NOWHERE)
        return attrs_messages(walk, (flags & INFO_TRACKED) != 0);
    return attrs_dense(walk, heap, tree, (flags & INFO_TRACKED) != 0);
}
