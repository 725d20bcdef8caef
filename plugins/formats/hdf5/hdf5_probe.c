/* SPDX-License-Identifier: MIT
 *
 * A look at the root: the names of its attributes, and of what its links lead
 * to. The layouts are those of hdf5_walk.c, hdf5_walk_header.c and
 * hdf5_walk_table.c.
 */
#include "hdf5_probe.h"

#include <string.h>

#include "checked.h"
#include "hdf5_walk_file.h"

#define LOOK_BYTES 65536 /* of a chunk of the header */
#define CHUNKS_MAX 8
#define LEAVES_MAX 16
#define ENTRIES_MAX 16
#define NAME_MAX 48
#define MATLAB "MATLAB 7.3 MAT-file"

struct look {
    const struct ckpt_host *host;
    const struct hdf5_part *part;
    uint64_t base, end;
    unsigned seen; /* of enum hdf5_seen */
    bool old;      /* headers are of version 1 */
    size_t message_bytes;
    uint64_t tree, heap; /* of the symbol table, or WALK_NOWHERE */
    struct {
        uint64_t address, size_bytes;
    } chunks[CHUNKS_MAX];
    size_t chunk_count;
};

/* At least `least` bytes, at most `most`; an empty run if there are none. */
static struct hdf5_run
look_at(struct look *look, uint64_t address, size_t least, uint64_t most)
{
    struct hdf5_run run = {NULL, 0, address, true};
    struct ckpt_span span;

    if (!sdk_within(address, least, look->end))
        return run;
    if (most > look->end - address)
        most = look->end - address;
    if (most > LOOK_BYTES)
        most = LOOK_BYTES;
    if (look->host->source_peek(look->host, look->part->source,
                                look->base + address, (size_t)most,
                                &span) != CKPT_OK)
        return run;
    run.at = span.data;
    run.left = (size_t)most;
    run.cut = false;
    return run;
}

static uint64_t
look_root(struct look *look)
{
    struct hdf5_run run = look_at(look, 0, 48, 96);
    uint8_t version;

    hdf5_take(&run, 8);
    version = hdf5_take_u8(&run);
    if (run.cut || version > 3)
        return WALK_NOWHERE;
    if (version >= 2)
        hdf5_take(&run, 27);
    else
        hdf5_take(&run, version == 0 ? 55 : 59);
    return hdf5_take_u64(&run);
}

static void
look_attribute(struct look *look, struct hdf5_run message)
{
    uint8_t version = hdf5_take_u8(&message);
    const unsigned char *name;
    size_t size;

    hdf5_take(&message, 1);
    size = hdf5_take_u16(&message);
    hdf5_take(&message, version == 3 ? 5 : 4);
    name = hdf5_take(&message, size);
    if (name != NULL && size > 0)
        look->seen |= hdf5_seen_attr((const char *)name,
                                     strnlen((const char *)name, size));
}

static void
look_link(struct look *look, struct hdf5_run message)
{
    uint8_t flags;
    const unsigned char *name;
    size_t size;

    hdf5_take(&message, 1);
    flags = hdf5_take_u8(&message);
    hdf5_take(&message, (flags >> 3 & 1) + (flags & 4 ? (size_t)8 : 0) +
                            (flags >> 4 & 1));
    size = (size_t)hdf5_take_uint(&message, (size_t)1 << (flags & 3));
    name = hdf5_take(&message, size);
    if (name != NULL)
        look->seen |= hdf5_seen_link((const char *)name, size);
}

static void
look_chunk_add(struct look *look, uint64_t address, uint64_t size_bytes)
{
    if (look->chunk_count == CHUNKS_MAX)
        return;
    look->chunks[look->chunk_count].address = address;
    look->chunks[look->chunk_count++].size_bytes = size_bytes;
}

static void
look_message(struct look *look, unsigned type, struct hdf5_run message)
{
    uint64_t address, size_bytes;

    if (type == HDF5_MESSAGE_ATTRIBUTE) {
        look_attribute(look, message);
    } else if (type == HDF5_MESSAGE_LINK) {
        look_link(look, message);
    } else if (type == HDF5_MESSAGE_TABLE) {
        look->tree = hdf5_take_u64(&message);
        look->heap = hdf5_take_u64(&message);
    } else if (type == HDF5_MESSAGE_MORE) {
        address = hdf5_take_u64(&message);
        size_bytes = hdf5_take_u64(&message);
        if (!message.cut)
            look_chunk_add(look, address, size_bytes);
    }
}

/* The messages of a run; a gap at its end is as good as cut off. */
static void
look_messages(struct look *look, struct hdf5_run *run)
{
    struct hdf5_run message;
    unsigned type;
    size_t size;

    while (!run->cut && run->left > look->message_bytes) {
        type = look->old ? hdf5_take_u16(run) : hdf5_take_u8(run);
        size = hdf5_take_u16(run);
        hdf5_take(run, look->message_bytes - (look->old ? 4 : 3));
        message = hdf5_take_run(run, size);
        if (!run->cut)
            look_message(look, type, message);
    }
}

/* The first chunk, and then those that it speaks of. */
static void
look_header(struct look *look, uint64_t address)
{
    struct hdf5_run run = look_at(look, address, 16, LOOK_BYTES);
    uint64_t size;
    uint8_t flags;
    size_t i;

    look->old = !run.cut && memcmp(run.at, "OHDR", 4) != 0;
    look->message_bytes = 8;
    if (look->old) {
        hdf5_take(&run, 8);
        size = hdf5_take_u32(&run);
        hdf5_take(&run, 4);
    } else {
        hdf5_take(&run, 5);
        flags = hdf5_take_u8(&run);
        look->message_bytes = flags & 4 ? 6 : 4;
        hdf5_take(&run, (flags & 0x20 ? (size_t)16 : 0) +
                            (flags & 0x10 ? (size_t)4 : 0));
        size = hdf5_take_uint(&run, (size_t)1 << (flags & 3));
    }
    if (run.left > size)
        run.left = (size_t)size;
    look_messages(look, &run);
    for (i = 0; i < look->chunk_count; i++) {
        run = look_at(look, look->chunks[i].address, 8,
                      look->chunks[i].size_bytes);
        if (!look->old)
            hdf5_take(&run, 4);
        look_messages(look, &run);
    }
}

static void
look_leaf(struct look *look, uint64_t address, uint64_t names)
{
    struct hdf5_run run = look_at(look, address, 8, 8 + 40 * ENTRIES_MAX);
    uint64_t offsets[ENTRIES_MAX] = {0};
    size_t count, i;

    hdf5_take(&run, 6);
    count = hdf5_take_u16(&run);
    if (count > ENTRIES_MAX)
        count = ENTRIES_MAX;
    for (i = 0; i < count; i++) {
        offsets[i] = hdf5_take_u64(&run);
        hdf5_take(&run, 32);
    }
    for (i = 0; i < count && !run.cut; i++) {
        struct hdf5_run name;

        if (!sdk_add_u64(names, offsets[i], &offsets[i]))
            return;
        name = look_at(look, offsets[i], 1, NAME_MAX);
        if (!name.cut)
            look->seen |=
                hdf5_seen_link((const char *)name.at,
                               strnlen((const char *)name.at, name.left));
    }
}

/* The names of a symbol table whose B-tree has one level. */
static void
look_table(struct look *look)
{
    struct hdf5_run run = look_at(look, look->heap, 32, 32);
    uint64_t leaves[LEAVES_MAX] = {0}, names;
    size_t count, i;

    hdf5_take(&run, 24);
    names = hdf5_take_u64(&run);
    run = look_at(look, look->tree, 24, 24 + 16 * LEAVES_MAX);
    hdf5_take(&run, 5);
    if (run.cut || hdf5_take_u8(&run) != 0)
        return;
    count = hdf5_take_u16(&run);
    hdf5_take(&run, 16);
    if (count > LEAVES_MAX)
        count = LEAVES_MAX;
    for (i = 0; i < count; i++) {
        hdf5_take(&run, 8);
        leaves[i] = hdf5_take_u64(&run);
    }
    for (i = 0; i < count && !run.cut; i++)
        look_leaf(look, leaves[i], names);
}

static bool
look_matlab(const struct ckpt_host *host, const struct hdf5_part *part,
            uint64_t signature)
{
    struct ckpt_span span;

    return signature >= sizeof MATLAB &&
           host->source_peek(host, part->source, part->base, sizeof MATLAB,
                             &span) == CKPT_OK &&
           memcmp(span.data, MATLAB, sizeof MATLAB - 1) == 0;
}

enum hdf5_family
hdf5_probe_family(const struct ckpt_host *host, const struct hdf5_part *part,
                  uint64_t signature)
{
    struct look look = {.host = host, .part = part};
    uint64_t root;

    if (look_matlab(host, part, signature))
        return HDF5_MATLAB;
    look.base = part->base + signature;
    look.end = part->size_bytes - signature;
    look.tree = look.heap = WALK_NOWHERE;
    root = look_root(&look);
    if (root != WALK_NOWHERE)
        look_header(&look, root);
    if (look.tree != WALK_NOWHERE)
        look_table(&look);
    return hdf5_family_of(look.seen);
}
