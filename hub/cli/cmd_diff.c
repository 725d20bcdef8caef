/* SPDX-License-Identifier: MIT
 *
 * `ckpt diff`: what two files hold that is not the same; or whether one would
 * load into what the other is of.
 */
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "diff.h"
#include "escape.h"

static bool
diff_tolerance_number(const char *text, char **end, double *number)
{
    *number = strtod(text, end);
    return *end != text && isfinite(*number) && *number >= 0 &&
           !signbit(*number);
}

/* "ABSOLUTE[,RELATIVE]" */
static int
diff_tolerance(struct cli *cli, struct ckpt_comparison *comparison)
{
    const char *text = cli->args.tolerance;
    struct cli_out problem;
    char *end;
    bool good;

    if (text == NULL)
        return CLI_DONE;
    if (comparison->like)
        return cli_usage(cli, "--like and --tolerance exclude each other", NULL,
                         NULL);
    good = diff_tolerance_number(text, &end, &comparison->absolute);
    if (good && *end == ',')
        good = diff_tolerance_number(end + 1, &end, &comparison->relative);
    if (good && *end == '\0')
        return CLI_DONE;
    cli_out_init(&problem, -1);
    cli_out_string(&problem, "no tolerance: ");
    cli_escape_string(&problem, text);
    cli_usage(cli, cli_out_text(&problem), NULL, NULL);
    cli_out_fini(&problem);
    return CLI_USAGE;
}

static int
diff_open(struct cli *cli, struct cli_diff *diff)
{
    struct ckpt_input first = CKPT_INPUT, second = CKPT_INPUT;
    int status;

    first.path = cli->args.operands.items[0];
    first.from = cli->args.from;
    first.options = cli->args.input_options.items;
    first.transforms = cli->args.steps.items;
    second.path = cli->args.operands.items[1];
    status = ckpt_open(cli->user, &first, &diff->files[0]);
    if (status == CKPT_OK)
        status = ckpt_open(cli->user, &second, &diff->files[1]);
    return status;
}

static int
diff_print(struct cli *cli, struct cli_diff *diff)
{
    int status;

    diff->info = ckpt_diff_info(diff->diff);
    status = cli_diff_slots(diff);
    if (status == CKPT_OK)
        status = cli_diff_benign(diff);
    cli_progress_clear(&cli->progress);
    if (status != CKPT_OK)
        return status;
    if (cli->args.json) {
        cli_diff_json(&cli->out, diff);
        return CKPT_OK;
    }
    return cli_diff_screen(cli, diff);
}

static int
diff_compare(struct cli *cli, const struct ckpt_comparison *comparison)
{
    struct cli_diff diff = {.like = comparison->like};
    int status = diff_open(cli, &diff), exit_status = CLI_DONE;

    if (status == CKPT_OK)
        status =
            ckpt_compare(diff.files[0], diff.files[1], comparison, &diff.diff);
    if (status == CKPT_OK)
        status = diff_print(cli, &diff);
    if (status != CKPT_OK)
        exit_status = cli_fail(cli, status);
    else if (diff.info->difference_count > diff.benign_count)
        exit_status = CLI_NO;
    cli_diff_slots_fini(&diff);
    free(diff.benign);
    ckpt_diff_free(diff.diff);
    ckpt_close(diff.files[0]);
    ckpt_close(diff.files[1]);
    return exit_status;
}

static int
diff_run(struct cli *cli)
{
    struct ckpt_comparison comparison = CKPT_COMPARISON;
    char spool[PATH_MAX];
    int exit_status;

    comparison.like = cli->args.like;
    exit_status = diff_tolerance(cli, &comparison);
    if (exit_status == CLI_DONE)
        exit_status = cli_transforms_take(cli);
    if (exit_status != CLI_DONE)
        return exit_status;
    /* Decoded bytes may have to be laid down first. */
    snprintf(spool, sizeof spool, "%s/spool", ckpt_temporary_folder());
    exit_status = cli_confine(cli, cli->args.operands.items, 2, spool);
    if (exit_status != CLI_DONE)
        return exit_status;
    return diff_compare(cli, &comparison);
}

static const struct cli_option diff_options[] = {
    {"like", 0, NULL, CLI_OPTION_FLAG, offsetof(struct cli_args, like),
     "whether A would load into what B is of"},
    {"tolerance", 0, "ABS[,REL]", CLI_OPTION_TEXT,
     offsetof(struct cli_args, tolerance),
     "numbers this near are the same (default 0,0)"},
    {"json", 0, NULL, CLI_OPTION_FLAG, offsetof(struct cli_args, json),
     "one JSON document"},
    CLI_TRANSFORM_OPTIONS,
    {"from", 0, "FORMAT", CLI_OPTION_TEXT, offsetof(struct cli_args, from),
     "read A as this format"},
    {"in-option", 0, "KEY=VALUE", CLI_OPTION_LIST,
     offsetof(struct cli_args, input_options),
     "an option of the reader of A; may be repeated"},
    {NULL, 0, NULL, CLI_OPTION_END, 0, NULL},
};

const struct cli_command cli_diff = {
    .name = "diff",
    .operands = "A B",
    .summary = "what two files hold that is not the same",
    .about =
        "Compares the tensors of the same name, whatever the formats, and the\n"
        "other values. A line for each difference tells its kind (only-a,\n"
        "only-b, shape, dtype, value, tie, scalar), the name, what A and B\n"
        "have there, and of values: how many elements differ, the largest\n"
        "|a-b|, and the largest |a-b| divided by the larger of |a| and |b|.\n"
        "Where it is the slot of an optimizer and its parameter is known,\n"
        "that stands last. With --tolerance, |a-b| may be ABS plus REL times\n"
        "the larger one. -0 is 0, and NaN is NaN if the bits are the same or\n"
        "the dtypes are not. Devices, strides, attributes and order are not\n"
        "compared. Transforms are done to A alone.\n"
        "With --like only names and shapes count, as for a strict\n"
        "load_state_dict of A into the model of B: missing, unexpected,\n"
        "mismatched, and which transforms of A would make names meet. Files\n"
        "older than num_batches_tracked may lack it: that is benign, and no\n"
        "difference.\n"
        "The exit status is 0 if there is no difference, 1 if there is one.\n",
    .options = diff_options,
    .operand_min = 2,
    .operand_max = 2,
    .run = diff_run,
};
