/* SPDX-License-Identifier: MIT
 *
 * Checkpoints in several files, and the index beside them that says which
 * tensor is in which file, as Hugging Face lays it out.
 */
#ifndef SDK_SHARD_INDEX_H
#define SDK_SHARD_INDEX_H

#include "buffer.h"

/* What is read of an index at most, in bytes. */
#define SDK_SHARD_INDEX_MAX UINT64_C(100000000)

/* ---- Reading ---- */

/* Text is decoded, lies in the index's own memory, and is followed by a NUL. */

struct sdk_shard_mapping {
    struct ckpt_text tensor;
    struct ckpt_text file; /* a plain name */
};

/* One of the metadata. */
struct sdk_shard_pair {
    struct ckpt_text key, value;
};

struct sdk_shard_index {
    char *text; /* all of it */
    uint64_t size_bytes;
    struct sdk_buffer mappings; /* struct sdk_shard_mapping, as they come */
    struct sdk_buffer pairs;    /* struct sdk_shard_pair: those of strings */
    bool has_total;
    double total_bytes; /* some writers store a float */
};

/* Reads and parses an index into a zeroed struct, which is to be freed
 * whatever comes. */
int sdk_shard_index_parse(const struct ckpt_host *host,
                          const struct ckpt_source *source,
                          struct sdk_shard_index *index);

void sdk_shard_index_fini(const struct ckpt_host *host,
                          struct sdk_shard_index *index);

size_t sdk_shard_mapping_count(const struct sdk_shard_index *index);
const struct sdk_shard_mapping *
sdk_shard_mapping_at(const struct sdk_shard_index *index, size_t at);

/* Appends the names of the files, const char *, each once, sorted. */
int sdk_shard_index_files(const struct ckpt_host *host,
                          const struct sdk_shard_index *index,
                          struct sdk_buffer *files);

/* Whether bytes, which may be cut off, begin an index; `*file` is then the
 * name of its first file, without NUL. */
bool sdk_shard_index_is(const struct ckpt_span *head, struct ckpt_text *file);

/* ---- Writing ---- */

/* A thing that is not divided, in order: how big it is, and where it goes. */
struct sdk_shard_item {
    uint64_t size_bytes;
    uint32_t shard;
};

/* Deals the items out to shards of at most so many bytes; 0: to one. A shard
 * is closed when the next item does not fit; an item that is too big for any
 * gets one of its own. Shards are numbered as they are closed. */
int sdk_shard_deal(const struct ckpt_host *host, struct sdk_shard_item *items,
                   size_t count, uint64_t shard_bytes, uint32_t *shard_count);

/* Puts the name of shard `shard` of `count` into the buffer, with its NUL:
 * "STEM-00001-of-00002SUFFIX". */
int sdk_shard_name(const struct ckpt_host *host, struct sdk_buffer *name,
                   const struct ckpt_text *stem, uint32_t shard, uint32_t count,
                   const char *suffix);

/* The text of an index, as the usual writers lay it out: begin, any number of
 * pairs, map, the tensors sorted by name, end. `first` tells the first. */
int sdk_shard_index_begin(const struct ckpt_host *host, struct sdk_buffer *out,
                          uint64_t total_bytes);
int sdk_shard_index_pair(const struct ckpt_host *host, struct sdk_buffer *out,
                         const char *key, const struct ckpt_text *value);
int sdk_shard_index_map(const struct ckpt_host *host, struct sdk_buffer *out);
int sdk_shard_index_tensor(const struct ckpt_host *host, struct sdk_buffer *out,
                           bool first, const struct ckpt_text *tensor,
                           const char *file);
int sdk_shard_index_end(const struct ckpt_host *host, struct sdk_buffer *out);

#endif
