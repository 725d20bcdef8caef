/* SPDX-License-Identifier: MIT
 *
 * Slots come from the arena; those that were outgrown are left in it.
 */
#include "hub/core/table.h"

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
    void *memory;

    if (wanted > 0) {
        memory = hub_arena_allocate(table->arena, wanted);
        if (memory == NULL)
            return NULL;
        sdk_table_move(&table->table, memory, wanted);
    }
    return sdk_table_put(&table->table, key, key_bytes, added);
}
