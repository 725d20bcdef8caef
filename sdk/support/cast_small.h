/* SPDX-License-Identifier: MIT
 *
 * Floats of 4, 8 and 16 bits, to and from float32.
 */
#ifndef SDK_CAST_SMALL_H
#define SDK_CAST_SMALL_H

#include <stdbool.h>
#include <stdint.h>

/* A format with a sign, exponent_bits and mantissa_bits. */
struct sdk_small {
    uint8_t mantissa_bits;
    uint8_t sign_shift;
    int bias;
    uint16_t largest;  /* the code of the largest finite number */
    uint16_t infinity; /* what numbers beyond it become */
    uint16_t nan;      /* 0: the top of the payload is kept, as in float16 */
    bool one_zero;     /* no negative zero: its code is the only NaN */
};

/* The format of a dtype, or NULL. */
const struct sdk_small *sdk_small_of(uint32_t dtype);

/* The code of a float32, given by its bits; counts a finite number that does
 * not fit. */
uint16_t sdk_small_encode(const struct sdk_small *small, uint32_t bits,
                          uint64_t *overflow_count);

/* The bits of the float32 of a code. */
uint32_t sdk_small_decode(const struct sdk_small *small, uint16_t code);

/* float4_e2m1, which has neither infinity nor NaN. */
uint32_t sdk_float4_decode(uint8_t code);

/* float8_e8m0fnu: powers of two, no sign, no zero. */
uint8_t sdk_scale_encode(uint32_t bits, uint64_t *overflow_count);
uint32_t sdk_scale_decode(uint8_t code);

#endif
