/* SPDX-License-Identifier: MIT
 *
 * The transforms that --recipe and -t ask for, as one list. The library does
 * the rest.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

/* "recipe:PATH": what has neither a slash nor the suffix of YAML would be the
 * name of an installed one. */
static int
transforms_recipe(struct cli_list *steps, const char *path)
{
    const char *dot = strrchr(path, '.');
    bool told = strchr(path, '/') != NULL ||
                (dot != NULL &&
                 (strcmp(dot, ".yaml") == 0 || strcmp(dot, ".yml") == 0));
    size_t room = sizeof "recipe:./" + strlen(path);
    char *text = malloc(room);
    int status;

    if (text == NULL)
        return CKPT_MEMORY;
    snprintf(text, room, "recipe:%s%s", told ? "" : "./", path);
    status = cli_list_add(steps, text);
    if (status != CKPT_OK)
        free(text);
    return status;
}

int
cli_transforms_take(struct cli *cli)
{
    struct cli_args *args = &cli->args;
    int status = CKPT_OK;
    size_t i;

    for (i = 0; i < args->recipes.count && status == CKPT_OK; i++) {
        status = transforms_recipe(&args->steps, args->recipes.items[i]);
        args->step_own_count = args->steps.count;
    }
    for (i = 0; i < args->transforms.count && status == CKPT_OK; i++)
        status = cli_list_add(&args->steps, args->transforms.items[i]);
    return status == CKPT_OK ? CLI_DONE : cli_fail(cli, status);
}
