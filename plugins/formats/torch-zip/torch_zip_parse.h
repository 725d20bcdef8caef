/* SPDX-License-Identifier: MIT
 *
 * A torch zip as a set of records:
 *
 *   NAME/data.pkl             the object, a pickle
 *   NAME/byteorder            "little" or "big"; without it, little
 *   NAME/data/K               the bytes of storage K
 *   NAME/version              "1" to "10", perhaps with a newline
 *   NAME/.format_version, NAME/.storage_alignment, NAME/.data/serialization_id
 *                             told by newer writers, of no use here
 *   NAME/.data/ckpt.attributes  a JSON object of strings: the attributes of
 *                             the graph, written by this plugin alone
 *
 * NAME is the same for all members and has no slash.
 */
#ifndef TORCH_ZIP_PARSE_H
#define TORCH_ZIP_PARSE_H

#include "ckpt/reader.h"
#include "torch_zip_inflate.h"

struct torch_zip_records {
    const struct ckpt_source *source;
    struct sdk_zip zip;
    size_t prefix_bytes; /* NAME and its slash, of every member's name */
    unsigned char *used; /* by member: it was asked for; see below */
    size_t next;         /* after the member that was found last */
    const struct sdk_zip_member *pickle;
    bool big_endian;
    struct torch_zip_inflate *inflate; /* once a deflated member is needed */
};

/* A record that was asked for, and has more bytes than its storage. */
#define TORCH_ZIP_LONGER 2

/* The bytes of one record in memory. */
struct torch_zip_bytes {
    unsigned char *data;
    size_t size_bytes;
};

/* Opens the archive and reads what is said about it. `records` is zeroed
 * before; torch_zip_close_records frees it, after a failure too. */
int torch_zip_open_records(const struct ckpt_host *host,
                           const struct ckpt_source *source,
                           struct torch_zip_records *records);
void torch_zip_close_records(const struct ckpt_host *host,
                             struct torch_zip_records *records);

/* The member of the record, which then counts as used; or NULL. */
const struct sdk_zip_member *torch_zip_find(struct torch_zip_records *records,
                                            const char *record,
                                            size_t record_bytes);

/* libzip's view of the archive, opened on first use. */
int torch_zip_inflate_of(const struct ckpt_host *host,
                         struct torch_zip_records *records,
                         struct torch_zip_inflate **inflate);

/* Reads a whole record and checks its CRC-32; one of 0 is one that was not
 * taken. The caller releases the data. */
int torch_zip_load(const struct ckpt_host *host,
                   struct torch_zip_records *records,
                   const struct sdk_zip_member *member,
                   struct torch_zip_bytes *bytes);

/* Looks at an archive of any kind: whether it is a torch zip, and says how
 * that shows. Never fails a job but for the system's errors. */
int torch_zip_recognise(const struct ckpt_host *host,
                        const struct ckpt_source *source,
                        struct ckpt_evidence *evidence);

/* Reports every member that nothing asked for. */
void torch_zip_report_rest(const struct ckpt_host *host,
                           const struct torch_zip_records *records);

#endif
