/* SPDX-License-Identifier: MIT
 *
 * Floats are compared as doubles, whatever they are; integers exactly, if they
 * are such on both sides; complex numbers by the length of their difference.
 * What is no number is only the same or not.
 */
#include "hub/run/diff_values.h"

#include <math.h>
#include <string.h>

#include "cast.h"

#define BLOCK 512 /* elements that are decoded at a time */

enum values_class { VALUES_BITS, VALUES_WHOLE, VALUES_REAL, VALUES_COMPLEX };

/* The type whose cast takes the number out of the stored one. */
static uint32_t
values_plain(uint32_t dtype)
{
    switch (dtype) {
    case CKPT_QINT8:
        return CKPT_INT8;
    case CKPT_QUINT8:
    case CKPT_BITS8:
        return CKPT_UINT8;
    case CKPT_QINT32:
        return CKPT_INT32;
    case CKPT_BITS16:
        return CKPT_UINT16;
    default:
        return dtype;
    }
}

static enum values_class
values_class(uint32_t dtype)
{
    uint32_t plain = values_plain(dtype);

    if (plain >= CKPT_BOOL && plain <= CKPT_INT64)
        return VALUES_WHOLE;
    if (sdk_cast_known(plain, CKPT_COMPLEX128))
        return VALUES_COMPLEX;
    return sdk_cast_known(plain, CKPT_FLOAT64) ? VALUES_REAL : VALUES_BITS;
}

bool
hub_values_measured(uint32_t first, uint32_t second)
{
    enum values_class a = values_class(first), b = values_class(second);

    if (a == VALUES_BITS || b == VALUES_BITS)
        return false;
    return (a == VALUES_COMPLEX) == (b == VALUES_COMPLEX);
}

/* Of a difference that is not NaN; `size` is the larger of both. */
static bool
values_count(struct hub_values *values, double absolute, double size)
{
    double relative = isinf(absolute) ? absolute : absolute / size;

    if (absolute > values->absolute)
        values->absolute = absolute;
    if (relative > values->relative)
        values->relative = relative;
    if (!isinf(absolute) &&
        absolute <= values->absolute_most + values->relative_most * size)
        return false;
    values->element_count++;
    return true;
}

static bool
values_count_nan(struct hub_values *values)
{
    values->nan_count++;
    values->element_count++;
    return true;
}

/* The same bits; or NaN on both sides, where the bits cannot be the same. */
static bool
values_same(const struct hub_values *values, const double *a, const double *b,
            size_t words)
{
    size_t i;

    for (i = 0; i < words; i++)
        if (memcmp(a + i, b + i, sizeof *a) != 0 && a[i] != b[i] &&
            !(isnan(a[i]) && isnan(b[i]) &&
              values->first_dtype != values->second_dtype))
            return false;
    return true;
}

bool
hub_values_differ(struct hub_values *values, double a, double b)
{
    if (values_same(values, &a, &b, 1))
        return false;
    if (isnan(a) || isnan(b))
        return values_count_nan(values);
    return values_count(values, fabs(a - b), fmax(fabs(a), fabs(b)));
}

static void
values_complex(struct hub_values *values, const double *a, const double *b)
{
    double re = a[0] - b[0], im = a[1] - b[1];

    if (values_same(values, a, b, 2))
        return;
    if (isnan(a[0]) || isnan(a[1]) || isnan(b[0]) || isnan(b[1])) {
        values_count_nan(values);
        return;
    }
    /* The same infinity has no distance. */
    re = a[0] == b[0] ? 0 : re;
    im = a[1] == b[1] ? 0 : im;
    values_count(values, hypot(re, im),
                 fmax(hypot(a[0], a[1]), hypot(b[0], b[1])));
}

/* A number of up to 64 bits with its sign apart. */
static uint64_t
values_magnitude(uint32_t dtype, uint64_t bits, bool *negative)
{
    *negative = dtype != CKPT_UINT64 && bits >> 63 != 0;
    return *negative ? ~bits + 1 : bits;
}

static void
values_whole(struct hub_values *values, uint64_t first, uint64_t second)
{
    bool a_below, b_below;
    uint64_t a = values_magnitude(values->first_dtype, first, &a_below);
    uint64_t b = values_magnitude(values->second_dtype, second, &b_below);
    double size = (double)(a > b ? a : b);

    if (a == b && a_below == b_below)
        return;
    if (a_below != b_below)
        values_count(values, (double)a + (double)b, size);
    else
        values_count(values, (double)(a > b ? a - b : b - a), size);
}

static void
values_block(struct hub_values *values, const unsigned char *first,
             const unsigned char *second, size_t count)
{
    uint32_t from[2] = {values_plain(values->first_dtype),
                        values_plain(values->second_dtype)};
    bool whole = values_class(from[0]) == VALUES_WHOLE &&
                 values_class(from[1]) == VALUES_WHOLE;
    bool complex = values_class(from[0]) == VALUES_COMPLEX;
    uint32_t to[2] = {CKPT_FLOAT64, CKPT_FLOAT64};
    struct sdk_cast_tally tally = {0};
    union {
        double real[2 * BLOCK];
        uint64_t whole[BLOCK];
    } a, b;
    size_t i;

    for (i = 0; i < 2; i++) {
        if (complex)
            to[i] = CKPT_COMPLEX128;
        else if (whole)
            to[i] = from[i] == CKPT_UINT64 ? CKPT_UINT64 : CKPT_INT64;
    }
    sdk_cast(from[0], to[0], first, &a, count, &tally);
    sdk_cast(from[1], to[1], second, &b, count, &tally);
    for (i = 0; i < count; i++) {
        if (whole)
            values_whole(values, a.whole[i], b.whole[i]);
        else if (complex)
            values_complex(values, a.real + 2 * i, b.real + 2 * i);
        else
            hub_values_differ(values, a.real[i], b.real[i]);
    }
}

/* Elements of any width, of which only the bits are known. */
static void
values_bits(struct hub_values *values, const unsigned char *first,
            const unsigned char *second, size_t count)
{
    uint32_t width = ckpt_dtype_width_bits(values->first_dtype);
    size_t i, bit;

    for (i = 0; i < count; i++)
        for (bit = i * width; bit < (i + 1) * width; bit++)
            if (((first[bit / 8] ^ second[bit / 8]) >> bit % 8 & 1) != 0) {
                values->element_count++;
                break;
            }
}

void
hub_values_compare(struct hub_values *values, const unsigned char *first,
                   const unsigned char *second, size_t count)
{
    size_t first_bytes = ckpt_dtype_width_bits(values->first_dtype) / 8;
    size_t second_bytes = ckpt_dtype_width_bits(values->second_dtype) / 8;
    size_t part;

    if (!hub_values_measured(values->first_dtype, values->second_dtype)) {
        values_bits(values, first, second, count);
        return;
    }
    for (; count > 0; count -= part) {
        part = count < BLOCK ? count : BLOCK;
        if (values->first_dtype != values->second_dtype ||
            memcmp(first, second, part * first_bytes) != 0)
            values_block(values, first, second, part);
        first += part * first_bytes;
        second += part * second_bytes;
    }
}
