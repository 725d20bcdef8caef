/* SPDX-License-Identifier: MIT
 *
 * Open addressing with linear probing, at most three quarters full.
 */
#include "hub/core/table.h"

#include <string.h>
#include <sys/random.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

struct hub_table_slot {
    const void *key; /* NULL: free */
    size_t key_bytes;
    uint64_t hash;
    uint64_t number;
};

static struct hub_table_slot *
table_slot(const struct hub_table *table, const void *key, size_t key_bytes,
           uint64_t hash)
{
    size_t at = hash & (table->capacity - 1);
    struct hub_table_slot *slot;

    for (;; at = (at + 1) & (table->capacity - 1)) {
        slot = &table->slots[at];
        if (slot->key == NULL)
            return slot;
        if (slot->hash == hash && slot->key_bytes == key_bytes &&
            memcmp(slot->key, key, key_bytes) == 0)
            return slot;
    }
}

static bool
table_grow(struct hub_table *table)
{
    struct hub_table_slot *old = table->slots;
    size_t i, old_capacity = table->capacity;
    size_t capacity = old_capacity ? old_capacity * 2 : 16;

    if (capacity > SIZE_MAX / 2 / sizeof *old)
        return false;
    if (table->seed == 0 && getrandom(&table->seed, sizeof table->seed, 0) < 0)
        table->seed = (uint64_t)(uintptr_t)table;
    table->slots = hub_arena_allocate(table->arena, capacity * sizeof *old);
    if (table->slots == NULL) {
        table->slots = old;
        return false;
    }
    table->capacity = capacity;
    for (i = 0; i < old_capacity; i++)
        if (old[i].key != NULL)
            *table_slot(table, old[i].key, old[i].key_bytes, old[i].hash) =
                old[i];
    return true;
}

uint64_t *
hub_table_find(const struct hub_table *table, const void *key, size_t key_bytes)
{
    struct hub_table_slot *slot;

    if (table->count == 0)
        return NULL;
    slot = table_slot(table, key, key_bytes,
                      XXH3_64bits_withSeed(key, key_bytes, table->seed));
    return slot->key != NULL ? &slot->number : NULL;
}

uint64_t *
hub_table_add(struct hub_table *table, const void *key, size_t key_bytes,
              bool *added)
{
    struct hub_table_slot *slot;
    uint64_t hash;

    if (table->count >= table->capacity / 4 * 3 && !table_grow(table))
        return NULL;
    hash = XXH3_64bits_withSeed(key, key_bytes, table->seed);
    slot = table_slot(table, key, key_bytes, hash);
    *added = slot->key == NULL;
    if (*added) {
        slot->key = key;
        slot->key_bytes = key_bytes;
        slot->hash = hash;
        table->count++;
    }
    return &slot->number;
}
