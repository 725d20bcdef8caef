/* SPDX-License-Identifier: MIT
 *
 * A bump allocator over counted blocks.
 */
#include "hub/core/arena.h"

#include <string.h>

/* Blocks grow fourfold from the first size to the last. */
#define BLOCK_FIRST_BYTES ((size_t)64 << 10)
#define BLOCK_LAST_BYTES (((size_t)8 << 20) - 64)
#define ALIGNMENT ((size_t)8)

struct hub_arena_block {
    struct hub_arena_block *older;
    size_t size_bytes;
};

struct hub_arena_large {
    struct hub_arena_large *older, *newer;
};

static bool
arena_grow(struct hub_arena *arena, size_t size_bytes)
{
    struct hub_arena_block *block = arena->blocks;
    size_t room = BLOCK_FIRST_BYTES;

    if (block != NULL)
        room = 4 * block->size_bytes;
    if (room > BLOCK_LAST_BYTES)
        room = BLOCK_LAST_BYTES;
    if (room < size_bytes)
        room = size_bytes;
    block = hub_allocate(arena->budget, sizeof *block + room);
    if (block == NULL)
        return false;
    block->size_bytes = room;
    block->older = arena->blocks;
    arena->blocks = block;
    arena->next = (char *)(block + 1);
    arena->end = arena->next + room;
    return true;
}

void *
hub_arena_allocate(struct hub_arena *arena, size_t size_bytes)
{
    size_t rounded;
    void *memory;

    if (size_bytes > SIZE_MAX / 2)
        return hub_allocate(arena->budget, SIZE_MAX / 2);
    rounded = (size_bytes + ALIGNMENT - 1) & ~(ALIGNMENT - 1);
    if (rounded > (size_t)(arena->end - arena->next) &&
        !arena_grow(arena, rounded))
        return NULL;
    memory = arena->next;
    arena->next += rounded;
    return memory;
}

char *
hub_arena_text(struct hub_arena *arena, const void *bytes, size_t size_bytes)
{
    char *text = hub_arena_allocate(arena, size_bytes + 1);

    if (text != NULL && size_bytes > 0)
        memcpy(text, bytes, size_bytes);
    return text;
}

static void
large_unlink(struct hub_arena *arena, const struct hub_arena_large *large)
{
    if (large->older != NULL)
        large->older->newer = large->newer;
    if (large->newer != NULL)
        large->newer->older = large->older;
    else
        arena->large = large->older;
}

static void
large_link(struct hub_arena *arena, struct hub_arena_large *large)
{
    large->newer = NULL;
    large->older = arena->large;
    if (arena->large != NULL)
        arena->large->newer = large;
    arena->large = large;
}

void *
hub_arena_large(struct hub_arena *arena, void *memory, size_t size_bytes)
{
    struct hub_arena_large *old = memory, *large;

    if (old != NULL)
        large_unlink(arena, --old);
    large = size_bytes > SIZE_MAX / 2
                ? hub_allocate(arena->budget, SIZE_MAX / 2)
                : hub_reallocate(arena->budget, old, sizeof *old + size_bytes);
    if (large == NULL) {
        if (old != NULL)
            large_link(arena, old);
        return NULL;
    }
    large_link(arena, large);
    return large + 1;
}

void
hub_arena_large_free(struct hub_arena *arena, void *memory)
{
    struct hub_arena_large *large = memory;

    if (large == NULL)
        return;
    large_unlink(arena, --large);
    hub_release(arena->budget, large);
}

void
hub_arena_fini(struct hub_arena *arena)
{
    struct hub_arena_block *block = arena->blocks, *older;

    while (arena->large != NULL)
        hub_arena_large_free(arena, arena->large + 1);

    for (; block != NULL; block = older) {
        older = block->older;
        hub_release(arena->budget, block);
    }
    arena->blocks = NULL;
    arena->next = arena->end = NULL;
}
