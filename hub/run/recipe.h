/* SPDX-License-Identifier: MIT
 *
 * Recipes: lists of transforms in a YAML file. The file is the list itself, or
 * a map of `summary` (one line), `about` (any text) and `steps` (the list).
 *
 * A step is a text as `-t` takes it, or a map: first NAME: ARGUMENT, where the
 * argument may be left out, then options, OPTION: VALUE. Aliases, anchors and
 * tags are refused. A path that a step names starts at the recipe's folder.
 *
 * `NAME?` is NAME that may match nothing. Of a recipe in which all steps are
 * such, one must match.
 */
#ifndef HUB_RUN_RECIPE_H
#define HUB_RUN_RECIPE_H

#include "hub/run/user.h"

struct hub_recipe_step {
    const char *text; /* as -t takes it */
    size_t line;      /* from 1 */
    /* What was told as an option of its own, by name; NULL-ended or NULL. */
    const char *const *options;
};

struct hub_recipe {
    const char *path;
    const char *summary, *about; /* or NULL */
    struct hub_recipe_step *steps;
    size_t step_count;
};

/* Reads a recipe into the arena. What is wrong is said with file and line:
 * CKPT_OPTION, CKPT_LIMIT, CKPT_IO. `recipe` must be zeroed. */
int hub_recipe_read(struct ckpt *user, struct hub_arena *arena,
                    const char *path, struct hub_recipe *recipe);

/* A recipe in the folder `recipes` of a folder of plugins. */
struct hub_installed {
    struct ckpt_recipe_info info; /* name, path and origin; then the rest */
    bool read;
    struct hub_installed *next;
};

/* Those that there are, by name; of two with one name that of better right.
 * Looked for once. NULL: there are none. */
struct hub_installed *hub_recipes_installed(struct ckpt *user);

/* A step that is left once recipes are replaced by theirs. */
struct hub_step {
    const char *text;   /* without the `?` of one that may match nothing */
    const char *place;  /* "FILE: line N", or NULL: asked for by itself */
    const char *recipe; /* the text that asked for the outermost recipe, or
                           NULL; the same pointer for all steps of that */
    bool optional;      /* it may match nothing */
};

struct hub_steps {
    struct hub_step *items;
    size_t count;
    /* Called with the path of each recipe before it is read; or NULL. */
    void (*reads)(void *context, const char *path);
    void *context;
};

/* Lists what is to be done for `texts`, NULL-ended or NULL: each `recipe:NAME`
 * among them is replaced by the steps of that recipe, and those in it again.
 * A NAME with a slash, or with the suffix of YAML, is a path. The list is in
 * the arena. */
int hub_steps_list(struct ckpt *user, struct hub_arena *arena,
                   const char *const *texts, struct hub_steps *steps);

/* What is like a text that asks for no transform, as a remedy. */
void hub_transform_nearest(struct ckpt *user, const char *text);

#endif
