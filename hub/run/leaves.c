/* SPDX-License-Identifier: MIT
 *
 * The walk that finds the leaves of a graph.
 */
#include "hub/run/leaves.h"

#include <string.h>

#include "hub/graph/walk.h"

struct leaves {
    struct hub_arena *arena;
    struct ckpt_entry *items;
    size_t count, capacity;
    unsigned char *on_path; /* by value id */
    char *name;
    size_t name_capacity;
    uint32_t depth;
};

static int
leaves_add(struct leaves *leaves, const struct ckpt_value *value,
           size_t name_bytes)
{
    size_t capacity = leaves->capacity ? 2 * leaves->capacity : 64;
    struct ckpt_entry *grown, *entry;

    if (leaves->count == leaves->capacity) {
        grown = hub_arena_large(leaves->arena, leaves->items,
                                capacity * sizeof *grown);
        if (grown == NULL)
            return leaves->arena->budget->report->status;
        leaves->items = grown;
        leaves->capacity = capacity;
    }
    entry = &leaves->items[leaves->count];
    entry->value = value;
    entry->name.size_bytes = name_bytes;
    entry->name.data = hub_arena_text(leaves->arena, leaves->name, name_bytes);
    if (entry->name.data == NULL)
        return leaves->arena->budget->report->status;
    leaves->count++;
    return CKPT_OK;
}

static int
leaves_name(struct leaves *leaves, const struct hub_child *child,
            size_t *name_bytes)
{
    size_t dot = *name_bytes > 0 ? 1 : 0, need;
    struct hub_budget *budget = leaves->arena->budget;
    struct ckpt_text label;
    char buffer[40], *grown;

    hub_child_label(child, buffer, &label);
    need = *name_bytes + dot + label.size_bytes;
    if (need > leaves->name_capacity) {
        grown = hub_reallocate(budget, leaves->name, 2 * need);
        if (grown == NULL)
            return budget->report->status;
        leaves->name = grown;
        leaves->name_capacity = 2 * need;
    }
    if (dot)
        leaves->name[*name_bytes] = '.';
    if (label.size_bytes > 0)
        memcpy(leaves->name + *name_bytes + dot, label.data, label.size_bytes);
    *name_bytes = need;
    return CKPT_OK;
}

/* The keys of a state and of pairs are the object's own. */
static bool
leaves_transparent(const struct ckpt_value *parent,
                   const struct hub_child *child)
{
    return parent->kind == CKPT_KIND_OBJECT &&
           child->value->kind == CKPT_KIND_MAP &&
           (child->value == parent->as.object->state ||
            child->value == parent->as.object->pairs);
}

static bool
leaves_enters(const struct ckpt_value *value)
{
    return value->kind == CKPT_KIND_LIST || value->kind == CKPT_KIND_TUPLE ||
           value->kind == CKPT_KIND_MAP || value->kind == CKPT_KIND_OBJECT;
}

/* The graph's own walk has bounded depth and number of what is met here. */
static int
leaves_walk(struct leaves *leaves, const struct ckpt_value *value,
            size_t name_bytes)
{
    struct hub_children children;
    struct hub_child child;
    int status = CKPT_OK;
    size_t bytes;

    if (value->kind == CKPT_KIND_OBJECT ||
        (!leaves_enters(value) && value->kind != CKPT_KIND_TENSOR))
        status = leaves_add(leaves, value, name_bytes);
    if (status != CKPT_OK || !leaves_enters(value) ||
        leaves->on_path[value->id] || leaves->depth == HUB_DEPTH_MAX)
        return status;
    leaves->on_path[value->id] = 1;
    leaves->depth++;
    hub_children_init(&children, value);
    while (status == CKPT_OK && hub_children_next(&children, &child) &&
           !children.in_attrs) {
        bytes = name_bytes;
        if (!leaves_transparent(value, &child))
            status = leaves_name(leaves, &child, &bytes);
        if (status == CKPT_OK)
            status = leaves_walk(leaves, child.value, bytes);
    }
    leaves->depth--;
    leaves->on_path[value->id] = 0;
    return status;
}

int
hub_leaves_take(struct hub_arena *arena, const struct ckpt_graph *graph,
                struct hub_entries *entries)
{
    struct hub_budget *budget = arena->budget;
    struct leaves leaves = {.arena = arena};
    int status;

    leaves.on_path = hub_allocate(budget, (size_t)graph->value_count + 1);
    status = leaves.on_path != NULL ? leaves_walk(&leaves, graph->root, 0)
                                    : budget->report->status;
    hub_release(budget, leaves.on_path);
    hub_release(budget, leaves.name);
    entries->first = leaves.items;
    entries->count = leaves.count;
    return status;
}
