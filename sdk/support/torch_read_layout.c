/* SPDX-License-Identifier: MIT
 *
 * Tensors of several parts. The quantiser of a tensor is an attribute of it:
 *
 *   torch.per_tensor_affine    scale, zero_point
 *   torch.per_channel_affine   scales, zero_points, axis
 *
 * and sparse and nested tensors are maps, whose type names their layout:
 *
 *   _rebuild_sparse_tensor, _rebuild_sparse_csr_tensor    layout, parts
 *   _rebuild_nested_tensor     buffer, sizes, strides, offsets
 */
#include "torch_read_layout.h"

#include <string.h>

#include "utf8.h"

/* The layout that _get_layout is asked for. */
static const struct sdk_torch_layout *
layout_of(struct torch_reader *r, uint32_t ref)
{
    struct sdk_pickled_list args;
    struct ckpt_text text;
    char name[32];

    if (sdk_torch_known_call(r, ref) != TORCH_LAYOUT)
        return NULL;
    args = sdk_pickled_list(r->pickled, sdk_pickled_call(r->pickled, ref).args);
    if (args.count != 1 ||
        sdk_pickled_kind(r->pickled, args.refs[0]) != SDK_PICKLED_TEXT)
        return NULL;
    text = sdk_pickled_text(r->pickled, args.refs[0]);
    if (text.size_bytes >= sizeof name)
        return NULL;
    memcpy(name, text.data, text.size_bytes);
    name[text.size_bytes] = '\0';
    return sdk_torch_layout_find(name);
}

const struct sdk_torch_layout *
sdk_torch_parts(struct torch_reader *r, uint32_t ref,
                struct sdk_pickled_list *parts)
{
    struct sdk_pickled_call call = sdk_pickled_call(r->pickled, ref);
    uint32_t known = sdk_torch_known_call(r, ref);
    const struct sdk_torch_layout *layout = NULL;

    if (call.items.count > 0 || call.pairs.count > 0 ||
        call.state != SDK_PICKLED_NOTHING)
        return NULL;
    *parts = sdk_pickled_list(r->pickled, call.args);
    if (known == TORCH_REBUILD_NESTED) {
        layout = sdk_torch_layout_find("torch.nested");
    } else if (known == TORCH_REBUILD_SPARSE && parts->count == 2 &&
               sdk_pickled_kind(r->pickled, parts->refs[1]) ==
                   SDK_PICKLED_TUPLE) {
        layout = layout_of(r, parts->refs[0]);
        *parts = sdk_pickled_list(r->pickled, parts->refs[1]);
    }
    if (layout == NULL || parts->count < layout->least || parts->count > 4)
        return NULL;
    return layout;
}

/* ---- Quantisers ---- */

static bool
is_plain_tensor(struct torch_reader *r, uint32_t ref)
{
    uint32_t known = sdk_torch_known_call(r, ref);

    return known >= TORCH_REBUILD_TENSOR && known <= TORCH_REBUILD_TENSOR_V3;
}

static bool
is_number(const struct torch_reader *r, uint32_t ref)
{
    uint32_t kind = sdk_pickled_kind(r->pickled, ref);

    return kind == SDK_PICKLED_INT || kind == SDK_PICKLED_FLOAT;
}

/* One value a channel: a tensor, or of old a list. */
static bool
is_channels(struct torch_reader *r, uint32_t ref)
{
    struct sdk_pickled_list list;
    uint32_t i;

    if (sdk_pickled_kind(r->pickled, ref) != SDK_PICKLED_LIST)
        return is_plain_tensor(r, ref);
    list = sdk_pickled_list(r->pickled, ref);
    for (i = 0; i < list.count; i++)
        if (!is_number(r, list.refs[i]))
            return false;
    return true;
}

bool
sdk_torch_is_quantiser(struct torch_reader *r, uint32_t ref)
{
    struct sdk_pickled_list list;
    uint32_t known;

    if (sdk_pickled_kind(r->pickled, ref) != SDK_PICKLED_TUPLE)
        return false;
    list = sdk_pickled_list(r->pickled, ref);
    if (list.count < 3 ||
        sdk_pickled_kind(r->pickled, list.refs[0]) != SDK_PICKLED_GLOBAL)
        return false;
    known = sdk_torch_name_of(r, list.refs[0])->known;
    if (known == TORCH_PER_TENSOR)
        return list.count == 3 && is_number(r, list.refs[1]) &&
               is_number(r, list.refs[2]);
    return known == TORCH_PER_CHANNEL && list.count == 4 &&
           is_channels(r, list.refs[1]) && is_channels(r, list.refs[2]) &&
           is_number(r, list.refs[3]);
}

/* The value of a number, a tensor or a list of numbers. */
static int
make_channels(struct torch_reader *r, uint32_t ref, struct ckpt_value **value)
{
    struct ckpt_value like = {.kind = CKPT_KIND_LIST}, *made, *item;
    struct sdk_pickled_list list;
    uint32_t i;
    int status;

    if (sdk_pickled_kind(r->pickled, ref) != SDK_PICKLED_LIST)
        return sdk_torch_value_of(r, ref, 0, value);
    list = sdk_pickled_list(r->pickled, ref);
    status = sdk_torch_value(r, &like, &made);
    for (i = 0; i < list.count && status == CKPT_OK; i++) {
        status = sdk_torch_value_of(r, list.refs[i], 0, &item);
        if (status == CKPT_OK)
            status = r->host->list_add(r->host, r->graph, made, item);
    }
    if (status == CKPT_OK)
        *value = made;
    return status;
}

static int
set_part(struct torch_reader *r, struct ckpt_value *map, const char *name,
         uint32_t ref)
{
    struct ckpt_value like = {.kind = CKPT_KIND_STRING}, *key, *value;
    int status;

    like.as.text.data = name;
    like.as.text.size_bytes = strlen(name);
    status = sdk_torch_value(r, &like, &key);
    if (status == CKPT_OK)
        status = make_channels(r, ref, &value);
    return status == CKPT_OK
               ? r->host->map_set(r->host, r->graph, map, key, value)
               : status;
}

int
sdk_torch_quantiser_set(struct torch_reader *r, uint32_t ref,
                        struct ckpt_value *owner)
{
    static const char *const names[][3] = {{"scale", "zero_point", NULL},
                                           {"scales", "zero_points", "axis"}};
    struct sdk_pickled_list list = sdk_pickled_list(r->pickled, ref);
    bool tensor = sdk_torch_name_of(r, list.refs[0])->known == TORCH_PER_TENSOR;
    struct ckpt_value like = {.kind = CKPT_KIND_MAP}, *map;
    uint32_t i;
    int status;

    like.type_name = tensor ? SDK_TORCH_PER_TENSOR : SDK_TORCH_PER_CHANNEL;
    status = sdk_torch_value(r, &like, &map);
    for (i = 1; i < list.count && status == CKPT_OK; i++)
        status = set_part(r, map, names[tensor ? 0 : 1][i - 1], list.refs[i]);
    return status == CKPT_OK ? r->host->attr_set(r->host, r->graph, owner,
                                                 SDK_TORCH_QUANTISER, map)
                             : status;
}

/* ---- Small things of other files ---- */

bool
sdk_torch_has_attr(struct torch_reader *r, uint32_t state, const char *name)
{
    struct sdk_pickled_list pairs;
    uint32_t i;

    if (state == SDK_PICKLED_NOTHING)
        return false;
    pairs = sdk_pickled_list(r->pickled, state);
    for (i = 0; i < pairs.count; i += 2)
        if (sdk_pickled_is_text(r->pickled, pairs.refs[i], name))
            return true;
    return false;
}

bool
sdk_torch_device_label(struct torch_reader *r, uint32_t ref, char *label,
                       size_t room)
{
    struct ckpt_text text;

    if (sdk_pickled_kind(r->pickled, ref) != SDK_PICKLED_TEXT)
        return false;
    text = sdk_pickled_text(r->pickled, ref);
    if (text.size_bytes == 0 || text.size_bytes >= room ||
        memchr(text.data, '\0', text.size_bytes) != NULL ||
        !sdk_utf8_valid(text.data, text.size_bytes))
        return false;
    memcpy(label, text.data, text.size_bytes);
    label[text.size_bytes] = '\0';
    return true;
}
