/* SPDX-License-Identifier: MIT
 *
 * A block at a time goes through one of four lanes, wide enough for it to be
 * exact: elements are decoded into the lane of their type, moved to the lane
 * of the target, and encoded. The common pairs of floats go straight.
 */
#include "cast.h"

#include <math.h>
#include <string.h>

#include "cast_fast.h"
#include "cast_small.h"

#define BLOCK 256

enum lane { LANE_NONE = 0, LANE_FLOAT, LANE_DOUBLE, LANE_INT, LANE_UINT };

union block {
    float floats[BLOCK];
    double doubles[BLOCK];
    int64_t ints[BLOCK];
    uint64_t uints[BLOCK];
};

static enum lane
lane_of(uint32_t dtype)
{
    switch (dtype) {
    case CKPT_FLOAT32:
    case CKPT_BFLOAT16:
    case CKPT_FLOAT8_E8M0FNU:
        return LANE_FLOAT;
    case CKPT_FLOAT64:
        return LANE_DOUBLE;
    case CKPT_BOOL:
    case CKPT_UINT8:
    case CKPT_INT8:
    case CKPT_UINT16:
    case CKPT_INT16:
    case CKPT_UINT32:
    case CKPT_INT32:
    case CKPT_INT64:
        return LANE_INT;
    case CKPT_UINT64:
        return LANE_UINT;
    }
    return sdk_small_of(dtype) != NULL ? LANE_FLOAT : LANE_NONE;
}

/* The type of the two parts of a complex type, or the type itself. */
static uint32_t
part_of(uint32_t dtype)
{
    return dtype == CKPT_COMPLEX32    ? CKPT_FLOAT16
           : dtype == CKPT_COMPLEX64  ? CKPT_FLOAT32
           : dtype == CKPT_COMPLEX128 ? CKPT_FLOAT64
                                      : dtype;
}

bool
sdk_cast_known(uint32_t from, uint32_t to)
{
    bool both = (part_of(from) == from) == (part_of(to) == to);

    return both && lane_of(part_of(from)) != LANE_NONE &&
           lane_of(part_of(to)) != LANE_NONE;
}

/* ---- Decoding ---- */

#define DECODE(type, lane)                                           \
    do {                                                             \
        type value;                                                  \
        for (i = 0; i < count; i++) {                                \
            memcpy(&value, source + i * sizeof value, sizeof value); \
            block->lane[i] = value;                                  \
        }                                                            \
    } while (0)

static float
float_of(uint32_t bits)
{
    float value;

    memcpy(&value, &bits, sizeof value);
    return value;
}

static void
decode_small(uint32_t from, const unsigned char *source, size_t count,
             union block *block)
{
    const struct sdk_small *small = sdk_small_of(from);
    uint16_t code;
    size_t i;

    for (i = 0; i < count; i++) {
        if (from == CKPT_FLOAT16 || from == CKPT_BFLOAT16)
            memcpy(&code, source + 2 * i, 2);
        else
            code = source[i];
        if (from == CKPT_BFLOAT16)
            block->floats[i] = float_of((uint32_t)code << 16);
        else if (from == CKPT_FLOAT8_E8M0FNU)
            block->floats[i] = float_of(sdk_scale_decode((uint8_t)code));
        else
            block->floats[i] = float_of(sdk_small_decode(small, code));
    }
}

static void
decode(uint32_t from, const unsigned char *source, size_t count,
       union block *block)
{
    size_t i;

    switch (from) {
    case CKPT_FLOAT32:
        memcpy(block->floats, source, count * sizeof(float));
        return;
    case CKPT_FLOAT64:
        memcpy(block->doubles, source, count * sizeof(double));
        return;
    case CKPT_UINT64:
    case CKPT_INT64:
        memcpy(block->ints, source, count * sizeof(int64_t));
        return;
    case CKPT_BOOL:
        for (i = 0; i < count; i++)
            block->ints[i] = source[i] != 0;
        return;
    case CKPT_UINT8:
        DECODE(uint8_t, ints);
        return;
    case CKPT_INT8:
        DECODE(int8_t, ints);
        return;
    case CKPT_UINT16:
        DECODE(uint16_t, ints);
        return;
    case CKPT_INT16:
        DECODE(int16_t, ints);
        return;
    case CKPT_UINT32:
        DECODE(uint32_t, ints);
        return;
    case CKPT_INT32:
        DECODE(int32_t, ints);
        return;
    }
    decode_small(from, source, count, block);
}

/* ---- From lane to lane; a block is rewritten in its place ---- */

static void
to_floats(enum lane lane, union block *block, size_t count,
          struct sdk_cast_tally *tally)
{
    double wide;
    size_t i;

    for (i = 0; i < count && lane == LANE_DOUBLE; i++) {
        wide = block->doubles[i];
        block->floats[i] = (float)wide;
        tally->overflow_count += isinf(block->floats[i]) && !isinf(wide);
    }
    for (i = 0; i < count && lane == LANE_INT; i++)
        block->floats[i] = (float)block->ints[i];
    for (i = 0; i < count && lane == LANE_UINT; i++)
        block->floats[i] = (float)block->uints[i];
}

static void
to_doubles(enum lane lane, union block *block, size_t count)
{
    size_t i;

    /* A float is narrower than what it becomes: from the end. */
    for (i = count; i-- > 0 && lane == LANE_FLOAT;)
        block->doubles[i] = block->floats[i];
    for (i = 0; i < count && lane == LANE_INT; i++)
        block->doubles[i] = (double)block->ints[i];
    for (i = 0; i < count && lane == LANE_UINT; i++)
        block->doubles[i] = (double)block->uints[i];
}

/* What an integer type can hold of floats. */
struct range {
    double least, beyond; /* least <= cut value < beyond */
    uint32_t width_bits;  /* of the register that x86-64 converts to */
    bool upper_half;      /* uint64 alone: the half that int64 has not */
};

static struct range
range_of(uint32_t dtype)
{
    switch (dtype) {
    case CKPT_UINT8:
        return (struct range){0, 0x1p8, 32, false};
    case CKPT_INT8:
        return (struct range){-0x1p7, 0x1p7, 32, false};
    case CKPT_UINT16:
        return (struct range){0, 0x1p16, 32, false};
    case CKPT_INT16:
        return (struct range){-0x1p15, 0x1p15, 32, false};
    case CKPT_UINT32:
        return (struct range){0, 0x1p32, 64, false};
    case CKPT_INT32:
        return (struct range){-0x1p31, 0x1p31, 32, false};
    case CKPT_UINT64:
        return (struct range){0, 0x1p64, 64, true};
    default:
        return (struct range){-0x1p63, 0x1p63, 64, false};
    }
}

/* Beyond the register is the least number that it holds. */
static int64_t
cut(double value, const struct range *range)
{
    if (range->upper_half && value >= 0x1p63 && value < 0x1p64)
        return (int64_t)(uint64_t)value;
    if (range->width_bits == 32)
        return value > -0x1p31 - 1 && value < 0x1p31 ? (int64_t)value
                                                     : INT32_MIN;
    return value >= -0x1p63 && value < 0x1p63 ? (int64_t)value : INT64_MIN;
}

static void
to_ints(uint32_t to, enum lane lane, union block *block, size_t count,
        struct sdk_cast_tally *tally)
{
    struct range range = range_of(to);
    double value;
    size_t i;

    if (lane == LANE_FLOAT)
        to_doubles(lane, block, count);
    if (lane != LANE_FLOAT && lane != LANE_DOUBLE)
        return;
    for (i = 0; i < count; i++) {
        value = block->doubles[i];
        tally->overflow_count +=
            !(trunc(value) >= range.least && value < range.beyond);
        block->ints[i] = cut(value, &range);
    }
}

/* ---- Encoding ---- */

/* Integers go back to 64 bits to see whether they are still what they were. */
#define ENCODE(type)                                                 \
    do {                                                             \
        type value;                                                  \
        for (i = 0; i < count; i++) {                                \
            value = (type)block->uints[i];                           \
            changed += (uint64_t)value != block->uints[i];           \
            memcpy(target + i * sizeof value, &value, sizeof value); \
        }                                                            \
    } while (0)

/* How many of the 64-bit numbers another type did not hold. */
static uint64_t
encode_ints(uint32_t to, const union block *block, unsigned char *target,
            size_t count)
{
    uint64_t changed = 0;
    size_t i;

    switch (to) {
    case CKPT_UINT8:
        ENCODE(uint8_t);
        break;
    case CKPT_INT8:
        ENCODE(int8_t);
        break;
    case CKPT_UINT16:
        ENCODE(uint16_t);
        break;
    case CKPT_INT16:
        ENCODE(int16_t);
        break;
    case CKPT_UINT32:
        ENCODE(uint32_t);
        break;
    case CKPT_INT32:
        ENCODE(int32_t);
        break;
    default:
        memcpy(target, block->uints, count * sizeof *block->uints);
        break;
    }
    return changed;
}

/* Numbers whose bits fit, but whose sign the other type reads otherwise. */
static uint64_t
signs_lost(enum lane lane, uint32_t to, const union block *block, size_t count)
{
    int64_t least = (int64_t)range_of(to).least;
    uint64_t lost = 0;
    size_t i;

    if ((lane == LANE_UINT) == (to == CKPT_UINT64))
        return 0;
    for (i = 0; i < count; i++)
        lost += block->ints[i] < 0 &&
                (to == CKPT_UINT64 || block->ints[i] >= least);
    return lost;
}

static void
encode_bools(enum lane lane, const union block *block, unsigned char *target,
             size_t count)
{
    size_t i;

    for (i = 0; i < count; i++)
        target[i] = lane == LANE_FLOAT    ? block->floats[i] != 0
                    : lane == LANE_DOUBLE ? block->doubles[i] != 0
                                          : block->ints[i] != 0;
}

static uint16_t
encode_bfloat16(uint32_t bits, uint16_t nan, uint64_t *overflow_count)
{
    uint32_t magnitude = bits & UINT32_C(0x7fffffff);
    uint32_t code = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;

    if (magnitude > UINT32_C(0x7f800000))
        return nan;
    *overflow_count +=
        magnitude < UINT32_C(0x7f800000) && (code & 0x7fff) == 0x7f80;
    return (uint16_t)code;
}

static void
encode_floats(uint32_t from, uint32_t to, const union block *block,
              unsigned char *target, size_t count, struct sdk_cast_tally *tally)
{
    /* torch has two NaNs for bfloat16, by what it is cast from. */
    bool wide = from == CKPT_FLOAT32 || from == CKPT_FLOAT64;
    uint16_t nan = wide ? 0xffff : 0x7fc0;
    const struct sdk_small *small = sdk_small_of(to);
    uint64_t *overflow = &tally->overflow_count;
    uint32_t bits;
    uint16_t code;
    size_t i;

    if (to == CKPT_FLOAT32) {
        memcpy(target, block->floats, count * sizeof(float));
        return;
    }
    for (i = 0; i < count; i++) {
        memcpy(&bits, &block->floats[i], sizeof bits);
        if (to == CKPT_FLOAT8_E8M0FNU)
            code = sdk_scale_encode(bits, overflow);
        else if (to == CKPT_BFLOAT16)
            code = encode_bfloat16(bits, nan, overflow);
        else
            code = sdk_small_encode(small, bits, overflow);
        if (to == CKPT_FLOAT16 || to == CKPT_BFLOAT16)
            memcpy(target + 2 * i, &code, 2);
        else
            target[i] = (unsigned char)code;
    }
}

static void
cast_block(uint32_t from, uint32_t to, const unsigned char *source,
           unsigned char *target, size_t count, struct sdk_cast_tally *tally)
{
    enum lane lane = lane_of(from);
    union block block;

    decode(from, source, count, &block);
    if (to == CKPT_BOOL) {
        encode_bools(lane, &block, target, count);
        return;
    }
    switch (lane_of(to)) {
    case LANE_FLOAT:
        to_floats(lane, &block, count, tally);
        encode_floats(from, to, &block, target, count, tally);
        return;
    case LANE_DOUBLE:
        to_doubles(lane, &block, count);
        memcpy(target, block.doubles, count * sizeof(double));
        return;
    default:
        break;
    }
    if (lane == LANE_FLOAT || lane == LANE_DOUBLE) {
        to_ints(to, lane, &block, count, tally);
        encode_ints(to, &block, target, count);
        return;
    }
    tally->overflow_count += signs_lost(lane, to, &block, count);
    tally->overflow_count += encode_ints(to, &block, target, count);
}

void
sdk_cast(uint32_t from, uint32_t to, const void *source, void *target,
         size_t count, struct sdk_cast_tally *tally)
{
    const unsigned char *at = source;
    unsigned char *end = target;
    size_t part, from_bytes, to_bytes;

    if (from == to) {
        memcpy(target, source, count * (ckpt_dtype_width_bits(to) / 8));
        return;
    }
    if (part_of(from) != from)
        count *= 2;
    from = part_of(from);
    to = part_of(to);
    from_bytes = ckpt_dtype_width_bits(from) / 8;
    to_bytes = ckpt_dtype_width_bits(to) / 8;
    while (count > 0) {
        part = sdk_cast_fast(from, to, at, end, count);
        if (part == 0) {
            part = count < BLOCK ? count : BLOCK;
            cast_block(from, to, at, end, part, tally);
        }
        at += part * from_bytes;
        end += part * to_bytes;
        count -= part;
    }
}

/* ---- Below a byte ---- */

/* The type of whole bytes that holds all that is in the other. */
static uint32_t
unpacked_of(uint32_t dtype)
{
    switch (dtype) {
    case CKPT_INT4:
    case CKPT_INT2:
        return CKPT_INT8;
    case CKPT_UINT4:
    case CKPT_UINT2:
        return CKPT_UINT8;
    case CKPT_FLOAT4_E2M1:
        return CKPT_FLOAT32;
    }
    return CKPT_DTYPE_NONE;
}

bool
sdk_cast_unpacks(uint32_t from, uint32_t to)
{
    uint32_t whole = unpacked_of(from);

    return whole != CKPT_DTYPE_NONE && sdk_cast_known(whole, to);
}

static void
unpack(uint32_t from, const unsigned char *source, size_t count,
       union block *block)
{
    uint32_t width = ckpt_dtype_width_bits(from);
    uint32_t mask = (1U << width) - 1, sign = 0, code;
    unsigned char *bytes = (unsigned char *)block;
    size_t i, bit;

    if (from == CKPT_INT4 || from == CKPT_INT2)
        sign = 1U << (width - 1);
    for (i = 0; i < count; i++) {
        bit = i * width;
        code = source[bit / 8] >> bit % 8 & mask;
        if (from == CKPT_FLOAT4_E2M1)
            block->floats[i] = float_of(sdk_float4_decode((uint8_t)code));
        else
            bytes[i] = (unsigned char)((code ^ sign) - sign);
    }
}

void
sdk_cast_unpacked(uint32_t from, uint32_t to, const void *source, void *target,
                  size_t count, struct sdk_cast_tally *tally)
{
    size_t part, to_bytes = ckpt_dtype_width_bits(to) / 8;
    uint32_t width = ckpt_dtype_width_bits(from);
    const unsigned char *at = source;
    unsigned char *end = target;
    union block block;

    while (count > 0) {
        part = count < BLOCK ? count : BLOCK;
        unpack(from, at, part, &block);
        sdk_cast(unpacked_of(from), to, &block, end, part, tally);
        at += part * width / 8;
        end += part * to_bytes;
        count -= part;
    }
}
