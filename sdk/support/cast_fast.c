/* SPDX-License-Identifier: MIT
 *
 * AVX2 and F16C, chosen when the program runs: whatever has the first has the
 * second.
 */
#include "cast_fast.h"

#include "ckpt/dtype.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define FAST __attribute__((target("avx2,f16c")))
#define STEP 8

/* The least float32 magnitudes that round beyond the largest number. */
#define BEYOND_BFLOAT16 0x7f7f8000
#define BEYOND_FLOAT16 0x477ff000

static FAST int
any_beyond(__m256i bits, int least)
{
    __m256i magnitude = _mm256_and_si256(bits, _mm256_set1_epi32(0x7fffffff));

    return _mm256_movemask_epi8(
        _mm256_cmpgt_epi32(magnitude, _mm256_set1_epi32(least - 1)));
}

static FAST size_t
to_bfloat16(const unsigned char *source, unsigned char *target, size_t count)
{
    __m256i one = _mm256_set1_epi32(1), round = _mm256_set1_epi32(0x7fff);
    __m256i bits, last;
    size_t i;

    for (i = 0; i + STEP <= count; i += STEP) {
        bits = _mm256_loadu_si256((const void *)(source + 4 * i));
        if (any_beyond(bits, BEYOND_BFLOAT16))
            break;
        last = _mm256_and_si256(_mm256_srli_epi32(bits, 16), one);
        bits = _mm256_add_epi32(bits, _mm256_add_epi32(round, last));
        bits = _mm256_srli_epi32(bits, 16);
        bits = _mm256_packus_epi32(bits, bits);
        bits = _mm256_permute4x64_epi64(bits, 0x08);
        _mm_storeu_si128((void *)(target + 2 * i),
                         _mm256_castsi256_si128(bits));
    }
    return i;
}

static FAST size_t
to_float16(const unsigned char *source, unsigned char *target, size_t count)
{
    __m256i bits;
    size_t i;

    for (i = 0; i + STEP <= count; i += STEP) {
        bits = _mm256_loadu_si256((const void *)(source + 4 * i));
        if (any_beyond(bits, BEYOND_FLOAT16))
            break;
        _mm_storeu_si128((void *)(target + 2 * i),
                         _mm256_cvtps_ph(_mm256_castsi256_ps(bits),
                                         _MM_FROUND_TO_NEAREST_INT));
    }
    return i;
}

static FAST size_t
from_bfloat16(const unsigned char *source, unsigned char *target, size_t count)
{
    __m128i codes;
    size_t i;

    for (i = 0; i + STEP <= count; i += STEP) {
        codes = _mm_loadu_si128((const void *)(source + 2 * i));
        _mm256_storeu_si256(
            (void *)(target + 4 * i),
            _mm256_slli_epi32(_mm256_cvtepu16_epi32(codes), 16));
    }
    return i;
}

static FAST size_t
from_float16(const unsigned char *source, unsigned char *target, size_t count)
{
    __m128i codes;
    size_t i;

    for (i = 0; i + STEP <= count; i += STEP) {
        codes = _mm_loadu_si128((const void *)(source + 2 * i));
        _mm256_storeu_ps((void *)(target + 4 * i), _mm256_cvtph_ps(codes));
    }
    return i;
}

size_t
sdk_cast_fast(uint32_t from, uint32_t to, const unsigned char *source,
              unsigned char *target, size_t count)
{
    if (!__builtin_cpu_supports("avx2"))
        return 0;
    if (from == CKPT_FLOAT32 && to == CKPT_BFLOAT16)
        return to_bfloat16(source, target, count);
    if (from == CKPT_FLOAT32 && to == CKPT_FLOAT16)
        return to_float16(source, target, count);
    if (from == CKPT_BFLOAT16 && to == CKPT_FLOAT32)
        return from_bfloat16(source, target, count);
    if (from == CKPT_FLOAT16 && to == CKPT_FLOAT32)
        return from_float16(source, target, count);
    return 0;
}

#else

size_t
sdk_cast_fast(uint32_t from, uint32_t to, const unsigned char *source,
              unsigned char *target, size_t count)
{
    (void)from;
    (void)to;
    (void)source;
    (void)target;
    (void)count;
    return 0;
}

#endif
