/* SPDX-License-Identifier: MIT
 *
 * Many small pieces of memory that are freed together.
 */
#ifndef HUB_CORE_ARENA_H
#define HUB_CORE_ARENA_H

#include "hub/core/budget.h"

struct hub_arena_block;
struct hub_arena_large;

/* `budget` is set by the owner; all else starts zero. */
struct hub_arena {
    struct hub_budget *budget;
    struct hub_arena_block *blocks;
    char *next, *end;
    struct hub_arena_large *large;
};

/* Zeroed, aligned to 8 bytes; NULL as hub_allocate. */
void *hub_arena_allocate(struct hub_arena *arena, size_t size_bytes);

/* A copy followed by a NUL. */
char *hub_arena_text(struct hub_arena *arena, const void *bytes,
                     size_t size_bytes);

/* A piece that is given room for `size_bytes` and may be given more: it moves,
 * keeps its content, and what is new is zero. NULL begins one. It ends with
 * the arena, or earlier. For what grows large: outgrown room is not kept. */
void *hub_arena_large(struct hub_arena *arena, void *memory, size_t size_bytes);
void hub_arena_large_free(struct hub_arena *arena, void *memory);

void hub_arena_fini(struct hub_arena *arena);

#endif
