/* SPDX-License-Identifier: MIT
 *
 * What sharing comes to, counted without going everywhere.
 */
#ifndef HUB_GRAPH_UNFOLD_H
#define HUB_GRAPH_UNFOLD_H

#include "hub/graph/graph.h"

/* Whether a walk over all ways to all values from `root` has more than the
 * graph's walk_max visits, in time that goes with the number of values. Cycles
 * may hide that it has, and the walk finds out itself. */
int hub_unfolds_beyond(struct hub_graph *graph, const struct ckpt_value *root,
                       bool *beyond);

#endif
