/* SPDX-License-Identifier: MIT
 *
 * The texts that ask for transforms: "NAME", "NAME:ARGUMENT,KEY=VALUE".
 */
#ifndef HUB_RUN_TRANSFORM_TEXT_H
#define HUB_RUN_TRANSFORM_TEXT_H

#include "hub/run/user.h"

/* What a text says, in the arena that it was cut in. */
struct hub_wanted {
    const char *argument;     /* NULL: none is given */
    const char *const *given; /* "key=value", NULL-ended */
    /* The options of the transform; behind them the argument as if it were
     * one of them; then each GRAPH that is given once more later on. */
    const struct ckpt_option *declared;
    size_t option_count;      /* without the argument */
    const char *const *again; /* the texts of those */
    size_t again_count;
};

/* Cuts by what the table declares. CKPT_MEMORY and its like only. */
int hub_wanted_cut(struct hub_arena *arena, const struct ckpt_transform *table,
                   const char *text, struct hub_wanted *wanted);

#endif
