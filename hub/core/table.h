/* SPDX-License-Identifier: MIT
 *
 * A hash table from bytes to a number. Its order is never looked at, and its
 * hash is seeded, so that a file cannot aim at it.
 */
#ifndef HUB_CORE_TABLE_H
#define HUB_CORE_TABLE_H

#include "hub/core/arena.h"

struct hub_table_slot;

/* `arena` is set by the owner and holds the slots; all else starts zero. */
struct hub_table {
    struct hub_arena *arena;
    struct hub_table_slot *slots;
    size_t count, capacity; /* capacity is a power of two */
    uint64_t seed;
};

/* The number under a key, or NULL. */
uint64_t *hub_table_find(const struct hub_table *table, const void *key,
                         size_t key_bytes);

/* Finds or adds. The key is borrowed for the table's life. `*added` tells
 * which; a new number is zero. NULL: no memory, the reason is said. */
uint64_t *hub_table_add(struct hub_table *table, const void *key,
                        size_t key_bytes, bool *added);

#endif
