/* SPDX-License-Identifier: MIT
 *
 * The walk itself: superblock, then all objects, a level of groups at a time,
 * those of one level in order of their place in the file.
 *
 *  1. signature of 8 bytes at 0, 512, 1024, 2048, ...
 *  2. superblock 0 and 1: version at 8, size of addresses and of lengths u8 at
 *     13 and 14; from 24 (version 1: 28): base, free space, end of file and
 *     driver u64; name offset u64, address of the root's header u64.
 *  3. superblock 2 and 3: version at 8, sizes at 9 and 10, flags at 11; from
 *     12: base, extension, end of file, root header u64, checksum u32.
 */
#include "hdf5_walk.h"

#include <string.h>

#include "hdf5_walk_file.h"

#define SUPERBLOCK_MAX 100
#define ADDRESS_BYTES 8
#define FLAGS_OPEN 0x05 /* a writer has it open */

struct superblock {
    uint64_t base, end, root, extension, driver;
    size_t size_bytes;
};

int
hdf5_find_signature(const struct ckpt_host *host, const struct hdf5_part *part,
                    uint64_t *offset)
{
    uint64_t at = 0;
    struct ckpt_span span;
    int status;

    while (at < part->size_bytes &&
           part->size_bytes - at >= HDF5_SIGNATURE_BYTES) {
        status = host->source_peek(host, part->source, part->base + at,
                                   HDF5_SIGNATURE_BYTES, &span);
        if (status != CKPT_OK)
            return status;
        if (memcmp(span.data, HDF5_SIGNATURE, HDF5_SIGNATURE_BYTES) == 0) {
            *offset = at;
            return CKPT_OK;
        }
        at = at == 0 ? 512 : 2 * at;
    }
    *offset = CKPT_NOWHERE;
    return CKPT_OK;
}

static int
superblock_old(struct hdf5_run *run, uint8_t version, struct superblock *made)
{
    uint8_t addresses, lengths;

    hdf5_take(run, 4);
    addresses = hdf5_take_u8(run);
    lengths = hdf5_take_u8(run);
    hdf5_take(run, version == 0 ? 9 : 13);
    made->base = hdf5_take_u64(run);
    hdf5_take(run, ADDRESS_BYTES);
    made->end = hdf5_take_u64(run);
    made->driver = hdf5_take_u64(run);
    hdf5_take(run, ADDRESS_BYTES);
    made->root = hdf5_take_u64(run);
    hdf5_take(run, 24); /* the rest of the root's entry */
    made->extension = WALK_NOWHERE;
    return addresses == ADDRESS_BYTES && lengths == ADDRESS_BYTES ? CKPT_OK
                                                                  : CKPT_END;
}

static int
superblock_new(struct hdf5_walk *walk, struct hdf5_run *run, uint8_t version,
               struct superblock *made)
{
    const struct ckpt_host *host = walk->host;
    const unsigned char *start = run->at - 9;
    uint8_t addresses = hdf5_take_u8(run), lengths = hdf5_take_u8(run);
    uint8_t flags = hdf5_take_u8(run);
    uint32_t sum;
    size_t size;

    if (addresses != ADDRESS_BYTES || lengths != ADDRESS_BYTES)
        return CKPT_END;
    made->base = hdf5_take_u64(run);
    made->extension = hdf5_take_u64(run);
    made->end = hdf5_take_u64(run);
    made->root = hdf5_take_u64(run);
    made->driver = WALK_NOWHERE;
    size = (size_t)(run->at - start);
    sum = hdf5_take_u32(run);
    if (!run->cut && !hdf5_checksum_holds(start, size, sum))
        return host->fail(host, CKPT_FORMAT, NULL, walk->base,
                          "the checksum of the superblock is wrong");
    if (version == 3 && (flags & FLAGS_OPEN) != 0)
        host->warn(host, NULL, walk->base + 11,
                   "the file was not closed by its writer: the last of what "
                   "was written may be missing");
    return CKPT_OK;
}

static int
superblock_read(struct hdf5_walk *walk, struct superblock *made)
{
    const struct hdf5_part *part = &walk->tree->part;
    uint64_t size = part->base + part->size_bytes - walk->base;
    struct hdf5_run run = {NULL, 0, 0, false};
    uint8_t version;
    int status;

    walk->end = size;
    run.left = size < SUPERBLOCK_MAX ? (size_t)size : SUPERBLOCK_MAX;
    size = run.left;
    status = hdf5_look_again(walk, 0, run.left, "the superblock", &run.at);
    if (status != CKPT_OK)
        return status;
    hdf5_take(&run, HDF5_SIGNATURE_BYTES);
    version = hdf5_take_u8(&run);
    status = version <= 1   ? superblock_old(&run, version, made)
             : version <= 3 ? superblock_new(walk, &run, version, made)
                            : CKPT_END;
    made->size_bytes = (size_t)size - run.left;
    if (run.cut)
        status = hdf5_run_check(walk, &run, "the superblock");
    return status;
}

/* Takes the bounds from the superblock. The file may have been moved behind
 * a user block since it was written: base and end are then both off. */
static int
walk_begin(struct hdf5_walk *walk, uint64_t *root)
{
    const struct ckpt_host *host = walk->host;
    struct superblock made = {0};
    int status = superblock_read(walk, &made);

    if (status != CKPT_OK)
        return status;
    if (made.extension != WALK_NOWHERE || made.driver != WALK_NOWHERE)
        return CKPT_END;
    if (made.end < made.base || made.end - made.base > walk->end)
        return host->fail(host, CKPT_FORMAT, NULL, walk->base,
                          "the file is cut off: it has %llu bytes and should "
                          "have %llu",
                          (unsigned long long)walk->end,
                          (unsigned long long)(made.end - made.base));
    walk->end = made.end - made.base;
    *root = made.root;
    return hdf5_claim(walk, WALK_STRUCTURE, 0, made.size_bytes,
                      "the superblock");
}

/* Reads one object, unless that was done on the way. */
static int
walk_object(struct hdf5_walk *walk, struct hdf5_object *object)
{
    int status;

    if (object->kind != 0)
        return CKPT_OK;
    walk->object = object;
    status = hdf5_header_read(walk, object->address);
    if (status != CKPT_OK)
        return status;
    if (hdf5_message_find(walk, HDF5_MESSAGE_LAYOUT) != NULL)
        status = hdf5_walk_data(walk);
    else if (hdf5_message_find(walk, HDF5_MESSAGE_TYPE) != NULL)
        status = hdf5_walk_named(walk, object);
    else
        status = hdf5_walk_group(walk);
    if (status == CKPT_OK && object->kind != HDF5_NAMED_TYPE)
        status = hdf5_walk_attrs(walk);
    return status;
}

/* Reads what the queue holds, and returns with what that led to. */
static int
walk_level(struct hdf5_walk *walk)
{
    struct sdk_buffer level = walk->queue;
    size_t count = level.size_bytes / sizeof(struct hdf5_queued), i;
    const struct hdf5_queued *queued;
    int status;

    memset(&walk->queue, 0, sizeof walk->queue);
    status = hdf5_sort(walk->host, &level, sizeof *queued);
    queued = (const struct hdf5_queued *)(void *)level.data;
    for (i = 0; i < count && status == CKPT_OK; i++) {
        if (i % 1024 == 1023 && walk->host->cancelled(walk->host))
            status = CKPT_CANCELLED;
        else
            status = walk_object(walk, queued[i].object);
    }
    walk->object = NULL;
    sdk_buffer_fini(walk->host, &level);
    return status;
}

static int
walk_all(struct hdf5_walk *walk)
{
    const struct ckpt_host *host = walk->host;
    struct hdf5_queued queued = {0, NULL};
    size_t depth = 0;
    bool added;
    int status = walk_begin(walk, &queued.address);

    if (status == CKPT_OK)
        status = hdf5_tree_object(walk->tree, queued.address, &queued.object,
                                  &added);
    if (status == CKPT_OK)
        status = sdk_buffer_append(host, &walk->queue, &queued, sizeof queued);
    for (; status == CKPT_OK && walk->queue.size_bytes > 0; depth++) {
        if (depth > HDF5_DEPTH_MAX) {
            memcpy(&queued, walk->queue.data, sizeof queued);
            return host->fail(host, CKPT_LIMIT, NULL,
                              walk->base + queued.address,
                              "groups more than %d deep", HDF5_DEPTH_MAX);
        }
        status = walk_level(walk);
    }
    if (status == CKPT_OK && walk->tree->objects[0]->kind != HDF5_GROUP)
        return host->fail(host, CKPT_FORMAT, NULL, walk->base,
                          "the root is not a group");
    if (status == CKPT_OK)
        status = hdf5_claims_check(walk);
    return status;
}

int
hdf5_walk(struct hdf5_tree *tree)
{
    const struct ckpt_host *host = tree->host;
    struct hdf5_walk walk = {.host = host, .tree = tree};
    uint64_t at;
    int status = hdf5_find_signature(host, &tree->part, &at);

    if (status == CKPT_OK && at == CKPT_NOWHERE)
        return host->fail(host, CKPT_FORMAT, NULL, tree->part.base,
                          "no HDF5 signature at 0, 512, 1024, ...");
    if (status != CKPT_OK)
        return status;
    tree->user_block_bytes = at;
    tree->walk = "own";
    walk.base = tree->part.base + at;
    status = walk_all(&walk);
    sdk_buffer_fini(host, &walk.extents[WALK_STRUCTURE]);
    sdk_buffer_fini(host, &walk.extents[WALK_DATA]);
    sdk_buffer_fini(host, &walk.header);
    sdk_buffer_fini(host, &walk.messages);
    sdk_buffer_fini(host, &walk.names);
    sdk_buffer_fini(host, &walk.nodes);
    sdk_buffer_fini(host, &walk.below);
    sdk_buffer_fini(host, &walk.turns);
    sdk_buffer_fini(host, &walk.links);
    sdk_buffer_fini(host, &walk.queue);
    sdk_table_fini(host, &walk.heaps);
    return status;
}
