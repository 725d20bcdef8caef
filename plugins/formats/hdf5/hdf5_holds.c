/* SPDX-License-Identifier: MIT
 *
 * Which attributes have a form in HDF5, and which dtypes need a name.
 */
#include "hdf5_holds.h"

#include <string.h>

#include "checked.h"
#include "hdf5_names.h"
#include "utf8.h"

#define ATTR_NAME_MAX 256

bool
hdf5_dtype_is_named(uint32_t dtype)
{
    switch (dtype) {
    case CKPT_BFLOAT16:
    case CKPT_FLOAT8_E4M3FN:
    case CKPT_FLOAT8_E5M2:
    case CKPT_FLOAT8_E4M3FNUZ:
    case CKPT_FLOAT8_E5M2FNUZ:
    case CKPT_FLOAT8_E8M0FNU:
        return true;
    }
    return false;
}

uint32_t
hdf5_attr_dtype(uint32_t kind)
{
    switch (kind) {
    case CKPT_KIND_BOOL:
        return CKPT_BOOL;
    case CKPT_KIND_INT:
        return CKPT_INT64;
    case CKPT_KIND_COMPLEX:
        return CKPT_COMPLEX128;
    }
    return CKPT_FLOAT64;
}

static size_t
attr_width(uint32_t kind)
{
    if (kind == CKPT_KIND_STRING)
        return 16;
    return ckpt_dtype_width_bits(hdf5_attr_dtype(kind)) / 8;
}

static bool
form_leaf(struct hdf5_attr_form *form, const struct ckpt_value *value)
{
    const struct ckpt_text *text = &value->as.text;

    if (form->kind != 0 && form->kind != value->kind)
        return false;
    form->kind = value->kind;
    form->count++;
    switch (value->kind) {
    case CKPT_KIND_STRING:
        if (text->size_bytes > form->longest)
            form->longest = text->size_bytes;
        return memchr(text->data, 0, text->size_bytes) == NULL;
    case CKPT_KIND_INT:
        return !value->wide;
    case CKPT_KIND_BOOL:
    case CKPT_KIND_FLOAT:
    case CKPT_KIND_COMPLEX:
        return true;
    }
    return false;
}

/* Lists within lists, which the rank bounds. */
static bool
form_value(struct hdf5_attr_form *form, const struct ckpt_value *value,
           uint32_t depth)
{
    size_t i;

    if (value->kind != CKPT_KIND_LIST)
        return depth == form->rank && form_leaf(form, value);
    if (value->type_name != NULL || depth == form->rank ||
        value->as.list.count != form->shape[depth] ||
        value->as.list.count * 8 > HDF5_ATTR_BYTES_MAX)
        return false;
    for (i = 0; i < value->as.list.count; i++)
        if (!form_value(form, value->as.list.items[i], depth + 1))
            return false;
    return true;
}

/* The shape is that of the first items; all must have it. */
bool
hdf5_attr_form(struct hdf5_attr_form *form, const struct ckpt_value *value)
{
    const struct ckpt_value *inner = value;
    uint64_t bound = 1;

    memset(form, 0, sizeof *form);
    while (inner->kind == CKPT_KIND_LIST) {
        if (form->rank == HDF5_ATTR_RANK_MAX)
            return false;
        form->shape[form->rank++] = inner->as.list.count;
        if (inner->as.list.count == 0)
            break;
        if (!sdk_mul_u64(bound, inner->as.list.count, &bound) ||
            bound > HDF5_ATTR_BYTES_MAX)
            return false;
        inner = inner->as.list.items[0];
    }
    return form_value(form, value, 0);
}

bool
hdf5_attr_is_keras(const char *own, const struct hdf5_attr_form *form)
{
    return form->kind == CKPT_KIND_STRING && form->rank == 1 &&
           (hdf5_attr_lists(own, "layer_names") ||
            hdf5_attr_lists(own, "weight_names"));
}

bool
hdf5_attr_holds(const char *own, const struct ckpt_value *value)
{
    struct hdf5_attr_form form;
    size_t width, length = strlen(own);

    if (length == 0 || length > ATTR_NAME_MAX || !sdk_utf8_valid(own, length) ||
        !hdf5_attr_form(&form, value))
        return false;
    width =
        hdf5_attr_is_keras(own, &form) ? form.longest : attr_width(form.kind);
    return form.count * width <= HDF5_ATTR_BYTES_MAX - ATTR_NAME_MAX;
}
