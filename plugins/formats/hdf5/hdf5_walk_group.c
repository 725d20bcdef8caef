/* SPDX-License-Identifier: MIT
 *
 * Groups: symbol tables, and links that are messages of the header.
 *
 *  1. message 17, symbol table: address of a B-tree u64, of a local heap u64.
 *  2. node of a B-tree: "TREE", type 0, level u8, children u16, left and right
 *     u64; then a key u64 before each child u64 and behind the last.
 *  3. leaf, "SNOD": version 1, 0, entries u16; an entry is name offset u64,
 *     header address u64, kind u32 (2: a soft link), 4 unused, 16 of its own.
 *  4. local heap: "HEAP", version 0, 3 unused, size u64, free list u64,
 *     address of its bytes u64.
 *  5. message 2, link info: version 0, flags (0: creation order tracked),
 *     highest order u64 if flag 0, fractal heap u64, B-tree u64.
 *  6. message 6, link: version 1, flags, kind u8 if flag 3, order u64 if flag
 *     2, character set u8 if flag 4, size of the name in 1, 2, 4 or 8 bytes,
 *     name; then an address, or size u16 and target.
 */
#include <stdlib.h>
#include <string.h>

#include "hdf5_walk_file.h"

#define SIGNATURE_BYTES 4
#define NODE_HEAD_BYTES 24
#define NODE_CHILD_BYTES 16
#define LEAF_HEAD_BYTES 8
#define LEAF_ENTRY_BYTES 40
#define HEAP_BYTES 32
#define HEAP_MAX ((uint64_t)1 << 30)
#define ENTRY_SOFT 2

#define INFO_TRACKED 1
#define LINK_SIZE 0x03
#define LINK_ORDERED 0x04
#define LINK_KIND 0x08
#define LINK_CHARSET 0x10
#define LINK_KIND_HARD 0
#define LINK_KIND_SOFT 1
#define LINK_KIND_EXTERNAL 64

struct walk_node {
    uint64_t address;
    int level; /* -1: a leaf with names */
    bool is_root;
};

struct walk_found {
    const char *name; /* in walk->header */
    size_t name_bytes;
    uint64_t order;
    uint32_t kind;
    uint64_t address;   /* HARD */
    const char *target; /* else: in the arena */
};

static int
group_wrong(struct hdf5_walk *walk, uint64_t address, const char *what)
{
    return walk->host->fail(walk->host, CKPT_FORMAT, hdf5_walk_name(walk),
                            walk->base + address, "there should be %s", what);
}

/* Loads the names of a symbol table, with a NUL behind the last. */
static int
group_names(struct hdf5_walk *walk, uint64_t address)
{
    const unsigned char *bytes;
    uint64_t size, data;
    int status = hdf5_look(walk, address, HEAP_BYTES, "a local heap", &bytes);

    walk->names.size_bytes = 0;
    if (status != CKPT_OK)
        return status;
    if (memcmp(bytes, "HEAP", SIGNATURE_BYTES) != 0 || bytes[4] != 0)
        return group_wrong(walk, address, "a local heap");
    size = sdk_load_le64(bytes + 8);
    data = sdk_load_le64(bytes + 24);
    status =
        hdf5_load(walk, data, size, "the bytes of a local heap", &walk->names);
    if (status == CKPT_OK)
        status = sdk_buffer_append(walk->host, &walk->names, "", 1);
    return status;
}

/* The name at an offset of the local heap. */
static int
group_name(struct hdf5_walk *walk, uint64_t offset, uint64_t address,
           const char **name, size_t *name_bytes)
{
    const char *at = (const char *)walk->names.data;

    if (offset >= walk->names.size_bytes - 1)
        return walk->host->fail(walk->host, CKPT_FORMAT, hdf5_walk_name(walk),
                                walk->base + address,
                                "a name beyond the end of the local heap");
    *name = at + offset;
    *name_bytes = strlen(at + offset);
    return CKPT_OK;
}

static int
group_soft(struct hdf5_walk *walk, const char *name, size_t name_bytes,
           uint32_t kind, const char *target)
{
    struct hdf5_link link = {
        .name = name,
        .name_bytes = name_bytes,
        .kind = kind,
        .target = target,
    };

    return hdf5_tree_link(walk->tree, walk->object, &link);
}

static int
group_entry(struct hdf5_walk *walk, const unsigned char *bytes,
            uint64_t address)
{
    uint64_t header = sdk_load_le64(bytes + 8);
    const char *name, *target;
    size_t name_bytes, target_bytes;
    int status =
        group_name(walk, sdk_load_le64(bytes), address, &name, &name_bytes);

    if (status != CKPT_OK)
        return status;
    if (sdk_load_le32(bytes + 16) != ENTRY_SOFT)
        return hdf5_walk_hard(walk, name, name_bytes, header);
    status = group_name(walk, sdk_load_le32(bytes + 24), address, &target,
                        &target_bytes);
    if (status != CKPT_OK)
        return status;
    return group_soft(walk, name, name_bytes, HDF5_SOFT, target);
}

static int
group_leaf(struct hdf5_walk *walk, uint64_t address)
{
    const unsigned char *bytes;
    size_t count, i;
    int status = hdf5_look_again(walk, address, LEAF_HEAD_BYTES, &bytes);

    if (status != CKPT_OK)
        return status;
    if (memcmp(bytes, "SNOD", SIGNATURE_BYTES) != 0 || bytes[4] != 1)
        return group_wrong(walk, address, "a node of a symbol table");
    count = sdk_load_le16(bytes + 6);
    status =
        hdf5_look(walk, address, LEAF_HEAD_BYTES + count * LEAF_ENTRY_BYTES,
                  "a node of a symbol table", &bytes);
    for (i = 0; i < count && status == CKPT_OK; i++)
        status =
            group_entry(walk, bytes + LEAF_HEAD_BYTES + i * LEAF_ENTRY_BYTES,
                        address + LEAF_HEAD_BYTES + i * LEAF_ENTRY_BYTES);
    return status;
}

static int
group_push(struct hdf5_walk *walk, uint64_t address, int level, bool is_root)
{
    struct walk_node node = {address, level, is_root};

    return sdk_buffer_append(walk->host, &walk->nodes, &node, sizeof node);
}

/* A node above the leaves: its children go on the stack, the first on top. */
static int
group_node(struct hdf5_walk *walk, const struct walk_node *node)
{
    const unsigned char *bytes;
    size_t count;
    int status = hdf5_look_again(walk, node->address, NODE_HEAD_BYTES, &bytes);

    if (status != CKPT_OK)
        return status;
    if (memcmp(bytes, "TREE", SIGNATURE_BYTES) != 0 || bytes[4] != 0 ||
        (!node->is_root && bytes[5] != node->level))
        return group_wrong(walk, node->address, "a node of a group's B-tree");
    count = sdk_load_le16(bytes + 6);
    status = hdf5_look(walk, node->address,
                       NODE_HEAD_BYTES + count * NODE_CHILD_BYTES + 8,
                       "a node of a group's B-tree", &bytes);
    for (; count > 0 && status == CKPT_OK; count--)
        status = group_push(walk,
                            sdk_load_le64(bytes + NODE_HEAD_BYTES +
                                          count * NODE_CHILD_BYTES - 8),
                            bytes[5] - 1, false);
    return status;
}

static int
group_table(struct hdf5_walk *walk, const struct hdf5_message *message)
{
    struct hdf5_run run = hdf5_message_run(walk, message);
    uint64_t tree = hdf5_take_u64(&run), heap = hdf5_take_u64(&run);
    struct walk_node node;
    int status = hdf5_run_check(walk, &run, "a symbol table");

    if (status == CKPT_OK)
        status = group_names(walk, heap);
    walk->nodes.size_bytes = 0;
    if (status == CKPT_OK)
        status = group_push(walk, tree, 0, true);
    while (status == CKPT_OK && walk->nodes.size_bytes > 0) {
        walk->nodes.size_bytes -= sizeof node;
        memcpy(&node, walk->nodes.data + walk->nodes.size_bytes, sizeof node);
        if (walk->host->cancelled(walk->host))
            return CKPT_CANCELLED;
        status = node.level < 0 ? group_leaf(walk, node.address)
                                : group_node(walk, &node);
    }
    return status;
}

/* The target of a link: a path, or for external links a file and a path. */
static int
link_target(struct hdf5_walk *walk, struct hdf5_run *run,
            struct walk_found *found)
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
link_read(struct hdf5_walk *walk, const struct hdf5_message *message)
{
    struct hdf5_run run = hdf5_message_run(walk, message);
    struct walk_found found = {0};
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
    const struct walk_found *a = left, *b = right;

    return a->order < b->order ? -1 : a->order > b->order;
}

static int
link_by_name(const void *left, const void *right)
{
    const struct walk_found *a = left, *b = right;
    size_t size = a->name_bytes < b->name_bytes ? a->name_bytes : b->name_bytes;
    int order = memcmp(a->name, b->name, size);

    if (order != 0)
        return order;
    return a->name_bytes < b->name_bytes ? -1 : a->name_bytes > b->name_bytes;
}

static int
links_add(struct hdf5_walk *walk, bool tracked)
{
    struct walk_found *found = (struct walk_found *)(void *)walk->links.data;
    size_t count = walk->links.size_bytes / sizeof *found, i;
    int status = CKPT_OK;

    if (count > 1)
        qsort(found, count, sizeof *found,
              tracked ? link_by_order : link_by_name);
    for (i = 0; i < count && status == CKPT_OK; i++)
        if (found[i].kind == HDF5_HARD)
            status = hdf5_walk_hard(walk, found[i].name, found[i].name_bytes,
                                    found[i].address);
        else
            status = group_soft(walk, found[i].name, found[i].name_bytes,
                                found[i].kind, found[i].target);
    return status;
}

/* Links that are messages; many of them would be in a fractal heap. */
static int
group_links(struct hdf5_walk *walk, const struct hdf5_message *info)
{
    struct hdf5_run run = hdf5_message_run(walk, info);
    uint8_t version = hdf5_take_u8(&run), flags = hdf5_take_u8(&run);
    const struct hdf5_message *message;
    size_t count = walk->messages.size_bytes / sizeof *message, i;
    uint64_t heap;
    int status;

    if (flags & INFO_TRACKED)
        hdf5_take(&run, 8);
    heap = hdf5_take_u64(&run);
    status = hdf5_run_check(walk, &run, "the information on links");
    if (status == CKPT_OK && (version != 0 || heap != WALK_NOWHERE))
        status = CKPT_END;
    walk->links.size_bytes = 0;
    message = (const struct hdf5_message *)(void *)walk->messages.data;
    for (i = 0; i < count && status == CKPT_OK; i++)
        if (message[i].type == HDF5_MESSAGE_LINK)
            status = message[i].flags & HDF5_MESSAGE_SHARED
                         ? CKPT_END
                         : link_read(walk, &message[i]);
    if (status == CKPT_OK)
        status = links_add(walk, (flags & INFO_TRACKED) != 0);
    return status;
}

int
hdf5_walk_group(struct hdf5_walk *walk)
{
    const struct hdf5_message *message =
        hdf5_message_find(walk, HDF5_MESSAGE_TABLE);

    walk->object->kind = HDF5_GROUP;
    if (message != NULL)
        return group_table(walk, message);
    message = hdf5_message_find(walk, HDF5_MESSAGE_LINK_INFO);
    if (message != NULL)
        return group_links(walk, message);
    return CKPT_OK;
}
