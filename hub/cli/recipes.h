/* SPDX-License-Identifier: MIT
 *
 * What `ckpt plugins` tells of recipes.
 */
#ifndef CLI_RECIPES_H
#define CLI_RECIPES_H

#include "cli.h"

/* A line for each that is installed: "recipe NAME: SUMMARY". */
void cli_recipes_list(struct cli *cli);

/* All of one; `name` may be "recipe", which is about all of them. False: there
 * is none of that name. */
bool cli_recipe_show(struct cli *cli, const char *name);

/* The nearest name among them, if it is nearer than `least`. */
const char *cli_recipe_nearest(struct cli *cli, const char *name,
                               size_t *least);

#endif
