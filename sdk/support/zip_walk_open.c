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
#define SHOWN(member)                                               \
    (int)((member)->name_bytes < 200 ? (member)->name_bytes : 200), \
        (member)->name

static const unsigned char header_mark[4] = {'P', 'K', 3, 4};

/* ---- The index of names ---- */

/* All names at once, A to Z made small. */
static int
fold_names(const struct ckpt_host *host, struct sdk_zip *zip)
{
    size_t i;

    zip->folded = host->allocate(host, zip->names_bytes + 1);
    if (zip->folded == NULL)
        return CKPT_MEMORY;
    for (i = 0; i < zip->names_bytes; i++) {
        unsigned char byte = (unsigned char)zip->names[i];

        zip->folded[i] = (char)(byte | ((unsigned)(byte - 'A') < 26) << 5);
    }
    return CKPT_OK;
}

static int
index_name(const struct ckpt_host *host, struct sdk_zip *zip, const char *name,
           const struct sdk_zip_member *member)
{
    bool added;
    uint64_t *number =
        sdk_table_add(host, &zip->index, name, member->name_bytes, &added);

    if (number == NULL)
        return CKPT_MEMORY;
    if (!added)
        return host->fail(host, CKPT_FORMAT, NULL, member->header_offset,
                          "two members named '%.*s', upper and lower case "
                          "being the same",
                          SHOWN(member));
    *number = (uint64_t)(member - zip->members);
    return CKPT_OK;
}

/* Under its name and, where that is another, under its folded name: so two
 * names that fold to the same one meet there. */
static int
index_names(const struct ckpt_host *host, struct sdk_zip *zip)
{
    int status = fold_names(host, zip);
    size_t i;

    if (status == CKPT_OK)
        status = sdk_table_reserve(host, &zip->index, zip->member_count);
    for (i = 0; i < zip->member_count && status == CKPT_OK; i++) {
        const struct sdk_zip_member *member = &zip->members[i];
        const char *folded = zip->folded + (member->name - zip->names);

        status = index_name(host, zip, member->name, member);
        if (status == CKPT_OK &&
            memcmp(member->name, folded, member->name_bytes) != 0)
            status = index_name(host, zip, folded, member);
    }
    return status;
}

const struct sdk_zip_member *
sdk_zip_find(const struct sdk_zip *zip, const char *name, size_t name_bytes)
{
    const uint64_t *number = sdk_table_find(&zip->index, name, name_bytes);
    const struct sdk_zip_member *member;

    if (number == NULL)
        return NULL;
    member = &zip->members[*number];
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
    size_t room_bytes = (size_t)walk->directory_bytes;
    size_t count = (size_t)walk->member_count;
    int status;

    if (walk->directory_bytes > SIZE_MAX / 4 || count >= UINT32_MAX / 4)
        return host->fail(host, CKPT_LIMIT, NULL,
                          walk->base + walk->directory_offset,
                          "a zip directory of %llu bytes",
                          (unsigned long long)walk->directory_bytes);
    room_bytes -= count * 46;
    zip->names = host->allocate(host, room_bytes + 1);
    zip->members = host->allocate(host, (count + 1) * sizeof *zip->members);
    if (zip->names == NULL || zip->members == NULL)
        return CKPT_MEMORY;
    for (;;) {
        struct sdk_zip_member *member = &zip->members[zip->member_count];

        status = sdk_zip_walk_next(walk, member);
        if (status != CKPT_OK)
            return status == CKPT_END ? CKPT_OK : status;
        if (member->name_bytes > room_bytes - zip->names_bytes)
            return host->fail(host, CKPT_FORMAT, NULL, walk->base + walk->at,
                              "names that leave no room for all members");
        memcpy(zip->names + zip->names_bytes, member->name, member->name_bytes);
        member->name = zip->names + zip->names_bytes;
        zip->names_bytes += member->name_bytes;
        zip->member_count++;
    }
}

int
sdk_zip_open(const struct ckpt_host *host, const struct ckpt_source *source,
             struct sdk_zip *zip)
{
    return sdk_zip_open_part(host, source, 0, host->source_size(host, source),
                             zip);
}

int
sdk_zip_open_part(const struct ckpt_host *host,
                  const struct ckpt_source *source, uint64_t base,
                  uint64_t size_bytes, struct sdk_zip *zip)
{
    struct sdk_zip made = {.base = base, .size_bytes = size_bytes};
    struct sdk_zip_walk walk;
    int status = sdk_zip_walk_part(host, source, base, size_bytes, &walk);

    if (status != CKPT_OK)
        return status;
    status = list_members(host, &walk, &made);
    if (status == CKPT_OK)
        status = index_names(host, &made);
    if (status == CKPT_OK)
        status =
            read_headers(host, source, &made, base + walk.directory_offset);
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
    host->release(host, zip->folded);
    sdk_table_fini(host, &zip->index);
    memset(zip, 0, sizeof *zip);
}
