/* SPDX-License-Identifier: MIT
 *
 * Writing sharded checkpoints: what goes where, names, and the index.
 */
#include "shard_index.h"

#include <string.h>

#include "json.h"

int
sdk_shard_deal(const struct ckpt_host *host, struct sdk_shard_item *items,
               size_t count, uint64_t shard_bytes, uint32_t *shard_count)
{
    uint64_t size_bytes, filled = 0;
    uint32_t *numbers, open = 0, closed = 0, groups = 1;
    size_t i;

    numbers = host->allocate(host, (count + 1) * sizeof *numbers);
    if (numbers == NULL)
        return CKPT_MEMORY;
    for (i = 0; i < count; i++) {
        size_bytes = items[i].size_bytes;
        if (shard_bytes > 0 && size_bytes > shard_bytes) {
            items[i].shard = groups;
            numbers[groups++] = closed++;
            continue;
        }
        if (shard_bytes > 0 && size_bytes > shard_bytes - filled) {
            numbers[open] = closed++;
            open = groups++;
            filled = 0;
        }
        items[i].shard = open;
        filled += size_bytes;
    }
    /* The last open one may have nothing in it. */
    numbers[open] = closed;
    *shard_count = closed;
    for (i = 0; i < count; i++) {
        items[i].shard = numbers[items[i].shard];
        if (items[i].shard == closed)
            *shard_count = closed + 1;
    }
    host->release(host, numbers);
    return CKPT_OK;
}

int
sdk_shard_name(const struct ckpt_host *host, struct sdk_buffer *name,
               const struct ckpt_text *stem, uint32_t shard, uint32_t count,
               const char *suffix)
{
    int status;

    name->size_bytes = 0;
    status = sdk_buffer_append(host, name, stem->data, stem->size_bytes);
    return status == CKPT_OK
               ? sdk_buffer_printf(host, name, "-%05u-of-%05u%s%c", shard + 1,
                                   count, suffix, '\0')
               : status;
}

/* ---- The index ---- */

int
sdk_shard_index_begin(const struct ckpt_host *host, struct sdk_buffer *out,
                      uint64_t total_bytes)
{
    int status = sdk_json_write_raw(host, out,
                                    "{\n  \"metadata\": {\n    "
                                    "\"total_size\": ");

    return status == CKPT_OK ? sdk_json_write_u64(host, out, total_bytes)
                             : status;
}

static int
write_pair(const struct ckpt_host *host, struct sdk_buffer *out,
           const struct ckpt_text *key, const struct ckpt_text *value)
{
    int status = sdk_json_write_string(host, out, key->data, key->size_bytes);

    if (status == CKPT_OK)
        status = sdk_json_write_raw(host, out, ": ");
    return status == CKPT_OK ? sdk_json_write_string(host, out, value->data,
                                                     value->size_bytes)
                             : status;
}

int
sdk_shard_index_pair(const struct ckpt_host *host, struct sdk_buffer *out,
                     const char *key, const struct ckpt_text *value)
{
    const struct ckpt_text text = {key, strlen(key)};
    int status = sdk_json_write_raw(host, out, ",\n    ");

    return status == CKPT_OK ? write_pair(host, out, &text, value) : status;
}

int
sdk_shard_index_map(const struct ckpt_host *host, struct sdk_buffer *out)
{
    return sdk_json_write_raw(host, out, "\n  },\n  \"weight_map\": {");
}

int
sdk_shard_index_tensor(const struct ckpt_host *host, struct sdk_buffer *out,
                       bool first, const struct ckpt_text *tensor,
                       const char *file)
{
    const struct ckpt_text text = {file, strlen(file)};
    int status = sdk_json_write_raw(host, out, first ? "\n    " : ",\n    ");

    return status == CKPT_OK ? write_pair(host, out, tensor, &text) : status;
}

int
sdk_shard_index_end(const struct ckpt_host *host, struct sdk_buffer *out)
{
    return sdk_json_write_raw(host, out, "\n  }\n}\n");
}
