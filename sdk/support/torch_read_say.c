/* SPDX-License-Identifier: MIT
 *
 * Where the walk is, for messages; and making a value.
 */
#include "torch_read_state.h"

const char *
sdk_torch_path(struct torch_reader *r)
{
    if (r->path.size_bytes == 0 ||
        sdk_buffer_reserve(r->host, &r->path, 1) != CKPT_OK)
        return NULL;
    r->path.data[r->path.size_bytes] = '\0';
    return (const char *)r->path.data;
}

uint64_t
sdk_torch_byte(const struct torch_reader *r, uint32_t ref)
{
    return sdk_pickled_place(r->pickled, sdk_pickled_at(r->pickled, ref)->byte);
}

int
sdk_torch_fail(struct torch_reader *r, int status, uint32_t ref,
               const char *what)
{
    r->host->fail(r->host, status, sdk_torch_path(r), sdk_torch_byte(r, ref),
                  "%s", what);
    return status;
}

int
sdk_torch_value(struct torch_reader *r, const struct ckpt_value *like,
                struct ckpt_value **value)
{
    return r->host->value_new(r->host, r->graph, like, sizeof *like, value);
}
