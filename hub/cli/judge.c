/* SPDX-License-Identifier: MIT
 *
 * Findings on a screen or as JSON. All that is shown of a file is escaped.
 */
#include "judge.h"

#include <string.h>

#include "escape.h"

static const char *
judge_severity(uint32_t severity)
{
    static const char *const words[] = {"note", "wrong", "suspicious",
                                        "dangerous"};

    return severity < sizeof words / sizeof *words ? words[severity] : "?";
}

/* ---- On a screen ---- */

static void
judge_place(struct cli_out *out, const struct ckpt_finding *finding)
{
    const char *gap = "";

    if (finding->place == NULL && finding->byte == CKPT_NOWHERE &&
        finding->count < 2)
        return;
    cli_out_string(out, " (");
    if (finding->place != NULL) {
        cli_escape_string(out, finding->place);
        gap = ", ";
    }
    if (finding->byte != CKPT_NOWHERE) {
        cli_out_string(out, gap);
        cli_out_string(out, "byte ");
        cli_out_u64(out, finding->byte);
        gap = ", ";
    }
    if (finding->count > 1) {
        cli_out_string(out, gap);
        cli_out_u64(out, finding->count);
        cli_out_string(out, " times");
    }
    cli_out_char(out, ')');
}

static void
judge_word(struct cli_out *out, const char *word, size_t width)
{
    size_t length = strlen(word);

    cli_escape_string(out, word);
    cli_out_fill(out, ' ', length < width ? width - length : 1);
}

static void
judge_line(struct cli_out *out, const struct ckpt_finding *finding)
{
    cli_out_string(out, "  ");
    judge_word(out, judge_severity(finding->severity), 12);
    judge_word(out, finding->kind, 10);
    if (finding->name != NULL)
        cli_escape_string(out, finding->name);
    if (finding->name != NULL && finding->text != NULL)
        cli_out_string(out, ": ");
    if (finding->text != NULL)
        cli_escape_string(out, finding->text);
    judge_place(out, finding);
    cli_out_char(out, '\n');
}

static void
judge_print(struct cli *cli, const struct cli_judge *judge,
            const struct ckpt_judgement_info *info)
{
    struct cli_out *out = &cli->out;
    size_t i;

    cli_escape_string(out, info->path);
    cli_out_string(out, ": ");
    cli_out_string(out, judge->verdict(info->worst));
    cli_out_char(out, '\n');
    for (i = 0; i < info->finding_count; i++)
        if (!cli->args.quiet || info->findings[i].severity > CKPT_SEVERITY_NOTE)
            judge_line(out, &info->findings[i]);
}

/* ---- As JSON ---- */

static void
judge_json_finding(struct cli_json *json, const struct ckpt_finding *finding)
{
    cli_json_break(json);
    cli_json_open(json, '{');
    cli_json_key(json, "severity");
    cli_json_string(json, judge_severity(finding->severity));
    cli_json_key(json, "kind");
    cli_json_string(json, finding->kind);
    cli_json_key(json, "name");
    cli_json_string(json, finding->name);
    cli_json_key(json, "place");
    cli_json_string(json, finding->place);
    cli_json_key(json, "byte");
    if (finding->byte != CKPT_NOWHERE)
        cli_json_u64(json, finding->byte);
    else
        cli_json_string(json, NULL);
    cli_json_key(json, "count");
    cli_json_u64(json, finding->count);
    cli_json_key(json, "text");
    cli_json_string(json, finding->text);
    cli_json_close(json, '}');
}

static void
judge_json(struct cli_json *json, const struct cli_judge *judge,
           const struct ckpt_judgement_info *info)
{
    size_t i;

    cli_json_key(json, "file");
    cli_json_string(json, info->path);
    cli_json_key(json, "format");
    cli_json_string(json, info->format);
    cli_json_key(json, "verdict");
    cli_json_string(json, judge->verdict(info->worst));
    if (judge->json != NULL)
        judge->json(json, info);
    cli_json_key(json, "findings");
    cli_json_open(json, '[');
    for (i = 0; i < info->finding_count; i++)
        judge_json_finding(json, &info->findings[i]);
    cli_json_close(json, ']');
}

static void
judge_json_error(struct cli *cli, struct cli_json *json, const char *path)
{
    const char *error = ckpt_error(cli->user);

    cli_json_key(json, "file");
    cli_json_string(json, path);
    cli_json_key(json, "error");
    cli_json_string(json, error && *error ? error : "out of memory");
}

/* ---- The files ---- */

static int
judge_one(struct cli *cli, const struct cli_judge *judge, struct cli_json *json,
          const char *path)
{
    struct ckpt_input input = CKPT_INPUT;
    struct ckpt_judgement *judgement = NULL;
    const struct ckpt_judgement_info *info;
    int exit_status = CLI_DONE, status;

    input.path = path;
    input.from = cli->args.from;
    input.options = cli->args.input_options.items;
    status = judge->judge(cli->user, &input, &judgement);
    if (cli->args.json) {
        cli_json_break(json);
        cli_json_open(json, '{');
    }
    if (status == CKPT_OK) {
        info = ckpt_judgement_info(judgement);
        exit_status = info->worst > CKPT_SEVERITY_NOTE ? CLI_NO : CLI_DONE;
        if (cli->args.json)
            judge_json(json, judge, info);
        else
            judge_print(cli, judge, info);
    } else {
        if (cli->args.json)
            judge_json_error(cli, json, path);
        cli_out_flush(&cli->out);
        exit_status = cli_fail(cli, status);
    }
    if (cli->args.json)
        cli_json_close(json, '}');
    ckpt_judgement_free(judgement);
    return exit_status;
}

int
cli_judge_all(struct cli *cli, const struct cli_judge *judge)
{
    const char *const *path = cli->args.operands.items;
    struct cli_json json = {.out = &cli->out};
    int worst = cli_confine(cli, path, cli->args.operands.count, NULL);
    int exit_status;

    if (worst != CLI_DONE)
        return worst;
    cli->warnings_in_result = true;
    if (cli->args.json)
        cli_json_open(&json, '[');
    for (; *path != NULL; path++) {
        exit_status = judge_one(cli, judge, &json, *path);
        worst = exit_status > worst ? exit_status : worst;
    }
    if (cli->args.json) {
        cli_json_break(&json);
        cli_json_close(&json, ']');
        cli_out_char(&cli->out, '\n');
    }
    return worst;
}

const struct cli_option cli_judge_options[] = {
    {"json", 0, NULL, CLI_OPTION_FLAG, offsetof(struct cli_args, json),
     "a JSON array with one object a file"},
    {"from", 0, "FORMAT", CLI_OPTION_TEXT, offsetof(struct cli_args, from),
     "read as this format instead of telling it by content"},
    {"in-option", 0, "KEY=VALUE", CLI_OPTION_LIST,
     offsetof(struct cli_args, input_options),
     "an option of the reader; may be repeated"},
    {NULL, 0, NULL, CLI_OPTION_END, 0, NULL},
};
