/* SPDX-License-Identifier: MIT
 *
 * Whose slots an optimizer holds; optimizer_slots.h says by which rules.
 */
#ifndef SDK_OPTIMIZER_PAIR_H
#define SDK_OPTIMIZER_PAIR_H

#include "optimizer_slots.h"

/* A walk that remembers the containers around each value. */
struct sdk_optimizer_walk {
    const struct ckpt_host *host;
    const struct ckpt_graph *graph;
    const struct ckpt_value **around; /* by value id; NULL: the root, or not
                                         met */
    unsigned char *met;               /* by value id */
    struct sdk_optimizers *found;
};

/* What a value contains, in order: items, values of pairs, or parts of an
 * object, then its attributes. */
struct sdk_optimizer_children {
    const struct ckpt_value *of;
    size_t next;
    const struct ckpt_attr *attr;
};

void sdk_optimizer_children_init(struct sdk_optimizer_children *children,
                                 const struct ckpt_value *of);
/* NULL at the end. */
const struct ckpt_value *
sdk_optimizer_children_next(struct sdk_optimizer_children *children);

/* The value of a string key, or NULL. */
const struct ckpt_value *sdk_optimizer_key(const struct ckpt_value *map,
                                           const char *key);

/* Fills in the names, or why there are none. The slots have been listed, and
 * the containers around the optimizer have been met. CKPT_MEMORY. */
int sdk_optimizer_pair(const struct sdk_optimizer_walk *walk,
                       struct sdk_optimizer *optimizer);

#endif
