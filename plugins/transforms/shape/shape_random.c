/* SPDX-License-Identifier: MIT
 *
 * Random numbers by counting: number n is a function of seed, stream and n
 * alone, so that it does not matter where one begins. The generator is Philox
 * 4x32 with ten rounds (Salmon, Moraes, Dror and Shaw, 2011):
 *   key      the seed, low word first
 *   counter  n / 4, low word first, then the stream, low word first
 *   number   word n % 4 as x, ((x + 0.5) / 2^31 - 1) * bound
 */
#include "shape.h"

#define ROUNDS 10

void
shape_philox(const uint32_t counter[4], const uint32_t key[2],
             uint32_t words[4])
{
    uint32_t a = counter[0], b = counter[1], c = counter[2], d = counter[3];
    uint32_t first = key[0], second = key[1];
    uint64_t low, high;
    int round;

    for (round = 0; round < ROUNDS; round++) {
        low = UINT64_C(0xD2511F53) * a;
        high = UINT64_C(0xCD9E8D57) * c;
        a = (uint32_t)(high >> 32) ^ b ^ first;
        b = (uint32_t)high;
        c = (uint32_t)(low >> 32) ^ d ^ second;
        d = (uint32_t)low;
        first += UINT32_C(0x9E3779B9);
        second += UINT32_C(0xBB67AE85);
    }
    words[0] = a;
    words[1] = b;
    words[2] = c;
    words[3] = d;
}

uint64_t
shape_stream(const char *name)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (; *name != '\0'; name++)
        hash = (hash ^ (unsigned char)*name) * UINT64_C(0x100000001b3);
    return hash;
}

void
shape_random(uint64_t seed, uint64_t stream, uint64_t first, double bound,
             double *numbers, size_t count)
{
    const uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    uint32_t counter[4] = {0, 0, (uint32_t)stream, (uint32_t)(stream >> 32)};
    uint32_t words[4];
    uint64_t at;
    size_t i;

    for (i = 0; i < count; i++) {
        at = first + i;
        if (i == 0 || at % 4 == 0) {
            counter[0] = (uint32_t)(at / 4);
            counter[1] = (uint32_t)(at / 4 >> 32);
            shape_philox(counter, key, words);
        }
        numbers[i] = ((words[at % 4] + 0.5) * 0x1p-31 - 1.0) * bound;
    }
}
