/* SPDX-License-Identifier: MIT
 *
 * Installed recipes, listed and shown.
 */
#include "recipes.h"

#include "escape.h"

static const char recipes_about[] =
    "recipe: the steps of a recipe, in the place of one transform\n"
    "\n"
    "  -t recipe:NAME|FILE\n"
    "\n"
    "A recipe is a YAML file: a list of steps; or a map of summary (one "
    "line),\n"
    "about (any text) and steps (the list). A step is what -t takes, or NAME:\n"
    "ARGUMENT, with options on lines below it. NAME? is a step that may match\n"
    "nothing; of a recipe that has no others, one must match. Paths start at\n"
    "the recipe's folder. NAME.yaml in a folder `recipes` beside plugins is\n"
    "recipe:NAME; what has a slash or ends with .yaml is a FILE.\n"
    "\n"
    "  summary: the trunk of our detector, in bfloat16\n"
    "  steps:\n"
    "    - root: model_state_dict\n"
    "    - strip-prefix?: module.\n"
    "    - keep: backbone.*\n"
    "    - cast: bfloat16\n"
    "      except: '*norm*'\n"
    "\n";

static void
recipe_line(struct cli_out *out, const struct ckpt_recipe_info *recipe)
{
    cli_out_string(out, "recipe ");
    cli_escape_string(out, recipe->name);
    cli_out_string(out, ": ");
    if (recipe->problem != NULL)
        cli_out_string(out, "not used: ");
    cli_escape_string(out, recipe->problem != NULL   ? recipe->problem
                           : recipe->summary != NULL ? recipe->summary
                                                     : "");
    cli_out_char(out, '\n');
}

void
cli_recipes_list(struct cli *cli)
{
    const struct ckpt_recipe_info *recipe;
    size_t i;

    for (i = 0; (recipe = ckpt_recipe_at(cli->user, i)) != NULL; i++)
        recipe_line(&cli->out, recipe);
}

/* Text of many lines. */
static void
recipe_text(struct cli_out *out, const char *text)
{
    size_t length;

    for (; *text != '\0'; text += length + (text[length] == '\n')) {
        length = strcspn(text, "\n");
        cli_escape_prose(out, text, length);
        cli_out_char(out, '\n');
    }
}

static void
recipe_show(struct cli_out *out, const struct ckpt_recipe_info *recipe)
{
    const char *const *step = recipe->steps;

    recipe_line(out, recipe);
    cli_out_string(out, "path ");
    cli_escape_string(out, recipe->path);
    cli_out_string(out, " (");
    cli_escape_string(out, recipe->origin);
    cli_out_string(out, ")\n\n  -t recipe:");
    cli_escape_string(out, recipe->name);
    cli_out_char(out, '\n');
    if (recipe->about != NULL) {
        cli_out_char(out, '\n');
        recipe_text(out, recipe->about);
    }
    cli_out_string(out, "\nsteps\n");
    for (; step != NULL && *step != NULL; step++) {
        cli_out_string(out, "    ");
        cli_escape_prose(out, *step, strlen(*step));
        cli_out_char(out, '\n');
    }
}

bool
cli_recipe_show(struct cli *cli, const char *name)
{
    const struct ckpt_recipe_info *recipe;
    size_t i;

    if (strcmp(name, "recipe") == 0) {
        cli_out_string(&cli->out, recipes_about);
        cli_recipes_list(cli);
        return true;
    }
    if (strncmp(name, "recipe:", 7) == 0)
        name += 7;
    for (i = 0; (recipe = ckpt_recipe_at(cli->user, i)) != NULL; i++)
        if (strcmp(recipe->name, name) == 0) {
            recipe_show(&cli->out, recipe);
            return true;
        }
    return false;
}

const char *
cli_recipe_nearest(struct cli *cli, const char *name, size_t *least)
{
    const struct ckpt_recipe_info *recipe;
    const char *nearest = NULL;
    size_t i, distance;

    for (i = 0; (recipe = ckpt_recipe_at(cli->user, i)) != NULL; i++) {
        distance = ckpt_distance(name, recipe->name);
        if (distance < *least) {
            *least = distance;
            nearest = recipe->name;
        }
    }
    return nearest;
}
