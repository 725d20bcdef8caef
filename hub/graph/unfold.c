/* SPDX-License-Identifier: MIT
 *
 * How often values are met when all that is shared is met anew. Each value is
 * counted once: what it unfolds to is kept, unless a part of it was left out
 * as a value that holds itself, for that depends on the way to it.
 */
#include "hub/graph/unfold.h"

#include <string.h>

#include "hub/graph/walk.h"

struct unfold_level {
    struct hub_children children;
    uint64_t count;
    bool cut; /* a part was left out */
};

struct unfold {
    struct unfold_level *levels;
    size_t depth;
    uint32_t *counts; /* by value id; 0: not known, saturating */
    unsigned char *on_path;
    uint64_t visits, most;
};

static bool
unfold_enters(const struct ckpt_value *value)
{
    return value->kind == CKPT_KIND_LIST || value->kind == CKPT_KIND_TUPLE ||
           value->kind == CKPT_KIND_MAP || value->kind == CKPT_KIND_OBJECT ||
           value->attrs != NULL;
}

/* Adds what a value comes to, or goes into it. */
static void
unfold_meet(struct unfold *unfold, const struct ckpt_value *value)
{
    struct unfold_level *level = &unfold->levels[unfold->depth - 1];

    unfold->visits++;
    if (!unfold_enters(value)) {
        level->count++;
    } else if (unfold->counts[value->id] != 0) {
        level->count += unfold->counts[value->id];
    } else if (unfold->on_path[value->id] || unfold->depth == HUB_DEPTH_MAX) {
        level->count++;
        level->cut = true;
    } else {
        unfold->on_path[value->id] = 1;
        level++;
        hub_children_init(&level->children, value);
        level->count = 1;
        level->cut = false;
        unfold->depth++;
    }
}

static void
unfold_leave(struct unfold *unfold)
{
    struct unfold_level *level = &unfold->levels[--unfold->depth];
    uint64_t id = level->children.parent->id;
    uint64_t count =
        level->count < unfold->most ? level->count : unfold->most + 1;

    unfold->on_path[id] = 0;
    if (!level->cut)
        unfold->counts[id] = (uint32_t)count;
    level[-1].count += count;
    level[-1].cut = level[-1].cut || level->cut;
}

static bool
unfold_all(struct unfold *unfold, const struct ckpt_value *root)
{
    struct hub_child child;

    /* The lowest level is above the root. */
    memset(unfold->levels, 0, sizeof *unfold->levels);
    unfold->depth = 1;
    unfold_meet(unfold, root);
    while (unfold->depth > 1 && unfold->visits <= unfold->most &&
           unfold->levels[unfold->depth - 1].count <= unfold->most) {
        if (hub_children_next(&unfold->levels[unfold->depth - 1].children,
                              &child))
            unfold_meet(unfold, child.value);
        else
            unfold_leave(unfold);
    }
    return unfold->depth > 1 || unfold->levels[0].count > unfold->most;
}

int
hub_unfolds_beyond(struct hub_graph *graph, const struct ckpt_value *root,
                   bool *beyond)
{
    struct hub_budget *budget = graph->arena.budget;
    size_t count = (size_t)graph->public.value_count;
    struct unfold unfold = {.most = graph->walk_max};
    int status = CKPT_OK;

    if (unfold.most > UINT32_MAX - 1)
        unfold.most = UINT32_MAX - 1;
    unfold.levels =
        hub_allocate(budget, (HUB_DEPTH_MAX + 1) * sizeof *unfold.levels);
    unfold.on_path = hub_allocate(budget, count);
    unfold.counts = hub_allocate(budget, count * sizeof *unfold.counts);
    if (unfold.levels == NULL || unfold.on_path == NULL ||
        unfold.counts == NULL)
        status = budget->report->status;
    else
        *beyond = unfold_all(&unfold, root);
    hub_release(budget, unfold.levels);
    hub_release(budget, unfold.on_path);
    hub_release(budget, unfold.counts);
    return status;
}
