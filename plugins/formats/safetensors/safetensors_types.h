/* SPDX-License-Identifier: MIT
 *
 * The element types of safetensors. Their place in the table is the
 * reference's sort order, from low to high, and is what files keep to.
 */
#ifndef SAFETENSORS_TYPES_H
#define SAFETENSORS_TYPES_H

#include <stdint.h>

#include "ckpt/dtype.h"

struct safetensors_type {
    const char *name; /* "BF16" */
    uint32_t dtype;   /* enum ckpt_dtype; of F4 the unpacked one */
    uint32_t width_bits;
};

#define SAFETENSORS_TYPE_COUNT 22

extern const struct safetensors_type safetensors_types[SAFETENSORS_TYPE_COUNT];

/* All dtypes that the format holds. */
#define SAFETENSORS_DTYPES                                                   \
    (CKPT_DTYPE_BIT(CKPT_BOOL) | CKPT_DTYPE_BIT(CKPT_FLOAT4_E2M1) |          \
     CKPT_DTYPE_BIT(CKPT_FLOAT4_E2M1FN_X2) |                                 \
     CKPT_DTYPE_BIT(CKPT_FLOAT6_E2M3) | CKPT_DTYPE_BIT(CKPT_FLOAT6_E3M2) |   \
     CKPT_DTYPE_BIT(CKPT_UINT8) | CKPT_DTYPE_BIT(CKPT_INT8) |                \
     CKPT_DTYPE_BIT(CKPT_FLOAT8_E5M2) | CKPT_DTYPE_BIT(CKPT_FLOAT8_E4M3FN) | \
     CKPT_DTYPE_BIT(CKPT_FLOAT8_E8M0FNU) |                                   \
     CKPT_DTYPE_BIT(CKPT_FLOAT8_E4M3FNUZ) |                                  \
     CKPT_DTYPE_BIT(CKPT_FLOAT8_E5M2FNUZ) | CKPT_DTYPE_BIT(CKPT_INT16) |     \
     CKPT_DTYPE_BIT(CKPT_UINT16) | CKPT_DTYPE_BIT(CKPT_FLOAT16) |            \
     CKPT_DTYPE_BIT(CKPT_BFLOAT16) | CKPT_DTYPE_BIT(CKPT_INT32) |            \
     CKPT_DTYPE_BIT(CKPT_UINT32) | CKPT_DTYPE_BIT(CKPT_FLOAT32) |            \
     CKPT_DTYPE_BIT(CKPT_COMPLEX64) | CKPT_DTYPE_BIT(CKPT_FLOAT64) |         \
     CKPT_DTYPE_BIT(CKPT_INT64) | CKPT_DTYPE_BIT(CKPT_UINT64))

/* The place of the type that holds a dtype, or SAFETENSORS_TYPE_COUNT. */
unsigned safetensors_type_of(uint32_t dtype);

/* F4 counts elements; torch's packed type counts bytes of two elements. The
 * reader takes the packed one where the last dimension is even. */
#define SAFETENSORS_F4 1

#endif
