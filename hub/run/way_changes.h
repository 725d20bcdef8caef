/* SPDX-License-Identifier: MIT
 *
 * What is different about a tensor at the end of its way.
 */
#ifndef HUB_RUN_WAY_CHANGES_H
#define HUB_RUN_WAY_CHANGES_H

#include "hub/core/arena.h"

/* How many tensors lie on each storage, at both ends. */
struct hub_changes {
    uint32_t *before, *after; /* by storage id */
};

/* False: no memory. What it takes ends with the arena. */
bool hub_changes_init(struct hub_changes *changes, struct hub_arena *arena,
                      const struct ckpt_graph *begun,
                      const struct ckpt_graph *ended);

/* Of enum ckpt_change, for a way of which all else is filled in. */
uint32_t hub_changes_find(const struct hub_changes *changes,
                          const struct ckpt_way *way);

#endif
