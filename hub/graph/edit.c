/* SPDX-License-Identifier: MIT
 *
 * Recording edits. A new value gets an id beyond those of the graph that is
 * edited, so that the copy in edit_copy.c tells all values apart by id.
 */
#include <string.h>

#include "hub/graph/edit_private.h"

int
hub_edits_init(struct ckpt_edits *edits, struct hub_graph *graph,
               const struct ckpt_graph *from)
{
    struct hub_budget *budget = graph->arena.budget;

    memset(edits, 0, sizeof *edits);
    edits->from = from;
    edits->graph = graph;
    edits->places.arena = &graph->arena;
    graph->public.value_count = from->value_count;
    graph->public.tensor_count = from->tensor_count;
    graph->public.storage_count = from->storage_count;
    edits->touched = hub_allocate(budget, (size_t)from->value_count);
    edits->relabelled =
        hub_allocate(budget, (size_t)from->storage_count * sizeof(void *));
    return edits->touched != NULL && edits->relabelled != NULL
               ? CKPT_OK
               : budget->report->status;
}

void
hub_edits_fini(struct ckpt_edits *edits)
{
    if (edits->graph == NULL)
        return;
    hub_release(edits->graph->arena.budget, edits->touched);
    hub_release(edits->graph->arena.budget, edits->relabelled);
    edits->graph = NULL;
}

static int
edit_misused(struct ckpt_edits *edits, const char *what)
{
    return hub_fail(edits->graph->report, CKPT_CONTRACT, NULL, CKPT_NOWHERE,
                    "an edit of %s", what);
}

static bool
place_exists(const struct ckpt_edits *edits, const struct ckpt_value *owner,
             size_t index)
{
    if (owner == NULL || owner->id >= edits->from->value_count)
        return false;
    if (owner->kind == CKPT_KIND_MAP)
        return index < owner->as.map.count;
    return (owner->kind == CKPT_KIND_LIST || owner->kind == CKPT_KIND_TUPLE) &&
           index < owner->as.list.count;
}

/* The edit of a place, which begins as one that changes nothing. */
static int
edit_at(struct ckpt_edits *edits, const struct ckpt_value *owner, size_t index,
        struct hub_edit **edit)
{
    struct hub_edit *made;
    uint64_t *number;
    bool added;

    if (!place_exists(edits, owner, index))
        return edit_misused(edits, "a place that is not there");
    *edit = hub_edit_find(edits, owner, index);
    if (*edit != NULL)
        return CKPT_OK;
    made = hub_arena_allocate(&edits->graph->arena, sizeof *made);
    if (made == NULL)
        return edits->graph->report->status;
    made->place.owner = owner->id;
    made->place.index = index;
    number =
        hub_table_add(&edits->places, &made->place, sizeof made->place, &added);
    if (number == NULL)
        return edits->graph->report->status;
    *number = (uintptr_t)made;
    edits->touched[owner->id] = 1;
    *edit = made;
    return CKPT_OK;
}

struct hub_edit *
hub_edit_find(const struct ckpt_edits *edits, const struct ckpt_value *owner,
              size_t index)
{
    struct hub_edit_place place = {.owner = owner->id, .index = index};
    uint64_t *number;

    if (owner->id >= edits->from->value_count || !edits->touched[owner->id])
        return NULL;
    number = hub_table_find(&edits->places, &place, sizeof place);
    return number != NULL ? (struct hub_edit *)(uintptr_t)*number : NULL;
}

int
hub_edit_rename(struct ckpt_edits *edits, const struct ckpt_value *map,
                size_t index, const char *name, size_t name_bytes)
{
    struct ckpt_value *key;
    struct hub_edit *edit;
    int status;

    if (map == NULL || map->kind != CKPT_KIND_MAP)
        return edit_misused(edits, "a key of what is no map");
    status = edit_at(edits, map, index, &edit);
    if (status == CKPT_OK)
        status = hub_string_new(edits->graph, name, name_bytes, &key);
    if (status != CKPT_OK)
        return status;
    edit->key = key;
    edits->count++;
    return CKPT_OK;
}

int
hub_edit_drop(struct ckpt_edits *edits, const struct ckpt_value *owner,
              size_t index)
{
    struct hub_edit *edit;
    int status = edit_at(edits, owner, index, &edit);

    if (status != CKPT_OK)
        return status;
    edit->dropped = true;
    edits->count++;
    return CKPT_OK;
}

static bool
value_exists(const struct ckpt_edits *edits, const struct ckpt_value *value)
{
    return value != NULL && value->id < edits->graph->public.value_count;
}

int
hub_edit_replace(struct ckpt_edits *edits, const struct ckpt_value *owner,
                 size_t index, const struct ckpt_value *value)
{
    struct hub_edit *edit;
    int status;

    if (!value_exists(edits, value))
        return edit_misused(edits, "a place, by a value that is not there");
    status = edit_at(edits, owner, index, &edit);
    if (status != CKPT_OK)
        return status;
    edit->value = value;
    edits->count++;
    return CKPT_OK;
}

int
hub_edit_relabel(struct ckpt_edits *edits, const struct ckpt_storage *storage,
                 const char *device)
{
    struct hub_arena *arena = &edits->graph->arena;
    struct hub_storage *copy;

    if (storage == NULL || storage->id >= edits->from->storage_count ||
        device == NULL)
        return edit_misused(edits, "a storage that is not there");
    copy = edits->relabelled[storage->id];
    if (copy == NULL) {
        copy = hub_arena_allocate(arena, sizeof *copy);
        if (copy == NULL)
            return edits->graph->report->status;
        *copy = *(const struct hub_storage *)storage;
    }
    copy->public.device = hub_arena_text(arena, device, strlen(device));
    if (copy->public.device == NULL)
        return edits->graph->report->status;
    edits->relabelled[storage->id] = copy;
    edits->count++;
    return CKPT_OK;
}

int
hub_edit_root(struct ckpt_edits *edits, const struct ckpt_value *value)
{
    if (!value_exists(edits, value))
        return edit_misused(edits, "the root, by a value that is not there");
    edits->root = value;
    edits->count++;
    return CKPT_OK;
}
