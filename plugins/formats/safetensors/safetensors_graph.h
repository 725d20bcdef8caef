/* SPDX-License-Identifier: MIT
 *
 * From a parsed set of files to the graph.
 */
#ifndef SAFETENSORS_GRAPH_H
#define SAFETENSORS_GRAPH_H

#include "hash_table.h"
#include "safetensors_parse.h"

/* Fills a zeroed table of the names of all tensors: their indexes in `set`,
 * whose texts it borrows. It is to be freed whatever comes. A name that comes
 * twice, in one file or in two, is CKPT_FORMAT. */
int safetensors_collect(const struct ckpt_host *host,
                        const struct safetensors_set *set,
                        struct sdk_table *names);

/* Whether the metadata could tell a tie, so that building needs the names. */
bool safetensors_may_tie(const struct safetensors_set *set);

/* Builds the graph: a map of the tensors, the metadata as its attributes, and
 * the ties that the metadata tell. `names` is NULL if there can be none; a name
 * that comes twice is CKPT_FORMAT then too. */
int safetensors_build(const struct ckpt_host *host,
                      const struct safetensors_set *set,
                      const struct sdk_table *names, struct ckpt_graph *graph);

#endif
