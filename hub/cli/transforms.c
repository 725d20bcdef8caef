/* SPDX-License-Identifier: MIT
 *
 * The transforms that -t asks for: whether there are such, and which was
 * meant if there are not. The library does the rest.
 */
#include <string.h>

#include "cli.h"
#include "escape.h"

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

int
cli_transforms_check(struct cli *cli)
{
    const char *const *text = cli->args.transforms.items;

    for (; text != NULL && *text != NULL; text++)
        if (ckpt_transform_find(cli->user, *text) == NULL)
            return transforms_unknown(cli, *text);
    return CLI_DONE;
}
