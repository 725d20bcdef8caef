/* SPDX-License-Identifier: MIT
 *
 * Groups, and their links in messages of the header or, if they are many, in
 * a fractal heap.
 *
 *  1. message 2, link info: version 0, flags (0: creation order tracked),
 *     highest order u64 if flag 0, fractal heap u64, B-tree u64.
 *  2. message 6, link: version 1, flags, kind u8 if flag 3, order u64 if flag
 *     2, character set u8 if flag 4, size of the name in 1, 2, 4 or 8 bytes,
 *     name; then an address, or size u16 and target.
 */
#include <stdlib.h>
#include <string.h>

#include "hdf5_walk_dense.h"

#define INFO_TRACKED 1
#define LINK_SIZE 0x03
#define LINK_ORDERED 0x04
#define LINK_KIND 0x08
#define LINK_CHARSET 0x10
#define LINK_KIND_HARD 0
#define LINK_KIND_SOFT 1
#define LINK_KIND_EXTERNAL 64

int
hdf5_walk_link(struct hdf5_walk *walk, const struct hdf5_found *found)
{
    struct hdf5_link link = {
        .name = found->name,
        .name_bytes = found->name_bytes,
        .kind = found->kind,
        .target = found->target,
    };
    struct hdf5_queued queued = {found->address, NULL};
    bool added = false;
    int status = CKPT_OK;

    if (found->kind == HDF5_HARD)
        status =
            hdf5_tree_object(walk->tree, found->address, &link.object, &added);
    if (status == CKPT_OK)
        status = hdf5_tree_link(walk->tree, walk->object, &link);
    queued.object = link.object;
    if (status == CKPT_OK && added)
        status =
            sdk_buffer_append(walk->host, &walk->queue, &queued, sizeof queued);
    return status;
}

/* The target of a link: a path, or for external links a file and a path. */
static int
link_target(struct hdf5_walk *walk, struct hdf5_run *run,
            struct hdf5_found *found)
{
    struct hdf5_run text = hdf5_take_run(run, hdf5_take_u16(run));

    if (found->kind == HDF5_EXTERNAL)
        hdf5_take(&text, 1); /* version and flags */
    if (text.cut)
        run->cut = true;
    if (run->cut)
        return CKPT_OK;
    found->target = hdf5_tree_copy(walk->tree, text.at, text.left);
    return found->target != NULL ? CKPT_OK : CKPT_MEMORY;
}

/* One link; links of kinds that users define themselves are not plain. */
static int
link_read(struct hdf5_walk *walk, struct hdf5_run run)
{
    struct hdf5_found found = {0};
    uint8_t version = hdf5_take_u8(&run), flags = hdf5_take_u8(&run);
    uint8_t kind = flags & LINK_KIND ? hdf5_take_u8(&run) : 0;
    struct hdf5_run name;
    int status = CKPT_OK;

    if (!run.cut && version != 1)
        return CKPT_END;
    found.order = flags & LINK_ORDERED ? hdf5_take_u64(&run) : 0;
    if (flags & LINK_CHARSET)
        hdf5_take(&run, 1);
    name = hdf5_take_run(
        &run, hdf5_take_uint(&run, (size_t)1 << (flags & LINK_SIZE)));
    found.name = (const char *)name.at;
    found.name_bytes = name.left;
    if (kind == LINK_KIND_HARD) {
        found.kind = HDF5_HARD;
        found.address = hdf5_take_u64(&run);
    } else if (kind == LINK_KIND_SOFT || kind == LINK_KIND_EXTERNAL) {
        found.kind = kind == LINK_KIND_SOFT ? HDF5_SOFT : HDF5_EXTERNAL;
        status = link_target(walk, &run, &found);
    } else {
        return CKPT_END;
    }
    if (status == CKPT_OK)
        status = hdf5_run_check(walk, &run, "a link");
    if (status == CKPT_OK)
        status =
            sdk_buffer_append(walk->host, &walk->links, &found, sizeof found);
    return status;
}

static int
link_by_order(const void *left, const void *right)
{
    const struct hdf5_found *a = left, *b = right;

    return a->order < b->order ? -1 : a->order > b->order;
}

static int
link_by_name(const void *left, const void *right)
{
    const struct hdf5_found *a = left, *b = right;
    size_t size = a->name_bytes < b->name_bytes ? a->name_bytes : b->name_bytes;
    int order = memcmp(a->name, b->name, size);

    if (order != 0)
        return order;
    return a->name_bytes < b->name_bytes ? -1 : a->name_bytes > b->name_bytes;
}

static int
links_add(struct hdf5_walk *walk, bool tracked)
{
    struct hdf5_found *found = (struct hdf5_found *)(void *)walk->links.data;
    size_t count = walk->links.size_bytes / sizeof *found, i;
    int status = CKPT_OK;

    if (count > 1)
        qsort(found, count, sizeof *found,
              tracked ? link_by_order : link_by_name);
    for (i = 0; i < count && status == CKPT_OK; i++)
        status = hdf5_walk_link(walk, &found[i]);
    return status;
}

/* Links in messages of the header. */
static int
links_messages(struct hdf5_walk *walk)
{
    const struct hdf5_message *message =
        (const struct hdf5_message *)(void *)walk->messages.data;
    size_t count = walk->messages.size_bytes / sizeof *message, i;
    int status = CKPT_OK;

    for (i = 0; i < count && status == CKPT_OK; i++)
        if (message[i].type == HDF5_MESSAGE_LINK)
            status = message[i].flags & HDF5_MESSAGE_SHARED
                         ? CKPT_END
                         : link_read(walk, hdf5_message_run(walk, &message[i]));
    return status;
}

/* Links in a heap; a record has a hash before the id. */
static int
links_dense(struct hdf5_walk *walk, uint64_t heap, uint64_t tree,
            struct hdf5_dense *dense)
{
    struct hdf5_run run;
    size_t count, i;
    int status = hdf5_dense_read(walk, heap, tree, HDF5_TREE_LINKS, dense);

    count = hdf5_dense_count(dense);
    for (i = 0; i < count && status == CKPT_OK; i++) {
        status = hdf5_dense_object(walk, dense, i, 4, &run);
        if (status == CKPT_OK)
            status = link_read(walk, run);
    }
    return status;
}

static int
group_links(struct hdf5_walk *walk, const struct hdf5_message *info)
{
    struct hdf5_run run = hdf5_message_run(walk, info);
    uint8_t version = hdf5_take_u8(&run), flags = hdf5_take_u8(&run);
    struct hdf5_dense dense = {0};
    uint64_t heap, tree;
    int status;

    if (flags & INFO_TRACKED)
        hdf5_take(&run, 8);
    heap = hdf5_take_u64(&run);
    tree = hdf5_take_u64(&run);
    status = hdf5_run_check(walk, &run, "the information on links");
    if (status == CKPT_OK && version != 0)
        status = CKPT_END;
    walk->links.size_bytes = 0;
    if (status == CKPT_OK && heap == WALK_NOWHERE)
        status = links_messages(walk);
    else if (status == CKPT_OK)
        status = links_dense(walk, heap, tree, &dense);
    if (status == CKPT_OK)
        status = links_add(walk, (flags & INFO_TRACKED) != 0);
    hdf5_dense_fini(walk, &dense);
    return status;
}

int
hdf5_walk_group(struct hdf5_walk *walk)
{
    const struct hdf5_message *message =
        hdf5_message_find(walk, HDF5_MESSAGE_TABLE);

    walk->object->kind = HDF5_GROUP;
    if (message != NULL)
        return hdf5_walk_table(walk, message);
    message = hdf5_message_find(walk, HDF5_MESSAGE_LINK_INFO);
    if (message != NULL)
        return group_links(walk, message);
    return CKPT_OK;
}
