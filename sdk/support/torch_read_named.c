/* SPDX-License-Identifier: MIT
 *
 * Persistent ids that are a key alone: the container lists what they stand
 * for, tensors and bare storages.
 */
#include <inttypes.h>
#include <stdio.h>

#include "torch_read_storage.h"

bool
sdk_torch_is_named(const struct torch_reader *r, uint32_t ref)
{
    uint32_t pid;

    if (r->source->ids != SDK_TORCH_IDS_TAR ||
        sdk_pickled_kind(r->pickled, ref) != SDK_PICKLED_PERSISTENT)
        return false;
    pid = sdk_pickled_pid(r->pickled, ref);
    return sdk_torch_is_text(r, pid) ||
           sdk_pickled_kind(r->pickled, pid) == SDK_PICKLED_INT;
}

int
sdk_torch_check_storage(struct torch_reader *r, uint32_t ref)
{
    struct ckpt_value *value;
    int status = CKPT_OK;

    if (!sdk_torch_is_named(r, ref))
        return CKPT_OK;
    status = sdk_torch_value_of(r, ref, 0, &value);
    if (status == CKPT_OK && value->kind == CKPT_KIND_TENSOR)
        return sdk_torch_fail(r, CKPT_FORMAT, ref,
                              "a tensor that is rebuilt on a tensor");
    return status;
}

int
sdk_torch_named_value(struct torch_reader *r, uint32_t ref,
                      struct ckpt_value **value)
{
    uint32_t pid = sdk_pickled_pid(r->pickled, ref);
    struct sdk_torch_named named = {.tensor = sdk_torch_path(r),
                                    .byte = sdk_torch_byte(r, ref)};
    char digits[24];

    if (sdk_torch_is_text(r, pid)) {
        named.id = sdk_pickled_text(r->pickled, pid);
    } else {
        named.id.size_bytes =
            (size_t)snprintf(digits, sizeof digits, "%" PRId64,
                             sdk_pickled_at(r->pickled, pid)->as.integer);
        named.id.data = digits;
    }
    return r->source->named(r->host, r->source->user, r->graph, &named, value);
}

int
sdk_torch_named_entry(struct torch_reader *r, uint32_t ref,
                      struct torch_entry **found)
{
    const struct ckpt_tensor *view;
    struct torch_entry made = {0};
    struct ckpt_value *value;
    int status = sdk_torch_value_of(r, ref, 0, &value);

    if (status != CKPT_OK)
        return status;
    if (value->kind != CKPT_KIND_TENSOR &&
        (value->kind != CKPT_KIND_OBJECT ||
         value->as.object->made != CKPT_MADE_PERSISTENT))
        return sdk_torch_fail(r, CKPT_UNSUPPORTED, ref,
                              "a tensor on what is no storage");
    view = value->kind == CKPT_KIND_TENSOR
               ? value->as.tensor
               : value->as.object->args->as.list.items[0]->as.tensor;
    made.storage = view->storage;
    made.dtype = (uint8_t)view->dtype;
    made.size_bytes = view->storage->size_bytes;
    if (value->kind != CKPT_KIND_TENSOR) {
        made.start_bytes =
            view->offset * ckpt_dtype_width_bits(view->dtype) / 8;
        made.size_bytes = view->size_bytes;
    }
    made.root = (uint32_t)r->entry_count;
    return sdk_torch_entry_add(r, &made, found);
}
