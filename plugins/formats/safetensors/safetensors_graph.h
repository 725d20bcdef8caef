/* SPDX-License-Identifier: MIT
 *
 * From a parsed set of files to the graph.
 */
#ifndef SAFETENSORS_GRAPH_H
#define SAFETENSORS_GRAPH_H

#include "safetensors_names.h"
#include "safetensors_parse.h"

/* Makes the set of all names of tensors. A name that comes twice, in one file
 * or in two, is CKPT_FORMAT. `names` refers to the entries of `set`. */
int safetensors_collect(const struct ckpt_host *host,
                        const struct safetensors_set *set,
                        struct safetensors_names *names);

/* Builds the graph: a map of the tensors, the metadata as its attributes, and
 * the ties that the metadata tell. */
int safetensors_build(const struct ckpt_host *host,
                      const struct safetensors_set *set,
                      const struct safetensors_names *names,
                      struct ckpt_graph *graph);

#endif
