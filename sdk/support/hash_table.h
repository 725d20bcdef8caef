/* SPDX-License-Identifier: MIT
 *
 * A hash table from bytes to a number. Its order is never looked at, and its
 * hash (XXH3) is seeded, so that a file cannot aim at it. Keys are borrowed
 * for the table's life. A zeroed struct is an empty table.
 */
#ifndef SDK_HASH_TABLE_H
#define SDK_HASH_TABLE_H

#include "ckpt/host.h"

struct sdk_table {
    uint64_t *slots;        /* the table's own block */
    size_t count, capacity; /* capacity is a power of two */
    uint64_t seed;
};

/* The number under a key, or NULL. */
uint64_t *sdk_table_find(const struct sdk_table *table, const void *key,
                         size_t key_bytes);

/* Finds or adds. `*added` tells which; a new number is zero. The number stays
 * where it is until the next add. NULL: no memory, and why has been said. */
uint64_t *sdk_table_add(const struct ckpt_host *host, struct sdk_table *table,
                        const void *key, size_t key_bytes, bool *added);

/* Makes room for `count` keys in all, so that as many sdk_table_put cannot
 * fail. */
int sdk_table_reserve(const struct ckpt_host *host, struct sdk_table *table,
                      size_t count);

void sdk_table_fini(const struct ckpt_host *host, struct sdk_table *table);

/* ---- For owners of other memory ---- */

/* The bytes that the table wants before one more key goes in; 0: it has
 * room. */
size_t sdk_table_wants(const struct sdk_table *table);

/* Moves the table to zeroed memory of the size that it wants; gives what it
 * had, for the owner to release. */
void *sdk_table_move(struct sdk_table *table, void *memory, size_t size_bytes);

/* sdk_table_add for a table that has room. */
uint64_t *sdk_table_put(struct sdk_table *table, const void *key,
                        size_t key_bytes, bool *added);

#endif
