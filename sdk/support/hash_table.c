/* SPDX-License-Identifier: MIT
 *
 * Open addressing with linear probing, at most two thirds full. The entries
 * lie one after the other in the order in which they came, behind a small
 * index of their hashes: a search that finds nothing touches the index alone.
 * The seed is where the table came to lie, which differs from run to run:
 * names that were chosen to collide in one do not in the next.
 */
#include "hash_table.h"

#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

/* Every growth enters all keys anew; room that is large and not used costs
 * more than that. */
#define GROWTH(capacity) ((capacity) < 8192 ? 4 : 2)
#define INDEX_MASK UINT32_MAX

/* A slot of the index: 1 + the number of an entry in the lower half, the
 * upper half of the entry's hash above it; 0 is free. */
struct sdk_table_entry {
    const void *key;
    size_t key_bytes;
    uint64_t hash;
    uint64_t number;
};

/* One block holds the slots and then room for two thirds as many entries. */
#define SLOTS_BYTES(capacity) ((capacity) * sizeof(uint64_t))
#define ENTRIES_MAX(capacity) ((capacity) / 3 * 2)
#define BLOCK_BYTES(capacity) \
    (SLOTS_BYTES(capacity) +  \
     ENTRIES_MAX(capacity) * sizeof(struct sdk_table_entry))

static struct sdk_table_entry *
table_entries(const struct sdk_table *table)
{
    return (struct sdk_table_entry *)(table->slots + table->capacity);
}

/* The slot of a key: that of its entry, or the free one where it goes. */
static uint64_t *
table_slot(const struct sdk_table *table, const void *key, size_t key_bytes,
           uint64_t hash)
{
    size_t at = hash & (table->capacity - 1);
    const struct sdk_table_entry *entry;
    uint64_t slot;

    for (;; at = (at + 1) & (table->capacity - 1)) {
        slot = table->slots[at];
        if (slot == 0)
            return &table->slots[at];
        if (slot >> 32 != hash >> 32)
            continue;
        entry = &table_entries(table)[(slot & INDEX_MASK) - 1];
        if (entry->key_bytes == key_bytes &&
            memcmp(entry->key, key, key_bytes) == 0)
            return &table->slots[at];
    }
}

static void
table_enter(struct sdk_table *table, uint64_t hash, size_t entry)
{
    size_t at = hash & (table->capacity - 1);

    while (table->slots[at] != 0)
        at = (at + 1) & (table->capacity - 1);
    table->slots[at] = (hash >> 32 << 32) | (entry + 1);
}

size_t
sdk_table_wants(const struct sdk_table *table)
{
    size_t capacity =
        table->capacity > 0 ? table->capacity * GROWTH(table->capacity) : 16;

    if (table->count < ENTRIES_MAX(table->capacity))
        return 0;
    return capacity < INDEX_MASK ? BLOCK_BYTES(capacity) : SIZE_MAX;
}

/* The capacity whose block has that size. */
static size_t
table_capacity(size_t size_bytes)
{
    size_t capacity = 16;

    while (BLOCK_BYTES(capacity) < size_bytes)
        capacity *= 2;
    return capacity;
}

void *
sdk_table_move(struct sdk_table *table, void *memory, size_t size_bytes)
{
    struct sdk_table old = *table;
    size_t i;

    if (table->seed == 0)
        table->seed = (uintptr_t)memory * UINT64_C(0x9e3779b97f4a7c15);
    table->slots = memory;
    table->capacity = table_capacity(size_bytes);
    if (old.count > 0)
        memcpy(table_entries(table), table_entries(&old),
               old.count * sizeof(struct sdk_table_entry));
    for (i = 0; i < table->count; i++)
        table_enter(table, table_entries(table)[i].hash, i);
    return old.slots;
}

uint64_t *
sdk_table_find(const struct sdk_table *table, const void *key, size_t key_bytes)
{
    uint64_t slot;

    if (table->count == 0)
        return NULL;
    slot = *table_slot(table, key, key_bytes,
                       XXH3_64bits_withSeed(key, key_bytes, table->seed));
    if (slot == 0)
        return NULL;
    return &table_entries(table)[(slot & INDEX_MASK) - 1].number;
}

uint64_t *
sdk_table_put(struct sdk_table *table, const void *key, size_t key_bytes,
              bool *added)
{
    uint64_t hash = XXH3_64bits_withSeed(key, key_bytes, table->seed);
    uint64_t *slot = table_slot(table, key, key_bytes, hash);
    struct sdk_table_entry *entry;

    *added = *slot == 0;
    if (*added) {
        entry = &table_entries(table)[table->count++];
        *slot = (hash >> 32 << 32) | table->count;
        *entry = (struct sdk_table_entry){key, key_bytes, hash, 0};
    }
    return &table_entries(table)[(*slot & INDEX_MASK) - 1].number;
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
    size_t capacity = 16;
    void *memory;

    while (ENTRIES_MAX(capacity) < count && capacity < INDEX_MASK)
        capacity *= 2;
    if (capacity <= table->capacity)
        return CKPT_OK;
    memory = host->allocate(host, BLOCK_BYTES(capacity));
    if (memory == NULL)
        return CKPT_MEMORY;
    host->release(host, sdk_table_move(table, memory, BLOCK_BYTES(capacity)));
    return CKPT_OK;
}

void
sdk_table_fini(const struct ckpt_host *host, struct sdk_table *table)
{
    host->release(host, table->slots);
    memset(table, 0, sizeof *table);
}
