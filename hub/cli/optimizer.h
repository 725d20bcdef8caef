/* SPDX-License-Identifier: MIT
 *
 * The states of optimizers that the library finds, with the way to each, for
 * `ls` and `diff`.
 */
#ifndef CLI_OPTIMIZER_H
#define CLI_OPTIMIZER_H

#include "ckpt.h"
#include "json_out.h"
#include "walk.h"

struct cli_optimizers {
    const struct ckpt_optimizer *items; /* of the file */
    size_t count;
};

/* `walk` is one of the file's graph. It has been initialised and is used up:
 * all has been met but what is in optimizers. */
int cli_optimizers_find(struct cli_optimizers *optimizers,
                        struct ckpt_file *file, struct cli_walk *walk);

/* The parameter whose slots a step leads to, or NULL. */
const struct ckpt_text *
cli_optimizer_name(const struct cli_optimizers *optimizers,
                   const struct cli_step *step);

/* An array: each optimizer with its names. */
void cli_optimizers_json(struct cli_json *json, const struct cli_walk *walk,
                         const struct cli_optimizers *optimizers);

#endif
