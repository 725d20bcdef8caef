/* SPDX-License-Identifier: MIT
 *
 * Object headers: from their chunks to a list of messages.
 *
 *  1. version 1: 1, 0, messages u16, references u32, size u32, 4 unused; the
 *     first chunk follows. A message is type u16, size u16, flags u8, 3
 *     unused, data.
 *  2. version 2: "OHDR", 2, flags; four times u32 if flag 5; two limits u16 if
 *     flag 4; the size of the first chunk in 1, 2, 4 or 8 bytes by flags 0 and
 *     1; the chunk; checksum u32. A message is type u8, size u16, flags u8,
 *     order u16 if flag 2, data. What is too small for a message is a gap.
 *  3. A message of type 16 is address and length of a further chunk; one of
 *     version 2 begins with "OCHK" and ends with a checksum.
 */
#include <string.h>

#include "checked.h"
#include "hdf5_walk_file.h"

#define OLD_PREFIX_BYTES 16
#define NEW_PREFIX_MAX 34
#define SIGNATURE_BYTES 4
#define CHECKSUM_BYTES 4

#define FLAG_SIZE 0x03 /* of a header of version 2 */
#define FLAG_ORDER 0x04
#define FLAG_LIMITS 0x10
#define FLAG_TIMES 0x20

#define MESSAGE_MUST_KNOW 0x80 /* a flag */

struct header {
    uint64_t address;
    uint64_t prefix_bytes, chunk_bytes;
    uint32_t version;
    bool newer;   /* than any that is known here, as its checksum confirms */
    bool ordered; /* messages have an order */
};

static int
header_prefix_old(const unsigned char *bytes, struct header *header)
{
    header->version = 1;
    header->prefix_bytes = OLD_PREFIX_BYTES;
    header->chunk_bytes = sdk_load_le32(bytes + 8);
    return CKPT_OK;
}

static int
header_prefix_new(struct hdf5_walk *walk, struct header *header)
{
    uint64_t left = walk->end - header->address;
    size_t size = left < NEW_PREFIX_MAX ? (size_t)left : NEW_PREFIX_MAX;
    struct hdf5_run run = {NULL, size, header->address, false};
    uint8_t version, flags;
    int status = hdf5_look_again(walk, header->address, size,
                                 "an object header", &run.at);

    if (status != CKPT_OK)
        return status;
    hdf5_take(&run, SIGNATURE_BYTES);
    version = hdf5_take_u8(&run);
    flags = hdf5_take_u8(&run);
    header->newer = version != 2;
    hdf5_take(&run, (flags & FLAG_TIMES ? 16 : 0) +
                        (flags & FLAG_LIMITS ? (size_t)4 : 0));
    header->version = 2;
    header->ordered = (flags & FLAG_ORDER) != 0;
    header->chunk_bytes =
        hdf5_take_uint(&run, (size_t)1 << (flags & FLAG_SIZE));
    header->prefix_bytes = size - run.left;
    return hdf5_run_check(walk, &run, "an object header");
}

static int
header_prefix(struct hdf5_walk *walk, struct header *header)
{
    const unsigned char *bytes;
    int status = hdf5_look_again(walk, header->address, OLD_PREFIX_BYTES,
                                 "an object header", &bytes);

    if (status != CKPT_OK)
        return status;
    if (memcmp(bytes, "OHDR", SIGNATURE_BYTES) == 0)
        return header_prefix_new(walk, header);
    if (bytes[0] == 1 && bytes[1] == 0)
        return header_prefix_old(bytes, header);
    return walk->host->fail(walk->host, CKPT_FORMAT, hdf5_walk_name(walk),
                            walk->base + header->address,
                            "there should be an object header");
}

/* Cuts the checksum off a chunk of version 2. */
static int
header_checksum(struct hdf5_walk *walk, struct hdf5_run *run)
{
    const unsigned char *sum;

    sum = run->at + run->left - CHECKSUM_BYTES; /* the callers saw to it */
    if (!hdf5_checksum_holds(run->at, run->left - CHECKSUM_BYTES,
                             sdk_load_le32(sum)))
        return walk->host->fail(walk->host, CKPT_FORMAT, hdf5_walk_name(walk),
                                walk->base + run->address,
                                "the checksum of an object header is wrong");
    run->left -= CHECKSUM_BYTES;
    return CKPT_OK;
}

static const struct hdf5_message *
header_at(const struct hdf5_walk *walk, size_t index)
{
    return (const struct hdf5_message *)(const void *)walk->messages.data +
           index;
}

static size_t
header_count(const struct hdf5_walk *walk)
{
    return walk->messages.size_bytes / sizeof(struct hdf5_message);
}

/* The message at the front of the run, or a gap that ends it. */
static int
header_message(struct hdf5_walk *walk, const struct header *header,
               struct hdf5_run *run, uint64_t address)
{
    struct hdf5_message message = {0};
    size_t all = run->left;

    if (header->version == 1) {
        message.type = hdf5_take_u16(run);
        message.size_bytes = hdf5_take_u16(run);
        message.flags = hdf5_take_u8(run);
        hdf5_take(run, 3);
    } else {
        message.type = hdf5_take_u8(run);
        message.size_bytes = hdf5_take_u16(run);
        message.flags = hdf5_take_u8(run);
        message.order = header->ordered ? hdf5_take_u16(run) : 0;
    }
    message.address = address + (all - run->left);
    message.at = (size_t)(run->at - walk->header.data);
    hdf5_take(run, message.size_bytes);
    run->address = address;
    if (run->cut)
        return hdf5_run_check(walk, run, "a message of an object header");
    if (message.type > HDF5_MESSAGE_LAST &&
        (message.flags & MESSAGE_MUST_KNOW) != 0)
        return CKPT_END;
    if (message.type <= HDF5_MESSAGE_LAST && walk->first[message.type] == 0)
        walk->first[message.type] = header_count(walk) + 1;
    return sdk_buffer_append(walk->host, &walk->messages, &message,
                             sizeof message);
}

/* The messages of a chunk that lies in walk->header from `at` on. */
static int
header_chunk(struct hdf5_walk *walk, const struct header *header, size_t at,
             size_t skip, uint64_t address)
{
    struct hdf5_run run = {walk->header.data + at, walk->header.size_bytes - at,
                           address, false};
    size_t least = header->version == 1 ? 8 : header->ordered ? 6 : 4;
    const unsigned char *start = run.at;
    int status = CKPT_OK;

    if (header->version == 2)
        status = header_checksum(walk, &run);
    if (status == CKPT_OK && header->newer)
        return CKPT_END;
    if (status == CKPT_OK)
        hdf5_take(&run, skip);
    while (status == CKPT_OK && run.left >= least)
        status = header_message(walk, header, &run,
                                address + (uint64_t)(run.at - start));
    return status;
}

/* The chunk that a message of type 16 speaks of. */
static int
header_more(struct hdf5_walk *walk, const struct header *header,
            const struct hdf5_message *message)
{
    struct hdf5_run run = hdf5_message_run(walk, message);
    uint64_t address = hdf5_take_u64(&run), size = hdf5_take_u64(&run);
    size_t at = walk->header.size_bytes;
    size_t skip = header->version == 1 ? 0 : SIGNATURE_BYTES;
    int status = hdf5_run_check(walk, &run, "a continuation of a header");

    if (status == CKPT_OK)
        status = hdf5_load(walk, address, size, "a chunk of an object header",
                           &walk->header);
    if (status != CKPT_OK)
        return status;
    if (header->version == 2 &&
        (size < SIGNATURE_BYTES + CHECKSUM_BYTES ||
         memcmp(walk->header.data + at, "OCHK", SIGNATURE_BYTES) != 0))
        return walk->host->fail(walk->host, CKPT_FORMAT, hdf5_walk_name(walk),
                                walk->base + address,
                                "there should be a chunk of an object header");
    return header_chunk(walk, header, at, skip, address);
}

int
hdf5_header_read(struct hdf5_walk *walk, uint64_t address)
{
    struct header header = {.address = address};
    struct hdf5_message message;
    uint64_t size = 0;
    size_t i;
    int status = header_prefix(walk, &header);

    walk->header.size_bytes = 0;
    walk->messages.size_bytes = 0;
    memset(walk->first, 0, sizeof walk->first);
    if (status != CKPT_OK)
        return status;
    if (!sdk_add_u64(header.prefix_bytes, header.chunk_bytes, &size) ||
        !sdk_add_u64(size, header.version == 2 ? CHECKSUM_BYTES : 0, &size))
        size = UINT64_MAX;
    status = hdf5_load(walk, address, size, "an object header", &walk->header);
    if (status == CKPT_OK)
        status = header_chunk(walk, &header, 0, (size_t)header.prefix_bytes,
                              address);
    for (i = 0; i < header_count(walk) && status == CKPT_OK; i++) {
        message = *header_at(walk, i);
        if (message.type == HDF5_MESSAGE_MORE)
            status = header_more(walk, &header, &message);
    }
    return status;
}

const struct hdf5_message *
hdf5_message_find(const struct hdf5_walk *walk, uint16_t type)
{
    return walk->first[type] > 0 ? header_at(walk, walk->first[type] - 1)
                                 : NULL;
}

struct hdf5_run
hdf5_message_run(const struct hdf5_walk *walk,
                 const struct hdf5_message *message)
{
    struct hdf5_run run = {walk->header.data + message->at, message->size_bytes,
                           message->address, false};

    return run;
}
