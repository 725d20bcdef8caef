/* SPDX-License-Identifier: MIT
 *
 * Element types: the names are torch's, the numbers are part of the ABI and
 * never change, new types are added at the end.
 *
 * A tensor of n elements of w bits takes (n * w + 7) / 8 bytes. Types below
 * a byte pack the first element into the lowest bits. `word` is the unit of
 * byte order in bytes: a complex number is two words.
 */
#ifndef CKPT_DTYPE_H
#define CKPT_DTYPE_H

#include <stdint.h>
#include <string.h>

/* X(constant, number, name, width in bits, word in bytes) */
#define CKPT_DTYPES(X)                                \
    X(BOOL, 1, "bool", 8, 1)                          \
    X(UINT8, 2, "uint8", 8, 1)                        \
    X(INT8, 3, "int8", 8, 1)                          \
    X(UINT16, 4, "uint16", 16, 2)                     \
    X(INT16, 5, "int16", 16, 2)                       \
    X(UINT32, 6, "uint32", 32, 4)                     \
    X(INT32, 7, "int32", 32, 4)                       \
    X(UINT64, 8, "uint64", 64, 8)                     \
    X(INT64, 9, "int64", 64, 8)                       \
    X(FLOAT16, 10, "float16", 16, 2)                  \
    X(BFLOAT16, 11, "bfloat16", 16, 2)                \
    X(FLOAT32, 12, "float32", 32, 4)                  \
    X(FLOAT64, 13, "float64", 64, 8)                  \
    X(COMPLEX32, 14, "complex32", 32, 2)              \
    X(COMPLEX64, 15, "complex64", 64, 4)              \
    X(COMPLEX128, 16, "complex128", 128, 8)           \
    X(FLOAT8_E4M3FN, 17, "float8_e4m3fn", 8, 1)       \
    X(FLOAT8_E5M2, 18, "float8_e5m2", 8, 1)           \
    X(FLOAT8_E4M3FNUZ, 19, "float8_e4m3fnuz", 8, 1)   \
    X(FLOAT8_E5M2FNUZ, 20, "float8_e5m2fnuz", 8, 1)   \
    X(FLOAT8_E8M0FNU, 21, "float8_e8m0fnu", 8, 1)     \
    X(FLOAT4_E2M1FN_X2, 22, "float4_e2m1fn_x2", 8, 1) \
    X(FLOAT4_E2M1, 23, "float4_e2m1", 4, 1)           \
    X(FLOAT6_E2M3, 24, "float6_e2m3", 6, 1)           \
    X(FLOAT6_E3M2, 25, "float6_e3m2", 6, 1)           \
    X(QINT8, 26, "qint8", 8, 1)                       \
    X(QUINT8, 27, "quint8", 8, 1)                     \
    X(QINT32, 28, "qint32", 32, 4)                    \
    X(QUINT4X2, 29, "quint4x2", 4, 1)                 \
    X(QUINT2X4, 30, "quint2x4", 2, 1)                 \
    X(BITS8, 31, "bits8", 8, 1)                       \
    X(BITS16, 32, "bits16", 16, 2)                    \
    X(BITS1X8, 33, "bits1x8", 8, 1)                   \
    X(BITS2X4, 34, "bits2x4", 8, 1)                   \
    X(BITS4X2, 35, "bits4x2", 8, 1)                   \
    X(UINT4, 36, "uint4", 4, 1)                       \
    X(INT4, 37, "int4", 4, 1)                         \
    X(UINT2, 38, "uint2", 2, 1)                       \
    X(INT2, 39, "int2", 2, 1)

enum ckpt_dtype {
    CKPT_DTYPE_NONE = 0,
#define CKPT_X(constant, number, name, width, word) CKPT_##constant = number,
    CKPT_DTYPES(CKPT_X)
#undef CKPT_X
        CKPT_DTYPE_COUNT = 40 /* one past the last; grows */
};

/* The bit of a dtype in a set of dtypes, as a writer declares it. */
#define CKPT_DTYPE_BIT(dtype) (UINT64_C(1) << (dtype))

/* The torch name, or NULL for a number that is no dtype. */
static inline const char *
ckpt_dtype_name(uint32_t dtype)
{
    switch (dtype) {
#define CKPT_X(constant, number, name, width, word) \
    case number:                                    \
        return name;
        CKPT_DTYPES(CKPT_X)
#undef CKPT_X
    }
    return NULL;
}

/* Width of one element in bits; 0 for a number that is no dtype. */
static inline uint32_t
ckpt_dtype_width_bits(uint32_t dtype)
{
    switch (dtype) {
#define CKPT_X(constant, number, name, width, word) \
    case number:                                    \
        return width;
        CKPT_DTYPES(CKPT_X)
#undef CKPT_X
    }
    return 0;
}

/* Unit of byte order in bytes; 0 for a number that is no dtype. */
static inline uint32_t
ckpt_dtype_word_bytes(uint32_t dtype)
{
    switch (dtype) {
#define CKPT_X(constant, number, name, width, word) \
    case number:                                    \
        return word;
        CKPT_DTYPES(CKPT_X)
#undef CKPT_X
    }
    return 0;
}

/* The dtype of a torch name, or CKPT_DTYPE_NONE. */
static inline uint32_t
ckpt_dtype_from_name(const char *name)
{
    uint32_t dtype;

    for (dtype = 1; dtype < CKPT_DTYPE_COUNT; dtype++)
        if (strcmp(ckpt_dtype_name(dtype), name) == 0)
            return dtype;
    return CKPT_DTYPE_NONE;
}

#endif
