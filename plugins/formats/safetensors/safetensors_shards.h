/* SPDX-License-Identifier: MIT
 *
 * Several files that are one checkpoint: an index beside them, or a folder.
 */
#ifndef SAFETENSORS_SHARDS_H
#define SAFETENSORS_SHARDS_H

#include "ckpt/host.h"
#include "ckpt/reader.h"

/* The end of the name of a file, and of an index. */
#define SAFETENSORS_SUFFIX ".safetensors"
#define SAFETENSORS_INDEX_SUFFIX ".safetensors.index.json"

/* Whether a file is an index, or a folder holds what could be read. */
int safetensors_shards_probe(const struct ckpt_host *host,
                             const struct ckpt_source *source,
                             struct ckpt_evidence *evidence);

/* Builds the graph of all shards. */
int safetensors_shards_describe(const struct ckpt_host *host,
                                const struct ckpt_source *source,
                                struct ckpt_graph *graph);

#endif
