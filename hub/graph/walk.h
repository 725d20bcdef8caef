/* SPDX-License-Identifier: MIT
 *
 * The children of a value, one way for all walks.
 */
#ifndef HUB_GRAPH_WALK_H
#define HUB_GRAPH_WALK_H

#include "hub/graph/graph.h"

/* The parts of a value that are values, in order: items, then what a map
 * holds, then the parts of an object, then attributes. A key is among them
 * only if it is no scalar, before its value and labelled "key"; its name has
 * the number of the pair. */
struct hub_child {
    const struct ckpt_value *value;
    const struct ckpt_value *key; /* in a map, else NULL */
    const char *label;            /* of an attribute, part or key, else NULL */
    size_t index;                 /* in a list or map */
    bool is_key;                  /* that is no scalar */
};

struct hub_children {
    const struct ckpt_value *parent;
    size_t next;
    const struct ckpt_attr *attr;
    bool in_attrs;
};

void hub_children_init(struct hub_children *children,
                       const struct ckpt_value *parent);

/* False after the last. */
bool hub_children_next(struct hub_children *children, struct hub_child *child);

/* How a child is called in a name: a string key as it is, others in decimal
 * or by their kind. `text` borrows from the child or from `buffer`. */
void hub_child_label(const struct hub_child *child, char buffer[40],
                     struct ckpt_text *text);

#endif
