/* SPDX-License-Identifier: MIT
 *
 * A walk over the directory of a zip archive, which tells what libraries do
 * not: where the bytes of a member are. It reads the end records, the central
 * directory and the local headers; data is left where it is, and nothing is
 * inflated.
 *
 * Archives that can be read in two ways are refused: end records, directory
 * and local headers must agree, names must differ even where case does not
 * matter, and members must not overlap. So are archives on several disks and
 * encrypted members. Up to 64 KiB behind the end of the archive are borne.
 */
#ifndef SDK_ZIP_WALK_H
#define SDK_ZIP_WALK_H

#include "hash_table.h"

#define SDK_ZIP_STORED 0
#define SDK_ZIP_DEFLATED 8

struct sdk_zip_member {
    const char *name; /* without NUL; bytes, whatever their encoding */
    uint32_t name_bytes;
    uint32_t crc32;
    uint16_t method;
    uint16_t flags;
    uint64_t size_bytes;
    uint64_t packed_bytes;
    uint64_t header_offset;
    uint64_t data_offset; /* 0 before the local header was read */
};

/* ---- The central directory, member by member ---- */

struct sdk_zip_walk {
    const struct ckpt_host *host;
    const struct ckpt_source *source;
    uint64_t directory_offset, directory_bytes;
    uint64_t member_count;
    uint64_t trailing_bytes;   /* behind the end record and its comment */
    uint64_t base, size_bytes; /* of the archive in the source */
    uint64_t at;               /* the walk's own */
    uint64_t done;
};

/* Finds the directory. CKPT_FORMAT: there is none, or two readings. */
int sdk_zip_walk_init(const struct ckpt_host *host,
                      const struct ckpt_source *source,
                      struct sdk_zip_walk *walk);

/* The same of an archive that is a part of the source, from `base` on and
 * `size_bytes` long; offsets are those in the source. */
int sdk_zip_walk_part(const struct ckpt_host *host,
                      const struct ckpt_source *source, uint64_t base,
                      uint64_t size_bytes, struct sdk_zip_walk *walk);

/* The next member, in the directory's order; its name lives until the next
 * call or peek. CKPT_END after the last. Nothing has to be ended. */
int sdk_zip_walk_next(struct sdk_zip_walk *walk, struct sdk_zip_member *member);

/* ---- The whole archive, checked ---- */

struct sdk_zip {
    struct sdk_zip_member *members; /* in the directory's order */
    size_t member_count;
    uint64_t trailing_bytes;
    uint64_t base, size_bytes; /* of the archive in the source */
    /* The archive's own. */
    char *names, *folded;
    size_t names_bytes;
    struct sdk_table index;
};

/* Reads the directory and every local header, and checks all of it.
 * CKPT_FORMAT: something breaks the rules; CKPT_UNSUPPORTED: disks,
 * encryption; CKPT_LIMIT: the budget. */
int sdk_zip_open(const struct ckpt_host *host, const struct ckpt_source *source,
                 struct sdk_zip *zip);

/* The same of a part of the source. */
int sdk_zip_open_part(const struct ckpt_host *host,
                      const struct ckpt_source *source, uint64_t base,
                      uint64_t size_bytes, struct sdk_zip *zip);

/* The member of exactly this name, or NULL. */
const struct sdk_zip_member *sdk_zip_find(const struct sdk_zip *zip,
                                          const char *name, size_t name_bytes);

/* Frees everything. A zeroed struct is fine. */
void sdk_zip_close(const struct ckpt_host *host, struct sdk_zip *zip);

#endif
