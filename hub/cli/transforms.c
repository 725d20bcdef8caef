/* SPDX-License-Identifier: MIT
 *
 * The transforms that -t and recipes ask for: whether there are such, and which
 * was meant if there are not. The library does the rest.
 */
#include <string.h>

#include "cli.h"
#include "escape.h"
#include "recipe.h"

static const char *
transforms_nearest(struct cli *cli, const char *name)
{
    const struct ckpt_plugin_info *plugin;
    const char *nearest = NULL;
    size_t i, k, distance, least = SIZE_MAX;

    for (i = 0; (plugin = ckpt_plugin_at(cli->user, i)) != NULL; i++) {
        for (k = 0; k < plugin->transform_count && !plugin->problem; k++) {
            distance = cli_distance(name, plugin->transforms[k].id);
            if (distance < least) {
                least = distance;
                nearest = plugin->transforms[k].id;
            }
        }
    }
    return nearest;
}

static int
transforms_unknown(struct cli *cli, const char *text)
{
    struct cli_out problem, name;
    int exit_status;

    cli_out_init(&name, -1);
    cli_out_init(&problem, -1);
    cli_out_bytes(&name, text, strcspn(text, ":"));
    cli_out_string(&problem, "no transform is called ");
    cli_escape_string(&problem, cli_out_text(&name));
    exit_status = cli_usage(cli, cli_out_text(&problem), "-t ",
                            transforms_nearest(cli, cli_out_text(&name)));
    cli_out_fini(&problem);
    cli_out_fini(&name);
    return exit_status;
}

/* Recipes first; their texts are ours to free. */
static int
transforms_list(struct cli *cli)
{
    struct cli_args *args = &cli->args;
    int exit_status = CLI_DONE, status = CKPT_OK;
    size_t i;

    for (i = 0; i < args->recipes.count && exit_status == CLI_DONE; i++) {
        exit_status =
            cli_recipe_read(cli, args->recipes.items[i], &args->steps);
        args->step_own_count = args->steps.count;
    }
    for (i = 0; i < args->transforms.count && status == CKPT_OK; i++)
        status = cli_list_add(&args->steps, args->transforms.items[i]);
    return status == CKPT_OK ? exit_status : cli_fail(cli, status);
}

int
cli_transforms_take(struct cli *cli)
{
    int exit_status = transforms_list(cli);
    const char *const *text = cli->args.steps.items;

    if (exit_status != CLI_DONE)
        return exit_status;
    for (; text != NULL && *text != NULL; text++)
        if (ckpt_transform_find(cli->user, *text) == NULL)
            return transforms_unknown(cli, *text);
    return CLI_DONE;
}
