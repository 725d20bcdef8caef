/* SPDX-License-Identifier: MIT
 *
 * What HDF5 can hold of tensors and attributes, told without libhdf5.
 */
#ifndef HDF5_HOLDS_H
#define HDF5_HOLDS_H

#include "ckpt/graph.h"

/* What tensors can be of; others are given as bytes by the hub. */
#define HDF5_DTYPES                                                          \
    (CKPT_DTYPE_BIT(CKPT_BOOL) | CKPT_DTYPE_BIT(CKPT_UINT8) |                \
     CKPT_DTYPE_BIT(CKPT_INT8) | CKPT_DTYPE_BIT(CKPT_UINT16) |               \
     CKPT_DTYPE_BIT(CKPT_INT16) | CKPT_DTYPE_BIT(CKPT_UINT32) |              \
     CKPT_DTYPE_BIT(CKPT_INT32) | CKPT_DTYPE_BIT(CKPT_UINT64) |              \
     CKPT_DTYPE_BIT(CKPT_INT64) | CKPT_DTYPE_BIT(CKPT_FLOAT16) |             \
     CKPT_DTYPE_BIT(CKPT_BFLOAT16) | CKPT_DTYPE_BIT(CKPT_FLOAT32) |          \
     CKPT_DTYPE_BIT(CKPT_FLOAT64) | CKPT_DTYPE_BIT(CKPT_COMPLEX32) |         \
     CKPT_DTYPE_BIT(CKPT_COMPLEX64) | CKPT_DTYPE_BIT(CKPT_COMPLEX128) |      \
     CKPT_DTYPE_BIT(CKPT_FLOAT8_E4M3FN) | CKPT_DTYPE_BIT(CKPT_FLOAT8_E5M2) | \
     CKPT_DTYPE_BIT(CKPT_FLOAT8_E4M3FNUZ) |                                  \
     CKPT_DTYPE_BIT(CKPT_FLOAT8_E5M2FNUZ) |                                  \
     CKPT_DTYPE_BIT(CKPT_FLOAT8_E8M0FNU))

/* Whether elements are opaque and an attribute `dtype` names what they are,
 * as Keras does with bfloat16. */
bool hdf5_dtype_is_named(uint32_t dtype);

/* The attribute that does. */
#define HDF5_DTYPE_ATTR "dtype"

/* ---- Attributes ---- */

/* An attribute is one message in the header of its object, and that is less
 * than 64 KiB; Keras splits its lists here. */
#define HDF5_ATTR_BYTES_MAX 64512
#define HDF5_ATTR_RANK_MAX 8

/* A value as an array. */
struct hdf5_attr_form {
    uint32_t kind; /* of all leaves; 0 until there is one */
    uint32_t rank;
    uint64_t shape[HDF5_ATTR_RANK_MAX];
    uint64_t count;
    size_t longest; /* of the strings */
};

/* False: the value has no such form. The shape is that of the first items; all
 * must have it. */
bool hdf5_attr_form(struct hdf5_attr_form *form,
                    const struct ckpt_value *value);

/* The dtype of an array of such leaves, numbers all. */
uint32_t hdf5_attr_dtype(uint32_t kind);

/* Whether Keras would keep it as one of its lists of names. */
bool hdf5_attr_is_keras(const char *own, const struct hdf5_attr_form *form);

/* Whether HDF5 holds the attribute with its type. `own` is its name. */
bool hdf5_attr_holds(const char *own, const struct ckpt_value *value);

#endif
