/* SPDX-License-Identifier: MIT
 *
 * `ckpt info --json`: the object of one file. The keys are a promise.
 */
#include "info.h"
#include "value_json.h"

static void
info_json_counts(struct cli_json *json, const struct cli_counts *counts)
{
    size_t i;

    cli_json_key(json, "tensor_count");
    cli_json_u64(json, counts->tensor_count);
    cli_json_key(json, "parameter_count");
    cli_json_u64(json, counts->parameter_count);
    cli_json_key(json, "buffer_count");
    cli_json_u64(json, counts->buffer_count);
    cli_json_key(json, "storage_count");
    cli_json_u64(json, counts->storage_count);
    cli_json_key(json, "value_count");
    cli_json_u64(json, counts->value_count);
    cli_json_key(json, "tensor_bytes");
    cli_json_u64(json, counts->tensor_bytes);
    cli_json_key(json, "storage_bytes");
    cli_json_u64(json, counts->storage_bytes);
    cli_json_key(json, "dtypes");
    cli_json_open(json, '{');
    for (i = 1; i < CKPT_DTYPE_COUNT; i++)
        if (counts->dtypes[i] > 0) {
            cli_json_key(json, ckpt_dtype_name((uint32_t)i));
            cli_json_u64(json, counts->dtypes[i]);
        }
    cli_json_close(json, '}');
    cli_json_key(json, "devices");
    cli_json_open(json, '{');
    for (i = 0; i < counts->device_count; i++) {
        cli_json_key(json, counts->devices[i].device);
        cli_json_u64(json, counts->devices[i].tensor_count);
    }
    cli_json_close(json, '}');
}

static void
info_json_file(struct cli_json *json, const struct ckpt_file_info *about)
{
    const char *const *finding = about->findings;

    cli_json_key(json, "file");
    cli_json_string(json, about->path);
    cli_json_key(json, "format");
    cli_json_string(json, about->format);
    cli_json_key(json, "how");
    cli_json_string(json, about->how);
    cli_json_key(json, "plugin");
    cli_json_string(json, about->plugin);
    cli_json_key(json, "size_bytes");
    cli_json_u64(json, about->size_bytes);
    cli_json_key(json, "file_count");
    cli_json_u64(json, about->file_count);
    cli_json_key(json, "restored");
    cli_json_bool(json, about->restored);
    cli_json_key(json, "findings");
    cli_json_open(json, '[');
    for (; finding != NULL && *finding != NULL; finding++)
        cli_json_string(json, *finding);
    cli_json_close(json, ']');
}

int
cli_about_json(struct cli_json *json, const struct cli_about *info)
{
    struct cli_walk walk;
    int status = cli_walk_init(&walk, info->graph);

    if (status != CKPT_OK)
        return status;
    info_json_file(json, info->about);
    info_json_counts(json, &info->counts);
    cli_json_key(json, "attributes");
    cli_json_attributes(json, &walk);
    cli_walk_fini(&walk);
    return CKPT_OK;
}
