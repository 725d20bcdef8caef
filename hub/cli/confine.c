/* SPDX-License-Identifier: MIT
 *
 * Which files a command reads: those of its operands, and those that options
 * and transforms name.
 */
#include <stdlib.h>
#include <string.h>

#include "cli.h"

struct confine_list {
    struct cli_list paths;
    bool full; /* no memory */
};

static void
confine_add(void *context, const char *path)
{
    struct confine_list *list = context;
    char *copy = strdup(path);

    if (copy != NULL && cli_list_add(&list->paths, copy) == CKPT_OK)
        return;
    free(copy);
    list->full = true;
}

static void
confine_named(struct cli *cli, struct confine_list *list)
{
    struct ckpt_conversion conversion = CKPT_CONVERSION;
    const struct cli_args *args = &cli->args;

    conversion.input.from = args->from;
    conversion.input.options = args->input_options.items;
    conversion.input.transforms = args->steps.items;
    conversion.to = args->to;
    conversion.output_options = args->output_options.items;
    conversion.output = args->output;
    ckpt_files_named(cli->user, &conversion, confine_add, list);
}

int
cli_confine(struct cli *cli, const char *const *inputs, size_t input_count,
            const char *output)
{
    struct confine_list list = {.full = false};
    size_t i;

    if (cli->sandbox.refused)
        return CLI_DONE;
    for (i = 0; i < input_count; i++)
        confine_add(&list, inputs[i]);
    confine_named(cli, &list);
    cli->sandbox.transforms = cli->args.steps.count > 0;
    if (!list.full)
        cli_sandbox_enter(&cli->sandbox, cli->user, list.paths.items,
                          list.paths.count, output);
    for (i = 0; i < list.paths.count; i++)
        free((char *)(uintptr_t)list.paths.items[i]);
    free(list.paths.items);
    return list.full ? cli_fail(cli, CKPT_MEMORY) : CLI_DONE;
}
