/* SPDX-License-Identifier: MIT
 *
 * What became of what, through all edits: a copy was what it was copied from,
 * and a new value what the transform says, or that in whose place it was put.
 * And what transforms tell of it.
 */
#include <stdio.h>
#include <string.h>

#include "hub/graph/edit_private.h"
#include "hub/graph/graph_private.h"

#define DEPTH_MAX 64 /* edits of edits */

const struct ckpt_value *
hub_value_origin(const struct ckpt_value *value)
{
    const struct hub_value *at = (const struct hub_value *)value;

    while (at->origin != NULL)
        at = (const struct hub_value *)at->origin;
    return &at->public;
}

struct origins {
    const struct ckpt_value **found;
    size_t count, room;
};

static void
origins_add(struct origins *origins, const struct ckpt_value *value)
{
    size_t i;

    for (i = 0; i < origins->count; i++)
        if (origins->found[i] == value)
            return;
    if (origins->count < origins->room)
        origins->found[origins->count++] = value;
}

/* Each step leads to an earlier graph. */
static void
origins_find(struct origins *origins, const struct ckpt_value *value,
             unsigned depth)
{
    const struct hub_value *at = (const struct hub_value *)value;
    size_t i;

    while (at->made == NULL && at->origin != NULL)
        at = (const struct hub_value *)at->origin;
    if (at->made == NULL || depth == DEPTH_MAX) {
        origins_add(origins, &at->public);
        return;
    }
    for (i = 0; i < at->made->count && origins->count < origins->room; i++)
        origins_find(origins, at->made->from[i], depth + 1);
}

size_t
hub_value_origins(const struct ckpt_value *value,
                  const struct ckpt_value **origins, size_t room)
{
    struct origins all = {.found = origins, .room = room};

    origins_find(&all, value, 0);
    return all.count;
}

int
hub_edit_origin(struct ckpt_edits *edits, const struct ckpt_value *value,
                const struct ckpt_value *instead,
                const struct ckpt_value *const *from, size_t from_count)
{
    struct hub_arena *arena = &edits->graph->arena;
    struct hub_value *kept = (struct hub_value *)(uintptr_t)value;
    const struct ckpt_value **copy;
    struct hub_made *made;

    if (value == NULL || value->id < edits->own_first || kept->made != NULL)
        return hub_fail(edits->graph->report, CKPT_CONTRACT, NULL, CKPT_NOWHERE,
                        "an origin of what is not new, or has one");
    made = hub_arena_allocate(arena, sizeof *made);
    copy = hub_arena_allocate(arena, (from_count + 1) * sizeof *copy);
    if (made == NULL || copy == NULL)
        return edits->graph->report->status;
    if (from_count > 0)
        memcpy(copy, from, from_count * sizeof *copy);
    made->from = copy;
    made->count = from_count;
    kept->made = made;
    kept->origin = instead;
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
