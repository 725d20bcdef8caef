/* SPDX-License-Identifier: MIT
 *
 * Sums and products that cannot wrap. Each returns true and writes the
 * result, or returns false and writes nothing.
 */
#ifndef SDK_CHECKED_H
#define SDK_CHECKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline bool
sdk_add_u64(uint64_t a, uint64_t b, uint64_t *sum)
{
    uint64_t result;

    if (__builtin_add_overflow(a, b, &result))
        return false;
    *sum = result;
    return true;
}

static inline bool
sdk_mul_u64(uint64_t a, uint64_t b, uint64_t *product)
{
    uint64_t result;

    if (__builtin_mul_overflow(a, b, &result))
        return false;
    *product = result;
    return true;
}

static inline bool
sdk_mul_size(size_t a, size_t b, size_t *product)
{
    size_t result;

    if (__builtin_mul_overflow(a, b, &result))
        return false;
    *product = result;
    return true;
}

/* Whether [offset, offset + size) lies within [0, total). */
static inline bool
sdk_within(uint64_t offset, uint64_t size, uint64_t total)
{
    return offset <= total && size <= total - offset;
}

#endif
