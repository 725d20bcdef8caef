/* SPDX-License-Identifier: MIT
 *
 * The end records and the central directory of a zip archive (APPNOTE 4.3).
 *
 *   1. members, each after a local header
 *   2. central directory, one entry a member
 *   3. perhaps: zip64 end record (56 bytes) and its locator (20 bytes)
 *   4. end record (22 bytes) and a comment
 */
#include "zip_walk.h"

#include <string.h>

#include "checked.h"
#include "endian.h"

#define END_BYTES 22
#define LOCATOR_BYTES 20
#define END64_BYTES 56
#define ENTRY_BYTES 46
#define TAIL_BYTES (END_BYTES + 65535)

#define FLAG_ENCRYPTED 0x0001
#define FLAG_MASKED 0x2000
#define DEFLATE_RATIO_MAX 1040 /* 1032, and the ends */

static const unsigned char end_mark[4] = {'P', 'K', 5, 6};
static const unsigned char locator_mark[4] = {'P', 'K', 6, 7};
static const unsigned char end64_mark[4] = {'P', 'K', 6, 6};
static const unsigned char entry_mark[4] = {'P', 'K', 1, 2};

/* What an end record says, of either size. */
struct end {
    uint64_t offset; /* of the record */
    uint32_t disk, directory_disk;
    uint64_t here_count, count, directory_bytes, directory_offset;
};

static int
peek(const struct sdk_zip_walk *walk, uint64_t offset, size_t size_bytes,
     struct ckpt_span *span)
{
    return walk->host->source_peek(walk->host, walk->source,
                                   walk->base + offset, size_bytes, span);
}

static int
fail_at(const struct sdk_zip_walk *walk, uint64_t byte, const char *what)
{
    walk->host->fail(walk->host, CKPT_FORMAT, NULL, walk->base + byte, "%s",
                     what);
    return CKPT_FORMAT;
}

/* ---- End records ---- */

static void
parse_end(const unsigned char *p, uint64_t offset, struct end *end)
{
    end->offset = offset;
    end->disk = sdk_load_le16(p + 4);
    end->directory_disk = sdk_load_le16(p + 6);
    end->here_count = sdk_load_le16(p + 8);
    end->count = sdk_load_le16(p + 10);
    end->directory_bytes = sdk_load_le32(p + 12);
    end->directory_offset = sdk_load_le32(p + 16);
}

/* The end record is the last of its mark whose comment fits. What follows it
 * is borne; another one whose comment swallows it is a second reading. */
static int
find_end(struct sdk_zip_walk *walk, uint64_t size, struct end *end)
{
    size_t tail = size < TAIL_BYTES ? (size_t)size : TAIL_BYTES;
    uint64_t base = size - tail;
    struct ckpt_span span;
    size_t at, found = SIZE_MAX;
    int status;

    if (size < END_BYTES)
        return fail_at(walk, size, "a file too short for a zip archive");
    status = peek(walk, base, tail, &span);
    if (status != CKPT_OK)
        return status;
    for (at = tail - END_BYTES + 1; at-- > 0;) {
        size_t rest = tail - at - END_BYTES, comment;

        if (memcmp(span.data + at, end_mark, sizeof end_mark) != 0)
            continue;
        comment = sdk_load_le16(span.data + at + 20);
        if (found == SIZE_MAX && comment <= rest) {
            found = at;
            walk->trailing_bytes = rest - comment;
        } else if (found != SIZE_MAX && comment == rest) {
            return fail_at(walk, base + at, "two zip end records");
        }
    }
    if (found == SIZE_MAX)
        return fail_at(walk, size,
                       "no zip end record: the file is cut short, or "
                       "more than 64 KiB follow the archive");
    parse_end(span.data + found, base + found, end);
    return CKPT_OK;
}

static int
parse_end64(const struct sdk_zip_walk *walk, uint64_t offset, uint64_t limit,
            struct end *end)
{
    struct ckpt_span span;
    uint64_t record_bytes;
    int status;

    if (!sdk_within(offset, END64_BYTES, limit))
        return fail_at(walk, limit, "the zip64 end record is elsewhere");
    status = peek(walk, offset, END64_BYTES, &span);
    if (status != CKPT_OK)
        return status;
    if (memcmp(span.data, end64_mark, sizeof end64_mark) != 0)
        return fail_at(walk, offset, "no zip64 end record where one should be");
    record_bytes = sdk_load_le64(span.data + 4);
    if (record_bytes < END64_BYTES - 12 || record_bytes != limit - offset - 12)
        return fail_at(walk, offset + 4, "a zip64 end record of a wrong size");
    end->offset = offset;
    end->disk = sdk_load_le32(span.data + 16);
    end->directory_disk = sdk_load_le32(span.data + 20);
    end->here_count = sdk_load_le64(span.data + 24);
    end->count = sdk_load_le64(span.data + 32);
    end->directory_bytes = sdk_load_le64(span.data + 40);
    end->directory_offset = sdk_load_le64(span.data + 48);
    return CKPT_OK;
}

static bool
agree(uint64_t small, uint64_t most, uint64_t large)
{
    return small == most || small == large;
}

/* Where there is a zip64 end record it holds, and the small one must say the
 * same wherever it says anything. */
static int
widen_end(const struct sdk_zip_walk *walk, struct end *end)
{
    struct end wide = {0};
    struct ckpt_span span;
    uint64_t locator;
    int status;

    if (end->offset < LOCATOR_BYTES)
        return CKPT_OK;
    locator = end->offset - LOCATOR_BYTES;
    status = peek(walk, locator, LOCATOR_BYTES, &span);
    if (status != CKPT_OK)
        return status;
    if (memcmp(span.data, locator_mark, sizeof locator_mark) != 0)
        return CKPT_OK;
    if (sdk_load_le32(span.data + 4) != 0 || sdk_load_le32(span.data + 16) > 1)
        return walk->host->fail(walk->host, CKPT_UNSUPPORTED, NULL,
                                walk->base + locator,
                                "a zip archive on several disks");
    status = parse_end64(walk, sdk_load_le64(span.data + 8), locator, &wide);
    if (status != CKPT_OK)
        return status;
    if (!agree(end->disk, UINT16_MAX, wide.disk) ||
        !agree(end->directory_disk, UINT16_MAX, wide.directory_disk) ||
        !agree(end->here_count, UINT16_MAX, wide.here_count) ||
        !agree(end->count, UINT16_MAX, wide.count) ||
        !agree(end->directory_bytes, UINT32_MAX, wide.directory_bytes) ||
        !agree(end->directory_offset, UINT32_MAX, wide.directory_offset))
        return fail_at(walk, wide.offset, "the two zip end records disagree");
    *end = wide;
    return CKPT_OK;
}

int
sdk_zip_walk_init(const struct ckpt_host *host,
                  const struct ckpt_source *source, struct sdk_zip_walk *walk)
{
    return sdk_zip_walk_part(host, source, 0, host->source_size(host, source),
                             walk);
}

int
sdk_zip_walk_part(const struct ckpt_host *host,
                  const struct ckpt_source *source, uint64_t base,
                  uint64_t size_bytes, struct sdk_zip_walk *walk)
{
    struct sdk_zip_walk made = {
        .host = host, .source = source, .base = base, .size_bytes = size_bytes};
    struct end end = {0};
    int status = find_end(&made, size_bytes, &end);

    if (status == CKPT_OK)
        status = widen_end(&made, &end);
    if (status != CKPT_OK)
        return status;
    if (end.disk != 0 || end.directory_disk != 0 || end.here_count != end.count)
        return host->fail(host, CKPT_UNSUPPORTED, NULL, base + end.offset,
                          "a zip archive on several disks");
    if (!sdk_within(end.directory_offset, end.directory_bytes, end.offset))
        return fail_at(&made, end.offset,
                       "a zip directory beyond its end record");
    /* Readers that take the directory from before its end record, and those
     * that take it from where the record says, must find the same one. */
    if (end.directory_offset + end.directory_bytes != end.offset)
        return fail_at(&made, end.offset,
                       "the zip directory does not end at its end record");
    if (end.count > end.directory_bytes / ENTRY_BYTES)
        return fail_at(&made, end.offset,
                       "more members than the zip directory has room for");
    made.directory_offset = made.at = end.directory_offset;
    made.directory_bytes = end.directory_bytes;
    made.member_count = end.count;
    *walk = made;
    return CKPT_OK;
}

/* ---- Entries ---- */

/* Takes the next 64-bit value of a zip64 field if `*value` refers to it. */
static bool
widen(const unsigned char **field, size_t *left, uint64_t *value)
{
    if (*value != UINT32_MAX)
        return true;
    if (*left < 8)
        return false;
    *value = sdk_load_le64(*field);
    *field += 8;
    *left -= 8;
    return true;
}

/* The zip64 field, of id 1, among the extra ones; NULL if there is none. */
static const unsigned char *
find_zip64(const unsigned char *extra, size_t extra_bytes, size_t *size_bytes)
{
    while (extra_bytes >= 4) {
        size_t size = sdk_load_le16(extra + 2);

        if (size > extra_bytes - 4)
            return NULL;
        if (sdk_load_le16(extra) == 1) {
            *size_bytes = size;
            return extra + 4;
        }
        extra += 4 + size;
        extra_bytes -= 4 + size;
    }
    return NULL;
}

static int
parse_entry(const struct sdk_zip_walk *walk, const unsigned char *p,
            struct sdk_zip_member *member)
{
    size_t extra_bytes = sdk_load_le16(p + 30), left = 0;
    const unsigned char *field;
    uint64_t disk = sdk_load_le16(p + 34);

    member->flags = sdk_load_le16(p + 8);
    member->method = sdk_load_le16(p + 10);
    member->crc32 = sdk_load_le32(p + 16);
    member->packed_bytes = sdk_load_le32(p + 20);
    member->size_bytes = sdk_load_le32(p + 24);
    member->name_bytes = sdk_load_le16(p + 28);
    member->header_offset = sdk_load_le32(p + 42);
    member->data_offset = 0;
    member->name = (const char *)p + ENTRY_BYTES;
    field =
        find_zip64(p + ENTRY_BYTES + member->name_bytes, extra_bytes, &left);
    if (field != NULL && (!widen(&field, &left, &member->size_bytes) ||
                          !widen(&field, &left, &member->packed_bytes) ||
                          !widen(&field, &left, &member->header_offset)))
        return fail_at(walk, walk->at, "a zip64 field that is too short");
    if (disk == UINT16_MAX && field != NULL && left >= 4)
        disk = sdk_load_le32(field);
    if (disk != 0)
        return walk->host->fail(walk->host, CKPT_UNSUPPORTED, NULL,
                                walk->base + walk->at,
                                "a zip archive on several disks");
    return CKPT_OK;
}

/* Whether a name would lead out of the folder that it is unpacked in. */
static bool
name_climbs(const char *name, size_t size)
{
    size_t i;

    if (name[0] == '/')
        return true;
    for (i = 0; i + 2 <= size; i++)
        if (memcmp(name + i, "..", 2) == 0 && (i == 0 || name[i - 1] == '/') &&
            (i + 2 == size || name[i + 2] == '/'))
            return true;
    return false;
}

static int
check_entry(const struct sdk_zip_walk *walk,
            const struct sdk_zip_member *member)
{
    if (member->name_bytes == 0)
        return fail_at(walk, walk->at, "a member without a name");
    if (memchr(member->name, '\0', member->name_bytes) != NULL)
        return fail_at(walk, walk->at, "a zero byte in a member's name");
    if (name_climbs(member->name, member->name_bytes))
        return fail_at(walk, walk->at,
                       "a member whose name leads out of its folder");
    if (member->flags & (FLAG_ENCRYPTED | FLAG_MASKED))
        return walk->host->fail(walk->host, CKPT_UNSUPPORTED, NULL,
                                walk->base + walk->at, "an encrypted member");
    if (member->method == SDK_ZIP_STORED &&
        member->packed_bytes != member->size_bytes)
        return fail_at(walk, walk->at, "a stored member of two sizes");
    if (member->method == SDK_ZIP_DEFLATED &&
        member->size_bytes / DEFLATE_RATIO_MAX > member->packed_bytes)
        return fail_at(walk, walk->at,
                       "a member larger than deflate could make it");
    if (!sdk_within(member->header_offset, member->packed_bytes,
                    walk->directory_offset))
        return fail_at(walk, walk->at, "a member beyond the directory");
    return CKPT_OK;
}

int
sdk_zip_walk_next(struct sdk_zip_walk *walk, struct sdk_zip_member *member)
{
    uint64_t left = walk->directory_offset + walk->directory_bytes - walk->at;
    struct sdk_zip_member made;
    struct ckpt_span span;
    size_t entry_bytes;
    int status;

    if (walk->done == walk->member_count)
        return left == 0
                   ? CKPT_END
                   : fail_at(
                         walk, walk->at,
                         "bytes behind the last member of the zip directory");
    if (left < ENTRY_BYTES)
        return fail_at(walk, walk->at, "the zip directory ends early");
    status = peek(walk, walk->at, ENTRY_BYTES, &span);
    if (status != CKPT_OK)
        return status;
    if (memcmp(span.data, entry_mark, sizeof entry_mark) != 0)
        return fail_at(walk, walk->at,
                       "no zip directory entry where one should be");
    entry_bytes = ENTRY_BYTES + (size_t)sdk_load_le16(span.data + 28) +
                  sdk_load_le16(span.data + 30) + sdk_load_le16(span.data + 32);
    if (entry_bytes > left)
        return fail_at(walk, walk->at,
                       "a zip directory entry beyond the directory");
    if (span.size_bytes < entry_bytes) {
        status = peek(walk, walk->at, entry_bytes, &span);
        if (status != CKPT_OK)
            return status;
    }
    status = parse_entry(walk, span.data, &made);
    if (status == CKPT_OK)
        status = check_entry(walk, &made);
    if (status != CKPT_OK)
        return status;
    made.header_offset += walk->base;
    walk->at += entry_bytes;
    walk->done++;
    *member = made;
    return CKPT_OK;
}
