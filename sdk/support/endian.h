/* SPDX-License-Identifier: MIT
 *
 * Loads and stores of integers at any address, in a stated byte order.
 */
#ifndef SDK_ENDIAN_H
#define SDK_ENDIAN_H

#include <stdint.h>
#include <string.h>

static inline uint16_t
sdk_load_le16(const void *from)
{
    const unsigned char *p = from;

    return (uint16_t)(p[0] | p[1] << 8);
}

static inline uint32_t
sdk_load_le32(const void *from)
{
    const unsigned char *p = from;

    return (uint32_t)sdk_load_le16(p) | (uint32_t)sdk_load_le16(p + 2) << 16;
}

static inline uint64_t
sdk_load_le64(const void *from)
{
    const unsigned char *p = from;

    return (uint64_t)sdk_load_le32(p) | (uint64_t)sdk_load_le32(p + 4) << 32;
}

static inline uint64_t
sdk_load_be64(const void *from)
{
    return __builtin_bswap64(sdk_load_le64(from));
}

static inline void
sdk_store_le16(void *to, uint16_t value)
{
    unsigned char *p = to;

    p[0] = (unsigned char)value;
    p[1] = (unsigned char)(value >> 8);
}

static inline void
sdk_store_le32(void *to, uint32_t value)
{
    unsigned char *p = to;

    sdk_store_le16(p, (uint16_t)value);
    sdk_store_le16(p + 2, (uint16_t)(value >> 16));
}

static inline void
sdk_store_le64(void *to, uint64_t value)
{
    unsigned char *p = to;

    sdk_store_le32(p, (uint32_t)value);
    sdk_store_le32(p + 4, (uint32_t)(value >> 32));
}

static inline void
sdk_store_be64(void *to, uint64_t value)
{
    sdk_store_le64(to, __builtin_bswap64(value));
}

#endif
