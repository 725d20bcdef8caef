/* SPDX-License-Identifier: MIT
 *
 * Zip archives one after the other, as the files of a distributed checkpoint
 * have them: each item is an archive of its own, and its reader is told by
 * another file where it lies. Elsewhere such a file is odd, since a reader
 * sees one of them; here each is looked at by itself, and they are all.
 *
 *   item    local headers and data, directory, end record without comment
 */
#include <stdio.h>
#include <string.h>

#include "endian.h"
#include "pickle_scan_sweep.h"

#define END_BYTES 22
#define END64_BYTES 56
#define LOCATOR_BYTES 20
#define CHAIN_MAX 1000000

static bool
reads(const struct pickle_scan_view *view, uint64_t at, unsigned char *bytes,
      size_t size_bytes)
{
    size_t got = 0;

    return pickle_scan_copy(view, at, bytes, size_bytes, &got) == CKPT_OK &&
           got == size_bytes;
}

/* Whether the end record at `at` is that of an archive which begins at
 * `begin`, with nothing between its directory and its end. */
static bool
is_end(const struct pickle_scan_view *view, uint64_t begin, uint64_t at)
{
    unsigned char end[END_BYTES], wide[END64_BYTES], mark[4];
    uint64_t size, offset, records = 0;

    if (!reads(view, at, end, sizeof end) || sdk_load_le16(end + 20) != 0)
        return false;
    size = sdk_load_le32(end + 12);
    offset = sdk_load_le32(end + 16);
    if (at - begin >= LOCATOR_BYTES + END64_BYTES &&
        reads(view, at - LOCATOR_BYTES, mark, 4) &&
        memcmp(mark, "PK\6\7", 4) == 0) {
        records = LOCATOR_BYTES + END64_BYTES;
        if (!reads(view, at - records, wide, sizeof wide) ||
            memcmp(wide, "PK\6\6", 4) != 0)
            return false;
        size = sdk_load_le64(wide + 40);
        offset = sdk_load_le64(wide + 48);
    }
    at -= begin + records;
    return size <= at && offset == at - size &&
           reads(view, begin + offset, mark, 4) &&
           memcmp(mark, "PK\1\2", 4) == 0;
}

/* Where the archive that begins at `begin` ends; 0: nowhere. */
static int
find_end(const struct pickle_scan_view *view, uint64_t begin, uint64_t *end)
{
    uint64_t at = begin;
    struct ckpt_span span;

    *end = 0;
    for (;;) {
        const unsigned char *p;
        int status = pickle_scan_peek(view, at, (size_t)64 << 10, &span);

        if (status != CKPT_OK || span.size_bytes < END_BYTES)
            return status;
        p = memmem(span.data, span.size_bytes, "PK\5\6", 4);
        at += p != NULL ? (uint64_t)(p - span.data) : span.size_bytes - 3;
        if (p != NULL && is_end(view, begin, at)) {
            *end = at + END_BYTES;
            return CKPT_OK;
        }
        at += p != NULL;
        if (view->host->cancelled(view->host))
            return CKPT_CANCELLED;
    }
}

/* Whether archives fill the file, and there are several. */
static int
is_chain(const struct pickle_scan_view *view, bool *chain)
{
    uint64_t at = 0, end = 0, count = 0;
    unsigned char mark[4];

    *chain = false;
    while (at < view->size_bytes && count++ < CHAIN_MAX) {
        int status;

        if (!reads(view, at, mark, 4) || memcmp(mark, "PK\3\4", 4) != 0)
            return CKPT_OK;
        status = find_end(view, at, &end);
        if (status != CKPT_OK || end == 0)
            return status;
        at = end;
    }
    *chain = at == view->size_bytes && count > 1;
    return CKPT_OK;
}

static bool
is_named(const struct pickle_scan_view *view)
{
    static const char suffix[] = ".distcp";
    const char *name;
    size_t length;

    if (view->source == NULL || view->place != NULL)
        return false;
    name = view->host->source_name(view->host, view->source);
    length = strlen(name);
    return length >= sizeof suffix &&
           strcmp(name + length - (sizeof suffix - 1), suffix) == 0;
}

int
pickle_scan_chain(const struct pickle_scan_view *view, unsigned depth,
                  bool *known)
{
    uint64_t at = 0, end = 0;
    char place[60];
    bool chain = false;
    int status = is_named(view) ? is_chain(view, &chain) : CKPT_OK;

    while (status == CKPT_OK && chain && at < view->size_bytes) {
        struct pickle_scan_view item;

        status = find_end(view, at, &end);
        if (status != CKPT_OK)
            break;
        snprintf(place, sizeof place, "item at byte %llu",
                 (unsigned long long)at);
        item = pickle_scan_part(view, at, end - at, place);
        item.item = true;
        status = pickle_scan_sweep(&item, PICKLE_SCAN_MEMBER, depth + 1, known);
        at = end;
    }
    *known = *known || chain;
    return status;
}
