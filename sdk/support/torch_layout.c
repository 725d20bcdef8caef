/* SPDX-License-Identifier: MIT
 *
 * The layouts of torch and the types of NumPy, by name.
 */
#include "torch_layout.h"

#include <string.h>

#include "graph_each.h"

static const struct sdk_torch_layout layouts[] = {
    {"torch.sparse_coo", 3, {"indices", "values", "size", "is_coalesced"}},
    {"torch.sparse_csr", 4, {"crow_indices", "col_indices", "values", "size"}},
    {"torch.sparse_csc", 4, {"ccol_indices", "row_indices", "values", "size"}},
    {"torch.sparse_bsr", 4, {"crow_indices", "col_indices", "values", "size"}},
    {"torch.sparse_bsc", 4, {"ccol_indices", "row_indices", "values", "size"}},
    {"torch.nested", 4, {"buffer", "sizes", "strides", "offsets"}},
};

const struct sdk_torch_layout *
sdk_torch_layout_find(const char *type_name)
{
    size_t i;

    for (i = 0; i < sizeof layouts / sizeof *layouts; i++)
        if (strcmp(layouts[i].type_name, type_name) == 0)
            return &layouts[i];
    return NULL;
}

const struct ckpt_value *
sdk_torch_quantiser_of(const struct ckpt_value *value)
{
    const struct ckpt_value *map = sdk_attr_find(value, SDK_TORCH_QUANTISER);

    return map != NULL && map->kind == CKPT_KIND_MAP && map->type_name != NULL
               ? map
               : NULL;
}

uint32_t
sdk_torch_channel_axis(const struct ckpt_value *value)
{
    const struct ckpt_value *map = sdk_torch_quantiser_of(value), *axis;
    const struct ckpt_pair *last;

    if (map == NULL || strcmp(map->type_name, SDK_TORCH_PER_CHANNEL) != 0 ||
        map->as.map.count == 0)
        return CKPT_MAX_RANK;
    last = &map->as.map.pairs[map->as.map.count - 1];
    axis = last->value;
    if (last->key->kind != CKPT_KIND_STRING ||
        strcmp(last->key->as.text.data, "axis") != 0 ||
        axis->kind != CKPT_KIND_INT || axis->wide || axis->as.integer < 0 ||
        axis->as.integer >= CKPT_MAX_RANK)
        return CKPT_MAX_RANK;
    return (uint32_t)axis->as.integer;
}

static const struct {
    char name[4];
    uint32_t dtype;
} types[] = {
    {"f4", CKPT_FLOAT32},   {"f8", CKPT_FLOAT64},     {"f2", CKPT_FLOAT16},
    {"i8", CKPT_INT64},     {"i4", CKPT_INT32},       {"i2", CKPT_INT16},
    {"i1", CKPT_INT8},      {"u1", CKPT_UINT8},       {"u2", CKPT_UINT16},
    {"u4", CKPT_UINT32},    {"u8", CKPT_UINT64},      {"b1", CKPT_BOOL},
    {"c8", CKPT_COMPLEX64}, {"c16", CKPT_COMPLEX128},
};

uint32_t
sdk_torch_array_dtype(const struct ckpt_text *name)
{
    size_t i;

    for (i = 0; i < sizeof types / sizeof *types; i++)
        if (strlen(types[i].name) == name->size_bytes &&
            memcmp(types[i].name, name->data, name->size_bytes) == 0)
            return types[i].dtype;
    return CKPT_DTYPE_NONE;
}

const char *
sdk_torch_array_type(uint32_t dtype)
{
    size_t i;

    for (i = 0; i < sizeof types / sizeof *types; i++)
        if (types[i].dtype == dtype)
            return types[i].name;
    return NULL;
}
