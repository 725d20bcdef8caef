/* SPDX-License-Identifier: MIT
 *
 * The values of a graph as an indented tree, for people.
 */
#ifndef CLI_TREE_H
#define CLI_TREE_H

#include "walk.h"

/* `whole` shows long texts and bytes in full. */
void cli_tree(struct cli_out *out, struct cli_walk *walk, bool whole);

/* One value on one line, containers by their kind and count alone. */
void cli_out_value(struct cli_out *out, const struct ckpt_value *value,
                   bool whole);

#endif
