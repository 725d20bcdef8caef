/* SPDX-License-Identifier: MIT
 *
 * A coder whose cursors run in a child process, for readers that wrap code
 * not hardened against hostile bytes.
 */
#ifndef HUB_RUN_CONFINED_H
#define HUB_RUN_CONFINED_H

#include "hub/graph/graph.h"
#include "hub/io/child.h"

struct hub_confined {
    struct hub_coder coder;  /* first: to be given to a graph */
    struct hub_coder *inner; /* what the child uses */
    struct hub_child child;  /* started with the first cursor */
    bool started;
    const char *file, *plugin; /* named in failures; NULL until they are set */
};

/* `child` has budget, user and cancelled; all is borrowed until fini. */
void hub_confined_init(struct hub_confined *confined, struct hub_coder *inner,
                       const struct hub_child *child);
void hub_confined_fini(struct hub_confined *confined);

#endif
