/* SPDX-License-Identifier: MIT
 *
 * An open table of names under SipHash-1-3, keyed by where the table came to
 * lie: names that were chosen to collide in one run do not in the next.
 */
#include "safetensors_names.h"

#include <string.h>

#include "endian.h"

static uint64_t
names_rotate(uint64_t x, unsigned bits)
{
    return x << bits | x >> (64 - bits);
}

static void
names_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = names_rotate(v[1], 13) ^ v[0];
    v[0] = names_rotate(v[0], 32);
    v[2] += v[3];
    v[3] = names_rotate(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = names_rotate(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = names_rotate(v[1], 17) ^ v[2];
    v[2] = names_rotate(v[2], 32);
}

static uint64_t
names_hash(const struct safetensors_names *names, const struct ckpt_text *name)
{
    uint64_t v[4] = {names->key[0] ^ UINT64_C(0x736f6d6570736575),
                     names->key[1] ^ UINT64_C(0x646f72616e646f6d),
                     names->key[0] ^ UINT64_C(0x6c7967656e657261),
                     names->key[1] ^ UINT64_C(0x7465646279746573)};
    unsigned char last[8] = {0};
    size_t at, tail = name->size_bytes % 8, whole = name->size_bytes - tail;
    uint64_t word;

    for (at = 0; at <= whole; at += 8) {
        if (at < whole) {
            word = sdk_load_le64(name->data + at);
        } else {
            memcpy(last, name->data + at, tail);
            last[7] = (unsigned char)name->size_bytes;
            word = sdk_load_le64(last);
        }
        v[3] ^= word;
        names_round(v);
        v[0] ^= word;
    }
    v[2] ^= 0xFF;
    names_round(v);
    names_round(v);
    names_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

int
safetensors_names_init(const struct ckpt_host *host,
                       struct safetensors_names *names, const void *items,
                       size_t stride_bytes, size_t count)
{
    size_t slots = 16;

    if (count >= UINT32_MAX / 2)
        return host->fail(host, CKPT_LIMIT, NULL, CKPT_NOWHERE,
                          "a table of %zu names", count);
    while (slots / 2 < count)
        slots *= 2;
    memset(names, 0, sizeof *names);
    names->slots = host->allocate(host, slots * sizeof *names->slots);
    if (names->slots == NULL)
        return CKPT_MEMORY;
    names->items = items;
    names->stride_bytes = stride_bytes;
    names->mask = slots - 1;
    names->key[0] = (uint64_t)(uintptr_t)names->slots;
    names->key[1] = (uint64_t)(uintptr_t)items * UINT64_C(0x9e3779b97f4a7c15);
    return CKPT_OK;
}

static const struct ckpt_text *
names_at(const struct safetensors_names *names, size_t index)
{
    return (const void *)(names->items + index * names->stride_bytes);
}

/* The slot of the name, or the free one where it would go. */
static uint64_t *
names_slot(const struct safetensors_names *names, const struct ckpt_text *name,
           uint64_t hash)
{
    const struct ckpt_text *other;
    size_t at = (size_t)hash & names->mask;

    for (; names->slots[at] != 0; at = (at + 1) & names->mask) {
        if (names->slots[at] >> 32 != hash >> 32)
            continue;
        other = names_at(names, (uint32_t)names->slots[at] - 1);
        if (other->size_bytes == name->size_bytes &&
            memcmp(other->data, name->data, name->size_bytes) == 0)
            break;
    }
    return &names->slots[at];
}

size_t
safetensors_names_put(struct safetensors_names *names, size_t index)
{
    const struct ckpt_text *name = names_at(names, index);
    uint64_t hash = names_hash(names, name);
    uint64_t *slot = names_slot(names, name, hash);

    if (*slot != 0)
        return (uint32_t)*slot - 1;
    *slot = (hash >> 32 << 32) | (uint32_t)(index + 1);
    return SAFETENSORS_NONE;
}

size_t
safetensors_names_find(const struct safetensors_names *names,
                       const struct ckpt_text *name)
{
    uint64_t *slot = names_slot(names, name, names_hash(names, name));

    return *slot != 0 ? (size_t)((uint32_t)*slot - 1) : SAFETENSORS_NONE;
}

void
safetensors_names_fini(const struct ckpt_host *host,
                       struct safetensors_names *names)
{
    host->release(host, names->slots);
    memset(names, 0, sizeof *names);
}
