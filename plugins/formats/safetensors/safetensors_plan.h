/* SPDX-License-Identifier: MIT
 *
 * The layout of an output, byte for byte as the reference writes it.
 */
#ifndef SAFETENSORS_PLAN_H
#define SAFETENSORS_PLAN_H

#include "ckpt/host.h"

/* The order in which a reader will meet the tensors. `shard_bytes` is the
 * most that a file may hold, 0 for one file of any size. */
int safetensors_arrange(const struct ckpt_host *host, uint64_t shard_bytes,
                        const struct ckpt_graph *graph, uint32_t *order);

/* Plans the file, or the shards and their index. */
int safetensors_plan(const struct ckpt_host *host, uint64_t shard_bytes,
                     const struct ckpt_graph *graph, struct ckpt_plan *plan);

#endif
