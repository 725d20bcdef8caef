/* SPDX-License-Identifier: MIT
 *
 * The table of element types; see the header.
 */
#include "onnx_types.h"

#include <stddef.h>

#define ALWAYS ONNX_IR_VERSION, ONNX_OPSET

static const struct onnx_type types[] = {
    {1, CKPT_FLOAT32, ALWAYS},
    {2, CKPT_UINT8, ALWAYS},
    {3, CKPT_INT8, ALWAYS},
    {4, CKPT_UINT16, ALWAYS},
    {5, CKPT_INT16, ALWAYS},
    {6, CKPT_INT32, ALWAYS},
    {7, CKPT_INT64, ALWAYS},
    {9, CKPT_BOOL, ALWAYS},
    {10, CKPT_FLOAT16, ALWAYS},
    {11, CKPT_FLOAT64, ALWAYS},
    {12, CKPT_UINT32, ALWAYS},
    {13, CKPT_UINT64, ALWAYS},
    {14, CKPT_COMPLEX64, ALWAYS},
    {15, CKPT_COMPLEX128, ALWAYS},
    {16, CKPT_BFLOAT16, ALWAYS},
    {17, CKPT_FLOAT8_E4M3FN, 9, 19},
    {18, CKPT_FLOAT8_E4M3FNUZ, 9, 19},
    {19, CKPT_FLOAT8_E5M2, 9, 19},
    {20, CKPT_FLOAT8_E5M2FNUZ, 9, 19},
    {21, CKPT_UINT4, 10, 21},
    {22, CKPT_INT4, 10, 21},
    {23, CKPT_FLOAT4_E2M1, 11, 23},
    {24, CKPT_FLOAT8_E8M0FNU, 12, 24},
    {25, CKPT_UINT2, 13, 25},
    {26, CKPT_INT2, 13, 25},
};

#define TYPE_COUNT (sizeof types / sizeof *types)

const struct onnx_type *
onnx_type_of_dtype(uint32_t dtype)
{
    size_t i;

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
