/* SPDX-License-Identifier: MIT
 *
 * Comparing both ends of a way.
 */
#include "hub/run/way_changes.h"

#include <string.h>

static uint32_t *
changes_users(struct hub_arena *arena, const struct ckpt_graph *graph)
{
    size_t i, size = ((size_t)graph->storage_count + 1) * sizeof(uint32_t);
    uint32_t *users = hub_arena_large(arena, NULL, size);

    for (i = 0; users != NULL && i < graph->entry_count; i++)
        users[graph->entries[i].value->as.tensor->storage->id]++;
    return users;
}

bool
hub_changes_init(struct hub_changes *changes, struct hub_arena *arena,
                 const struct ckpt_graph *begun, const struct ckpt_graph *ended)
{
    changes->before = changes_users(arena, begun);
    changes->after =
        changes->before != NULL ? changes_users(arena, ended) : NULL;
    return changes->after != NULL;
}

static bool
text_same(const struct ckpt_text *a, const struct ckpt_text *b)
{
    return a->size_bytes == b->size_bytes &&
           memcmp(a->data, b->data, a->size_bytes) == 0;
}

static bool
shape_same(const struct ckpt_tensor *a, const struct ckpt_tensor *b)
{
    return a->rank == b->rank &&
           memcmp(a->shape, b->shape, a->rank * sizeof *a->shape) == 0;
}

/* Strides over one element, or none, say nothing. */
static bool
strides_same(const struct ckpt_tensor *a, const struct ckpt_tensor *b)
{
    uint32_t d;

    for (d = 0; d < a->rank && a->element_count > 1; d++)
        if (a->shape[d] > 1 && a->strides[d] != b->strides[d])
            return false;
    return true;
}

static uint32_t
changes_ties(const struct hub_changes *changes, const struct ckpt_way *way)
{
    bool before = changes->before[way->before->storage->id] > 1;
    bool after = changes->after[way->after->storage->id] > 1;

    if (before == after)
        return 0;
    return after ? CKPT_CHANGE_TIED : CKPT_CHANGE_UNTIED;
}

/* What is different about its bytes. */
static uint32_t
changes_bytes(const struct hub_changes *changes, const struct ckpt_way *way)
{
    const struct ckpt_tensor *before = way->before, *after = way->after;
    bool same = before->storage->id == after->storage->id;
    uint32_t found = 0;

    if (before->dtype != after->dtype)
        found |= CKPT_CHANGE_DTYPE;
    if (!shape_same(before, after))
        found |= CKPT_CHANGE_SHAPE;
    else if (!strides_same(before, after))
        found |= CKPT_CHANGE_STRIDES;
    if (!same)
        found |= changes_ties(changes, way);
    if (found == 0 && (!same || before->offset != after->offset ||
                       before->flips != after->flips))
        found |= CKPT_CHANGE_VALUES;
    return found;
}

/* A parameter that is told to be one is told to be trained or not. */
static bool
gradient_changes(const struct ckpt_tensor *before,
                 const struct ckpt_tensor *after)
{
    return before->requires_grad != after->requires_grad ||
           (before->role == CKPT_ROLE_UNKNOWN &&
            after->role == CKPT_ROLE_PARAMETER);
}

uint32_t
hub_changes_find(const struct hub_changes *changes, const struct ckpt_way *way)
{
    uint32_t found = way->file != NULL ? CKPT_CHANGE_FILE : 0;

    if (way->after == NULL)
        return CKPT_CHANGE_DROPPED;
    if (way->before == NULL)
        return found != 0 ? found : CKPT_CHANGE_ADDED;
    found |= changes_bytes(changes, way);
    if (way->file != NULL)
        found &= ~(uint32_t)CKPT_CHANGE_VALUES;
    if (!text_same(&way->from, &way->to))
        found |= CKPT_CHANGE_RENAMED;
    if (strcmp(way->before->storage->device, way->after->storage->device) != 0)
        found |= CKPT_CHANGE_DEVICE;
    if (gradient_changes(way->before, way->after))
        found |= CKPT_CHANGE_GRAD;
    return found;
}
