/* SPDX-License-Identifier: MIT
 *
 * One run of the library's conversion, for all commands that make a file of
 * others.
 */
#include "conversion.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "escape.h"
#include "ways.h"

static void
conversion_summary(struct cli *cli, const struct ckpt_summary *summary,
                   const struct cli_ways *ways)
{
    struct cli_out text;

    cli_out_init(&text, -1);
    cli_out_string(&text, cli->args.output);
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

/* The path as the user began it, with the name that the file got. */
static void
conversion_name(struct cli *cli, const struct ckpt_summary *summary)
{
    const char *output = cli->args.output;
    const char *slash = strrchr(output, '/');
    size_t folder = slash != NULL ? (size_t)(slash + 1 - output) : 0;

    cli_escape(&cli->out, output, folder);
    cli_escape_string(&cli->out, summary->name);
    cli_out_char(&cli->out, '\n');
}

/* A template is an option of the writer, if that has one. */
static int
conversion_template(struct cli *cli)
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
conversion_order(const struct cli_args *args,
                 struct ckpt_conversion *conversion)
{
    conversion->input.path = args->operands.items[0];
    conversion->input.from = args->from;
    conversion->input.options = args->input_options.items;
    conversion->input.transforms = args->steps.items;
    conversion->output = args->output;
    conversion->to = args->to;
    conversion->output_options = args->output_options.items;
    conversion->strict = args->strict;
    conversion->dry_run = args->dry_run;
    conversion->force = args->force;
    conversion->sync = args->sync;
    conversion->hash_name = args->hash_name;
}

static int
conversion_do(struct cli *cli, struct ckpt_conversion *conversion)
{
    struct ckpt_summary summary = {.format = NULL};
    const struct cli_args *args = &cli->args;
    bool shown = args->dry_run || args->json;
    struct cli_ways ways;
    int status, ended = CKPT_OK;

    if (shown) {
        cli_ways_init(&ways, cli);
        conversion->way = cli_ways_take;
        conversion->way_context = &ways;
        conversion->told = args->json ? cli_ways_told : NULL;
    }
    status = ckpt_convert(cli->user, conversion, &summary);
    cli_progress_clear(&cli->progress);
    if (shown) {
        if (summary.name[0] != '\0')
            ways.hash_name = summary.name;
        ended = cli_ways_end(&ways, status != CKPT_OK);
        cli_out_flush(&cli->out); /* the count comes behind what it counts */
    }
    if (status != CKPT_OK || ended != CKPT_OK)
        return cli_fail(cli, status != CKPT_OK ? status : ended);
    if (summary.name[0] != '\0' && !args->json)
        conversion_name(cli, &summary);
    if (args->verbose > 0 || (args->dry_run && !args->quiet))
        conversion_summary(cli, &summary, &ways);
    return CLI_DONE;
}

int
cli_conversion_run(struct cli *cli)
{
    struct ckpt_conversion conversion = CKPT_CONVERSION;
    const struct cli_args *args = &cli->args;
    int status = cli_transforms_take(cli);

    if (status == CLI_DONE)
        status = conversion_template(cli);
    if (status != CLI_DONE)
        return status;
    conversion_order(args, &conversion);
    status = cli_confine(cli, args->operands.items, 1,
                         args->dry_run ? NULL : conversion.output);
    return status == CLI_DONE ? conversion_do(cli, &conversion) : status;
}
