/* SPDX-License-Identifier: MIT
 *
 * The table of element types; see the header.
 */
#include "onnx_types.h"

#include <stddef.h>

#include "onnx_proto.h"

#define ALWAYS ONNX_IR_VERSION, ONNX_OPSET
#define INT32S ONNX_TENSOR_INT32S
#define INT64S ONNX_TENSOR_INT64S
#define UINT64S ONNX_TENSOR_UINT64S

/* Bits of 8 and of 16, and bytes of several elements, which some tell with a
 * sign. */
#define BITS8                      \
    {                              \
        INT32S, 1, 0, UINT8_MAX, 0 \
    }
#define BITS16                      \
    {                               \
        INT32S, 2, 0, UINT16_MAX, 0 \
    }
#define PACKED                            \
    {                                     \
        INT32S, 1, INT8_MIN, UINT8_MAX, 0 \
    }

static const struct onnx_type types[] = {
    {1, CKPT_FLOAT32, ALWAYS, {ONNX_TENSOR_FLOATS, 4, 0, 0, 0}},
    {2, CKPT_UINT8, ALWAYS, {INT32S, 1, 0, UINT8_MAX, 0}},
    {3, CKPT_INT8, ALWAYS, {INT32S, 1, INT8_MIN, INT8_MAX, 0}},
    {4, CKPT_UINT16, ALWAYS, {INT32S, 2, 0, UINT16_MAX, 0}},
    {5, CKPT_INT16, ALWAYS, {INT32S, 2, INT16_MIN, INT16_MAX, 0}},
    /* A negative one of 5 bytes is what some write, and all others read. */
    {6, CKPT_INT32, ALWAYS, {INT32S, 4, INT32_MIN, UINT32_MAX, 0}},
    {7, CKPT_INT64, ALWAYS, {INT64S, 8, INT64_MIN, INT64_MAX, 0}},
    {9, CKPT_BOOL, ALWAYS, {INT32S, 1, 0, 1, 0}},
    {10, CKPT_FLOAT16, ALWAYS, BITS16},
    {11, CKPT_FLOAT64, ALWAYS, {ONNX_TENSOR_DOUBLES, 8, 0, 0, 0}},
    {12, CKPT_UINT32, ALWAYS, {UINT64S, 4, 0, UINT32_MAX, 0}},
    {13, CKPT_UINT64, ALWAYS, {UINT64S, 8, INT64_MIN, INT64_MAX, 0}},
    {14, CKPT_COMPLEX64, ALWAYS, {ONNX_TENSOR_FLOATS, 4, 0, 0, 0}},
    {15, CKPT_COMPLEX128, ALWAYS, {ONNX_TENSOR_DOUBLES, 8, 0, 0, 0}},
    {16, CKPT_BFLOAT16, ALWAYS, BITS16},
    {17, CKPT_FLOAT8_E4M3FN, 9, 19, BITS8},
    {18, CKPT_FLOAT8_E4M3FNUZ, 9, 19, BITS8},
    {19, CKPT_FLOAT8_E5M2, 9, 19, BITS8},
    {20, CKPT_FLOAT8_E5M2FNUZ, 9, 19, BITS8},
    {21, CKPT_UINT4, 10, 21, PACKED},
    {22, CKPT_INT4, 10, 21, PACKED},
    {23, CKPT_FLOAT4_E2M1, 11, 23, PACKED},
    {24, CKPT_FLOAT8_E8M0FNU, 12, 24, BITS8},
    {25, CKPT_UINT2, 13, 25, PACKED},
    {26, CKPT_INT2, 13, 25, PACKED},
    {27, CKPT_FLOAT6_E2M3, 14, 28, {INT32S, 1, 0, 63, 6}},
    {28, CKPT_FLOAT6_E3M2, 14, 28, {INT32S, 1, 0, 63, 6}},
};

#define TYPE_COUNT (sizeof types / sizeof *types)

const struct onnx_type *
onnx_type_of_code(uint64_t code)
{
    size_t i;

    for (i = 0; i < TYPE_COUNT; i++)
        if (types[i].code == code)
            return &types[i];
    return NULL;
}

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
