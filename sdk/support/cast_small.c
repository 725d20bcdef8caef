/* SPDX-License-Identifier: MIT
 *
 * Small floats by their parameters.
 */
#include "cast_small.h"

#include <stddef.h>

#include "ckpt/dtype.h"

#define MANTISSA_BITS 23
#define HIDDEN (UINT32_C(1) << MANTISSA_BITS)
#define INFINITY_BITS UINT32_C(0x7f800000)
#define QUIET UINT32_C(0x00400000)
#define BIAS 127
/* What torch makes of the one NaN that some formats have. */
#define TORCH_NAN (INFINITY_BITS | 1)

const struct sdk_small *
sdk_small_of(uint32_t dtype)
{
    static const struct sdk_small half = {10, 15, 15, 0x7bff, 0x7c00, 0, false};
    static const struct sdk_small e5m2 = {2, 7, 15, 0x7b, 0x7c, 0x7f, false};
    /* There is no infinity: torch takes the largest number for it. */
    static const struct sdk_small e4m3fn = {3, 7, 7, 0x7e, 0x7e, 0x7f, false};
    static const struct sdk_small e4m3fnuz = {3, 7, 8, 0x7f, 0x80, 0x80, true};
    static const struct sdk_small e5m2fnuz = {2, 7, 16, 0x7f, 0x80, 0x80, true};

    switch (dtype) {
    case CKPT_FLOAT16:
        return &half;
    case CKPT_FLOAT8_E5M2:
        return &e5m2;
    case CKPT_FLOAT8_E4M3FN:
        return &e4m3fn;
    case CKPT_FLOAT8_E4M3FNUZ:
        return &e4m3fnuz;
    case CKPT_FLOAT8_E5M2FNUZ:
        return &e5m2fnuz;
    }
    return NULL;
}

uint32_t
sdk_float4_decode(uint8_t code)
{
    static const struct sdk_small e2m1 = {1, 3, 1, 7, 7, 0, false};

    return sdk_small_decode(&e2m1, code);
}

static uint16_t
with_sign(const struct sdk_small *small, uint32_t code, uint32_t bits)
{
    if (small->one_zero && (code == 0 || code == small->nan))
        return (uint16_t)code;
    return (uint16_t)(code | (bits >> 31) << small->sign_shift);
}

static uint16_t
encode_nan(const struct sdk_small *small, uint32_t bits)
{
    uint32_t code = small->nan;

    if (code == 0)
        code =
            (uint32_t)small->infinity |
            (bits | QUIET) % HIDDEN >> (MANTISSA_BITS - small->mantissa_bits);
    return with_sign(small, code, bits);
}

/* The code of a finite magnitude, as if there were no largest one. */
static uint32_t
encode_magnitude(const struct sdk_small *small, uint32_t magnitude)
{
    int exponent = (int)(magnitude >> MANTISSA_BITS) - BIAS;
    uint32_t mantissa = magnitude % HIDDEN, code, rest, half;
    unsigned shift = MANTISSA_BITS - small->mantissa_bits;
    int least = 1 - small->bias, above = exponent - least;

    if (magnitude < HIDDEN) /* far below the least of any such format */
        return 0;
    mantissa |= HIDDEN;
    if (above < 0) {
        if (above < -MANTISSA_BITS)
            return 0;
        shift += (unsigned)-above;
        above = 0;
    }
    if (shift > MANTISSA_BITS + 1)
        return 0;
    code = ((uint32_t)above << small->mantissa_bits) + (mantissa >> shift);
    rest = mantissa & ((UINT32_C(1) << shift) - 1);
    half = UINT32_C(1) << (shift - 1);
    return code + (rest > half || (rest == half && code % 2 == 1));
}

uint16_t
sdk_small_encode(const struct sdk_small *small, uint32_t bits,
                 uint64_t *overflow_count)
{
    uint32_t magnitude = bits & ~(UINT32_C(1) << 31), code;

    if (magnitude > INFINITY_BITS)
        return encode_nan(small, bits);
    if (magnitude == INFINITY_BITS)
        return with_sign(small, small->infinity, bits);
    code = encode_magnitude(small, magnitude);
    if (code > small->largest) {
        code = small->infinity;
        ++*overflow_count;
    }
    return with_sign(small, code, bits);
}

/* A number below the least normal one: its leading bit becomes the hidden
 * one. */
static uint32_t
decode_subnormal(const struct sdk_small *small, uint32_t mantissa)
{
    int exponent = BIAS + 1 - small->bias;

    if (mantissa == 0)
        return 0;
    mantissa <<= MANTISSA_BITS - small->mantissa_bits;
    while (mantissa < HIDDEN) {
        mantissa <<= 1;
        exponent--;
    }
    return ((uint32_t)exponent << MANTISSA_BITS) + mantissa - HIDDEN;
}

uint32_t
sdk_small_decode(const struct sdk_small *small, uint16_t code)
{
    uint32_t sign = (uint32_t)(code >> small->sign_shift) << 31;
    uint32_t magnitude = code & ((UINT32_C(1) << small->sign_shift) - 1);
    unsigned shift = MANTISSA_BITS - small->mantissa_bits;
    uint32_t exponent = magnitude >> small->mantissa_bits;

    if (small->one_zero && code == small->nan)
        return TORCH_NAN;
    if (magnitude > small->largest) {
        if (magnitude == small->infinity)
            return sign | INFINITY_BITS;
        return sign | INFINITY_BITS | QUIET | (magnitude << shift) % HIDDEN;
    }
    if (exponent == 0)
        return sign | decode_subnormal(small, magnitude);
    return sign | ((magnitude << shift) +
                   ((uint32_t)(BIAS - small->bias) << MANTISSA_BITS));
}

uint8_t
sdk_scale_encode(uint32_t bits, uint64_t *overflow_count)
{
    uint32_t exponent = bits >> MANTISSA_BITS & 0xff;

    if (exponent == 0xff)
        return 0xff;
    /* Up from a half, but for the least, where a half is even. */
    if ((bits & QUIET) != 0 && (exponent > 0 || bits % QUIET != 0))
        exponent++;
    *overflow_count += exponent == 0xff;
    return (uint8_t)exponent;
}

uint32_t
sdk_scale_decode(uint8_t code)
{
    if (code == 0xff)
        return TORCH_NAN;
    return code == 0 ? QUIET : (uint32_t)code << MANTISSA_BITS;
}
