/* SPDX-License-Identifier: MIT
 *
 * `ckpt convert`: the main job. The library does it; what cannot be kept
 * comes back through cli_message, and nothing goes to stdout but what a dry
 * run is asked for.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "ways.h"

static void
convert_summary(struct cli *cli, const struct ckpt_summary *summary,
                const struct cli_ways *ways)
{
    struct cli_out text;

    cli_out_init(&text, -1);
    cli_out_string(&text, cli->args.operands.items[1]);
    cli_out_string(&text, cli->args.dry_run ? ": would be " : ": ");
    cli_out_string(&text, summary->format ? summary->format : "?");
    cli_out_string(&text, ", ");
    cli_out_u64(&text, summary->tensor_count);
    cli_out_string(&text,
                   summary->tensor_count == 1 ? " tensor, " : " tensors, ");
    cli_out_size(&text, summary->size_bytes);
    cli_out_string(&text, " in ");
    cli_out_u64(&text, summary->file_count);
    cli_out_string(&text, summary->file_count == 1 ? " file, " : " files, ");
    cli_out_u64(&text, summary->loss_count);
    cli_out_string(&text, summary->loss_count == 1 ? " loss" : " losses");
    if (cli->args.dry_run) {
        cli_out_string(&text, "; tensors: ");
        cli_ways_counts(ways, &text);
    }
    cli_say(cli, NULL, cli_out_text(&text));
    cli_out_fini(&text);
}

/* A template is an option of the writer, if that has one. */
static int
convert_template(struct cli *cli)
{
    struct cli_args *args = &cli->args;
    size_t room;
    int status;

    if (args->template == NULL)
        return CLI_DONE;
    room = sizeof "template=" + strlen(args->template);
    args->template_option = malloc(room);
    if (args->template_option == NULL)
        return cli_fail(cli, CKPT_MEMORY);
    snprintf(args->template_option, room, "template=%s", args->template);
    status = cli_list_add(&args->output_options, args->template_option);
    return status == CKPT_OK ? CLI_DONE : cli_fail(cli, status);
}

static void
convert_order(const struct cli_args *args, struct ckpt_conversion *conversion)
{
    conversion->input.path = args->operands.items[0];
    conversion->input.from = args->from;
    conversion->input.options = args->input_options.items;
    conversion->input.transforms = args->steps.items;
    conversion->output = args->operands.items[1];
    conversion->to = args->to;
    conversion->output_options = args->output_options.items;
    conversion->strict = args->strict;
    conversion->dry_run = args->dry_run;
    conversion->force = args->force;
    conversion->sync = args->sync;
}

static int
convert_do(struct cli *cli, struct ckpt_conversion *conversion)
{
    struct ckpt_summary summary = {.format = NULL};
    const struct cli_args *args = &cli->args;
    struct cli_ways ways;
    int status, ended = CKPT_OK;

    if (args->dry_run) {
        cli_ways_init(&ways, cli);
        conversion->way = cli_ways_take;
        conversion->way_context = &ways;
    }
    status = ckpt_convert(cli->user, conversion, &summary);
    cli_progress_clear(&cli->progress);
    if (args->dry_run) {
        ended = cli_ways_end(&ways, status != CKPT_OK);
        cli_out_flush(&cli->out); /* the count comes behind what it counts */
    }
    if (status != CKPT_OK || ended != CKPT_OK)
        return cli_fail(cli, status != CKPT_OK ? status : ended);
    if (args->verbose > 0 || (args->dry_run && !args->quiet))
        convert_summary(cli, &summary, &ways);
    return CLI_DONE;
}

static int
convert_run(struct cli *cli)
{
    struct ckpt_conversion conversion = CKPT_CONVERSION;
    const struct cli_args *args = &cli->args;
    int status;

    if (args->json && !args->dry_run)
        return cli_usage(cli, "--json goes with --dry-run", NULL, NULL);
    status = cli_transforms_take(cli);
    if (status == CLI_DONE)
        status = convert_template(cli);
    if (status != CLI_DONE)
        return status;
    convert_order(args, &conversion);
    status = cli_confine(cli, args->operands.items, 1,
                         args->dry_run ? NULL : conversion.output);
    return status == CLI_DONE ? convert_do(cli, &conversion) : status;
}

static const struct cli_option convert_options[] = {
    CLI_TRANSFORM_OPTIONS,
    {"from", 0, "FORMAT", CLI_OPTION_TEXT, offsetof(struct cli_args, from),
     "read as this format instead of telling it by content"},
    {"to", 0, "FORMAT", CLI_OPTION_TEXT, offsetof(struct cli_args, to),
     "write this format instead of that of OUT's suffix"},
    {NULL, 'o', "KEY=VALUE", CLI_OPTION_LIST,
     offsetof(struct cli_args, output_options),
     "an option of the writer; may be repeated"},
    {"template", 0, "FILE", CLI_OPTION_TEXT,
     offsetof(struct cli_args, template),
     "change the tensors of this model; the rest of it stays"},
    {"in-option", 0, "KEY=VALUE", CLI_OPTION_LIST,
     offsetof(struct cli_args, input_options),
     "an option of the reader; may be repeated"},
    {"strict", 0, NULL, CLI_OPTION_FLAG, offsetof(struct cli_args, strict),
     "refuse if anything would be lost"},
    {"dry-run", 0, NULL, CLI_OPTION_FLAG, offsetof(struct cli_args, dry_run),
     "show each tensor's way and what is lost; write nothing"},
    {"json", 0, NULL, CLI_OPTION_FLAG, offsetof(struct cli_args, json),
     "with --dry-run: the ways as one JSON document"},
    {"force", 0, NULL, CLI_OPTION_FLAG, offsetof(struct cli_args, force),
     "replace OUT if it exists"},
    {"sync", 0, NULL, CLI_OPTION_FLAG, offsetof(struct cli_args, sync),
     "wait until OUT is safe on the disk"},
    {NULL, 0, NULL, CLI_OPTION_END, 0, NULL},
};

const struct cli_command cli_convert = {
    .name = "convert",
    .operands = "IN OUT",
    .summary = "convert a checkpoint",
    .about =
        "Reads the checkpoint IN and writes it to OUT in another format or\n"
        "in the same. What OUT cannot hold is listed on stderr, each loss on\n"
        "a line. OUT appears under its name when it is complete; after a\n"
        "failure there is none. 'ckpt plugins NAME' tells the options that\n"
        "-o and --in-option take, and 'ckpt plugins' the transforms: -t\n"
        "edits what was read, one after the other, before it is written.\n",
    .options = convert_options,
    .operand_min = 2,
    .operand_max = 2,
    .run = convert_run,
};
