/* SPDX-License-Identifier: MIT
 *
 * What the persistent ids of storages say: ('storage', class, key, location,
 * count), in old streams with view metadata behind it.
 */
#include "torch_read_storage.h"

#include <string.h>

#include "utf8.h"

/* More attributes, or longer names, than these make an object. */
#define ATTRS_MAX 1000
#define NAME_BYTES_MAX 256
#define KEY_BYTES_MAX 200

bool
sdk_torch_is_text(const struct torch_reader *r, uint32_t ref)
{
    return sdk_pickled_is_words(r->pickled, ref);
}

static bool
is_attr_name(struct torch_reader *r, uint32_t ref)
{
    struct ckpt_text text;

    if (!sdk_torch_is_text(r, ref))
        return false;
    text = sdk_pickled_text(r->pickled, ref);
    return text.size_bytes <= NAME_BYTES_MAX &&
           memchr(text.data, '\0', text.size_bytes) == NULL &&
           sdk_utf8_valid(text.data, text.size_bytes);
}

bool
sdk_torch_is_attrs(struct torch_reader *r, uint32_t ref)
{
    struct sdk_pickled_list pairs;
    uint32_t i;

    if (sdk_pickled_kind(r->pickled, ref) != SDK_PICKLED_DICT)
        return false;
    pairs = sdk_pickled_list(r->pickled, ref);
    if (pairs.count > 2 * ATTRS_MAX)
        return false;
    for (i = 0; i < pairs.count; i += 2)
        if (!is_attr_name(r, pairs.refs[i]))
            return false;
    return true;
}

/* Counts of the packed quantised classes are of bytes already. */
static bool
count_to_bytes(uint32_t dtype, int64_t count, uint64_t *size_bytes)
{
    uint32_t width_bits = ckpt_dtype_width_bits(dtype);

    if (count < 0 || count > INT64_MAX / 64)
        return false;
    *size_bytes = (uint64_t)count * (width_bits < 8 ? 1 : width_bits / 8);
    return true;
}

/* (key, offset, count), or None */
static int
read_view(struct torch_reader *r, uint32_t ref, uint32_t metadata,
          struct torch_pid *pid)
{
    const struct sdk_pickled *p = r->pickled;
    struct sdk_pickled_list list;

    if (sdk_pickled_kind(p, metadata) == SDK_PICKLED_NONE)
        return CKPT_OK;
    if (sdk_pickled_kind(p, metadata) != SDK_PICKLED_TUPLE)
        return sdk_torch_fail(r, CKPT_FORMAT, ref,
                              "view metadata that is no tuple");
    list = sdk_pickled_list(p, metadata);
    if (list.count != 3 || !sdk_torch_is_text(r, list.refs[0]) ||
        sdk_pickled_kind(p, list.refs[1]) != SDK_PICKLED_INT ||
        sdk_pickled_kind(p, list.refs[2]) != SDK_PICKLED_INT)
        return sdk_torch_fail(r, CKPT_FORMAT, ref,
                              "view metadata that is no key, offset and count");
    pid->view = true;
    pid->view_key = sdk_pickled_text(p, list.refs[0]);
    if (pid->view_key.size_bytes > KEY_BYTES_MAX)
        return sdk_torch_fail(r, CKPT_FORMAT, ref,
                              "a storage key of more than 200 bytes");
    if (!count_to_bytes(pid->dtype, sdk_pickled_at(p, list.refs[1])->as.integer,
                        &pid->view_start_bytes) ||
        !count_to_bytes(pid->dtype, sdk_pickled_at(p, list.refs[2])->as.integer,
                        &pid->view_size_bytes))
        return sdk_torch_fail(r, CKPT_FORMAT, ref,
                              "a view of an impossible place or size");
    return CKPT_OK;
}

int
sdk_torch_read_pid(struct torch_reader *r, uint32_t ref, struct torch_pid *pid)
{
    const struct sdk_pickled *p = r->pickled;
    uint32_t tuple = sdk_pickled_pid(p, ref);
    uint32_t count = r->source->ids == SDK_TORCH_IDS_LEGACY ? 6 : 5;
    struct sdk_pickled_list list;

    if (sdk_pickled_kind(p, tuple) != SDK_PICKLED_TUPLE)
        return sdk_torch_fail(r, CKPT_UNSUPPORTED, ref,
                              "a persistent id that is no tuple");
    list = sdk_pickled_list(p, tuple);
    if (list.count != count ||
        !sdk_pickled_is_text(p, list.refs[0], "storage") ||
        sdk_pickled_kind(p, list.refs[1]) != SDK_PICKLED_GLOBAL ||
        !sdk_torch_is_text(r, list.refs[2]) ||
        !sdk_torch_is_text(r, list.refs[3]) ||
        sdk_pickled_kind(p, list.refs[4]) != SDK_PICKLED_INT)
        return sdk_torch_fail(r, CKPT_UNSUPPORTED, ref,
                              "a persistent id that is no storage");
    pid->class = sdk_torch_name_of(r, list.refs[1]);
    if (pid->class->known != TORCH_STORAGE)
        return sdk_torch_fail(r, CKPT_UNSUPPORTED, ref,
                              "a storage of an unknown class");
    pid->key = sdk_pickled_text(p, list.refs[2]);
    if (pid->key.size_bytes > KEY_BYTES_MAX)
        return sdk_torch_fail(r, CKPT_FORMAT, ref,
                              "a storage key of more than 200 bytes");
    pid->location = list.refs[3];
    pid->dtype = pid->class->dtype ? pid->class->dtype : CKPT_UINT8;
    if (!count_to_bytes(pid->dtype, sdk_pickled_at(p, list.refs[4])->as.integer,
                        &pid->size_bytes))
        return sdk_torch_fail(r, CKPT_FORMAT, ref,
                              "a storage of an impossible size");
    return count == 6 ? read_view(r, ref, list.refs[5], pid) : CKPT_OK;
}
