/* SPDX-License-Identifier: MIT
 *
 * B-trees of version 2: their records, in order.
 *
 *  1. header: "BTHD", version 0, kind u8, size of a node u32, of a record u16,
 *     depth u16, two percentages u8, address of the root u64, its records
 *     u16, all records u64, checksum u32.
 *  2. leaf: "BTLF", version 0, kind, records, checksum u32.
 *  3. node: "BTIN", version 0, kind, records; for each child, one more than
 *     records: address u64, its records, and above the lowest level of nodes
 *     all records below it; checksum u32. Counts take as many bytes as the
 *     most that a child can have.
 */
#include <string.h>

#include "hdf5_walk_dense.h"

#define HEADER_BYTES 38
#define NODE_HEAD_BYTES 6
#define CHECKSUM_BYTES 4
#define DEPTH_MAX 8 /* a billion records take less */

struct records {
    struct hdf5_walk *walk;
    struct hdf5_dense *dense;
    unsigned kind;
    uint32_t node_bytes;
    unsigned depth;
    unsigned count_bytes;                /* of the records of a child */
    unsigned below_bytes[DEPTH_MAX + 1]; /* of all below, by its level */
};

static int
records_wrong(struct records *records, uint64_t address, const char *what)
{
    struct hdf5_walk *walk = records->walk;

    return walk->host->fail(walk->host, CKPT_FORMAT, hdf5_walk_name(walk),
                            walk->base + address, "there should be %s", what);
}

static unsigned
number_bytes(uint64_t limit)
{
    unsigned bytes = 1;

    while (bytes < 8 && limit >> (8 * bytes) != 0)
        bytes++;
    return bytes;
}

/* How wide the counts are on each level. */
static void
records_widths(struct records *records)
{
    uint64_t record = records->dense->record_bytes, below, most, child;
    uint64_t room = records->node_bytes - NODE_HEAD_BYTES - CHECKSUM_BYTES;
    unsigned level;

    most = below = room / record;
    records->count_bytes = number_bytes(most);
    for (level = 1; level <= records->depth; level++) {
        child = 8 + records->count_bytes + records->below_bytes[level - 1];
        most = room > child ? (room - child) / (record + child) : 0;
        if (below > UINT64_MAX / (most + 2)) /* more than any file has */
            below = UINT64_MAX / (most + 2);
        below = (most + 1) * below + most;
        records->below_bytes[level] = number_bytes(below);
    }
}

static int
records_header(struct records *records, uint64_t address, uint64_t *root,
               size_t *count)
{
    struct hdf5_run run = {NULL, HEADER_BYTES, address, false};
    int status =
        hdf5_look(records->walk, address, HEADER_BYTES, "a B-tree", &run.at);

    if (status != CKPT_OK)
        return status;
    if (memcmp(run.at, "BTHD", 4) != 0 || run.at[4] != 0 ||
        run.at[5] != records->kind ||
        !hdf5_checksum_holds(
            run.at, HEADER_BYTES - CHECKSUM_BYTES,
            sdk_load_le32(run.at + HEADER_BYTES - CHECKSUM_BYTES)))
        return records_wrong(records, address, "a B-tree");
    hdf5_take(&run, NODE_HEAD_BYTES);
    records->node_bytes = hdf5_take_u32(&run);
    records->dense->record_bytes = hdf5_take_u16(&run);
    records->depth = hdf5_take_u16(&run);
    hdf5_take(&run, 2);
    *root = hdf5_take_u64(&run);
    *count = hdf5_take_u16(&run);
    if (records->depth > DEPTH_MAX || records->dense->record_bytes == 0 ||
        records->node_bytes < NODE_HEAD_BYTES + CHECKSUM_BYTES)
        return CKPT_END;
    records_widths(records);
    return CKPT_OK;
}

/* The bytes of a node of `count` records, without its head. */
static int
records_load(struct records *records, uint64_t address, unsigned level,
             size_t count, struct sdk_buffer *bytes)
{
    size_t child = 8 + records->count_bytes +
                   (level > 0 ? records->below_bytes[level - 1] : 0);
    size_t record = records->dense->record_bytes, size;
    int status;

    if (count > records->node_bytes / record)
        return records_wrong(records, address, "a node of fewer records");
    size = NODE_HEAD_BYTES + count * record +
           (level > 0 ? (count + 1) * child : 0) + CHECKSUM_BYTES;
    status =
        hdf5_load(records->walk, address, size, "a node of a B-tree", bytes);
    if (status != CKPT_OK)
        return status;
    if (memcmp(bytes->data, level > 0 ? "BTIN" : "BTLF", 4) != 0 ||
        !hdf5_checksum_holds(
            bytes->data, size - CHECKSUM_BYTES,
            sdk_load_le32(bytes->data + size - CHECKSUM_BYTES)))
        return records_wrong(records, address, "a node of a B-tree");
    return CKPT_OK;
}

/* All records of a node and of what is below it, in order. As deep as the
 * level of the root says, at most DEPTH_MAX. */
static int
records_node(struct records *records, uint64_t address, unsigned level,
             size_t count)
{
    struct hdf5_dense *dense = records->dense;
    const struct ckpt_host *host = records->walk->host;
    size_t record = dense->record_bytes, i;
    struct sdk_buffer bytes = {0};
    struct hdf5_run run = {NULL, 0, address, false};
    int status = records_load(records, address, level, count, &bytes);

    if (status == CKPT_OK && host->cancelled(host))
        status = CKPT_CANCELLED;
    if (status != CKPT_OK)
        goto out;
    if (level == 0)
        status =
            sdk_buffer_append(host, &dense->records,
                              bytes.data + NODE_HEAD_BYTES, count * record);
    run.at = bytes.data + NODE_HEAD_BYTES + count * record;
    run.left = bytes.size_bytes - NODE_HEAD_BYTES - count * record;
    for (i = 0; level > 0 && i <= count && status == CKPT_OK; i++) {
        uint64_t child = hdf5_take_u64(&run);
        size_t below = (size_t)hdf5_take_uint(&run, records->count_bytes);

        hdf5_take(&run, records->below_bytes[level - 1]);
        status = records_node(records, child, level - 1, below);
        if (status == CKPT_OK && i < count)
            status = sdk_buffer_append(
                host, &dense->records,
                bytes.data + NODE_HEAD_BYTES + i * record, record);
    }
out:
    sdk_buffer_fini(host, &bytes);
    return status;
}

int
hdf5_dense_records(struct hdf5_walk *walk, uint64_t tree,
                   enum hdf5_tree_kind kind, struct hdf5_dense *dense)
{
    struct records records = {.walk = walk, .dense = dense, .kind = kind};
    uint64_t root = WALK_NOWHERE;
    size_t count = 0;
    int status = records_header(&records, tree, &root, &count);

    if (status == CKPT_OK && root != WALK_NOWHERE)
        status = records_node(&records, root, records.depth, count);
    return status;
}
