/* SPDX-License-Identifier: MIT
 *
 * Element types into one another, with the bits that torch's own casts on
 * x86-64 give: floats are rounded to nearest, ties to even, doubles and wide
 * integers through float32 where the target is narrower; floats become
 * integers by cutting their fraction; integers wrap; what is not zero is true.
 * Of floats beyond an integer type C says nothing, and torch gives now this,
 * now that: here it is what the processor's conversion gives, cut to width.
 */
#ifndef SDK_CAST_H
#define SDK_CAST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ckpt/dtype.h"

/* What did not fit: finite numbers that became infinite, not a number or the
 * largest of the type, integers that wrapped, floats beyond an integer type,
 * NaN among them. A fraction that is cut or rounded is no overflow. */
struct sdk_cast_tally {
    uint64_t overflow_count;
};

/* Whether there is a cast: between the types of bool, integers and floats of
 * whole bytes, and between complex ones. */
bool sdk_cast_known(uint32_t from, uint32_t to);

/* Whether elements below a byte can be cast to another type, which they then
 * are by sdk_cast_unpacked: integers of 4 and 2 bits, and float4_e2m1. */
bool sdk_cast_unpacks(uint32_t from, uint32_t to);

/* Casts `count` elements that are packed, the first in the low bits of the
 * first byte. */
void sdk_cast_unpacked(uint32_t from, uint32_t to, const void *source,
                       void *target, size_t count,
                       struct sdk_cast_tally *tally);

/* Casts `count` elements, little-endian, at any address; the two do not
 * overlap. The cast must be known. Adds to the tally. */
void sdk_cast(uint32_t from, uint32_t to, const void *source, void *target,
              size_t count, struct sdk_cast_tally *tally);

#endif
