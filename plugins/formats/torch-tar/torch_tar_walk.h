/* SPDX-License-Identifier: MIT
 *
 * The directory of a tar: which members there are and where their bytes lie.
 * libarchive reads it; nothing is extracted. What it says is held against
 * the header block that precedes the bytes, so that no other reader can take
 * the archive for something else:
 *
 *   0    100 bytes  name, as the member is called
 *   124   12 bytes  size in octal, as the member has it; 0 where a PAX record
 *                   says it because it does not fit
 *   156    1 byte   "0" or a zero byte: a plain file
 *   257    5 bytes  "ustar"
 *
 * A member is the run of bytes after that block. Two blocks of zeros end the
 * archive.
 */
#ifndef TORCH_TAR_WALK_H
#define TORCH_TAR_WALK_H

#include "ckpt/reader.h"

/* Sizes from here on have no place in a header. */
#define TORCH_TAR_SIZE_WIDE (UINT64_C(1) << 33)

enum torch_tar_name {
    TORCH_TAR_SYS_INFO,
    TORCH_TAR_PICKLE,
    TORCH_TAR_TENSORS,
    TORCH_TAR_STORAGES,
    TORCH_TAR_ATTRIBUTES, /* of this plugin alone: a JSON object of strings,
                             the attributes of the graph */
    TORCH_TAR_NAME_COUNT
};

/* As the members are called. */
extern const char *const torch_tar_names[TORCH_TAR_NAME_COUNT];

struct torch_tar_member {
    bool found;
    uint64_t header_offset;
    uint64_t offset; /* of its bytes in the file */
    uint64_t size_bytes;
};

struct torch_tar_members {
    const struct ckpt_source *source;
    struct torch_tar_member members[TORCH_TAR_NAME_COUNT];
    uint64_t other_count;  /* members that are of no use here */
    uint64_t other_offset; /* the header of the first of them */
    char other_name[64];
};

/* Reads the directory into zeroed `members`. CKPT_FORMAT: a damaged archive,
 * a member twice, a name that climbs out, a link; `members` then has what was
 * found before. */
int torch_tar_walk(const struct ckpt_host *host,
                   const struct ckpt_source *source,
                   struct torch_tar_members *members);

/* Looks at a tar of any kind: whether it is of torch. Never fails a job but
 * for the system's errors. */
int torch_tar_recognise(const struct ckpt_host *host,
                        const struct ckpt_source *source,
                        struct ckpt_evidence *evidence);

#endif
