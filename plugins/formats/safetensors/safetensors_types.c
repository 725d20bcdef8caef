/* SPDX-License-Identifier: MIT
 *
 * The table of element types; see the header.
 */
#include "safetensors_types.h"

const struct safetensors_type safetensors_types[SAFETENSORS_TYPE_COUNT] = {
    {"BOOL", CKPT_BOOL, 8},
    {"F4", CKPT_FLOAT4_E2M1, 4},
    {"F6_E2M3", CKPT_FLOAT6_E2M3, 6},
    {"F6_E3M2", CKPT_FLOAT6_E3M2, 6},
    {"U8", CKPT_UINT8, 8},
    {"I8", CKPT_INT8, 8},
    {"F8_E5M2", CKPT_FLOAT8_E5M2, 8},
    {"F8_E4M3", CKPT_FLOAT8_E4M3FN, 8},
    {"F8_E8M0", CKPT_FLOAT8_E8M0FNU, 8},
    {"F8_E4M3FNUZ", CKPT_FLOAT8_E4M3FNUZ, 8},
    {"F8_E5M2FNUZ", CKPT_FLOAT8_E5M2FNUZ, 8},
    {"I16", CKPT_INT16, 16},
    {"U16", CKPT_UINT16, 16},
    {"F16", CKPT_FLOAT16, 16},
    {"BF16", CKPT_BFLOAT16, 16},
    {"I32", CKPT_INT32, 32},
    {"U32", CKPT_UINT32, 32},
    {"F32", CKPT_FLOAT32, 32},
    {"C64", CKPT_COMPLEX64, 64},
    {"F64", CKPT_FLOAT64, 64},
    {"I64", CKPT_INT64, 64},
    {"U64", CKPT_UINT64, 64},
};

unsigned
safetensors_type_of(uint32_t dtype)
{
    unsigned i;

    if (dtype == CKPT_FLOAT4_E2M1FN_X2)
        return SAFETENSORS_F4;
    for (i = 0; i < SAFETENSORS_TYPE_COUNT; i++)
        if (safetensors_types[i].dtype == dtype)
            break;
    return i;
}
