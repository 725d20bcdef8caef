/* SPDX-License-Identifier: MIT
 *
 * A whole zip archive: all members with their names, the index of names, and
 * the local headers, which say where the data starts (APPNOTE 4.3.7).
 */
#include "zip_walk.h"

#include <stdlib.h>
#include <string.h>

#include "checked.h"
#include "endian.h"

#define HEADER_BYTES 30
#define FLAG_ENCRYPTED 0x0001
#define FLAG_DESCRIPTOR 0x0008
#define PROBES_MAX 1000
#define SHOWN(member)                                               \
    (int)((member)->name_bytes < 200 ? (member)->name_bytes : 200), \
        (member)->name

static const unsigned char header_mark[4] = {'P', 'K', 3, 4};

/* ---- The index of names ---- */

#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

/* Eight characters with A to Z made small: the top bit of each byte tells
 * whether it is one, by sums that cannot carry into the next byte. */
static uint64_t
fold(uint64_t eight)
{
    uint64_t low = eight & EACH(0x7f);
    uint64_t from_a = low + EACH(0x80 - 'A');
    uint64_t after_z = low + EACH(0x7f - 'Z');

    return eight | ((from_a & ~after_z & ~eight & EACH(0x80)) >> 2);
}

/* Up to eight characters from `at`, folded; zeros follow the last. */
static uint64_t
folded(const char *name, size_t name_bytes, size_t at)
{
    size_t left = name_bytes - at;
    uint64_t eight = 0;

    memcpy(&eight, name + at, left < 8 ? left : 8);
    return fold(eight);
}

static uint64_t
hash_folded(const char *name, size_t name_bytes)
{
    uint64_t hash = name_bytes;
    size_t at;

    for (at = 0; at < name_bytes; at += 8) {
        hash = (hash ^ folded(name, name_bytes, at)) *
               UINT64_C(0x9e3779b97f4a7c15);
        hash ^= hash >> 32;
    }
    return hash;
}

static bool
equal_folded(const struct sdk_zip_member *member, const char *name,
             size_t name_bytes)
{
    size_t at;

    if (member->name_bytes != name_bytes)
        return false;
    for (at = 0; at < name_bytes; at += 8)
        if (folded(member->name, name_bytes, at) !=
            folded(name, name_bytes, at))
            return false;
    return true;
}

/* The slot of a name, taken or free; NULL if the search takes too long. */
static uint32_t *
find_slot(const struct sdk_zip *zip, const char *name, size_t name_bytes)
{
    size_t at = (size_t)hash_folded(name, name_bytes) & zip->slot_mask;
    unsigned probes;

    for (probes = 0; probes < PROBES_MAX; probes++) {
        uint32_t *slot = &zip->slots[(at + probes) & zip->slot_mask];

        if (*slot == 0 ||
            equal_folded(&zip->members[*slot - 1], name, name_bytes))
            return slot;
    }
    return NULL;
}

static int
index_names(const struct ckpt_host *host, struct sdk_zip *zip)
{
    size_t i, capacity = 16;

    while (capacity < zip->member_count * 2)
        capacity *= 2;
    zip->slots = host->allocate(host, capacity * sizeof *zip->slots);
    if (zip->slots == NULL)
        return CKPT_MEMORY;
    zip->slot_mask = capacity - 1;
    for (i = 0; i < zip->member_count; i++) {
        const struct sdk_zip_member *member = &zip->members[i];
        uint32_t *slot = find_slot(zip, member->name, member->name_bytes);

        if (slot == NULL)
            return host->fail(host, CKPT_LIMIT, NULL, member->header_offset,
                              "too many names with one hash");
        if (*slot != 0)
            return host->fail(host, CKPT_FORMAT, NULL, member->header_offset,
                              "two members named '%.*s', upper and lower "
                              "case being the same",
                              SHOWN(member));
        *slot = (uint32_t)(i + 1);
    }
    return CKPT_OK;
}

const struct sdk_zip_member *
sdk_zip_find(const struct sdk_zip *zip, const char *name, size_t name_bytes)
{
    const struct sdk_zip_member *member;
    const uint32_t *slot;

    if (zip->slots == NULL)
        return NULL;
    slot = find_slot(zip, name, name_bytes);
    if (slot == NULL || *slot == 0)
        return NULL;
    member = &zip->members[*slot - 1];
    return memcmp(member->name, name, name_bytes) == 0 ? member : NULL;
}

/* ---- Local headers ---- */

static int
fail_member(const struct ckpt_host *host, const struct sdk_zip_member *member,
            const char *what)
{
    host->fail(host, CKPT_FORMAT, NULL, member->header_offset,
               "member '%.*s': %s", SHOWN(member), what);
    return CKPT_FORMAT;
}

/* A size in a local header: it agrees with the directory, or a descriptor
 * behind the data says it, or a zip64 field does. */
static bool
size_agrees(const unsigned char *p, uint64_t size, bool later)
{
    uint32_t local = sdk_load_le32(p);

    return local == size || local == UINT32_MAX || (later && local == 0);
}

static int
check_header(const struct ckpt_host *host, const unsigned char *p,
             const struct sdk_zip_member *member)
{
    uint16_t flags = sdk_load_le16(p + 6);
    bool later = flags & FLAG_DESCRIPTOR;
    uint32_t crc32 = sdk_load_le32(p + 14);

    if (sdk_load_le16(p + 26) != member->name_bytes ||
        memcmp(p + HEADER_BYTES, member->name, member->name_bytes) != 0)
        return fail_member(host, member, "its local header has another name");
    if (sdk_load_le16(p + 8) != member->method)
        return fail_member(host, member, "its local header has another method");
    if (flags & FLAG_ENCRYPTED)
        return fail_member(host, member,
                           "its local header says it is encrypted");
    if (!size_agrees(p + 18, member->packed_bytes, later) ||
        !size_agrees(p + 22, member->size_bytes, later))
        return fail_member(host, member, "its local header has another size");
    if (crc32 != member->crc32 && !(later && crc32 == 0))
        return fail_member(host, member, "its local header has another crc-32");
    return CKPT_OK;
}

/* Reads the local header and finds the data; `limit` is where the next
 * member, or the directory, starts. */
static int
read_header(const struct ckpt_host *host, const struct ckpt_source *source,
            struct sdk_zip_member *member, uint64_t limit)
{
    uint64_t head_bytes = HEADER_BYTES + (uint64_t)member->name_bytes;
    struct ckpt_span span;
    int status;

    if (!sdk_within(member->header_offset, head_bytes, limit))
        return fail_member(host, member, "it overlaps what follows it");
    status = host->source_peek(host, source, member->header_offset,
                               (size_t)head_bytes, &span);
    if (status != CKPT_OK)
        return status;
    if (memcmp(span.data, header_mark, sizeof header_mark) != 0)
        return fail_member(host, member, "it has no local header");
    status = check_header(host, span.data, member);
    if (status != CKPT_OK)
        return status;
    head_bytes += sdk_load_le16(span.data + 28);
    if (!sdk_within(member->header_offset + head_bytes, member->packed_bytes,
                    limit))
        return fail_member(host, member, "it overlaps what follows it");
    member->data_offset = member->header_offset + head_bytes;
    return CKPT_OK;
}

static int
compare_offsets(const void *left, const void *right)
{
    const struct sdk_zip_member *a = *(struct sdk_zip_member *const *)left;
    const struct sdk_zip_member *b = *(struct sdk_zip_member *const *)right;

    return (a->header_offset > b->header_offset) -
           (a->header_offset < b->header_offset);
}

/* In the order of the file, so that each byte is passed once. */
static int
read_headers(const struct ckpt_host *host, const struct ckpt_source *source,
             struct sdk_zip *zip, uint64_t end)
{
    struct sdk_zip_member **order;
    size_t i, count = zip->member_count;
    bool sorted = true;
    int status = CKPT_OK;

    order = host->allocate(host, (count + 1) * sizeof *order);
    if (order == NULL)
        return CKPT_MEMORY;
    for (i = 0; i < count; i++) {
        order[i] = &zip->members[i];
        sorted = sorted && (i == 0 || order[i - 1]->header_offset <
                                          order[i]->header_offset);
    }
    if (!sorted)
        qsort(order, count, sizeof *order, compare_offsets);
    for (i = 0; i < count && status == CKPT_OK; i++) {
        uint64_t limit = i + 1 < count ? order[i + 1]->header_offset : end;

        status = read_header(host, source, order[i], limit);
        if (i % 4096 == 4095 && host->cancelled(host))
            status = CKPT_CANCELLED;
    }
    host->release(host, order);
    return status;
}

/* ---- The whole ---- */

static int
list_members(const struct ckpt_host *host, struct sdk_zip_walk *walk,
             struct sdk_zip *zip)
{
    /* All names together, if every member has its entry. */
    size_t names_bytes = (size_t)walk->directory_bytes, used = 0;
    size_t count = (size_t)walk->member_count;
    int status;

    if (walk->directory_bytes > SIZE_MAX / 4 || count >= UINT32_MAX / 4)
        return host->fail(host, CKPT_LIMIT, NULL, walk->directory_offset,
                          "a zip directory of %llu bytes",
                          (unsigned long long)walk->directory_bytes);
    names_bytes -= count * 46;
    zip->names = host->allocate(host, names_bytes + 1);
    zip->members = host->allocate(host, (count + 1) * sizeof *zip->members);
    if (zip->names == NULL || zip->members == NULL)
        return CKPT_MEMORY;
    for (;;) {
        struct sdk_zip_member *member = &zip->members[zip->member_count];

        status = sdk_zip_walk_next(walk, member);
        if (status != CKPT_OK)
            return status == CKPT_END ? CKPT_OK : status;
        if (member->name_bytes > names_bytes - used)
            return host->fail(host, CKPT_FORMAT, NULL, walk->at,
                              "names that leave no room for all members");
        memcpy(zip->names + used, member->name, member->name_bytes);
        member->name = zip->names + used;
        used += member->name_bytes;
        zip->member_count++;
    }
}

int
sdk_zip_open(const struct ckpt_host *host, const struct ckpt_source *source,
             struct sdk_zip *zip)
{
    struct sdk_zip made = {0};
    struct sdk_zip_walk walk;
    int status = sdk_zip_walk_init(host, source, &walk);

    if (status != CKPT_OK)
        return status;
    status = list_members(host, &walk, &made);
    if (status == CKPT_OK)
        status = index_names(host, &made);
    if (status == CKPT_OK)
        status = read_headers(host, source, &made, walk.directory_offset);
    made.trailing_bytes = walk.trailing_bytes;
    if (status == CKPT_OK)
        *zip = made;
    else
        sdk_zip_close(host, &made);
    return status;
}

void
sdk_zip_close(const struct ckpt_host *host, struct sdk_zip *zip)
{
    host->release(host, zip->members);
    host->release(host, zip->names);
    host->release(host, zip->slots);
    memset(zip, 0, sizeof *zip);
}
