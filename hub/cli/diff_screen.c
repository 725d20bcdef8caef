/* SPDX-License-Identifier: MIT
 *
 * Differences as a table, and what they come to.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "diff.h"
#include "escape.h"
#include "table_out.h"
#include "tree.h"

/* The order is a promise; the last is there only if a difference has one. */
enum diff_column {
    DIFF_KIND,
    DIFF_NAME,
    DIFF_A,
    DIFF_B,
    DIFF_ELEMENTS,
    DIFF_ABSOLUTE,
    DIFF_RELATIVE,
    DIFF_SLOT,
    DIFF_COLUMN_COUNT
};

static const struct cli_column diff_columns[DIFF_COLUMN_COUNT] = {
    [DIFF_KIND] = {"DIFFERENCE", false},
    [DIFF_NAME] = {"NAME", false},
    [DIFF_A] = {"A", false},
    [DIFF_B] = {"B", false},
    [DIFF_ELEMENTS] = {"ELEMENTS", true},
    [DIFF_ABSOLUTE] = {"ABSOLUTE", true},
    [DIFF_RELATIVE] = {"RELATIVE", true},
    [DIFF_SLOT] = {"SLOT OF", false},
};

const char *
cli_diff_kind(const struct cli_diff *diff, uint32_t kind)
{
    static const char *const words[CKPT_DIFFERENCE_KIND_COUNT] = {
        [CKPT_DIFFERENCE_ONLY_FIRST] = "only-a",
        [CKPT_DIFFERENCE_ONLY_SECOND] = "only-b",
        [CKPT_DIFFERENCE_SHAPE] = "shape",
        [CKPT_DIFFERENCE_DTYPE] = "dtype",
        [CKPT_DIFFERENCE_VALUE] = "value",
        [CKPT_DIFFERENCE_TIE] = "tie",
        [CKPT_DIFFERENCE_SCALAR] = "scalar",
    };
    static const char *const like_words[] = {
        [CKPT_DIFFERENCE_ONLY_FIRST] = "unexpected",
        [CKPT_DIFFERENCE_ONLY_SECOND] = "missing",
        [CKPT_DIFFERENCE_SHAPE] = "mismatched",
    };

    if (diff->like && kind <= CKPT_DIFFERENCE_SHAPE)
        return like_words[kind];
    return kind < CKPT_DIFFERENCE_KIND_COUNT ? words[kind] : "?";
}

static uint64_t
diff_count(const struct cli_diff *diff, uint32_t kind)
{
    uint64_t count = 0;
    size_t i;

    for (i = 0; i < diff->info->difference_count; i++)
        count += diff->info->differences[i].kind == kind;
    return count;
}

/* ---- Differences on a screen ---- */

static void
diff_value(struct cli_out *out, const struct ckpt_value *value)
{
    if (value == NULL) {
        cli_out_char(out, '-');
    } else if (value->kind == CKPT_KIND_TENSOR) {
        cli_out_string(out, ckpt_dtype_name(value->as.tensor->dtype));
        cli_out_char(out, ' ');
        cli_out_shape(out, value->as.tensor->shape, value->as.tensor->rank);
    } else if (value->kind == CKPT_KIND_NONE) {
        cli_out_string(out, "none");
    } else if (value->kind == CKPT_KIND_OBJECT) {
        struct cli_out name;

        cli_out_init(&name, -1);
        cli_object_name(&name, value->as.object);
        cli_escape_string(out, cli_out_text(&name));
        cli_out_fini(&name);
    } else {
        cli_out_value(out, value, false);
    }
}

static void
diff_tie(struct cli_out *out, const char *tie)
{
    cli_out_string(out, tie != NULL ? "tied to " : "not tied");
    if (tie != NULL)
        cli_escape_string(out, tie);
}

static void
diff_side(struct cli_out *out, const struct ckpt_difference *found, bool second)
{
    if (found->kind == CKPT_DIFFERENCE_TIE)
        diff_tie(out, second ? found->second_tie : found->first_tie);
    else
        diff_value(out, second ? found->second : found->first);
}

/* A number that only NaN would be left of is nan. */
static void
diff_number(struct cli_out *out, const struct ckpt_difference *found,
            double number)
{
    char text[32];

    if (found->kind != CKPT_DIFFERENCE_VALUE || !found->measured) {
        cli_out_char(out, '-');
        return;
    }
    if (found->nan_count == found->element_count)
        number = NAN;
    snprintf(text, sizeof text, "%.4g", fabs(number));
    cli_out_string(out, text);
}

/* Its parameter on both sides, if it is known. */
static void
diff_slot(struct cli_out *out, const struct ckpt_text *a,
          const struct ckpt_text *b)
{
    bool same = a != NULL && b != NULL && a->size_bytes == b->size_bytes &&
                memcmp(a->data, b->data, a->size_bytes) == 0;

    if (a != NULL)
        cli_escape(out, a->data, a->size_bytes);
    if (a != NULL && b != NULL && !same)
        cli_out_string(out, " in A, ");
    if (b != NULL && !same)
        cli_escape(out, b->data, b->size_bytes);
    if (a != NULL && b != NULL && !same)
        cli_out_string(out, " in B");
    if (a == NULL && b == NULL)
        cli_out_char(out, '-');
}

static void
diff_cell(struct cli_out *out, const struct cli_diff *diff, size_t nth,
          enum diff_column column)
{
    const struct ckpt_difference *found = &diff->info->differences[nth];

    switch (column) {
    case DIFF_KIND:
        cli_out_string(out, diff->benign[nth]
                                ? "benign"
                                : cli_diff_kind(diff, found->kind));
        break;
    case DIFF_NAME:
        cli_escape(out, found->name.data, found->name.size_bytes);
        break;
    case DIFF_A:
    case DIFF_B:
        diff_side(out, found, column == DIFF_B);
        break;
    case DIFF_ELEMENTS:
        if (found->kind == CKPT_DIFFERENCE_VALUE)
            cli_out_u64(out, found->element_count);
        else
            cli_out_char(out, '-');
        break;
    case DIFF_ABSOLUTE:
        diff_number(out, found, found->absolute);
        break;
    case DIFF_RELATIVE:
        diff_number(out, found, found->relative);
        break;
    default:
        diff_slot(out, diff->slots[0][nth], diff->slots[1][nth]);
    }
}

static int
diff_table(struct cli *cli, const struct cli_diff *diff)
{
    enum diff_column shown[DIFF_COLUMN_COUNT];
    struct cli_column columns[DIFF_COLUMN_COUNT];
    struct cli_table table;
    size_t count = 0, i, j;

    if (diff->info->difference_count == 0)
        return CKPT_OK;
    for (i = 0; i < DIFF_COLUMN_COUNT; i++) {
        if ((i == DIFF_SLOT && !diff->any_slot) ||
            (diff->like && i >= DIFF_ELEMENTS))
            continue;
        columns[count] = diff_columns[i];
        shown[count++] = (enum diff_column)i;
    }
    cli_table_begin(&table, &cli->out, columns, count);
    for (i = 0; i < diff->info->difference_count; i++) {
        for (j = 0; j < count; j++)
            diff_cell(cli_table_cell(&table), diff, i, shown[j]);
        cli_table_row_end(&table);
    }
    return cli_table_end(&table);
}

/* ---- What it comes to ---- */

static void
diff_counted(struct cli_out *out, uint64_t count, const char *what)
{
    cli_out_u64(out, count);
    cli_out_char(out, ' ');
    cli_out_string(out, what);
    cli_out_string(out, count == 1 ? "" : "s");
}

static void
diff_sum(struct cli_out *out, const struct cli_diff *diff)
{
    const struct ckpt_diff_info *info = diff->info;

    if (info->difference_count == 0)
        cli_out_string(out, "the same: ");
    else
        diff_counted(out, info->difference_count, "difference");
    if (info->difference_count != 0)
        cli_out_string(out, "; both have ");
    diff_counted(out, info->tensor_count, "tensor");
    cli_out_string(out, ", ");
    diff_counted(out, info->scalar_count, "scalar");
    cli_out_char(out, '\n');
}

size_t
cli_diff_cure(const struct cli_diff *diff, struct cli_out steps[2])
{
    const struct ckpt_diff_info *info = diff->info;
    size_t count = 0;

    if (info->cure == CKPT_CURE_NONE)
        return 0;
    if (info->root[0] != '\0') {
        cli_out_init(&steps[count], -1);
        cli_out_string(&steps[count], "root:");
        cli_out_string(&steps[count++], info->root);
    }
    if (info->prefix[0] != '\0') {
        cli_out_init(&steps[count], -1);
        cli_out_string(&steps[count], info->cure == CKPT_CURE_STRIP
                                          ? "strip-prefix:"
                                          : "add-prefix:");
        cli_out_string(&steps[count++], info->prefix);
    }
    return count;
}

static void
diff_misfits(struct cli_out *out, uint64_t missing, uint64_t unexpected,
             uint64_t mismatched)
{
    cli_out_u64(out, missing);
    cli_out_string(out, " missing, ");
    cli_out_u64(out, unexpected);
    cli_out_string(out, " unexpected, ");
    cli_out_u64(out, mismatched);
    cli_out_string(out, " mismatched");
}

/* How well the names meet after the cure. */
static void
diff_cured(struct cli_out *out, const struct cli_diff *diff)
{
    const struct ckpt_diff_info *info = diff->info;
    uint64_t met = info->cured_count + info->mismatched_count;
    struct cli_out steps[2];
    size_t count = cli_diff_cure(diff, steps), i;

    if (count == 0)
        return;
    if (info->unexpected_count == 0) {
        cli_out_string(out, "every key of A is a key of B after");
    } else {
        diff_counted(out, met, "key");
        cli_out_string(out, met == 1 ? " of A is a key of B after"
                                     : " of A are keys of B after");
    }
    for (i = 0; i < count; i++) {
        cli_out_string(out, " -t ");
        cli_escape_string(out, cli_out_text(&steps[i]));
        cli_out_fini(&steps[i]);
    }
    if (info->missing_count + info->unexpected_count + info->mismatched_count >
        0) {
        cli_out_string(out, ": then ");
        diff_misfits(out, info->missing_count, info->unexpected_count,
                     info->mismatched_count);
    } else {
        cli_out_string(out, ", and it fits");
    }
    cli_out_char(out, '\n');
}

static void
diff_benign(struct cli_out *out, size_t count)
{
    if (count == 0)
        return;
    cli_out_string(out, "; ");
    cli_out_u64(out, count);
    cli_out_string(out, " benign: A is older than num_batches_tracked");
}

static void
diff_fit(struct cli_out *out, const struct cli_diff *diff)
{
    if (diff->info->difference_count == diff->benign_count) {
        cli_out_string(out, "it fits: ");
        diff_counted(out, diff->info->tensor_count, "tensor");
        diff_benign(out, diff->benign_count);
        cli_out_char(out, '\n');
        return;
    }
    cli_out_string(out, "it does not fit: ");
    diff_misfits(
        out, diff_count(diff, CKPT_DIFFERENCE_ONLY_SECOND) - diff->benign_count,
        diff_count(diff, CKPT_DIFFERENCE_ONLY_FIRST),
        diff_count(diff, CKPT_DIFFERENCE_SHAPE));
    diff_benign(out, diff->benign_count);
    cli_out_char(out, '\n');
    diff_cured(out, diff);
}

int
cli_diff_screen(struct cli *cli, const struct cli_diff *diff)
{
    int status = diff_table(cli, diff);

    if (status != CKPT_OK || cli->args.quiet)
        return status;
    if (diff->like)
        diff_fit(&cli->out, diff);
    else
        diff_sum(&cli->out, diff);
    return CKPT_OK;
}
