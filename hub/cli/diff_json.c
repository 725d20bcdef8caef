/* SPDX-License-Identifier: MIT
 *
 * `ckpt diff --json`. The keys are a promise: scripts depend on them.
 */
#include "diff.h"
#include "value_json.h"

static void
json_side(struct cli_json *json, const char *key, const struct ckpt_file *file)
{
    const struct ckpt_file_info *info = ckpt_file_info(file);

    cli_json_key(json, key);
    cli_json_open(json, '{');
    cli_json_key(json, "file");
    cli_json_string(json, info->path);
    cli_json_key(json, "format");
    cli_json_string(json, info->format);
    cli_json_close(json, '}');
}

static void
json_tensor(struct cli_json *json, const struct ckpt_tensor *tensor)
{
    cli_json_key(json, "dtype");
    cli_json_string(json, ckpt_dtype_name(tensor->dtype));
    cli_json_key(json, "shape");
    cli_json_item(json);
    cli_out_shape(json->out, tensor->shape, tensor->rank);
}

/* What a side has under the name of a difference. */
static void
json_value(struct cli_json *json, const struct cli_diff *diff, size_t nth,
           size_t side)
{
    const struct ckpt_difference *found = &diff->info->differences[nth];
    const struct ckpt_value *value = side ? found->second : found->first;
    const struct ckpt_text *slot = diff->slots[side][nth];

    cli_json_key(json, side ? "b" : "a");
    if (value == NULL) {
        cli_json_string(json, NULL);
        return;
    }
    cli_json_open(json, '{');
    if (value->kind == CKPT_KIND_TENSOR) {
        json_tensor(json, value->as.tensor);
        if (found->kind == CKPT_DIFFERENCE_TIE) {
            cli_json_key(json, "tied_to");
            cli_json_string(json, side ? found->second_tie : found->first_tie);
        }
    } else {
        cli_json_key(json, "type");
        cli_json_string(json, cli_kind_name(value->kind));
        cli_json_key(json, "value");
        if (value->kind == CKPT_KIND_OBJECT)
            cli_json_object_name(json, value->as.object);
        else
            cli_json_scalar(json, value);
    }
    if (slot != NULL) {
        cli_json_key(json, "slot_of");
        cli_json_text(json, slot->data, slot->size_bytes);
    }
    cli_json_close(json, '}');
}

static void
json_elements(struct cli_json *json, const struct ckpt_difference *found)
{
    cli_json_key(json, "elements");
    cli_json_u64(json, found->element_count);
    cli_json_key(json, "nan");
    cli_json_u64(json, found->nan_count);
    cli_json_key(json, "absolute");
    if (found->measured)
        cli_json_double(json, found->absolute);
    else
        cli_json_string(json, NULL);
    cli_json_key(json, "relative");
    if (found->measured)
        cli_json_double(json, found->relative);
    else
        cli_json_string(json, NULL);
}

static void
json_difference(struct cli_json *json, const struct cli_diff *diff, size_t nth)
{
    const struct ckpt_difference *found = &diff->info->differences[nth];

    cli_json_break(json);
    cli_json_open(json, '{');
    cli_json_key(json, "kind");
    cli_json_string(json, cli_diff_kind(diff, found->kind));
    cli_json_key(json, "name");
    cli_json_text(json, found->name.data, found->name.size_bytes);
    if (diff->benign[nth]) {
        cli_json_key(json, "benign");
        cli_json_bool(json, true);
    }
    json_value(json, diff, nth, 0);
    json_value(json, diff, nth, 1);
    if (found->kind == CKPT_DIFFERENCE_VALUE)
        json_elements(json, found);
    cli_json_close(json, '}');
}

static void
json_count(struct cli_json *json, const char *key, uint64_t count)
{
    cli_json_key(json, key);
    cli_json_u64(json, count);
}

static void
json_cure(struct cli_json *json, const struct cli_diff *diff)
{
    const struct ckpt_diff_info *info = diff->info;
    struct cli_out steps[2];
    size_t count = cli_diff_cure(diff, steps), i;

    cli_json_key(json, "cure");
    if (count == 0) {
        cli_json_string(json, NULL);
        return;
    }
    cli_json_open(json, '{');
    cli_json_key(json, "transforms");
    cli_json_open(json, '[');
    for (i = 0; i < count; i++) {
        cli_json_text(json, steps[i].data, steps[i].size_bytes);
        cli_out_fini(&steps[i]);
    }
    cli_json_close(json, ']');
    json_count(json, "fitting", info->cured_count);
    json_count(json, "mismatched", info->mismatched_count);
    json_count(json, "missing", info->missing_count);
    json_count(json, "unexpected", info->unexpected_count);
    cli_json_close(json, '}');
}

void
cli_diff_json(struct cli_out *out, const struct cli_diff *diff)
{
    const struct ckpt_diff_info *info = diff->info;
    struct cli_json json = {.out = out};
    size_t i;

    cli_json_open(&json, '{');
    json_side(&json, "a", diff->files[0]);
    json_side(&json, "b", diff->files[1]);
    cli_json_key(&json, diff->like ? "fits" : "same");
    cli_json_bool(&json, info->difference_count == diff->benign_count);
    json_count(&json, "tensors", info->tensor_count);
    if (!diff->like)
        json_count(&json, "scalars", info->scalar_count);
    cli_json_key(&json, "differences");
    cli_json_open(&json, '[');
    for (i = 0; i < info->difference_count; i++)
        json_difference(&json, diff, i);
    cli_json_break(&json);
    cli_json_close(&json, ']');
    if (diff->like)
        json_cure(&json, diff);
    cli_json_close(&json, '}');
    cli_out_char(out, '\n');
}
