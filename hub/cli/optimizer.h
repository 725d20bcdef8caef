/* SPDX-License-Identifier: MIT
 *
 * Finds the states of optimizers in a graph, and whose slots they hold.
 *
 * An optimizer is a map with the keys "state", a map, and "param_groups", a
 * list of maps that each have a list "params" of ints. The lists, one after
 * the other, number the parameters; a number is also the key of that
 * parameter's slots in "state". Nothing there need say which parameter it is.
 * It is taken to be known
 *
 *   by the optimizer's own word: each group has a list "param_names" of as
 *   many strings as numbers; or
 *
 *   by a map beside the optimizer, in the same container or in the nearest one
 *   around it, that holds tensors by name. Of these count, in order: those
 *   that are no buffers (numbers.h) and not a second name of one before. If
 *   there are as many as numbers, and each slot with tensors has one of that
 *   parameter's shape, they belong together. If there are more, as when a part
 *   of the model was frozen, there must be exactly one way to pass some over so
 *   that all shapes fit. If groups are several, and two of them have parameters
 *   of one shape, their order is not known.
 *
 * What is not known is left without a name, and why is said.
 */
#ifndef CLI_OPTIMIZER_H
#define CLI_OPTIMIZER_H

#include "ckpt.h"
#include "json_out.h"
#include "walk.h"

struct cli_optimizer {
    const struct ckpt_value *map, *state;
    struct cli_step step;           /* that leads to the map */
    const struct ckpt_text **names; /* by pair of `state`; NULL: not known */
    const struct ckpt_value *by;    /* the map beside it, or NULL */
    struct cli_step by_step;        /* that leads to it */
    const char *why;                /* there are no names, or NULL */
};

struct cli_optimizers {
    struct cli_optimizer *items;
    size_t count;
};

/* CKPT_MEMORY. `walk` has been initialised, and is used up. */
int cli_optimizers_find(struct cli_optimizers *optimizers,
                        struct cli_walk *walk);
void cli_optimizers_fini(struct cli_optimizers *optimizers);

/* The optimizer that this value is, or NULL. */
const struct cli_optimizer *
cli_optimizer_of(const struct cli_optimizers *optimizers,
                 const struct ckpt_value *value);

/* The parameter whose slots a step leads to, or NULL. */
const struct ckpt_text *
cli_optimizer_name(const struct cli_optimizers *optimizers,
                   const struct cli_step *step);

/* An array: each optimizer with its names. */
void cli_optimizers_json(struct cli_json *json, const struct cli_walk *walk,
                         const struct cli_optimizers *optimizers);

#endif
