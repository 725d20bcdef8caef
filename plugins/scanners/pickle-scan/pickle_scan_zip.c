/* SPDX-License-Identifier: MIT
 *
 * The members of a zip archive, each looked at for what it is, and all that
 * two readers of the archive could see differently.
 */
#include "pickle_scan_zip.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "endian.h"
#include "hash_table.h"
#include "quiet_host.h"
#include "zip_walk.h"

#define LOCAL_BYTES 30
#define FLAG_ENCRYPTED 0x2041
#define FLAG_DESCRIPTOR 0x0008
#define GAP_MAX 24 /* a descriptor, which belongs to no record */
#define PLACE_BYTES 620

/* ---- Members ---- */

/* As torch finds them, without case. */
static bool
ends_in(const char *name, const char *end)
{
    size_t size = strlen(name), end_size = strlen(end);

    return size >= end_size && strcasecmp(name + size - end_size, end) == 0;
}

static bool
holds(const struct pickle_scan_view *view, const char *text)
{
    struct ckpt_span span;

    return pickle_scan_peek(view, 0, PICKLE_SCAN_PEEK_MAX, &span) == CKPT_OK &&
           span.size_bytes > 0 &&
           memmem(span.data, span.size_bytes, text, strlen(text)) != NULL;
}

/* Source code. That of TorchScript is a language of its own, which reaches
 * no Python, but has operators that reach files. */
static int
look_at_code(const struct pickle_scan_archive *archive,
             const struct pickle_scan_view *part, const char *name)
{
    static const char *const operators[] = {"aten.save(", "from_file(",
                                            "torch.save("};
    size_t i;

    if (!archive->script || strncmp(strchrnul(name, '/'), "/code/", 6) != 0)
        return pickle_scan_find(
            part, CKPT_SEVERITY_SUSPICIOUS, "code", NULL, 0,
            "Python source, which a loader of packages runs");
    for (i = 0; i < sizeof operators / sizeof *operators; i++)
        if (holds(part, operators[i]))
            return pickle_scan_find(part, CKPT_SEVERITY_DANGEROUS, "code",
                                    operators[i], 0,
                                    "code that torch.jit runs, which reads or "
                                    "writes files");
    return pickle_scan_find(part, CKPT_SEVERITY_NOTE, "code", NULL, 0,
                            "code that torch.jit runs");
}

static int
look_at_part(struct pickle_scan_archive *archive,
             const struct pickle_scan_view *part, const char *name)
{
    const char *problem;
    char text[120];
    bool known = false;
    int status;

    status =
        pickle_scan_sweep(part, PICKLE_SCAN_MEMBER, archive->depth + 1, &known);
    problem = pickle_scan_inflate_problem(part);
    if (status == CKPT_OK && problem != NULL && known) {
        snprintf(text, sizeof text, "not looked at to its end: %s", problem);
        status = pickle_scan_find(part, CKPT_SEVERITY_SUSPICIOUS, "unscanned",
                                  NULL, 0, text);
    }
    if (status == CKPT_OK && !known && ends_in(name, ".py")) {
        known = true;
        status = look_at_code(archive, part, name);
    }
    archive->known = archive->known || known;
    if (status == CKPT_OK && !known &&
        (ends_in(name, ".pkl") || ends_in(name, ".pickle")))
        status = pickle_scan_find(part, CKPT_SEVERITY_SUSPICIOUS, "damaged",
                                  NULL, 0, "named as a pickle, but it is none");
    return status;
}

static bool
wrap_of(unsigned method, enum pickle_scan_wrap *wrap)
{
    switch (method) {
    case SDK_ZIP_DEFLATED:
        *wrap = PICKLE_SCAN_RAW_DEFLATE;
        return true;
    case 12:
        *wrap = PICKLE_SCAN_BZIP2;
        return true;
    case 14:
        *wrap = PICKLE_SCAN_ZIP_LZMA;
        return true;
    case 95:
        *wrap = PICKLE_SCAN_XZ;
        return true;
    default:
        return false;
    }
}

/* The data as one reader takes it: by that method, of that size. */
static int
look_at_data(struct pickle_scan_archive *archive, const char *name, uint64_t at,
             uint64_t packed_bytes, unsigned method)
{
    struct pickle_scan_view part, inner = {0};
    enum pickle_scan_wrap wrap;
    char place[PLACE_BYTES];
    int status;

    if (packed_bytes == 0)
        return CKPT_OK;
    snprintf(place, sizeof place, "%.300s%s%.300s",
             archive->view->place != NULL ? archive->view->place : "",
             archive->view->place != NULL ? ": " : "", name);
    part = pickle_scan_part(archive->view, at, packed_bytes, place);
    part.script = archive->script;
    if (method == SDK_ZIP_STORED)
        return look_at_part(archive, &part, name);
    if (!wrap_of(method, &wrap))
        return pickle_scan_find(&part, CKPT_SEVERITY_SUSPICIOUS, "unscanned",
                                NULL, 0,
                                "packed in a way that nobody here can unpack");
    status = pickle_scan_inflate(&part, wrap, place, &inner);
    if (status == CKPT_OK)
        status = look_at_part(archive, &inner, name);
    pickle_scan_inflate_end(&inner);
    return status;
}

static int mismatch(const struct pickle_scan_archive *archive, uint64_t at,
                    const char *name, const char *format, ...)
    CKPT_PRINTF(4, 5);

static int
mismatch(const struct pickle_scan_archive *archive, uint64_t at,
         const char *name, const char *format, ...)
{
    va_list arguments;
    char text[500];

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return pickle_scan_find(archive->view, CKPT_SEVERITY_SUSPICIOUS, "mismatch",
                            name, at, text);
}

/* What the directory and the local header say of one member. */
static int
compare(const struct pickle_scan_archive *archive,
        const struct pickle_scan_entry *entry,
        const struct pickle_scan_entry *local)
{
    bool later = (local->flags & FLAG_DESCRIPTOR) != 0;
    int status = CKPT_OK;

    if (strcmp(entry->name, local->name) != 0 ||
        entry->name_bytes != local->name_bytes)
        status = mismatch(archive, entry->header, entry->name,
                          "its local header names it '%.200s'", local->name);
    if (status == CKPT_OK && entry->method != local->method)
        status = mismatch(archive, entry->header, entry->name,
                          "packed by method %u, its local header says %u",
                          entry->method, local->method);
    if (status == CKPT_OK && !(later && local->packed_bytes == 0) &&
        entry->packed_bytes != local->packed_bytes)
        status = mismatch(archive, entry->header, entry->name,
                          "%llu bytes, its local header says %llu",
                          (unsigned long long)entry->packed_bytes,
                          (unsigned long long)local->packed_bytes);
    if (status == CKPT_OK && !(later && local->crc32 == 0) &&
        entry->crc32 != local->crc32)
        status = mismatch(archive, entry->header, entry->name,
                          "its local header has another crc-32");
    if (status == CKPT_OK &&
        ((entry->flags | local->flags) & FLAG_ENCRYPTED) != 0)
        status = mismatch(archive, entry->header, entry->name,
                          "it is marked as encrypted; looked at as if it were "
                          "not");
    return status;
}

static int
look_at_listed(struct pickle_scan_archive *archive,
               const struct pickle_scan_entry *entry,
               const struct pickle_scan_entry *local, uint64_t data)
{
    const char *name = entry->name;
    uint64_t left = data < archive->size_bytes ? archive->size_bytes - data : 0;
    uint64_t packed = entry->packed_bytes < left ? entry->packed_bytes : left;
    uint64_t other = local->packed_bytes < left ? local->packed_bytes : left;
    int status = compare(archive, entry, local);

    if (status == CKPT_OK)
        status = look_at_data(archive, name, data, packed, entry->method);
    if (status == CKPT_OK && local->method != entry->method)
        status = look_at_data(archive, name, data, other > 0 ? other : packed,
                              local->method);
    else if (status == CKPT_OK && other > 0 && other != packed)
        status = look_at_data(archive, name, data, other, local->method);
    return status;
}

static int
look_at_entry(struct pickle_scan_archive *archive,
              const struct pickle_scan_entry *entry)
{
    unsigned char lengths[4];
    struct pickle_scan_entry *local = NULL;
    uint64_t data = entry->header + LOCAL_BYTES;
    size_t got = 0;
    int status = pickle_scan_entry_read(archive, entry->header, &local);

    if (status == CKPT_OK && (local == NULL || local->listed))
        status = mismatch(archive, entry->at, entry->name,
                          "listed in the directory, but not there");
    else if (status == CKPT_OK)
        status = pickle_scan_copy(archive->view, entry->header + 26, lengths, 4,
                                  &got);
    if (status == CKPT_OK && got == 4) {
        data += (uint64_t)sdk_load_le16(lengths) + sdk_load_le16(lengths + 2);
        if (!entry->listed)
            status = pickle_scan_find(archive->view, CKPT_SEVERITY_SUSPICIOUS,
                                      "hidden", entry->name, entry->at,
                                      "a member that no directory lists");
        if (status == CKPT_OK && entry->listed)
            status = look_at_listed(archive, entry, local, data);
        else if (status == CKPT_OK && data < archive->size_bytes)
            status =
                look_at_data(archive, entry->name, data,
                             entry->packed_bytes < archive->size_bytes - data
                                 ? entry->packed_bytes
                                 : archive->size_bytes - data,
                             entry->method);
    }
    archive->host->release(archive->host, local);
    return status;
}

/* ---- Bytes that belong to nothing ---- */

static int
only_zeros(const struct pickle_scan_view *view, uint64_t from, uint64_t to,
           bool *zeros)
{
    struct ckpt_span span;
    size_t i;

    *zeros = true;
    while (from < to && *zeros) {
        int status = pickle_scan_peek(view, from, 1, &span);

        if (status != CKPT_OK || span.size_bytes == 0)
            return status;
        for (i = 0; i < span.size_bytes && from + i < to && *zeros; i++)
            *zeros = span.data[i] == 0;
        from += span.size_bytes;
    }
    return CKPT_OK;
}

static int
look_at_gap(const struct pickle_scan_archive *archive, uint64_t from,
            uint64_t to)
{
    bool ends = from == 0 || to == archive->size_bytes, zeros, known = false;
    struct pickle_scan_view part;
    char text[120];
    int status;

    if (to <= from || (!ends && to - from <= GAP_MAX))
        return CKPT_OK;
    status = only_zeros(archive->view, from, to, &zeros);
    if (status != CKPT_OK || zeros)
        return status;
    snprintf(text, sizeof text, "%llu bytes %s",
             (unsigned long long)(to - from),
             from == 0 ? "before the archive"
             : ends    ? "behind the archive"
                       : "that belong to no member");
    part =
        pickle_scan_part(archive->view, from, to - from, archive->view->place);
    status = pickle_scan_find(&part, CKPT_SEVERITY_SUSPICIOUS, "hidden", NULL,
                              0, text);
    if (status == CKPT_OK)
        status = pickle_scan_sequence(&part, 0, PICKLE_SCAN_STREAM,
                                      archive->depth, &known);
    return status;
}

static int
look_at_gaps(const struct pickle_scan_archive *archive)
{
    uint64_t at = 0;
    size_t i;
    int status = CKPT_OK;

    for (i = 0; i < archive->range_count && status == CKPT_OK; i++) {
        status = look_at_gap(archive, at, archive->ranges[i].from);
        if (archive->ranges[i].to > at)
            at = archive->ranges[i].to;
    }
    return status == CKPT_OK ? look_at_gap(archive, at, archive->size_bytes)
                             : status;
}

/* ---- The house's own view ---- */

/* Opens the archive as strictly as the readers here do: whatever they refuse
 * can be read in two ways, or is damaged. */
static int
look_strictly(const struct pickle_scan_archive *archive)
{
    const struct pickle_scan_view *view = archive->view;
    struct sdk_quiet_host quiet;
    struct sdk_zip zip = {0};
    int status;

    if (view->source == NULL || (view->place != NULL && !view->item))
        return CKPT_OK;
    sdk_quiet_host_init(&quiet, view->host);
    status = sdk_zip_open_part(&quiet.table, view->source, view->offset,
                               view->size_bytes, &zip);
    sdk_zip_close(&quiet.table, &zip);
    if (status == CKPT_FORMAT || status == CKPT_UNSUPPORTED)
        return pickle_scan_find(view, CKPT_SEVERITY_SUSPICIOUS, "mismatch",
                                NULL, CKPT_NOWHERE, quiet.reason);
    return status;
}

/* ---- The whole ---- */

/* TorchScript has constants, of old a model.json, in the folder that holds all
 * of it; what torch.package loads has a list of modules that it must have. */
static bool
is_script(const struct pickle_scan_archive *archive)
{
    bool script = false;
    size_t i;

    for (i = 0; i < archive->entry_count; i++) {
        const struct pickle_scan_entry *entry = archive->entries[i];
        const char *inner = strchrnul(entry->name, '/');

        if (strlen(entry->name) != entry->name_bytes ||
            ends_in(entry->name, ".data/extern_modules"))
            return false;
        script = script || strcmp(inner, "/constants.pkl") == 0 ||
                 strcmp(inner, "/model.json") == 0;
    }
    return script;
}

static int
look_at_all(struct pickle_scan_archive *archive)
{
    struct sdk_table seen = {0};
    char text[120];
    size_t i;
    bool added;
    int status;

    snprintf(text, sizeof text, "a zip archive; entries %zu",
             archive->entry_count);
    status = pickle_scan_find(archive->view, CKPT_SEVERITY_NOTE, "scanned",
                              NULL, 0, text);
    if (status == CKPT_OK && archive->end_count == 0)
        status = pickle_scan_find(archive->view, CKPT_SEVERITY_SUSPICIOUS,
                                  "damaged", NULL, CKPT_NOWHERE,
                                  "the archive has no end record");
    archive->script = is_script(archive);
    for (i = 0; i < archive->entry_count && status == CKPT_OK; i++) {
        struct pickle_scan_entry *entry = archive->entries[i];

        if (sdk_table_add(archive->host, &seen, &entry->header,
                          sizeof entry->header, &added) == NULL)
            status = CKPT_MEMORY;
        else if (added)
            status = look_at_entry(archive, entry);
        if (status == CKPT_OK && archive->host->cancelled(archive->host))
            status = CKPT_CANCELLED;
    }
    sdk_table_fini(archive->host, &seen);
    return status;
}

int
pickle_scan_zip(const struct pickle_scan_view *view, enum pickle_scan_mode mode,
                unsigned depth, bool *known)
{
    struct pickle_scan_archive archive = {
        .host = view->host, .view = view, .mode = mode, .depth = depth};
    unsigned char start[4] = {0};
    size_t got = 0;
    int status = pickle_scan_copy(view, 0, start, sizeof start, &got);

    /* To look for an end, all of an inflated view must be inflated. */
    if (status != CKPT_OK ||
        (view->inflater != NULL && memcmp(start, "PK\3\4", 4) != 0))
        return status;
    status = pickle_scan_size(view, &archive.size_bytes);
    if (status == CKPT_OK)
        status = pickle_scan_archive_find(&archive);
    if (status == CKPT_OK && archive.entry_count > 0) {
        status = look_at_all(&archive);
        *known = archive.known;
        if (status == CKPT_OK)
            status = look_at_gaps(&archive);
        if (status == CKPT_OK)
            status = look_strictly(&archive);
    }
    pickle_scan_archive_end(&archive);
    return status;
}
