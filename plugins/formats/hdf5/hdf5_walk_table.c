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
 * Nodes are scattered over the file, in no order: those of one level are read
 * by place, and what they hold is then brought into the order of the names.
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

#define ROOT_LEVEL (-2) /* not known yet */
#define LEAF_LEVEL (-1)

/* A node of the level that is read, or a leaf. */
struct node {
    uint64_t address;
    uint64_t order; /* of its names among those of the others */
};

/* What came of one: so many addresses in walk->below, or of a leaf so many
 * links in walk->links. */
struct turn {
    uint64_t order; /* the node's */
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

/* A node above the leaves; the level of the root is what it says. */
static int
group_node(struct hdf5_walk *walk, uint64_t address, int *level)
{
    const unsigned char *bytes;
    uint64_t child;
    size_t count, i;
    int status = hdf5_look_again(walk, address, NODE_HEAD_BYTES,
                                 "a node of a group's B-tree", &bytes);

    if (status != CKPT_OK)
        return status;
    if (memcmp(bytes, "TREE", SIGNATURE_BYTES) != 0 || bytes[4] != 0 ||
        (*level != ROOT_LEVEL && bytes[5] != *level))
        return group_wrong(walk, address, "a node of a group's B-tree");
    *level = bytes[5];
    count = sdk_load_le16(bytes + 6);
    status =
        hdf5_look(walk, address, NODE_HEAD_BYTES + count * NODE_CHILD_BYTES + 8,
                  "a node of a group's B-tree", &bytes);
    for (i = 0; i < count && status == CKPT_OK; i++) {
        child =
            sdk_load_le64(bytes + NODE_HEAD_BYTES + i * NODE_CHILD_BYTES + 8);
        status =
            sdk_buffer_append(walk->host, &walk->below, &child, sizeof child);
    }
    return status;
}

static int
group_leaf(struct hdf5_walk *walk, uint64_t address)
{
    const unsigned char *bytes;
    size_t count, i;
    int status = hdf5_look_again(walk, address, LEAF_HEAD_BYTES,
                                 "a node of a symbol table", &bytes);

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

/* Reads walk->nodes, all of one level or all leaves, as they lie. */
static int
group_read(struct hdf5_walk *walk, int *level)
{
    int status = hdf5_sort(walk->host, &walk->nodes, sizeof(struct node));
    const struct node *node = (struct node *)(void *)walk->nodes.data;
    size_t count = walk->nodes.size_bytes / sizeof *node, i;
    bool leaves = *level == LEAF_LEVEL;
    struct sdk_buffer *made = leaves ? &walk->links : &walk->below;
    size_t each = leaves ? sizeof(struct hdf5_found) : sizeof(uint64_t);
    struct turn turn;

    made->size_bytes = 0;
    walk->turns.size_bytes = 0;
    for (i = 0; i < count && status == CKPT_OK; i++) {
        if (walk->host->cancelled(walk->host))
            return CKPT_CANCELLED;
        turn.order = node[i].order;
        turn.first = made->size_bytes / each;
        status = leaves ? group_leaf(walk, node[i].address)
                        : group_node(walk, node[i].address, level);
        turn.count = made->size_bytes / each - turn.first;
        if (status == CKPT_OK)
            status =
                sdk_buffer_append(walk->host, &walk->turns, &turn, sizeof turn);
    }
    return status == CKPT_OK ? hdf5_sort(walk->host, &walk->turns, sizeof turn)
                             : status;
}

/* The level below takes the place of the one that was read. */
static int
group_descend(struct hdf5_walk *walk)
{
    const struct turn *turn = (struct turn *)(void *)walk->turns.data;
    const uint64_t *below = (uint64_t *)(void *)walk->below.data;
    size_t count = walk->turns.size_bytes / sizeof *turn, i, j;
    struct node node = {0, 0};
    int status = CKPT_OK;

    walk->nodes.size_bytes = 0;
    for (i = 0; i < count; i++)
        for (j = 0; j < turn[i].count && status == CKPT_OK; j++) {
            node.address = below[turn[i].first + j];
            status =
                sdk_buffer_append(walk->host, &walk->nodes, &node, sizeof node);
            node.order++;
        }
    return status;
}

/* Leaves all leaves in walk->nodes. */
static int
group_nodes(struct hdf5_walk *walk, uint64_t root)
{
    struct node node = {root, 0};
    int level = ROOT_LEVEL, status;

    walk->nodes.size_bytes = 0;
    status = sdk_buffer_append(walk->host, &walk->nodes, &node, sizeof node);
    while (status == CKPT_OK && level != LEAF_LEVEL) {
        status = group_read(walk, &level);
        if (status == CKPT_OK)
            status = group_descend(walk);
        level--;
    }
    return status;
}

static int
group_leaves(struct hdf5_walk *walk)
{
    int level = LEAF_LEVEL, status = group_read(walk, &level);
    const struct hdf5_found *found =
        (struct hdf5_found *)(void *)walk->links.data;
    const struct turn *turn = (struct turn *)(void *)walk->turns.data;
    size_t count = walk->turns.size_bytes / sizeof *turn, i, j;

    if (status == CKPT_OK)
        status = hdf5_tree_reserve(walk->tree,
                                   walk->links.size_bytes / sizeof *found);
    for (i = 0; i < count && status == CKPT_OK; i++)
        for (j = 0; j < turn[i].count && status == CKPT_OK; j++)
            status = hdf5_walk_link(walk, &found[turn[i].first + j]);
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
        status = group_leaves(walk);
    return status;
}
