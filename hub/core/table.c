/* SPDX-License-Identifier: MIT
 *
 * Slots come from the arena; small ones that were outgrown are left in it.
 */
#include "hub/core/table.h"

#define LARGE_FROM ((size_t)16 << 10)

uint64_t *
hub_table_find(const struct hub_table *table, const void *key, size_t key_bytes)
{
    return sdk_table_find(&table->table, key, key_bytes);
}

uint64_t *
hub_table_add(struct hub_table *table, const void *key, size_t key_bytes,
              bool *added)
{
    size_t wanted = sdk_table_wants(&table->table);
    bool large = wanted >= LARGE_FROM;
    void *memory;

    if (wanted > 0) {
        memory = large ? hub_arena_large(table->arena, NULL, wanted)
                       : hub_arena_allocate(table->arena, wanted);
        if (memory == NULL)
            return NULL;
        memory = sdk_table_move(&table->table, memory, wanted);
        if (table->large)
            hub_arena_large_free(table->arena, memory);
        table->large = large;
    }
    return sdk_table_put(&table->table, key, key_bytes, added);
}
