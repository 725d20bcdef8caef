/* SPDX-License-Identifier: MIT
 *
 * What a value carries beside what the public sees. For this room alone.
 */
#ifndef HUB_GRAPH_GRAPH_PRIVATE_H
#define HUB_GRAPH_GRAPH_PRIVATE_H

#include "hub/graph/graph.h"

/* The values that one was made of. */
struct hub_made {
    const struct ckpt_value *const *from;
    size_t count;
};

struct hub_value {
    struct ckpt_value public;  /* first: a handle is both */
    struct hub_inside *inside; /* once it holds something */
    /* What it was before an edit: the value that it is a copy of, or in whose
     * place it was put. NULL: it was read, or is new. */
    const struct ckpt_value *origin;
    const struct hub_made *made; /* NULL: of its origin */
};

struct hub_inside {
    size_t capacity;         /* of items or pairs */
    struct hub_table *index; /* of the scalar keys of a large map */
    struct hub_attr_index *attr_index;
};

/* NULL: no memory. */
struct hub_inside *hub_value_inside(struct hub_graph *graph,
                                    struct ckpt_value *value);

/* A copy of a text in the graph's memory; NULL stays NULL. */
const char *hub_graph_name(struct hub_graph *graph, const char *name);

#endif
