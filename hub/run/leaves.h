/* SPDX-License-Identifier: MIT
 *
 * The values of a graph that are no tensors, by name.
 */
#ifndef HUB_RUN_LEAVES_H
#define HUB_RUN_LEAVES_H

#include "hub/run/diff_pair.h"

/* Scalars, sizes and objects, each under the keys that lead to it, as tensors
 * have names; attributes are left out. What is shared is met by every way that
 * leads to it. The memory is the arena's. */
int hub_leaves_take(struct hub_arena *arena, const struct ckpt_graph *graph,
                    struct hub_entries *entries);

#endif
