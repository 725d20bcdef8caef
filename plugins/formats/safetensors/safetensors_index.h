/* SPDX-License-Identifier: MIT
 *
 * The index of a sharded checkpoint: which tensor is in which file.
 */
#ifndef SAFETENSORS_INDEX_H
#define SAFETENSORS_INDEX_H

#include "buffer.h"
#include "ckpt/host.h"

/* Text lies in the index's own memory, decoded, and a NUL follows it. */
struct safetensors_mapping {
    struct ckpt_text file; /* first, for safetensors_names; a plain name */
    struct ckpt_text tensor;
};

struct safetensors_index {
    char *text;
    size_t text_bytes;
    struct sdk_buffer mappings; /* struct safetensors_mapping, as they come */
    bool has_total;
    double total_bytes; /* some writers store a float */
};

/* Reads and parses an index into a zeroed struct, which is to be freed
 * whatever comes. */
int safetensors_index_parse(const struct ckpt_host *host,
                            const struct ckpt_source *source,
                            struct safetensors_index *index);

void safetensors_index_fini(const struct ckpt_host *host,
                            struct safetensors_index *index);

size_t safetensors_mapping_count(const struct safetensors_index *index);
const struct safetensors_mapping *
safetensors_mapping_at(const struct safetensors_index *index, size_t at);

/* Position in the index of a text of it. */
uint64_t safetensors_index_place(const struct safetensors_index *index,
                                 const struct ckpt_text *text);

/* Whether bytes, which may be cut off, begin an index of safetensors files. */
bool safetensors_index_is(const struct ckpt_span *head);

#endif
