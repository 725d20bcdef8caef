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
    edits->attrs.arena = &graph->arena;
    graph->public.value_count = edits->own_first = from->value_count;
    graph->public.tensor_count = from->tensor_count;
    graph->public.storage_count = from->storage_count;
    edits->places =
        hub_allocate(budget, (size_t)from->value_count * sizeof(void *));
    edits->relabelled =
        hub_allocate(budget, (size_t)from->storage_count * sizeof(void *));
    return edits->places != NULL && edits->relabelled != NULL
               ? CKPT_OK
               : budget->report->status;
}

static void
count_raise(uint64_t *count, uint64_t other)
{
    if (*count < other)
        *count = other;
}

void
hub_edits_admit(struct ckpt_edits *edits, const struct ckpt_graph *other)
{
    struct ckpt_graph *graph = &edits->graph->public;

    count_raise(&graph->value_count, other->value_count);
    edits->own_first = graph->value_count;
    count_raise(&graph->tensor_count, other->tensor_count);
    count_raise(&graph->storage_count, other->storage_count);
}

void
hub_edits_fini(struct ckpt_edits *edits)
{
    if (edits->graph == NULL)
        return;
    hub_release(edits->graph->arena.budget, edits->places);
    hub_release(edits->graph->arena.budget, edits->relabelled);
    edits->graph = NULL;
}

static int
edit_misused(struct ckpt_edits *edits, const char *what)
{
    return hub_fail(edits->graph->report, CKPT_CONTRACT, NULL, CKPT_NOWHERE,
                    "an edit of %s", what);
}

/* The number of places in a container. */
static size_t
place_count(const struct ckpt_value *owner)
{
    if (owner->kind == CKPT_KIND_MAP)
        return owner->as.map.count;
    return owner->kind == CKPT_KIND_LIST || owner->kind == CKPT_KIND_TUPLE
               ? owner->as.list.count
               : 0;
}

/* The edit of a place, which begins as one that changes nothing. */
static int
edit_at(struct ckpt_edits *edits, const struct ckpt_value *owner, size_t index,
        struct hub_edit **edit)
{
    struct hub_arena *arena = &edits->graph->arena;
    struct hub_edit ***places;

    if (owner == NULL || owner->id >= edits->from->value_count ||
        index >= place_count(owner))
        return edit_misused(edits, "a place that is not there");
    places = &edits->places[owner->id];
    if (*places == NULL)
        *places =
            hub_arena_allocate(arena, place_count(owner) * sizeof **places);
    if (*places == NULL)
        return edits->graph->report->status;
    if ((*places)[index] == NULL)
        (*places)[index] = hub_arena_allocate(arena, sizeof ***places);
    *edit = (*places)[index];
    return *edit != NULL ? CKPT_OK : edits->graph->report->status;
}

struct hub_edit *
hub_edit_find(const struct ckpt_edits *edits, const struct ckpt_value *owner,
              size_t index)
{
    struct hub_edit **places = NULL;

    if (owner->id < edits->from->value_count)
        places = edits->places[owner->id];
    return places != NULL ? places[index] : NULL;
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

int
hub_edit_attr_drop(struct ckpt_edits *edits, const char *name)
{
    struct hub_arena *arena = &edits->graph->arena;
    const char *copy = hub_arena_text(arena, name, strlen(name));
    bool added;

    if (copy == NULL ||
        hub_table_add(&edits->attrs, copy, strlen(copy), &added) == NULL)
        return edits->graph->report->status;
    edits->count++;
    return CKPT_OK;
}
