/* SPDX-License-Identifier: MIT
 *
 * Groups of the old kind: symbol tables.
 *
 *  1. message 17, symbol table: address of a B-tree u64, of a local heap u64.
 *  2. node of a B-tree: "TREE", type 0, level u8, children u16, left and right
 *     u64; then a key u64 before each child u64 and behind the last.
 *  3. leaf, "SNOD": version 1, 0, entries u16; an entry is name offset u64,
 *     header address u64, kind u32 (2: a soft link), 4 unused, 16 of its own.
 *  4. local heap: "HEAP", version 0, 3 unused, size u64, free list u64,
 *     address of its bytes u64.
 *
 * Leaves are scattered over the file, in no order: they are read by place and
 * told by name.
 */
#include <string.h>

#include "hdf5_walk_file.h"

#define SIGNATURE_BYTES 4
#define NODE_HEAD_BYTES 24
#define NODE_CHILD_BYTES 16
#define LEAF_HEAD_BYTES 8
#define LEAF_ENTRY_BYTES 40
#define HEAP_BYTES 32
#define ENTRY_SOFT 2

/* A node above the leaves. */
struct node {
    uint64_t address;
    int level; /* ROOT_LEVEL: of the root, whatever it says */
};

#define ROOT_LEVEL (-1)

struct leaf {
    uint64_t address;
    uint64_t order;      /* of its names among those of other leaves */
    size_t first, count; /* in walk->links */
};

/* Where the names of a leaf are, in order of the names. */
struct turn {
    uint64_t order;
    size_t first, count;
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
        hdf5_load(walk, data, size, "the text of a local heap", &walk->names);
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
group_entry(struct hdf5_walk *walk, const unsigned char *bytes,
            uint64_t address)
{
    struct hdf5_found found = {
        .kind = HDF5_HARD,
        .address = sdk_load_le64(bytes + 8),
    };
    size_t target_bytes;
    int status = group_name(walk, sdk_load_le64(bytes), address, &found.name,
                            &found.name_bytes);

    if (status == CKPT_OK && sdk_load_le32(bytes + 16) == ENTRY_SOFT) {
        found.kind = HDF5_SOFT;
        status = group_name(walk, sdk_load_le32(bytes + 24), address,
                            &found.target, &target_bytes);
    }
    if (status == CKPT_OK)
        status =
            sdk_buffer_append(walk->host, &walk->links, &found, sizeof found);
    return status;
}

static int
group_leaf(struct hdf5_walk *walk, struct leaf *leaf)
{
    uint64_t address = leaf->address;
    const unsigned char *bytes;
    size_t i;
    int status = hdf5_look_again(walk, address, LEAF_HEAD_BYTES,
                                 "a node of a symbol table", &bytes);

    if (status != CKPT_OK)
        return status;
    if (memcmp(bytes, "SNOD", SIGNATURE_BYTES) != 0 || bytes[4] != 1)
        return group_wrong(walk, address, "a node of a symbol table");
    leaf->first = walk->links.size_bytes / sizeof(struct hdf5_found);
    leaf->count = sdk_load_le16(bytes + 6);
    status = hdf5_look(walk, address,
                       LEAF_HEAD_BYTES + leaf->count * LEAF_ENTRY_BYTES,
                       "a node of a symbol table", &bytes);
    for (i = 0; i < leaf->count && status == CKPT_OK; i++)
        status =
            group_entry(walk, bytes + LEAF_HEAD_BYTES + i * LEAF_ENTRY_BYTES,
                        address + LEAF_HEAD_BYTES + i * LEAF_ENTRY_BYTES);
    return status;
}

/* A child: a leaf is put down, a node goes on the stack. */
static int
group_child(struct hdf5_walk *walk, uint64_t address, int level)
{
    struct node node = {address, level - 1};
    struct leaf leaf = {.address = address};

    leaf.order = walk->leaves.size_bytes / sizeof leaf;
    if (level > 0)
        return sdk_buffer_append(walk->host, &walk->nodes, &node, sizeof node);
    return sdk_buffer_append(walk->host, &walk->leaves, &leaf, sizeof leaf);
}

static int
group_node(struct hdf5_walk *walk, const struct node *node)
{
    const unsigned char *bytes, *child;
    size_t count, i, nth;
    int level, status;

    status = hdf5_look_again(walk, node->address, NODE_HEAD_BYTES,
                             "a node of a group's B-tree", &bytes);
    if (status != CKPT_OK)
        return status;
    if (memcmp(bytes, "TREE", SIGNATURE_BYTES) != 0 || bytes[4] != 0 ||
        (node->level != ROOT_LEVEL && bytes[5] != node->level))
        return group_wrong(walk, node->address, "a node of a group's B-tree");
    level = bytes[5];
    count = sdk_load_le16(bytes + 6);
    status = hdf5_look(walk, node->address,
                       NODE_HEAD_BYTES + count * NODE_CHILD_BYTES + 8,
                       "a node of a group's B-tree", &bytes);
    for (i = 0; i < count && status == CKPT_OK; i++) {
        nth = level > 0 ? count - 1 - i : i; /* the first on top */
        child = bytes + NODE_HEAD_BYTES + nth * NODE_CHILD_BYTES + 8;
        status = group_child(walk, sdk_load_le64(child), level);
    }
    return status;
}

/* Finds all leaves from the root of the B-tree on. */
static int
group_nodes(struct hdf5_walk *walk, uint64_t root)
{
    struct node node = {root, ROOT_LEVEL};
    int status;

    walk->nodes.size_bytes = 0;
    walk->leaves.size_bytes = 0;
    status = sdk_buffer_append(walk->host, &walk->nodes, &node, sizeof node);
    while (status == CKPT_OK && walk->nodes.size_bytes > 0) {
        walk->nodes.size_bytes -= sizeof node;
        memcpy(&node, walk->nodes.data + walk->nodes.size_bytes, sizeof node);
        status = group_node(walk, &node);
    }
    return status;
}

/* Reads the leaves as they lie, and tells where each one's names are. */
static int
group_leaves(struct hdf5_walk *walk, struct sdk_buffer *turns)
{
    int status = hdf5_sort(walk->host, &walk->leaves, sizeof(struct leaf));
    struct leaf *leaves = (struct leaf *)(void *)walk->leaves.data;
    size_t count = walk->leaves.size_bytes / sizeof *leaves, i;
    struct turn turn;

    walk->links.size_bytes = 0;
    for (i = 0; i < count && status == CKPT_OK; i++) {
        if (walk->host->cancelled(walk->host))
            return CKPT_CANCELLED;
        status = group_leaf(walk, &leaves[i]);
        turn.order = leaves[i].order;
        turn.first = leaves[i].first;
        turn.count = leaves[i].count;
        if (status == CKPT_OK)
            status = sdk_buffer_append(walk->host, turns, &turn, sizeof turn);
    }
    return status;
}

static int
group_tell(struct hdf5_walk *walk)
{
    struct sdk_buffer turns = {0};
    const struct hdf5_found *found;
    const struct turn *turn;
    size_t count, i, j;
    int status = group_leaves(walk, &turns);

    if (status == CKPT_OK)
        status = hdf5_sort(walk->host, &turns, sizeof *turn);
    turn = (const struct turn *)(void *)turns.data;
    found = (const struct hdf5_found *)(void *)walk->links.data;
    count = turns.size_bytes / sizeof *turn;
    for (i = 0; i < count && status == CKPT_OK; i++)
        for (j = 0; j < turn[i].count && status == CKPT_OK; j++)
            status = hdf5_walk_link(walk, &found[turn[i].first + j]);
    sdk_buffer_fini(walk->host, &turns);
    return status;
}

int
hdf5_walk_table(struct hdf5_walk *walk, const struct hdf5_message *message)
{
    struct hdf5_run run = hdf5_message_run(walk, message);
    uint64_t tree = hdf5_take_u64(&run), heap = hdf5_take_u64(&run);
    int status = hdf5_run_check(walk, &run, "a symbol table");

    if (status == CKPT_OK)
        status = group_names(walk, heap);
    if (status == CKPT_OK)
        status = group_nodes(walk, tree);
    if (status == CKPT_OK)
        status = group_tell(walk);
    return status;
}
