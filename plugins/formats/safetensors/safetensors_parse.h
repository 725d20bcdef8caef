/* SPDX-License-Identifier: MIT
 *
 * From the header of a safetensors file to a list of tensors. Several files
 * may be parsed into one set; that is what shards are.
 */
#ifndef SAFETENSORS_PARSE_H
#define SAFETENSORS_PARSE_H

#include "buffer.h"
#include "ckpt/host.h"

/* What the reference takes at most, in bytes. */
#define SAFETENSORS_HEADER_MAX UINT64_C(100000000)

/* Text that the parser gives is decoded, lies in the header's own memory, and
 * is followed by a NUL. */

struct safetensors_entry {
    struct ckpt_text name;
    uint64_t begin, end; /* in the data of its file */
    uint32_t shape_at;   /* in safetensors_set.dims */
    uint32_t file;
    uint8_t rank;
    uint8_t type;  /* in safetensors_types */
    bool expected; /* the index of the shards names it */
};

/* One pair of __metadata__, or of the metadata of an index. */
struct safetensors_pair {
    struct ckpt_text key, value;
    uint32_t file;
};

struct safetensors_file {
    const struct ckpt_source *source;
    char *header; /* of an index: all of it */
    uint64_t header_bytes;
    uint64_t data_bytes;
    bool is_index;
};

struct safetensors_set {
    struct sdk_buffer files;   /* struct safetensors_file */
    struct sdk_buffer entries; /* struct safetensors_entry, by file, then by
                                  offset */
    struct sdk_buffer dims;    /* uint64_t */
    struct sdk_buffer pairs;   /* struct safetensors_pair */
    bool sharded;              /* messages name the file */
    bool warned;               /* of a member that is not known */
};

/* Parses one more file into the set, which starts zeroed and is to be freed
 * whatever comes. */
int safetensors_parse(const struct ckpt_host *host,
                      const struct ckpt_source *source,
                      struct safetensors_set *set);

void safetensors_set_fini(const struct ckpt_host *host,
                          struct safetensors_set *set);

size_t safetensors_entry_count(const struct safetensors_set *set);
struct safetensors_entry *
safetensors_entry_at(const struct safetensors_set *set, size_t index);
size_t safetensors_pair_count(const struct safetensors_set *set);
const struct safetensors_pair *
safetensors_pair_at(const struct safetensors_set *set, size_t index);
const struct safetensors_file *
safetensors_file_at(const struct safetensors_set *set, size_t index);

/* Position in its file of a text of the parser. */
uint64_t safetensors_place(const struct safetensors_set *set, uint32_t file,
                           const struct ckpt_text *text);

/* "NAME: " of a shard, "index: " of an index, for messages: two texts, both
 * empty if there is but one file. */
const char *safetensors_file_name(const struct ckpt_host *host,
                                  const struct safetensors_set *set,
                                  uint32_t file);
const char *safetensors_colon(const struct safetensors_set *set);

#endif
