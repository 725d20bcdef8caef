/* SPDX-License-Identifier: MIT
 *
 * Where tensors come from, through all edits: a tensor that was read is its
 * own origin, a copy has that of what it was copied from, and a new one what
 * the transform says, or that of the tensor in whose place it was put.
 */
#include <stdio.h>
#include <string.h>

#include "hub/graph/edit_private.h"

static struct hub_origin *
origin_new(struct hub_graph *graph, size_t count,
           const struct ckpt_tensor ***from)
{
    struct hub_origin *origin =
        hub_arena_allocate(&graph->arena, sizeof *origin);

    *from = hub_arena_allocate(&graph->arena, (count + 1) * sizeof **from);
    if (origin == NULL || *from == NULL)
        return NULL;
    origin->from = *from;
    return origin;
}

const struct hub_origin *
hub_origin_of(struct hub_graph *graph, const struct ckpt_tensor *tensor)
{
    const struct hub_tensor *kept = (const struct hub_tensor *)tensor;
    const struct ckpt_tensor **from;
    struct hub_origin *origin;

    if (kept->origin != NULL)
        return kept->origin;
    origin = origin_new(graph, 1, &from);
    if (origin != NULL)
        from[origin->count++] = tensor;
    return origin;
}

int
hub_origin_inherit(struct ckpt_edits *edits, struct hub_tensor *tensor,
                   const struct ckpt_tensor *old)
{
    const struct hub_origin *origin = hub_origin_of(edits->graph, old);
    const struct ckpt_tensor **from;
    struct hub_origin *made;

    if (origin == NULL)
        return edits->graph->report->status;
    made = origin_new(edits->graph, 0, &from);
    if (made == NULL)
        return edits->graph->report->status;
    *made = *origin;
    made->made = true;
    tensor->origin = made;
    return CKPT_OK;
}

static bool
origin_has(const struct hub_origin *origin, const struct ckpt_tensor *tensor)
{
    size_t i;

    for (i = 0; i < origin->count; i++)
        if (origin->from[i] == tensor)
            return true;
    return false;
}

/* Whether a new tensor is the old one, but for its label and what else is said
 * of it. */
static bool
origin_same(const struct ckpt_tensor *tensor, const struct ckpt_tensor *from)
{
    return tensor->storage == from->storage && tensor->dtype == from->dtype &&
           tensor->size_bytes == from->size_bytes &&
           tensor->flips == from->flips;
}

int
hub_edit_origin(struct ckpt_edits *edits, const struct ckpt_value *value,
                const struct ckpt_tensor *const *from, size_t from_count)
{
    struct hub_graph *graph = edits->graph;
    struct hub_tensor *tensor;
    const struct ckpt_tensor **all;
    const struct hub_origin *old;
    struct hub_origin *origin;
    size_t i, k, count = 0;

    if (value == NULL || value->kind != CKPT_KIND_TENSOR ||
        value->as.tensor->id < edits->tensor_first)
        return hub_fail(graph->report, CKPT_CONTRACT, NULL, CKPT_NOWHERE,
                        "an origin of what is no new tensor");
    tensor = (struct hub_tensor *)(uintptr_t)value->as.tensor;
    for (i = 0; i < from_count; i++) {
        old = hub_origin_of(graph, from[i]);
        if (old == NULL)
            return graph->report->status;
        count += old->count;
    }
    origin = origin_new(graph, count, &all);
    if (origin == NULL)
        return graph->report->status;
    for (i = 0; i < from_count; i++) {
        old = hub_origin_of(graph, from[i]);
        for (k = 0; old != NULL && k < old->count; k++)
            if (!origin_has(origin, old->from[k]))
                all[origin->count++] = old->from[k];
    }
    origin->made = from_count != 1 || !origin_same(&tensor->public, from[0]);
    if (from_count == 1)
        origin->made |= hub_origin_of(graph, from[0])->made;
    tensor->origin = origin;
    return CKPT_OK;
}

/* ---- What is told ---- */

#define NAMES_MAX 5

static struct hub_told *
told_find(struct ckpt_edits *edits, const char *what, bool notable)
{
    struct hub_told **end = &edits->told;
    struct hub_arena *arena = &edits->graph->arena;

    while (*end != NULL && strcmp((*end)->what, what) != 0)
        end = &(*end)->next;
    if (*end != NULL)
        return *end;
    *end = hub_arena_allocate(arena, sizeof **end);
    if (*end == NULL)
        return NULL;
    (*end)->notable = notable;
    (*end)->what = hub_arena_text(arena, what, strlen(what));
    return (*end)->what != NULL ? *end : NULL;
}

int
hub_edit_tell(struct ckpt_edits *edits, const char *tensor, const char *what,
              bool notable)
{
    struct hub_told *told = told_find(edits, what, notable);
    size_t used, room;

    if (told == NULL)
        return edits->graph->report->status;
    told->count++;
    if (tensor == NULL || told->name_count != told->count - 1 ||
        told->name_count == NAMES_MAX)
        return CKPT_OK;
    used = strlen(told->names);
    room = sizeof told->names - used;
    if (strlen(tensor) + 3 > room)
        return CKPT_OK;
    snprintf(told->names + used, room, "%s%s", used > 0 ? ", " : "", tensor);
    told->name_count++;
    return CKPT_OK;
}
