/* SPDX-License-Identifier: MIT
 *
 * The file of a walk: its bounds, what is claimed of it, and checksums.
 */
#include "hdf5_walk_file.h"

#include <string.h>

#include "checked.h"

#define LOOK_MAX ((uint64_t)1 << 20)

struct walk_extent {
    uint64_t begin, end;
};

const char *
hdf5_walk_name(struct hdf5_walk *walk)
{
    return walk->object != NULL ? hdf5_tree_path(walk->tree, walk->object)
                                : NULL;
}

static int
file_beyond(struct hdf5_walk *walk, uint64_t address, const char *what)
{
    const struct ckpt_host *host = walk->host;

    if (address > walk->end)
        return host->fail(host, CKPT_FORMAT, hdf5_walk_name(walk), CKPT_NOWHERE,
                          "%s at address %llu is beyond the end of the file",
                          what, (unsigned long long)address);
    return host->fail(host, CKPT_FORMAT, hdf5_walk_name(walk),
                      walk->base + address,
                      "%s reaches beyond the end of the file", what);
}

static struct walk_extent *
file_extents(const struct hdf5_walk *walk, enum walk_use use)
{
    return (struct walk_extent *)(void *)walk->extents[use].data;
}

static size_t
file_extent_count(const struct hdf5_walk *walk, enum walk_use use)
{
    return walk->extents[use].size_bytes / sizeof(struct walk_extent);
}

int
hdf5_claim(struct hdf5_walk *walk, enum walk_use use, uint64_t address,
           uint64_t size_bytes, const char *what)
{
    struct walk_extent extent = {address, 0}, *last;
    size_t count = file_extent_count(walk, use);

    if (!sdk_within(address, size_bytes, walk->end))
        return file_beyond(walk, address, what);
    if (size_bytes == 0)
        return CKPT_OK;
    /* No more than the file has in all: this ends every cycle, too. */
    if (use == WALK_STRUCTURE && size_bytes > walk->end - walk->structure_bytes)
        return walk->host->fail(walk->host, CKPT_FORMAT, hdf5_walk_name(walk),
                                walk->base + address,
                                "structures of the file overlap");
    if (use == WALK_STRUCTURE)
        walk->structure_bytes += size_bytes;
    extent.end = address + size_bytes;
    last = count > 0 ? file_extents(walk, use) + count - 1 : NULL;
    if (last != NULL && last->end == address) {
        last->end = extent.end;
        return CKPT_OK;
    }
    return sdk_buffer_append(walk->host, &walk->extents[use], &extent,
                             sizeof extent);
}

static int
claims_overlap(struct hdf5_walk *walk, uint64_t address, const char *what)
{
    return walk->host->fail(walk->host, CKPT_FORMAT, NULL, walk->base + address,
                            "%s of the file overlap", what);
}

/* Sorts the claims of one use and compares them among each other. */
static int
claims_sort(struct hdf5_walk *walk, enum walk_use use, const char *what)
{
    int status =
        hdf5_sort(walk->host, &walk->extents[use], sizeof(struct walk_extent));
    const struct walk_extent *extents = file_extents(walk, use);
    size_t count = file_extent_count(walk, use), i;

    for (i = 1; i < count && status == CKPT_OK; i++)
        if (extents[i].begin < extents[i - 1].end)
            status = claims_overlap(walk, extents[i].begin, what);
    return status;
}

int
hdf5_claims_check(struct hdf5_walk *walk)
{
    size_t structures = file_extent_count(walk, WALK_STRUCTURE), i = 0;
    size_t data = file_extent_count(walk, WALK_DATA), j = 0;
    const struct walk_extent *a, *b;
    int status = claims_sort(walk, WALK_STRUCTURE, "structures");

    if (status == CKPT_OK)
        status = claims_sort(walk, WALK_DATA, "data");
    a = file_extents(walk, WALK_STRUCTURE);
    b = file_extents(walk, WALK_DATA);
    while (status == CKPT_OK && i < structures && j < data) {
        if (a[i].end <= b[j].begin)
            i++;
        else if (b[j].end <= a[i].begin)
            j++;
        else
            status = claims_overlap(walk, b[j].begin, "data and structures");
    }
    return status;
}

int
hdf5_look_again(struct hdf5_walk *walk, uint64_t address, size_t size_bytes,
                const char *what, const unsigned char **bytes)
{
    struct ckpt_span span;
    int status;

    if (!sdk_within(address, size_bytes, walk->end))
        return file_beyond(walk, address, what);
    status = walk->host->source_peek(walk->host, walk->tree->part.source,
                                     walk->base + address, size_bytes, &span);
    if (status == CKPT_OK)
        *bytes = span.data;
    return status;
}

int
hdf5_look(struct hdf5_walk *walk, uint64_t address, uint64_t size_bytes,
          const char *what, const unsigned char **bytes)
{
    int status = hdf5_claim(walk, WALK_STRUCTURE, address, size_bytes, what);

    if (status == CKPT_OK && size_bytes > LOOK_MAX)
        status = CKPT_END;
    if (status == CKPT_OK)
        status =
            hdf5_look_again(walk, address, (size_t)size_bytes, what, bytes);
    return status;
}

int
hdf5_load(struct hdf5_walk *walk, uint64_t address, uint64_t size_bytes,
          const char *what, struct sdk_buffer *buffer)
{
    const struct ckpt_host *host = walk->host;
    const unsigned char *bytes;
    int status = hdf5_claim(walk, WALK_STRUCTURE, address, size_bytes, what);

    if (status == CKPT_OK)
        status = sdk_buffer_reserve(host, buffer, (size_t)size_bytes);
    if (status != CKPT_OK)
        return status;
    if (size_bytes <= LOOK_MAX) {
        status =
            hdf5_look_again(walk, address, (size_t)size_bytes, what, &bytes);
        if (status == CKPT_OK && size_bytes > 0)
            memcpy(buffer->data + buffer->size_bytes, bytes,
                   (size_t)size_bytes);
    } else {
        status = host->source_read(
            host, walk->tree->part.source, walk->base + address,
            buffer->data + buffer->size_bytes, (size_t)size_bytes);
    }
    if (status == CKPT_OK)
        buffer->size_bytes += (size_t)size_bytes;
    return status;
}

int
hdf5_run_check(struct hdf5_walk *walk, const struct hdf5_run *run,
               const char *what)
{
    if (!run->cut)
        return CKPT_OK;
    return walk->host->fail(walk->host, CKPT_FORMAT, hdf5_walk_name(walk),
                            walk->base + run->address, "%s is cut off", what);
}

static uint32_t
sum_turn(uint32_t word, unsigned by)
{
    return word << by | word >> (32 - by);
}

/* One step of mixing: `from` is folded into two others. */
static void
sum_step(uint32_t *a, uint32_t *from, uint32_t *b, unsigned by)
{
    *a -= *from;
    *a ^= sum_turn(*from, by);
    *from += *b;
}

static void
sum_mix(uint32_t s[3])
{
    sum_step(&s[0], &s[2], &s[1], 4);
    sum_step(&s[1], &s[0], &s[2], 6);
    sum_step(&s[2], &s[1], &s[0], 8);
    sum_step(&s[0], &s[2], &s[1], 16);
    sum_step(&s[1], &s[0], &s[2], 19);
    sum_step(&s[2], &s[1], &s[0], 4);
}

static void
sum_last(uint32_t *into, uint32_t from, unsigned by)
{
    *into ^= from;
    *into -= sum_turn(from, by);
}

static uint32_t
file_checksum(const unsigned char *bytes, size_t size_bytes)
{
    uint32_t start = 0xDEADBEEF + (uint32_t)size_bytes;
    uint32_t s[3] = {start, start, start};
    unsigned char rest[12] = {0};
    size_t i;

    for (; size_bytes > 12; bytes += 12, size_bytes -= 12) {
        for (i = 0; i < 3; i++)
            s[i] += sdk_load_le32(bytes + 4 * i);
        sum_mix(s);
    }
    if (size_bytes == 0)
        return s[2];
    memcpy(rest, bytes, size_bytes);
    for (i = 0; i < 3; i++)
        s[i] += sdk_load_le32(rest + 4 * i);
    sum_last(&s[2], s[1], 14);
    sum_last(&s[0], s[2], 11);
    sum_last(&s[1], s[0], 25);
    sum_last(&s[2], s[1], 16);
    sum_last(&s[0], s[2], 4);
    sum_last(&s[1], s[0], 14);
    sum_last(&s[2], s[1], 24);
    return s[2];
}

bool
hdf5_checksum_holds(const unsigned char *bytes, size_t size_bytes,
                    uint32_t checksum)
{
    bool holds = file_checksum(bytes, size_bytes) == checksum;

#ifdef CKPT_FUZZED
    holds = true;
#endif
    return holds;
}
