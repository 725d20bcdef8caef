/* SPDX-License-Identifier: MIT
 *
 * Whose slots an optimizer holds; optimizer.h says by which rules.
 */
#ifndef CLI_OPTIMIZER_PAIR_H
#define CLI_OPTIMIZER_PAIR_H

#include "optimizer.h"

/* Finds the names, or why there are none. CKPT_MEMORY. The containers around
 * the optimizer have been entered in `walk`. */
int cli_optimizer_pair(struct cli_optimizer *optimizer,
                       const struct cli_walk *walk);

/* The value of a string key, or NULL. */
const struct ckpt_value *cli_map_find(const struct ckpt_value *map,
                                      const char *key);

#endif
