/* SPDX-License-Identifier: MIT
 *
 * Open addressing with linear probing, at most two thirds full. The seed is
 * where the table came to lie, which differs from run to run: names that were
 * chosen to collide in one do not in the next.
 */
#include "hash_table.h"

#include <string.h>

#include "checked.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#define GROWTH 4 /* every growth enters all keys anew */

struct sdk_table_slot {
    const void *key; /* NULL: free */
    uint64_t number;
    size_t key_bytes;
    uint64_t hash;
};

static struct sdk_table_slot *
table_slot(const struct sdk_table *table, const void *key, size_t key_bytes,
           uint64_t hash)
{
    size_t at = hash & (table->capacity - 1);
    struct sdk_table_slot *slot;

    for (;; at = (at + 1) & (table->capacity - 1)) {
        slot = &table->slots[at];
        if (slot->key == NULL)
            return slot;
        if (slot->hash == hash && slot->key_bytes == key_bytes &&
            memcmp(slot->key, key, key_bytes) == 0)
            return slot;
    }
}

size_t
sdk_table_wants(const struct sdk_table *table)
{
    size_t capacity = table->capacity > 0 ? table->capacity * GROWTH : 16;

    if (table->count < table->capacity / 3 * 2)
        return 0;
    if (capacity > SIZE_MAX / 2 / GROWTH / sizeof(struct sdk_table_slot))
        return SIZE_MAX;
    return capacity * sizeof(struct sdk_table_slot);
}

void *
sdk_table_move(struct sdk_table *table, void *memory, size_t size_bytes)
{
    struct sdk_table_slot *old = table->slots;
    size_t i, old_capacity = table->capacity;

    if (table->seed == 0)
        table->seed = (uintptr_t)memory * UINT64_C(0x9e3779b97f4a7c15);
    table->slots = memory;
    table->capacity = size_bytes / sizeof *old;
    for (i = 0; i < old_capacity; i++)
        if (old[i].key != NULL)
            *table_slot(table, old[i].key, old[i].key_bytes, old[i].hash) =
                old[i];
    return old;
}

uint64_t *
sdk_table_find(const struct sdk_table *table, const void *key, size_t key_bytes)
{
    struct sdk_table_slot *slot;

    if (table->count == 0)
        return NULL;
    slot = table_slot(table, key, key_bytes,
                      XXH3_64bits_withSeed(key, key_bytes, table->seed));
    return slot->key != NULL ? &slot->number : NULL;
}

uint64_t *
sdk_table_put(struct sdk_table *table, const void *key, size_t key_bytes,
              bool *added)
{
    uint64_t hash = XXH3_64bits_withSeed(key, key_bytes, table->seed);
    struct sdk_table_slot *slot = table_slot(table, key, key_bytes, hash);

    *added = slot->key == NULL;
    if (*added) {
        slot->key = key;
        slot->key_bytes = key_bytes;
        slot->hash = hash;
        table->count++;
    }
    return &slot->number;
}

uint64_t *
sdk_table_add(const struct ckpt_host *host, struct sdk_table *table,
              const void *key, size_t key_bytes, bool *added)
{
    size_t wanted = sdk_table_wants(table);
    void *memory;

    if (wanted > 0) {
        memory = host->allocate(host, wanted);
        if (memory == NULL)
            return NULL;
        host->release(host, sdk_table_move(table, memory, wanted));
    }
    return sdk_table_put(table, key, key_bytes, added);
}

int
sdk_table_reserve(const struct ckpt_host *host, struct sdk_table *table,
                  size_t count)
{
    size_t capacity = 16, size_bytes;
    void *memory;

    while (capacity / 3 * 2 <= count && capacity <= SIZE_MAX / 4)
        capacity *= 2;
    if (capacity <= table->capacity)
        return CKPT_OK;
    if (!sdk_mul_size(capacity, sizeof(struct sdk_table_slot), &size_bytes))
        size_bytes = SIZE_MAX / 2;
    memory = host->allocate(host, size_bytes);
    if (memory == NULL)
        return CKPT_MEMORY;
    host->release(host, sdk_table_move(table, memory, size_bytes));
    return CKPT_OK;
}

void
sdk_table_fini(const struct ckpt_host *host, struct sdk_table *table)
{
    host->release(host, table->slots);
    memset(table, 0, sizeof *table);
}
