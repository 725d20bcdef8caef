/* SPDX-License-Identifier: MIT
 *
 * The hash table of sdk/support/hash_table.h in the memory of an arena.
 */
#ifndef HUB_CORE_TABLE_H
#define HUB_CORE_TABLE_H

#include "hash_table.h"
#include "hub/core/arena.h"

/* `arena` is set by the owner; its budget holds the slots until the arena
 * ends. All else starts zero. */
struct hub_table {
    struct hub_arena *arena;
    struct sdk_table table;
    bool large; /* its slots are a piece of their own */
};

/* As sdk_table_find and sdk_table_add. */
uint64_t *hub_table_find(const struct hub_table *table, const void *key,
                         size_t key_bytes);
uint64_t *hub_table_add(struct hub_table *table, const void *key,
                        size_t key_bytes, bool *added);

#endif
