/* SPDX-License-Identifier: MIT
 *
 * `ckpt ls`: the tensors of a file, a line each; or all its values as a tree
 * or as JSON. Nothing is printed before all that can fail has been done.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "escape.h"
#include "listing.h"
#include "table_out.h"
#include "tree.h"

/* The order is a promise; what options add comes after. */
enum ls_column {
    LS_NAME,
    LS_DTYPE,
    LS_SHAPE,
    LS_BYTES,
    LS_DEVICE,
    LS_INDEX,
    LS_PARAMETER,
    LS_SHA256,
    LS_COLUMN_COUNT
};

static const struct cli_column ls_columns[LS_COLUMN_COUNT] = {
    [LS_NAME] = {"NAME", false},          [LS_DTYPE] = {"DTYPE", false},
    [LS_SHAPE] = {"SHAPE", false},        [LS_BYTES] = {"BYTES", true},
    [LS_DEVICE] = {"DEVICE", false},      [LS_INDEX] = {"INDEX", true},
    [LS_PARAMETER] = {"PARAMETER", true}, [LS_SHA256] = {"SHA256", false},
};

/* All of them, if there is no pattern. */
static int
ls_rows(struct cli_listing *listing, struct ckpt_pattern *pattern,
        const uint64_t *numbers)
{
    const struct ckpt_graph *graph = listing->graph;
    struct cli_row *row;
    bool matches = true;
    int status = CKPT_OK;
    size_t i;

    for (i = 0; i < graph->entry_count && status == CKPT_OK; i++) {
        if (pattern != NULL)
            status =
                ckpt_pattern_match(pattern, &graph->entries[i].name, &matches);
        if (status != CKPT_OK || !matches)
            continue;
        row = &listing->rows[listing->row_count++];
        row->entry = &graph->entries[i];
        row->index = i;
        row->parameter_index = numbers != NULL ? numbers[i] : CKPT_NUMBER_NONE;
    }
    return status;
}

/* Picks the rows and, if asked, counts the positions over all entries. */
static int
ls_pick(struct cli_listing *listing, struct ckpt_pattern *pattern,
        bool positions)
{
    const struct ckpt_graph *graph = listing->graph;
    const uint64_t *numbers = NULL;
    int status =
        positions ? ckpt_file_numbers(listing->file, &numbers) : CKPT_OK;

    if (status != CKPT_OK)
        return status;
    listing->rows = calloc(graph->entry_count + 1, sizeof *listing->rows);
    if (listing->rows == NULL)
        return CKPT_MEMORY;
    return ls_rows(listing, pattern, numbers);
}

static int
ls_digest(struct cli *cli, struct cli_listing *listing)
{
    struct cli_progress *progress = &cli->progress;
    const struct ckpt_tensor *tensor;
    uint64_t before = 0;
    int status = CKPT_OK;
    size_t i;

    listing->digests = calloc(listing->row_count + 1, sizeof *listing->digests);
    if (listing->digests == NULL)
        return CKPT_MEMORY;
    for (i = 0; i < listing->row_count; i++)
        progress->all_bytes +=
            listing->rows[i].entry->value->as.tensor->size_bytes;
    for (i = 0; i < listing->row_count && status == CKPT_OK; i++) {
        tensor = listing->rows[i].entry->value->as.tensor;
        progress->before_bytes = before;
        if (cli_cancelled(cli))
            return CKPT_CANCELLED;
        status = ckpt_file_digest(listing->file, tensor, listing->digests[i]);
        before += tensor->size_bytes;
        cli_progress_update(progress, tensor->size_bytes, 0);
    }
    cli_progress_clear(progress);
    return status;
}

static void
ls_cell(struct cli_out *out, const struct cli_listing *listing, size_t nth,
        enum ls_column column)
{
    const struct cli_row *row = &listing->rows[nth];
    const struct ckpt_tensor *tensor = row->entry->value->as.tensor;
    const struct ckpt_text *name = &row->entry->name;

    switch (column) {
    case LS_NAME:
        cli_escape(out, name->data, name->size_bytes);
        break;
    case LS_DTYPE:
        cli_out_string(out, ckpt_dtype_name(tensor->dtype));
        break;
    case LS_SHAPE:
        cli_out_shape(out, tensor->shape, tensor->rank);
        break;
    case LS_BYTES:
        cli_out_u64(out, tensor->size_bytes);
        break;
    case LS_DEVICE:
        cli_escape_string(out, tensor->storage->device);
        break;
    case LS_INDEX:
        cli_out_u64(out, row->index);
        break;
    case LS_PARAMETER:
        if (row->parameter_index >= CKPT_NUMBER_SLOT)
            cli_out_char(out, '-');
        else
            cli_out_u64(out, row->parameter_index);
        break;
    default:
        if (tensor->storage->place == CKPT_PLACE_ABSENT)
            cli_out_char(out, '-');
        else
            cli_out_hex(out, listing->digests[nth], 32);
    }
}

static int
ls_table(struct cli *cli, const struct cli_listing *listing)
{
    enum ls_column shown[LS_COLUMN_COUNT];
    struct cli_column columns[LS_COLUMN_COUNT];
    struct cli_table table;
    size_t count = 0, i, j;

    for (i = 0; i < LS_COLUMN_COUNT; i++) {
        if ((i == LS_INDEX || i == LS_PARAMETER) && !cli->args.index)
            continue;
        if (i == LS_SHA256 && listing->digests == NULL)
            continue;
        columns[count] = ls_columns[i];
        shown[count++] = (enum ls_column)i;
    }
    cli_table_begin(&table, &cli->out, columns, count);
    for (i = 0; i < listing->row_count; i++) {
        for (j = 0; j < count; j++)
            ls_cell(cli_table_cell(&table), listing, i, shown[j]);
        cli_table_row_end(&table);
    }
    return cli_table_end(&table);
}

static int
ls_tree(struct cli *cli, const struct cli_listing *listing)
{
    struct cli_walk walk;
    int status = cli_walk_init(&walk, listing->graph);

    if (status != CKPT_OK)
        return status;
    cli_tree(&cli->out, &walk, cli->args.verbose > 0);
    cli_walk_fini(&walk);
    return CKPT_OK;
}

/* The optimizers alone; how many there are goes to the rows. */
static int
ls_optimizers(struct cli *cli, struct cli_listing *listing)
{
    struct cli_optimizers optimizers = {0};
    struct cli_walk walk;
    int status = cli_walk_init(&walk, listing->graph);

    if (status == CKPT_OK)
        status = cli_optimizers_find(&optimizers, listing->file, &walk);
    if (status == CKPT_OK)
        cli_tree_optimizers(&cli->out, &walk, &optimizers,
                            cli->args.verbose > 0);
    listing->row_count = optimizers.count;
    cli_walk_fini(&walk);
    return status;
}

static int
ls_print(struct cli *cli, struct cli_listing *listing,
         struct ckpt_pattern *pattern)
{
    int status;

    if (cli->args.optimizer && !cli->args.json)
        return ls_optimizers(cli, listing);
    if (cli->args.tree)
        return ls_tree(cli, listing);
    status = ls_pick(listing, pattern, cli->args.index || cli->args.modules);
    if (status == CKPT_OK && cli->args.modules)
        return cli_listing_modules(&cli->out, listing, !cli->args.quiet);
    if (status == CKPT_OK && cli->args.digest)
        status = ls_digest(cli, listing);
    if (status != CKPT_OK)
        return status;
    return cli->args.json ? cli_listing_json(&cli->out, listing)
                          : ls_table(cli, listing);
}

/* What cannot be asked for at once. */
static int
ls_check(struct cli *cli, const char *pattern)
{
    const struct cli_args *args = &cli->args;

    if (args->tree && (args->json || args->digest || args->index))
        return cli_usage(cli,
                         "--tree goes with none of --json, --digest "
                         "and --index",
                         NULL, NULL);
    if (args->tree && pattern != NULL)
        return cli_usage(cli, "--tree takes no PATTERN", NULL, NULL);
    if (args->optimizer && !args->json &&
        (args->digest || args->index || pattern != NULL))
        return cli_usage(cli,
                         "--optimizer goes with --tree or --json, and with "
                         "none of --digest, --index and PATTERN",
                         NULL, NULL);
    if (args->modules && (args->tree || args->json || args->digest ||
                          args->index || args->optimizer))
        return cli_usage(cli,
                         "--modules goes with none of --tree, --json, "
                         "--digest, --index and --optimizer",
                         NULL, NULL);
    return CLI_DONE;
}

/* `pattern` is NULL where optimizers were asked for. */
static int
ls_no_match(struct cli *cli, const char *pattern)
{
    struct cli_out text;

    cli_out_init(&text, -1);
    cli_out_string(&text, cli->args.operands.items[0]);
    cli_out_string(&text, pattern != NULL ? ": no tensor matches "
                                          : ": no state of an optimizer in it");
    cli_out_string(&text, pattern != NULL ? pattern : "");
    cli_say(cli, NULL, cli_out_text(&text));
    cli_out_fini(&text);
    return CLI_NO;
}

/* A digest may have to lay decoded bytes down first; the library does that in
 * the folder for temporary files. */
static const char *
ls_spool(const struct cli *cli, char path[PATH_MAX])
{
    if (!cli->args.digest)
        return NULL;
    snprintf(path, PATH_MAX, "%s/spool", ckpt_temporary_folder());
    return path;
}

/* CLI_DONE, or says what is wrong. */
static int
ls_list(struct cli *cli, struct cli_listing *listing,
        struct ckpt_pattern *pattern)
{
    const char *const *operands = cli->args.operands.items;
    bool asked = pattern != NULL || (cli->args.optimizer && !cli->args.json);
    struct ckpt_input input = CKPT_INPUT;
    int status;

    input.path = operands[0];
    input.from = cli->args.from;
    input.options = cli->args.input_options.items;
    input.transforms = cli->args.steps.items;
    status = ckpt_open(cli->user, &input, &listing->file);
    if (status == CKPT_OK) {
        listing->info = ckpt_file_info(listing->file);
        listing->graph = ckpt_file_graph(listing->file);
        listing->optimizers = cli->args.optimizer;
        status = ls_print(cli, listing, pattern);
    }
    if (status != CKPT_OK)
        return cli_fail(cli, status);
    return asked && listing->row_count == 0
               ? ls_no_match(cli, pattern != NULL ? operands[1] : NULL)
               : CLI_DONE;
}

static int
ls_run(struct cli *cli)
{
    const char *const *operands = cli->args.operands.items;
    const char *text = cli->args.operands.count > 1 ? operands[1] : NULL;
    struct cli_listing listing = {.file = NULL};
    struct ckpt_pattern *pattern = NULL;
    int exit_status = ls_check(cli, text), status = CKPT_OK;
    char spool[PATH_MAX];

    if (exit_status == CLI_DONE)
        exit_status = cli_transforms_take(cli);
    if (exit_status == CLI_DONE && text != NULL)
        status = ckpt_pattern_new(cli->user, text, &pattern);
    if (status != CKPT_OK)
        return cli_fail(cli, status);
    if (exit_status == CLI_DONE)
        exit_status = cli_confine(cli, operands, 1, ls_spool(cli, spool));
    if (exit_status == CLI_DONE)
        exit_status = ls_list(cli, &listing, pattern);
    free(listing.digests);
    free(listing.rows);
    ckpt_close(listing.file);
    ckpt_pattern_free(pattern);
    return exit_status;
}

static const struct cli_option ls_options[] = {
    {"tree", 0, NULL, CLI_OPTION_FLAG, offsetof(struct cli_args, tree),
     "all values, nested as they are in the file"},
    {"json", 0, NULL, CLI_OPTION_FLAG, offsetof(struct cli_args, json),
     "one JSON document: tensors, values, attributes"},
    {"optimizer", 0, NULL, CLI_OPTION_FLAG,
     offsetof(struct cli_args, optimizer),
     "optimizers alone, slots with their parameters' names"},
    {"digest", 0, NULL, CLI_OPTION_FLAG, offsetof(struct cli_args, digest),
     "SHA-256 of each tensor: contiguous, little-endian"},
    {"index", 0, NULL, CLI_OPTION_FLAG, offsetof(struct cli_args, index),
     "positions from 0, among all and among parameters"},
    {"modules", 0, NULL, CLI_OPTION_FLAG, offsetof(struct cli_args, modules),
     "a line for each module, its kind guessed from its keys"},
    CLI_TRANSFORM_OPTIONS,
    {"from", 0, "FORMAT", CLI_OPTION_TEXT, offsetof(struct cli_args, from),
     "read as this format instead of telling it by content"},
    {"in-option", 0, "KEY=VALUE", CLI_OPTION_LIST,
     offsetof(struct cli_args, input_options),
     "an option of the reader; may be repeated"},
    {NULL, 0, NULL, CLI_OPTION_END, 0, NULL},
};

const struct cli_command cli_ls = {
    .name = "ls",
    .operands = "FILE [PATTERN]",
    .summary = "list the tensors, one a line",
    .about =
        "Lists name, dtype, shape, bytes and device of every tensor, or of\n"
        "those whose whole name matches the shell glob PATTERN, or, as\n"
        "re:PATTERN, has a part that the regular expression meets. When\n"
        "stdout is no terminal there is no header, and tabs divide columns.\n",
    .options = ls_options,
    .operand_min = 1,
    .operand_max = 2,
    .run = ls_run,
};
