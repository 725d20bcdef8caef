/* SPDX-License-Identifier: MIT
 *
 * The index of a sharded checkpoint: which tensor is in which file.
 */
#ifndef SAFETENSORS_INDEX_H
#define SAFETENSORS_INDEX_H

#include "safetensors_parse.h"

struct safetensors_mapping {
    struct ckpt_text tensor;
    struct ckpt_text file; /* a plain name */
};

struct safetensors_index {
    struct sdk_buffer mappings; /* struct safetensors_mapping, as they come */
    bool has_total;
    double total_bytes; /* some writers store a float */
};

/* Reads and parses an index into a zeroed struct, which is to be freed
 * whatever comes. It becomes the first file of the empty set, which keeps its
 * text, and gets those metadata that are strings. */
int safetensors_index_parse(const struct ckpt_host *host,
                            const struct ckpt_source *source,
                            struct safetensors_set *set,
                            struct safetensors_index *index);

void safetensors_index_fini(const struct ckpt_host *host,
                            struct safetensors_index *index);

size_t safetensors_mapping_count(const struct safetensors_index *index);
const struct safetensors_mapping *
safetensors_mapping_at(const struct safetensors_index *index, size_t at);

/* Whether bytes, which may be cut off, begin an index of safetensors files. */
bool safetensors_index_is(const struct ckpt_span *head);

#endif
