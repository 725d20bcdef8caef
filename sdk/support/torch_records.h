/* SPDX-License-Identifier: MIT
 *
 * The zip archives of torch as sets of records:
 *
 *   NAME/data.pkl             the object, a pickle
 *   NAME/byteorder            "little" or "big"; without it, little
 *   NAME/data/K               the bytes of storage K
 *   NAME/version              "1" to "10", perhaps with a newline
 *   NAME/.format_version, NAME/.storage_alignment, NAME/.data/serialization_id
 *                             told by newer writers, of no use here
 *
 * NAME is the same for all members and has no slash. Which records there are
 * besides is for the plugins.
 */
#ifndef SDK_TORCH_RECORDS_H
#define SDK_TORCH_RECORDS_H

#include "ckpt/reader.h"
#include "torch_read.h"
#include "zip_inflate.h"

/* What a zip archive is, by the records that are in it. */
enum sdk_torch_archive {
    SDK_TORCH_BROKEN = 0, /* its directory cannot be read */
    SDK_TORCH_OTHER,      /* none of the following */
    SDK_TORCH_SAVED,      /* data.pkl: of torch.save */
    SDK_TORCH_DAMAGED,    /* no directory, but it starts with a data.pkl */
    SDK_TORCH_SCRIPT,     /* constants.pkl: TorchScript since 1.4 */
    SDK_TORCH_MODEL,      /* model.json: TorchScript of 1.0 to 1.3 */
    SDK_TORCH_EXPORT,     /* archive_format and others: torch.export */
    SDK_TORCH_PACKAGE     /* .data/extern_modules: torch.package */
};

/* Whether the file begins with a data.pkl whose root is a dict, which is never
 * TorchScript, but torch.save. [also in probe] Looks at its first bytes alone;
 * what is not sure is false. */
bool sdk_torch_archive_is_saved(const struct ckpt_host *host,
                                const struct ckpt_source *source);

/* Tells what an archive is. [also in probe] What is wrong with it is not
 * said; only the system's errors are failures. */
int sdk_torch_archive_of(const struct ckpt_host *host,
                         const struct ckpt_source *source,
                         enum sdk_torch_archive *archive);

struct sdk_torch_records {
    const struct ckpt_source *source;
    struct sdk_zip zip;
    const char *prefix;  /* NAME and its slash, of every record's name; */
    size_t prefix_bytes; /* not of what file managers left beside them */
    unsigned char *used; /* by member: it was asked for; see below */
    size_t next;         /* after the member that was found last */
    bool big_endian;
    struct sdk_zip_inflate *inflate; /* once a deflated member is needed */
};

/* A record that was asked for, and has more bytes than its storage. */
#define SDK_TORCH_LONGER 2

/* The bytes of one record in memory. */
struct sdk_torch_bytes {
    unsigned char *data;
    size_t size_bytes;
};

/* Opens the archive and checks that it has one folder. `records` is zeroed
 * before; sdk_torch_records_close frees it, after a failure too. */
int sdk_torch_records_open(const struct ckpt_host *host,
                           const struct ckpt_source *source,
                           struct sdk_torch_records *records);

/* The same of an archive that is a part of the source. */
int sdk_torch_records_open_part(const struct ckpt_host *host,
                                const struct ckpt_source *source, uint64_t base,
                                uint64_t size_bytes,
                                struct sdk_torch_records *records);

/* Reads what the small records say: version and byte order. */
int sdk_torch_records_about(const struct ckpt_host *host,
                            struct sdk_torch_records *records);

void sdk_torch_records_close(const struct ckpt_host *host,
                             struct sdk_torch_records *records);

/* Whether a member is a record of the archive. */
bool sdk_torch_records_holds(const struct sdk_torch_records *records,
                             const struct sdk_zip_member *member);

/* The member of the record, which then counts as used; or NULL. */
const struct sdk_zip_member *
sdk_torch_records_find(struct sdk_torch_records *records, const char *record,
                       size_t record_bytes);

/* The same by a text that ends with a NUL. */
const struct sdk_zip_member *
sdk_torch_records_text(struct sdk_torch_records *records, const char *record);

/* Reads a whole record and checks its CRC-32; one of 0 is one that was not
 * taken. The caller releases the data. */
int sdk_torch_records_load(const struct ckpt_host *host,
                           struct sdk_torch_records *records,
                           const struct sdk_zip_member *member,
                           struct sdk_torch_bytes *bytes);

/* Reads a record and parses it as a pickle; reports what follows its end. The
 * caller releases the data, which the pickle borrows, and frees the pickle,
 * after a failure too; both are zeroed before. */
int sdk_torch_records_pickle(const struct ckpt_host *host,
                             struct sdk_torch_records *records,
                             const struct sdk_zip_member *member,
                             struct sdk_torch_bytes *bytes,
                             struct sdk_pickled *pickled);

/* Where a member's bytes are in the file; CKPT_NOWHERE if it is deflated. */
uint64_t sdk_torch_member_origin(const struct sdk_zip_member *member);

/* Says where the bytes of a storage are, whose record is `member`: a span, or
 * coded under the number of the member. */
int sdk_torch_records_place(const struct ckpt_host *host,
                            const struct sdk_torch_records *records,
                            const struct sdk_zip_member *member,
                            const struct sdk_torch_storage *storage,
                            struct ckpt_storage *like);

/* The `find` of a struct sdk_torch_source whose user is the records: storage
 * K is the record data/K. */
int sdk_torch_records_storage(const struct ckpt_host *host, void *user,
                              const struct sdk_torch_storage *storage,
                              struct ckpt_storage *like);

/* Reports every member that nothing asked for. */
void sdk_torch_records_rest(const struct ckpt_host *host,
                            const struct sdk_torch_records *records);

/* libzip's view of the archive, opened on first use. */
int sdk_torch_records_inflate(const struct ckpt_host *host,
                              struct sdk_torch_records *records,
                              struct sdk_zip_inflate **inflate);

/* ---- Deflated storages, for the cursors of a reader ---- */

/* `member` is the number under which the storage was placed. */
int sdk_torch_cursor_open(const struct ckpt_host *host,
                          struct sdk_torch_records *records, size_t member,
                          uint64_t size_bytes, void **cursor);
int sdk_torch_cursor_next(const struct ckpt_host *host, void *cursor,
                          struct ckpt_span *span);
void sdk_torch_cursor_close(const struct ckpt_host *host, void *cursor);

#endif
