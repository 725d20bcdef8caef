/* SPDX-License-Identifier: MIT
 *
 * The values of a graph as an indented tree, for people.
 */
#ifndef CLI_TREE_H
#define CLI_TREE_H

#include "optimizer.h"

/* `whole` shows long texts, bytes and lists in full. */
void cli_tree(struct cli_out *out, struct cli_walk *walk, bool whole);

/* The optimizers alone, with the names of their parameters. `walk` is that by
 * which they were found. */
void cli_tree_optimizers(struct cli_out *out, struct cli_walk *walk,
                         const struct cli_optimizers *optimizers, bool whole);

/* One value on one line, containers by their kind and count alone. */
void cli_out_value(struct cli_out *out, const struct ckpt_value *value,
                   bool whole);

#endif
