/* SPDX-License-Identifier: MIT
 *
 * From a flat graph with a side record back to the graph that was written.
 */
#ifndef HUB_RUN_RESTORE_H
#define HUB_RUN_RESTORE_H

#include "hub/graph/graph.h"

/* If `described` has a record that fits its tensors, builds `restored` (which
 * is initialised and empty) and lets `*graph` point to it. A record that does
 * not fit is a warning, and `*graph` stays as it is. */
int hub_restore(const struct ckpt_host *host, struct hub_graph *described,
                struct hub_graph *restored, const struct ckpt_graph **graph);

#endif
