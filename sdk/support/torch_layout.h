/* SPDX-License-Identifier: MIT
 *
 * How the graph says what torch has beyond plain tensors; the reader and the
 * writer of torch pickles both keep to it.
 */
#ifndef SDK_TORCH_LAYOUT_H
#define SDK_TORCH_LAYOUT_H

#include <string.h>

#include "ckpt/graph.h"

/* The attribute of a quantised tensor, and the types of its map. */
#define SDK_TORCH_QUANTISER "quantiser"
#define SDK_TORCH_PER_TENSOR "torch.per_tensor_affine"
#define SDK_TORCH_PER_CHANNEL "torch.per_channel_affine"

/* The type of a tensor that is an array, and the attribute that tells the byte
 * order of one that is not little-endian. */
#define SDK_TORCH_ARRAY "numpy.ndarray"
#define SDK_TORCH_BYTE_ORDER "byteorder"

/* What the numbers of a quantised tensor mean: that map, or NULL. */
const struct ckpt_value *sdk_torch_quantiser_of(const struct ckpt_value *value);

/* The dimension each entry of which has a scale of its own, or CKPT_MAX_RANK:
 * there is none. */
uint32_t sdk_torch_channel_axis(const struct ckpt_value *value);

static inline bool
sdk_torch_is_ndarray(const struct ckpt_tensor *tensor)
{
    return tensor->type_name != NULL &&
           strcmp(tensor->type_name, SDK_TORCH_ARRAY) == 0;
}

/* A text with halves of surrogate pairs, which no string of a graph can be: an
 * object, _codecs.decode called with its bytes, "utf-8" and this. */
#define SDK_TORCH_SURROGATES "surrogatepass"

/* A sparse or nested tensor: the type of its map, and the keys in order, of
 * which at least so many are there. */
struct sdk_torch_layout {
    const char *type_name;
    uint32_t least;
    const char *parts[4];
};

/* The layout of that type, or NULL. */
const struct sdk_torch_layout *sdk_torch_layout_find(const char *type_name);

/* The dtype of an array by NumPy's name for its type, "f4", or NONE; and that
 * name, or NULL. */
uint32_t sdk_torch_array_dtype(const struct ckpt_text *name);
const char *sdk_torch_array_type(uint32_t dtype);

#endif
