/* SPDX-License-Identifier: MIT
 *
 * A zip archive as a stranger may have made it: every member that any reader
 * could find, by whatever record. Nothing that is read here is trusted to
 * agree with anything else.
 *
 *   local header      "PK\3\4", 26 bytes, name, extra; then the data
 *   directory entry   "PK\1\2", 42 bytes, name, extra, comment
 *   end record        "PK\5\6", 18 bytes, comment; before it perhaps
 *   zip64 locator     "PK\6\7", 16 bytes, and its record "PK\6\6", 52 bytes
 */
#ifndef PICKLE_SCAN_ZIP_H
#define PICKLE_SCAN_ZIP_H

#include "pickle_scan_sweep.h"

/* One record that names a member: of a directory, or a local header. */
struct pickle_scan_entry {
    uint64_t at;     /* of the record itself */
    uint64_t header; /* of the local header, in the view */
    uint64_t packed_bytes, size_bytes;
    uint32_t crc32;
    uint16_t method, flags;
    uint16_t name_bytes;
    bool listed; /* by a directory */
    char name[]; /* cut to what is shown, with a NUL */
};

struct pickle_scan_range {
    uint64_t from, to;
};

struct pickle_scan_archive {
    const struct ckpt_host *host;
    const struct pickle_scan_view *view;
    enum pickle_scan_mode mode;
    unsigned depth;
    uint64_t size_bytes;
    struct pickle_scan_entry **entries;
    size_t entry_count, entry_capacity;
    struct pickle_scan_range *ranges; /* that belong to something known */
    size_t range_count, range_capacity;
    uint64_t end_count; /* end records */
    bool known;         /* a member is of a kind that is known here */
    bool script;        /* it has the records of TorchScript */
};

/* ---- pickle_scan_zip_find.c ---- */

/* Finds all records. The archive is zeroed but for its head, and freed by
 * pickle_scan_archive_end whatever comes. */
int pickle_scan_archive_find(struct pickle_scan_archive *archive);
void pickle_scan_archive_end(struct pickle_scan_archive *archive);

int pickle_scan_archive_cover(struct pickle_scan_archive *archive,
                              uint64_t from, uint64_t size_bytes);

/* Reads the record at `at`: a local header, or an entry of a directory.
 * *entry is NULL if there is none that makes sense. */
int pickle_scan_entry_read(struct pickle_scan_archive *archive, uint64_t at,
                           struct pickle_scan_entry **entry);

#endif
