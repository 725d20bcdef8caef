/* SPDX-License-Identifier: MIT
 *
 * `ckpt merge`: a conversion of BASE with a merge of each OVER first.
 */
#include <stdlib.h>
#include <string.h>

#include "conversion.h"
#include "escape.h"

struct merge_option {
    const char *key, *value;
};

/* Whether the transform would take a part of the path for an option. */
static int
merge_path_check(struct cli *cli, const char *path,
                 const struct merge_option *options)
{
    struct cli_out text;
    const char *at = path;
    bool plain = true;
    size_t i;

    for (; at != NULL && plain; at = strchr(at, ',')) {
        at += *at == ',';
        for (i = 0; options[i].key != NULL; i++)
            if (strncmp(at, options[i].key, strlen(options[i].key)) == 0)
                plain = false;
    }
    if (plain)
        return CLI_DONE;
    cli_out_init(&text, -1);
    cli_out_string(&text, "a path that reads as an option: ");
    cli_escape_string(&text, path);
    cli_usage(cli, cli_out_text(&text), NULL, NULL);
    cli_out_fini(&text);
    return CLI_USAGE;
}

/* "merge:OVER,mismatch=skip", the first of the steps. */
static int
merge_step(struct cli *cli, const char *path,
           const struct merge_option *options)
{
    struct cli_args *args = &cli->args;
    struct cli_out text;
    char *step;
    int status;
    size_t i;

    cli_out_init(&text, -1);
    cli_out_string(&text, "merge:");
    cli_out_string(&text, path);
    for (i = 0; options[i].key != NULL; i++) {
        if (options[i].value == NULL)
            continue;
        cli_out_char(&text, ',');
        cli_out_string(&text, options[i].key);
        cli_out_string(&text, options[i].value);
    }
    step = text.error == 0 ? strdup(cli_out_text(&text)) : NULL;
    cli_out_fini(&text);
    if (step == NULL)
        return cli_fail(cli, CKPT_MEMORY);
    status = cli_list_add(&args->steps, step);
    if (status != CKPT_OK) {
        free(step);
        return cli_fail(cli, status);
    }
    args->step_own_count = args->steps.count;
    return CLI_DONE;
}

static int
merge_run(struct cli *cli)
{
    struct cli_args *args = &cli->args;
    const struct merge_option options[] = {{"as=", args->as},
                                           {"missing=", args->missing},
                                           {"unexpected=", args->unexpected},
                                           {"mismatch=", args->mismatch},
                                           {NULL, NULL}};
    size_t i, last = args->operands.count - 1;
    int exit_status = CLI_DONE;

    args->output = args->operands.items[last];
    for (i = 1; i < last && exit_status == CLI_DONE; i++) {
        exit_status = merge_path_check(cli, args->operands.items[i], options);
        if (exit_status == CLI_DONE)
            exit_status = merge_step(cli, args->operands.items[i], options);
    }
    return exit_status == CLI_DONE ? cli_conversion_run(cli) : exit_status;
}

static const struct cli_option merge_options[] = {
    {"as", 0, "load|update", CLI_OPTION_TEXT, offsetof(struct cli_args, as),
     "copy into BASE's tensors (default), or put OVER's in their place"},
    {"missing", 0, "HOW", CLI_OPTION_TEXT, offsetof(struct cli_args, missing),
     "what OVER lacks: keep (default), skip it, error"},
    {"unexpected", 0, "HOW", CLI_OPTION_TEXT,
     offsetof(struct cli_args, unexpected),
     "what only OVER has: skip (default), take it, error"},
    {"mismatch", 0, "HOW", CLI_OPTION_TEXT, offsetof(struct cli_args, mismatch),
     "another shape: error (default), skip, keep, take, resize"},
    CLI_CONVERSION_OPTIONS,
    {NULL, 0, NULL, CLI_OPTION_END, 0, NULL},
};

const struct cli_command cli_merge = {
    .name = "merge",
    .operands = "BASE OVER... OUT",
    .summary = "lay checkpoints over another, name by name",
    .about =
        "Reads BASE, lays the tensors of each OVER in turn over those of the\n"
        "same name, and writes OUT, as 'ckpt convert -t merge:OVER BASE OUT'\n"
        "does. It is load_state_dict(strict=False): values are copied into\n"
        "BASE's tensors, which keep their dtype, device and ties. With\n"
        "--as update it is dict.update: OVER's tensors stand in their place,\n"
        "of whatever shape, and what only OVER has is added (--unexpected\n"
        "take, --mismatch take). What is missing, unexpected or mismatched is\n"
        "listed on stderr, each tensor on a line with -v; --json tells which\n"
        "tensor came from which file. 'ckpt plugins merge' has the rest, "
        "'ckpt\n"
        "help convert' the keys of --json. Transforms of -t come after. After\n"
        "a failure no file has changed.\n",
    .options = merge_options,
    .operand_min = 3,
    .operand_max = SIZE_MAX,
    .run = merge_run,
};
