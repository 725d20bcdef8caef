/* SPDX-License-Identifier: MIT
 *
 * Finding the records of a zip archive: by its end records, and then by
 * their marks in all bytes that belong to nothing found so far.
 */
#include <stdlib.h>
#include <string.h>

#include "checked.h"
#include "endian.h"
#include "pickle_scan_zip.h"

#define LOCAL_BYTES 30
#define ENTRY_BYTES 46
#define END_BYTES 22
#define LOCATOR_BYTES 20
#define END64_BYTES 56
#define TAIL_BYTES (END_BYTES + 65535)
#define ENDS_MAX 16
#define ENTRIES_MAX 1000000
#define NAME_SHOWN 300

/* ---- Lists ---- */

static int
grow(const struct ckpt_host *host, void *array, size_t *capacity, size_t width)
{
    size_t wanted = *capacity * 2 + 64;
    void *old, *more;

    memcpy(&old, array, sizeof old);
    more = host->reallocate(host, old, wanted * width);
    if (more == NULL)
        return CKPT_MEMORY;
    memcpy(array, &more, sizeof more);
    *capacity = wanted;
    return CKPT_OK;
}

int
pickle_scan_archive_cover(struct pickle_scan_archive *archive, uint64_t from,
                          uint64_t size_bytes)
{
    struct pickle_scan_range *range;
    int status = CKPT_OK;

    if (from >= archive->size_bytes || size_bytes == 0)
        return CKPT_OK;
    if (size_bytes > archive->size_bytes - from)
        size_bytes = archive->size_bytes - from;
    if (archive->range_count == archive->range_capacity)
        status = grow(archive->host, &archive->ranges, &archive->range_capacity,
                      sizeof *archive->ranges);
    if (status != CKPT_OK)
        return status;
    range = &archive->ranges[archive->range_count++];
    range->from = from;
    range->to = from + size_bytes;
    return CKPT_OK;
}

static int
entry_keep(struct pickle_scan_archive *archive, struct pickle_scan_entry *entry)
{
    int status = CKPT_OK;

    if (archive->entry_count == archive->entry_capacity)
        status = grow(archive->host, &archive->entries,
                      &archive->entry_capacity, sizeof *archive->entries);
    if (status == CKPT_OK)
        archive->entries[archive->entry_count++] = entry;
    else
        archive->host->release(archive->host, entry);
    return status;
}

void
pickle_scan_archive_end(struct pickle_scan_archive *archive)
{
    size_t i;

    for (i = 0; i < archive->entry_count; i++)
        archive->host->release(archive->host, archive->entries[i]);
    archive->host->release(archive->host, archive->entries);
    archive->host->release(archive->host, archive->ranges);
}

/* ---- Records ---- */

static bool
has_mark(struct pickle_scan_archive *archive, uint64_t at, const char *mark)
{
    unsigned char bytes[4];
    size_t got = 0;

    return pickle_scan_copy(archive->view, at, bytes, 4, &got) == CKPT_OK &&
           got == 4 && memcmp(bytes, mark, 4) == 0;
}

/* Sizes and places of 64 bits, in the extra field of id 1. */
static void
widen(struct pickle_scan_entry *entry, const unsigned char *extra, size_t left,
      uint64_t *offset)
{
    uint64_t *wanted[3] = {&entry->size_bytes, &entry->packed_bytes, offset};
    size_t i, size;

    while (left >= 4 && sdk_load_le16(extra) != 1) {
        size = 4 + (size_t)sdk_load_le16(extra + 2);
        if (size > left)
            return;
        extra += size;
        left -= size;
    }
    if (left < 4)
        return;
    size = sdk_load_le16(extra + 2);
    left = size < left - 4 ? size : left - 4;
    extra += 4;
    for (i = 0; i < 3 && left >= 8; i++) {
        if (wanted[i] == NULL || *wanted[i] != UINT32_MAX)
            continue;
        *wanted[i] = sdk_load_le64(extra);
        extra += 8;
        left -= 8;
    }
}

/* The record's numbers; `fixed` is where its name begins. */
static uint64_t
parse_numbers(struct pickle_scan_entry *entry, const unsigned char *p,
              size_t left_bytes)
{
    size_t fixed = entry->listed ? ENTRY_BYTES : LOCAL_BYTES;
    const unsigned char *q = entry->listed ? p + 2 : p;
    uint64_t offset = entry->listed ? sdk_load_le32(p + 42) : 0;
    size_t extra = sdk_load_le16(q + 28);

    entry->flags = sdk_load_le16(q + 6);
    entry->method = sdk_load_le16(q + 8);
    entry->crc32 = sdk_load_le32(q + 14);
    entry->packed_bytes = sdk_load_le32(q + 18);
    entry->size_bytes = sdk_load_le32(q + 22);
    if (left_bytes > fixed + entry->name_bytes) {
        left_bytes -= fixed + entry->name_bytes;
        widen(entry, p + fixed + entry->name_bytes,
              extra < left_bytes ? extra : left_bytes,
              entry->listed ? &offset : NULL);
    }
    return offset;
}

/* Whether a local header could be one: marks occur by chance too. */
static bool
makes_sense(const struct pickle_scan_entry *entry, const unsigned char *p)
{
    return entry->name_bytes > 0 && entry->name_bytes < 4096 &&
           sdk_load_le16(p + 4) < 256 && entry->method < 100;
}

int
pickle_scan_entry_read(struct pickle_scan_archive *archive, uint64_t at,
                       struct pickle_scan_entry **entry)
{
    size_t shown, fixed;
    struct ckpt_span span;
    struct pickle_scan_entry *made;
    uint16_t name_bytes;
    bool listed;
    int status = pickle_scan_peek(archive->view, at, ENTRY_BYTES + 8192, &span);

    *entry = NULL;
    if (status != CKPT_OK || span.size_bytes < LOCAL_BYTES)
        return status;
    listed = memcmp(span.data, "PK\1\2", 4) == 0;
    fixed = listed ? ENTRY_BYTES : LOCAL_BYTES;
    if ((!listed && memcmp(span.data, "PK\3\4", 4) != 0) ||
        span.size_bytes < fixed)
        return CKPT_OK;
    name_bytes = sdk_load_le16(span.data + (listed ? 28 : 26));
    shown = name_bytes < NAME_SHOWN ? name_bytes : NAME_SHOWN;
    if (shown > span.size_bytes - fixed)
        shown = span.size_bytes - fixed;
    made = archive->host->allocate(archive->host, sizeof *made + shown + 1);
    if (made == NULL)
        return CKPT_MEMORY;
    made->at = made->header = at;
    made->listed = listed;
    made->name_bytes = name_bytes;
    made->header =
        parse_numbers(made, span.data, span.size_bytes) + (listed ? 0 : at);
    memcpy(made->name, span.data + fixed, shown);
    if (listed || makes_sense(made, span.data))
        *entry = made;
    else
        archive->host->release(archive->host, made);
    return CKPT_OK;
}

/* ---- Directories ---- */

/* Where the data of an entry lies, and the header before it. */
static int
cover_entry(struct pickle_scan_archive *archive,
            const struct pickle_scan_entry *entry)
{
    unsigned char local[LOCAL_BYTES];
    uint64_t size = LOCAL_BYTES;
    size_t got = 0;
    int status = pickle_scan_copy(archive->view, entry->header, local,
                                  sizeof local, &got);

    if (status != CKPT_OK || got < sizeof local ||
        memcmp(local, "PK\3\4", 4) != 0)
        return status;
    size += (uint64_t)sdk_load_le16(local + 26) + sdk_load_le16(local + 28);
    if (!sdk_add_u64(size, entry->packed_bytes, &size) ||
        entry->header > UINT64_MAX / 2 || size > UINT64_MAX / 4)
        return CKPT_OK;
    if (has_mark(archive, entry->header + size, "PK\7\10"))
        size += 16;
    return pickle_scan_archive_cover(archive, entry->header, size);
}

/* Reads entries from `*from` as long as there are any, and moves it behind
 * them. Their offsets may be meant from a place behind the file's start. */
static int
read_directory(struct pickle_scan_archive *archive, uint64_t *from,
               uint64_t base)
{
    uint64_t at = *from;
    struct pickle_scan_entry *entry;
    unsigned char lengths[6];
    size_t got = 0;
    int status;

    while (archive->entry_count < ENTRIES_MAX &&
           has_mark(archive, at, "PK\1\2")) {
        status = pickle_scan_entry_read(archive, at, &entry);
        if (status != CKPT_OK || entry == NULL)
            return status;
        if (base > 0 && entry->header <= UINT64_MAX - base &&
            !has_mark(archive, entry->header, "PK\3\4"))
            entry->header += base;
        status = entry_keep(archive, entry);
        if (status == CKPT_OK)
            status = cover_entry(archive, entry);
        if (status == CKPT_OK)
            status = pickle_scan_copy(archive->view, at + 28, lengths,
                                      sizeof lengths, &got);
        if (status != CKPT_OK || got < sizeof lengths)
            return status;
        got = ENTRY_BYTES + (size_t)sdk_load_le16(lengths) +
              sdk_load_le16(lengths + 2) + sdk_load_le16(lengths + 4);
        status = pickle_scan_archive_cover(archive, at, got);
        at += got;
        *from = at;
        if (status != CKPT_OK || archive->host->cancelled(archive->host))
            return status != CKPT_OK ? status : CKPT_CANCELLED;
    }
    return CKPT_OK;
}

/* Where the zip64 record says that the directory is; false: there is none. */
static bool
find_wide(struct pickle_scan_archive *archive, uint64_t end, uint64_t *offset,
          uint64_t *size)
{
    unsigned char bytes[END64_BYTES];
    uint64_t record;
    size_t got = 0;

    if (end < LOCATOR_BYTES || !has_mark(archive, end - 20, "PK\6\7") ||
        pickle_scan_copy(archive->view, end - 20, bytes, 20, &got) != CKPT_OK ||
        got < 20)
        return false;
    record = sdk_load_le64(bytes + 8);
    if (!has_mark(archive, record, "PK\6\6") && end >= 20 + END64_BYTES)
        record = end - 20 - END64_BYTES;
    if (!has_mark(archive, record, "PK\6\6") ||
        pickle_scan_copy(archive->view, record, bytes, END64_BYTES, &got) !=
            CKPT_OK ||
        got < END64_BYTES)
        return false;
    pickle_scan_archive_cover(archive, record, END64_BYTES);
    pickle_scan_archive_cover(archive, end - 20, 20);
    *size = sdk_load_le64(bytes + 40);
    *offset = sdk_load_le64(bytes + 48);
    return true;
}

/* Both places where readers look for the directory of one end record: where
 * it says, and right before it. */
static int
read_end(struct pickle_scan_archive *archive, uint64_t at)
{
    unsigned char bytes[END_BYTES];
    uint64_t offset, size, before = at, told;
    size_t got = 0;
    int status = pickle_scan_copy(archive->view, at, bytes, sizeof bytes, &got);

    if (status != CKPT_OK || got < sizeof bytes)
        return status;
    archive->end_count++;
    size = sdk_load_le32(bytes + 12);
    offset = sdk_load_le32(bytes + 16);
    status = pickle_scan_archive_cover(
        archive, at, END_BYTES + (uint64_t)sdk_load_le16(bytes + 20));
    if (find_wide(archive, at, &offset, &size))
        before -= LOCATOR_BYTES + END64_BYTES;
    before = size <= before ? before - size : 0;
    told = offset;
    if (status == CKPT_OK)
        status = read_directory(archive, &offset, 0);
    if (status == CKPT_OK && before != told)
        status =
            read_directory(archive, &before, before > told ? before - told : 0);
    return status;
}

static int
find_ends(struct pickle_scan_archive *archive)
{
    bool whole =
        archive->mode == PICKLE_SCAN_FILE || archive->mode == PICKLE_SCAN_OUTER;
    uint64_t tail = whole ? TAIL_BYTES : END_BYTES, base;
    uint64_t ends[ENDS_MAX];
    struct ckpt_span span;
    size_t at, count = 0;
    int status;

    if (archive->size_bytes < END_BYTES)
        return CKPT_OK;
    if (tail > archive->size_bytes)
        tail = archive->size_bytes;
    base = archive->size_bytes - tail;
    status = pickle_scan_peek(archive->view, base, (size_t)tail, &span);
    if (status != CKPT_OK || span.size_bytes < tail)
        return status;
    for (at = (size_t)tail - END_BYTES + 1; at-- > 0 && count < ENDS_MAX;)
        if (memcmp(span.data + at, "PK\5\6", 4) == 0)
            ends[count++] = base + at;
    for (at = 0; at < count && status == CKPT_OK; at++)
        status = read_end(archive, ends[at]);
    return status;
}

/* ---- What is left ---- */

static int
compare_ranges(const void *left, const void *right)
{
    const struct pickle_scan_range *a = left, *b = right;

    return (a->from > b->from) - (a->from < b->from);
}

static void
sort_ranges(struct pickle_scan_archive *archive)
{
    if (archive->range_count > 1)
        qsort(archive->ranges, archive->range_count, sizeof *archive->ranges,
              compare_ranges);
}

/* The next mark of a header or an entry in [from, to), or `to`. */
static int
next_mark(struct pickle_scan_archive *archive, uint64_t from, uint64_t to,
          uint64_t *found)
{
    struct ckpt_span span;

    while (from + 4 <= to) {
        const unsigned char *p, *end;
        int status = pickle_scan_peek(archive->view, from, 4096, &span);

        if (status != CKPT_OK)
            return status;
        if (span.size_bytes > to - from)
            span.size_bytes = (size_t)(to - from);
        if (span.size_bytes < 4)
            break;
        end = span.data + span.size_bytes - 3;
        for (p = span.data; p != NULL && p < end; p++) {
            p = memchr(p, 'P', (size_t)(end - p));
            if (p == NULL)
                break;
            if (memcmp(p, "PK\3\4", 4) == 0 || memcmp(p, "PK\1\2", 4) == 0) {
                *found = from + (uint64_t)(p - span.data);
                return CKPT_OK;
            }
        }
        from += span.size_bytes - 3;
        if (archive->host->cancelled(archive->host))
            return CKPT_CANCELLED;
    }
    *found = to;
    return CKPT_OK;
}

/* A local header that no directory lists: its data ends where it says, or
 * where the next record begins. */
static int
take_hidden(struct pickle_scan_archive *archive,
            struct pickle_scan_entry *entry, uint64_t to, uint64_t *next)
{
    uint64_t data = entry->at + LOCAL_BYTES + entry->name_bytes, end = to;
    int status = CKPT_OK;

    if (entry->packed_bytes == 0 || (entry->flags & 8) != 0 ||
        entry->packed_bytes > to - entry->at)
        status = next_mark(archive, entry->at + 4, to, &end);
    else if (data < to && entry->packed_bytes <= to - data)
        end = data + entry->packed_bytes;
    if (entry->packed_bytes == 0 || entry->packed_bytes > end - entry->at)
        entry->packed_bytes = end > data ? end - data : 0;
    *next = end;
    if (status == CKPT_OK)
        status = pickle_scan_archive_cover(archive, entry->at, end - entry->at);
    if (status == CKPT_OK)
        return entry_keep(archive, entry);
    archive->host->release(archive->host, entry);
    return status;
}

static int
find_between(struct pickle_scan_archive *archive, uint64_t from, uint64_t to)
{
    struct pickle_scan_entry *entry;
    uint64_t at;
    int status = CKPT_OK;

    while (status == CKPT_OK && from < to &&
           archive->entry_count < ENTRIES_MAX) {
        status = next_mark(archive, from, to, &from);
        if (status != CKPT_OK || from >= to)
            break;
        if (has_mark(archive, from, "PK\1\2")) {
            from += 4;
            at = from - 4;
            status = read_directory(archive, &at, 0);
            from = at > from ? at : from;
            continue;
        }
        status = pickle_scan_entry_read(archive, from, &entry);
        if (status == CKPT_OK && entry != NULL)
            status = take_hidden(archive, entry, to, &from);
        else
            from += 4;
    }
    return status;
}

int
pickle_scan_archive_find(struct pickle_scan_archive *archive)
{
    uint64_t at = 0;
    size_t i, count;
    bool zip = has_mark(archive, 0, "PK\3\4") || has_mark(archive, 0, "PK\1\2");
    int status = find_ends(archive);

    if (status != CKPT_OK || (!zip && archive->entry_count == 0))
        return status;
    count = archive->range_count;
    sort_ranges(archive);
    for (i = 0; i <= count && status == CKPT_OK; i++) {
        uint64_t to = i < count ? archive->ranges[i].from : archive->size_bytes;

        if (to > at)
            status = find_between(archive, at, to);
        if (i < count && archive->ranges[i].to > at)
            at = archive->ranges[i].to;
    }
    sort_ranges(archive);
    return status;
}
