/* SPDX-License-Identifier: MIT
 *
 * The table of element types; see the header.
 */
#include "onnx_types.h"

#include <stddef.h>

#define ALWAYS ONNX_IR_VERSION, ONNX_OPSET

static const struct onnx_type types[] = {
    {"FLOAT", 1, CKPT_FLOAT32, ALWAYS},
    {"UINT8", 2, CKPT_UINT8, ALWAYS},
    {"INT8", 3, CKPT_INT8, ALWAYS},
    {"UINT16", 4, CKPT_UINT16, ALWAYS},
    {"INT16", 5, CKPT_INT16, ALWAYS},
    {"INT32", 6, CKPT_INT32, ALWAYS},
    {"INT64", 7, CKPT_INT64, ALWAYS},
    {"STRING", 8, CKPT_DTYPE_NONE, ALWAYS},
    {"BOOL", 9, CKPT_BOOL, ALWAYS},
    {"FLOAT16", 10, CKPT_FLOAT16, ALWAYS},
    {"DOUBLE", 11, CKPT_FLOAT64, ALWAYS},
    {"UINT32", 12, CKPT_UINT32, ALWAYS},
    {"UINT64", 13, CKPT_UINT64, ALWAYS},
    {"COMPLEX64", 14, CKPT_COMPLEX64, ALWAYS},
    {"COMPLEX128", 15, CKPT_COMPLEX128, ALWAYS},
    {"BFLOAT16", 16, CKPT_BFLOAT16, ALWAYS},
    {"FLOAT8E4M3FN", 17, CKPT_FLOAT8_E4M3FN, 9, 19},
    {"FLOAT8E4M3FNUZ", 18, CKPT_FLOAT8_E4M3FNUZ, 9, 19},
    {"FLOAT8E5M2", 19, CKPT_FLOAT8_E5M2, 9, 19},
    {"FLOAT8E5M2FNUZ", 20, CKPT_FLOAT8_E5M2FNUZ, 9, 19},
    {"UINT4", 21, CKPT_DTYPE_NONE, 10, 21},
    {"INT4", 22, CKPT_DTYPE_NONE, 10, 21},
    {"FLOAT4E2M1", 23, CKPT_FLOAT4_E2M1, 11, 23},
    {"FLOAT8E8M0", 24, CKPT_FLOAT8_E8M0FNU, 12, 24},
    {"UINT2", 25, CKPT_DTYPE_NONE, 13, 25},
    {"INT2", 26, CKPT_DTYPE_NONE, 13, 25},
};

#define TYPE_COUNT (sizeof types / sizeof *types)

const struct onnx_type *
onnx_type_of_code(uint64_t code)
{
    return code >= 1 && code <= TYPE_COUNT ? &types[code - 1] : NULL;
}

const struct onnx_type *
onnx_type_of_dtype(uint32_t dtype)
{
    size_t i;

    if (dtype == CKPT_DTYPE_NONE)
        return NULL;
    if (dtype == CKPT_FLOAT4_E2M1FN_X2)
        dtype = CKPT_FLOAT4_E2M1;
    for (i = 0; i < TYPE_COUNT; i++)
        if (types[i].dtype == dtype)
            return &types[i];
    return NULL;
}

uint64_t
onnx_dim(const struct ckpt_tensor *tensor, uint32_t d)
{
    bool packed =
        tensor->dtype == CKPT_FLOAT4_E2M1FN_X2 && d == tensor->rank - 1;

    return packed ? 2 * tensor->shape[d] : tensor->shape[d];
}
