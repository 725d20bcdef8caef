/* SPDX-License-Identifier: MIT
 *
 * `ckpt info`: what a file is, on a screen or as JSON. Several files are
 * looked at one after the other; one that fails does not stop the others.
 */
#include <string.h>
#include <strings.h>

#include "cli.h"
#include "escape.h"
#include "info.h"
#include "model.h"
#include "tree.h"

#define INFO_ATTRIBUTES_MAX 20

static struct cli_out *
info_line(struct cli *cli, const char *title)
{
    cli_out_string(&cli->out, "  ");
    cli_out_string(&cli->out, title);
    cli_out_fill(&cli->out, ' ', 12 - strlen(title));
    return &cli->out;
}

/* Whether one of the format's suffixes is at the end of the name. */
static bool
info_suffix_of(const char *name, const struct ckpt_format_info *format)
{
    const char *const *suffix = format->suffixes;
    size_t length = strlen(name), size;

    for (; suffix != NULL && *suffix != NULL; suffix++) {
        size = strlen(*suffix);
        if (size <= length && strcasecmp(name + length - size, *suffix) == 0)
            return true;
    }
    return false;
}

/* What the name promises, if none of the reader's suffixes is at its end:
 * the text from its last dot, or NULL. Whether it is of other formats goes to
 * `*known`. */
static const char *
info_odd_suffix(struct cli *cli, const struct cli_about *info, bool *known)
{
    const char *name = strrchr(info->about->path, '/');
    const struct ckpt_plugin_info *plugin;
    const struct ckpt_format_info *format;
    size_t i, j;

    name = name ? name + 1 : info->about->path;
    *known = false;
    if (strchr(name, '.') == NULL || strchr(name, '.') == name)
        return NULL;
    for (i = 0; (plugin = ckpt_plugin_at(cli->user, i)) != NULL; i++)
        for (j = 0; j < plugin->format_count; j++) {
            format = &plugin->formats[j];
            if (!format->reads || !info_suffix_of(name, format))
                continue;
            if (strcmp(format->id, info->about->format) == 0)
                return NULL;
            *known = true;
        }
    return strrchr(name, '.');
}

/* "named x, is y": nobody is to be led astray by a name. */
static void
info_name(struct cli *cli, const struct cli_about *info)
{
    bool known;
    const char *odd = info_odd_suffix(cli, info, &known);
    struct cli_out *out;

    if (odd == NULL || ckpt_is_packed(info->about->path))
        return;
    out = info_line(cli, "name");
    cli_out_string(out, known ? "named " : "ends in ");
    cli_escape_string(out, known ? odd + 1 : odd);
    cli_out_string(out, known ? ", is " : ", which this format does not use");
    cli_escape_string(out, known ? info->about->format : "");
    cli_out_char(out, '\n');
}

static void
info_format(struct cli *cli, const struct cli_about *info)
{
    const struct ckpt_file_info *about = info->about;
    struct cli_out *out = info_line(cli, "format");

    cli_escape_string(out, about->format);
    if (about->how != NULL) {
        cli_out_string(out, " (");
        cli_escape_string(out, about->how);
        cli_out_char(out, ')');
    }
    cli_out_char(out, '\n');
    info_name(cli, info);
    out = info_line(cli, "plugin");
    cli_escape_string(out, about->plugin);
    cli_out_char(out, '\n');
    out = info_line(cli, "size");
    cli_out_size(out, about->size_bytes);
    cli_out_string(out, " in ");
    cli_out_u64(out, about->file_count);
    cli_out_string(out, about->file_count == 1 ? " file\n" : " files\n");
}

static void
info_tensors(struct cli *cli, const struct cli_counts *counts)
{
    struct cli_out *out = info_line(cli, "tensors");
    uint64_t known = counts->parameter_count + counts->buffer_count;

    cli_out_u64(out, counts->tensor_count);
    if (known > 0) {
        cli_out_string(out, " (parameters ");
        cli_out_u64(out, counts->parameter_count);
        cli_out_string(out, ", buffers ");
        cli_out_u64(out, counts->buffer_count);
        cli_out_char(out, ')');
    }
    cli_out_string(out, ", ");
    cli_out_size(out, counts->tensor_bytes);
    cli_out_char(out, '\n');
    if (counts->trained_count > 0 &&
        counts->trained_count < counts->parameter_count) {
        out = info_line(cli, "trained");
        cli_out_u64(out, counts->trained_count);
        cli_out_string(out, " of ");
        cli_out_u64(out, counts->parameter_count);
        cli_out_string(out, " parameters\n");
    }
    out = info_line(cli, "storages");
    cli_out_u64(out, counts->storage_count);
    cli_out_string(out, ", ");
    cli_out_size(out, counts->storage_bytes);
    cli_out_char(out, '\n');
    out = info_line(cli, "values");
    cli_out_u64(out, counts->value_count);
    cli_out_char(out, '\n');
}

static void
info_types(struct cli *cli, const struct cli_counts *counts)
{
    struct cli_out *out;
    const char *gap = "";
    size_t i;

    if (counts->tensor_count == 0)
        return;
    out = info_line(cli, "dtypes");
    for (i = 1; i < CKPT_DTYPE_COUNT; i++) {
        if (counts->dtypes[i] == 0)
            continue;
        cli_out_string(out, gap);
        cli_out_string(out, ckpt_dtype_name((uint32_t)i));
        cli_out_string(out, " (");
        cli_out_u64(out, counts->dtypes[i]);
        cli_out_char(out, ')');
        gap = ", ";
    }
    cli_out_char(out, '\n');
    out = info_line(cli, "devices");
    for (i = 0; i < counts->device_count; i++) {
        cli_out_string(out, i > 0 ? ", " : "");
        cli_escape_string(out, counts->devices[i].device);
        cli_out_string(out, " (");
        cli_out_u64(out, counts->devices[i].tensor_count);
        cli_out_char(out, ')');
    }
    cli_out_char(out, '\n');
}

static void
info_attributes(struct cli *cli, const struct ckpt_graph *graph)
{
    const struct ckpt_attr *attr;
    struct cli_out *out = &cli->out;
    bool all = cli->args.verbose > 0;
    size_t count = 0;

    for (attr = graph->attrs; attr != NULL; attr = attr->next) {
        if (cli_model_attribute(attr->name))
            continue;
        if (count++ >= INFO_ATTRIBUTES_MAX && !all)
            continue;
        out = info_line(cli, "attribute");
        cli_escape_string(out, attr->name);
        cli_out_string(out, ": ");
        cli_out_value(out, attr->value, all);
        cli_out_char(out, '\n');
    }
    if (count > INFO_ATTRIBUTES_MAX && !all) {
        out = info_line(cli, "attribute");
        cli_out_string(out, "and ");
        cli_out_u64(out, count - INFO_ATTRIBUTES_MAX);
        cli_out_string(out, " more (-v)\n");
    }
}

static int
info_print(struct cli *cli, const struct cli_about *info)
{
    const char *const *finding = info->about->findings;
    struct cli_out *out = &cli->out;
    int status;

    cli_escape_string(out, info->about->path);
    cli_out_char(out, '\n');
    info_format(cli, info);
    info_tensors(cli, &info->counts);
    info_types(cli, &info->counts);
    status = cli_model_print(out, info->graph, cli->args.verbose > 0);
    info_attributes(cli, info->graph);
    if (info->about->restored) {
        out = info_line(cli, "record");
        cli_out_string(out, "found: the graph it was written from is "
                            "restored\n");
    }
    if (cli->args.verbose > 0) {
        out = info_line(cli, "sandbox");
        cli_sandbox_describe(&cli->sandbox, out);
        cli_out_char(out, '\n');
    }
    for (; finding != NULL && *finding != NULL; finding++) {
        out = info_line(cli, "finding");
        cli_escape_string(out, *finding);
        cli_out_char(out, '\n');
    }
    return status;
}

/* The source of classes, instead of all else. */
static int
info_source(struct cli *cli, const struct cli_about *info)
{
    struct cli_out text;

    if (cli->args.operands.count > 1) {
        cli_out_string(&cli->out, "# ");
        cli_escape_string(&cli->out, info->about->path);
        cli_out_char(&cli->out, '\n');
    }
    if (cli_model_sources(&cli->out, info->graph))
        return CLI_DONE;
    cli_out_init(&text, -1);
    cli_out_string(&text, info->about->path);
    cli_out_string(&text, ": there is no source of a class in it");
    cli_say(cli, NULL, cli_out_text(&text));
    cli_out_fini(&text);
    return CLI_NO;
}

static int
info_open(struct cli *cli, struct cli_about *info, const char *path)
{
    struct ckpt_input input = CKPT_INPUT;
    int status;

    input.path = path;
    input.from = cli->args.from;
    input.options = cli->args.input_options.items;
    input.transforms = cli->args.steps.items;
    status = ckpt_open(cli->user, &input, &info->file);
    if (status != CKPT_OK)
        return status;
    info->about = ckpt_file_info(info->file);
    info->graph = ckpt_file_graph(info->file);
    return cli_counts_init(&info->counts, info->graph);
}

static int
info_one(struct cli *cli, struct cli_json *json, const char *path)
{
    struct cli_about info = {.file = NULL};
    const char *error;
    int status = info_open(cli, &info, path), exit_status = CLI_DONE;

    cli_json_break(json);
    if (cli->args.json)
        cli_json_open(json, '{');
    if (status == CKPT_OK && cli->args.source)
        exit_status = info_source(cli, &info);
    else if (status == CKPT_OK && !cli->args.json)
        status = info_print(cli, &info);
    else if (status == CKPT_OK)
        status = cli_about_json(json, &info);
    if (status != CKPT_OK) {
        if (cli->args.json) {
            error = ckpt_error(cli->user);
            cli_json_key(json, "file");
            cli_json_string(json, path);
            cli_json_key(json, "error");
            cli_json_string(json, error && *error ? error : "out of memory");
        }
        /* Results first, so that both streams tell one story. */
        cli_out_flush(&cli->out);
        exit_status = cli_fail(cli, status);
    }
    if (cli->args.json)
        cli_json_close(json, '}');
    cli_counts_fini(&info.counts);
    ckpt_close(info.file);
    return exit_status;
}

static int
info_run(struct cli *cli)
{
    const char *const *path = cli->args.operands.items;
    struct cli_json json = {.out = &cli->out};
    int worst = cli_transforms_take(cli), exit_status;

    if (worst != CLI_DONE)
        return worst;
    if (cli->args.source && cli->args.json)
        return cli_usage(cli, "--source does not go with --json", NULL, NULL);
    worst = cli_confine(cli, path, cli->args.operands.count, NULL);
    if (worst != CLI_DONE)
        return worst;
    cli->warnings_in_result = !cli->args.source;
    if (cli->args.json)
        cli_json_open(&json, '[');
    for (; *path != NULL; path++) {
        exit_status = info_one(cli, &json, *path);
        worst = exit_status > worst ? exit_status : worst;
    }
    if (cli->args.json) {
        cli_json_break(&json);
        cli_json_close(&json, ']');
        cli_out_char(&cli->out, '\n');
    }
    return worst;
}

static const struct cli_option info_options[] = {
    {"json", 0, NULL, CLI_OPTION_FLAG, offsetof(struct cli_args, json),
     "a JSON array with one object a file"},
    CLI_TRANSFORM_OPTIONS,
    {"source", 0, NULL, CLI_OPTION_FLAG, offsetof(struct cli_args, source),
     "the source of classes that old files carry, as text"},
    {"from", 0, "FORMAT", CLI_OPTION_TEXT, offsetof(struct cli_args, from),
     "read as this format instead of telling it by content"},
    {"in-option", 0, "KEY=VALUE", CLI_OPTION_LIST,
     offsetof(struct cli_args, input_options),
     "an option of the reader; may be repeated"},
    {NULL, 0, NULL, CLI_OPTION_END, 0, NULL},
};

const struct cli_command cli_info = {
    .name = "info",
    .operands = "FILE...",
    .summary = "say what a file is and what it holds",
    .about =
        "Prints the format and how it was told, sizes, counts, dtypes,\n"
        "devices, whole models, attributes, and what was found odd. The exit\n"
        "status is the worst of all files.\n",
    .options = info_options,
    .operand_min = 1,
    .operand_max = SIZE_MAX,
    .run = info_run,
};
