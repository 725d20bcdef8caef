/* SPDX-License-Identifier: MIT
 *
 * A state dict split over several files.
 */
#ifndef TORCH_ZIP_SPLIT_H
#define TORCH_ZIP_SPLIT_H

#include "buffer.h"
#include "ckpt/writer.h"

struct torch_zip_split {
    uint32_t *shards; /* by pair of the root */
    uint32_t count;
    struct ckpt_text stem; /* of the names of the files */
    const char *suffix;
    bool index_named; /* the user named the index, so that there is one */
    struct sdk_buffer name, text;
    uint64_t total_bytes; /* of all storages */
};

/* The suffix of the files that belong to an index of this name; NULL if the
 * name is not that of an index. */
const char *torch_zip_index_suffix(const char *file);

/* Deals the tensors of the root, a map of nothing else, out to files of
 * `shard_bytes` at most. Those on one storage stay together; storages are
 * counted whole. `split` is freed whatever comes. */
int torch_zip_split(const struct ckpt_host *host,
                    const struct ckpt_graph *graph, const char *file,
                    uint64_t shard_bytes, struct torch_zip_split *split);

/* Gives the name of a file, until the next call. */
int torch_zip_split_name(const struct ckpt_host *host,
                         struct torch_zip_split *split, uint32_t shard,
                         const char **name);

/* Plans the file of the index. */
int torch_zip_split_index(const struct ckpt_host *host,
                          struct torch_zip_split *split,
                          const struct ckpt_graph *graph,
                          struct ckpt_plan *output);

void torch_zip_split_fini(const struct ckpt_host *host,
                          struct torch_zip_split *split);

#endif
