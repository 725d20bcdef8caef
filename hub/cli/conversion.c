/* SPDX-License-Identifier: MIT
 *
 * One run of the library's conversion, for all commands that make a file of
 * others; and its report.
 */
#include "conversion.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json_out.h"

/* What --json collects while the library works. */
struct conversion_report {
    struct cli_out told_text, ways_text;
    struct cli_json told, ways;
};

static void
conversion_summary(struct cli *cli, const struct ckpt_summary *summary)
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
    cli_say(cli, NULL, cli_out_text(&text));
    cli_out_fini(&text);
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

/* ---- The report ---- */

static void
report_told(void *user, const struct ckpt_told *told)
{
    struct cli_json *json = &((struct conversion_report *)user)->told;

    cli_json_break(json);
    cli_json_open(json, '{');
    cli_json_key(json, "transform");
    cli_json_string(json, told->transform);
    cli_json_key(json, "tensor");
    cli_json_string(json, told->tensor);
    cli_json_key(json, "what");
    cli_json_string(json, told->what);
    cli_json_key(json, "notable");
    cli_json_bool(json, told->notable);
    cli_json_key(json, "text");
    cli_json_string(json, told->text);
    cli_json_close(json, '}');
}

static void
report_way(void *user, const struct ckpt_way *way)
{
    struct cli_json *json = &((struct conversion_report *)user)->ways;
    size_t i;

    cli_json_break(json);
    cli_json_open(json, '{');
    cli_json_key(json, "name");
    cli_json_text(json, way->name.data, way->name.size_bytes);
    cli_json_key(json, "made");
    cli_json_bool(json, way->made);
    cli_json_key(json, "from");
    cli_json_open(json, '[');
    for (i = 0; i < way->origin_count; i++) {
        cli_json_open(json, '{');
        cli_json_key(json, "file");
        cli_json_string(json, way->origins[i].path);
        cli_json_key(json, "name");
        cli_json_text(json, way->origins[i].name.data,
                      way->origins[i].name.size_bytes);
        cli_json_close(json, '}');
    }
    cli_json_close(json, ']');
    cli_json_close(json, '}');
}

static void
report_init(struct conversion_report *report)
{
    memset(report, 0, sizeof *report);
    cli_out_init(&report->told_text, -1);
    cli_out_init(&report->ways_text, -1);
    report->told.out = &report->told_text;
    report->ways.out = &report->ways_text;
}

static void
report_list(struct cli_json *json, const char *key, struct cli_out *items)
{
    cli_json_break(json);
    cli_json_key(json, key);
    cli_json_open(json, '[');
    cli_out_string(json->out, cli_out_text(items));
    if (items->size_bytes > 0)
        cli_json_break(json);
    cli_json_close(json, ']');
}

static void
report_print(struct cli *cli, struct conversion_report *report,
             const struct ckpt_summary *summary)
{
    struct cli_json json = {.out = &cli->out};

    cli_json_open(&json, '{');
    cli_json_key(&json, "output");
    cli_json_string(&json, cli->args.output);
    cli_json_key(&json, "format");
    cli_json_string(&json, summary->format);
    cli_json_key(&json, "tensor_count");
    cli_json_u64(&json, summary->tensor_count);
    cli_json_key(&json, "size_bytes");
    cli_json_u64(&json, summary->size_bytes);
    cli_json_key(&json, "file_count");
    cli_json_u64(&json, summary->file_count);
    cli_json_key(&json, "loss_count");
    cli_json_u64(&json, summary->loss_count);
    report_list(&json, "told", &report->told_text);
    report_list(&json, "tensors", &report->ways_text);
    cli_json_close(&json, '}');
    cli_out_char(&cli->out, '\n');
}

static void
report_fini(struct conversion_report *report)
{
    cli_out_fini(&report->told_text);
    cli_out_fini(&report->ways_text);
}

/* ---- Running ---- */

static void
conversion_fill(const struct cli_args *args, struct conversion_report *report,
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
    if (!args->json)
        return;
    conversion->user = report;
    conversion->told = report_told;
    conversion->way = report_way;
}

static int
conversion_convert(struct cli *cli, struct conversion_report *report)
{
    struct ckpt_conversion conversion = CKPT_CONVERSION;
    struct ckpt_summary summary = {.format = NULL};
    const struct cli_args *args = &cli->args;
    int status;

    conversion_fill(args, report, &conversion);
    status = ckpt_convert(cli->user, &conversion, &summary);
    cli_progress_clear(&cli->progress);
    if (status != CKPT_OK)
        return cli_fail(cli, status);
    if (args->verbose > 0 || (args->dry_run && !args->quiet))
        conversion_summary(cli, &summary);
    if (args->json)
        report_print(cli, report, &summary);
    return CLI_DONE;
}

int
cli_conversion_run(struct cli *cli)
{
    struct conversion_report report;
    int exit_status = cli_transforms_take(cli);

    if (exit_status == CLI_DONE)
        exit_status = conversion_template(cli);
    if (exit_status == CLI_DONE)
        exit_status = cli_confine(cli, cli->args.operands.items, 1,
                                  cli->args.dry_run ? NULL : cli->args.output);
    if (exit_status != CLI_DONE)
        return exit_status;
    report_init(&report);
    exit_status = conversion_convert(cli, &report);
    report_fini(&report);
    return exit_status;
}
