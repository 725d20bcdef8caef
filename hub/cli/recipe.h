/* SPDX-License-Identifier: MIT
 *
 * Recipes: lists of transforms in a file.
 */
#ifndef CLI_RECIPE_H
#define CLI_RECIPE_H

#include "cli.h"

/* Appends the steps of a recipe to `steps`, as texts that -t would take. The
 * file is a YAML list; an item is such a text, or a map of one pair, NAME:
 * ARGUMENT. CLI_DONE, or says what is wrong. */
int cli_recipe_read(struct cli *cli, const char *path, struct cli_list *steps);

#endif
