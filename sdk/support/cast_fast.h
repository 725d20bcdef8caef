/* SPDX-License-Identifier: MIT
 *
 * The casts that models are full of, eight elements at a time where the
 * processor can: between float32 and both floats of 16 bits.
 */
#ifndef SDK_CAST_FAST_H
#define SDK_CAST_FAST_H

#include <stddef.h>
#include <stdint.h>

/* Casts from the front what is ordinary: up to the first eight elements among
 * which one might not fit. How many were cast; 0 if the pair of types, the
 * processor or what comes next is not for it. */
size_t sdk_cast_fast(uint32_t from, uint32_t to, const unsigned char *source,
                     unsigned char *target, size_t count);

#endif
