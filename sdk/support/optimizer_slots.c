/* SPDX-License-Identifier: MIT
 *
 * Finding optimizers in the tree, and listing their slots. Who their
 * parameters are is found out in optimizer_pair.c.
 */
#include <stdlib.h>
#include <string.h>

#include "optimizer_pair.h"

#define OPTIMIZERS_MAX 100
#define OPTIMIZER_KEYS_MAX 16
#define DEPTH_MAX 1000 /* the hub refuses deeper graphs long before */

/* ---- The tree ---- */

void
sdk_optimizer_children_init(struct sdk_optimizer_children *children,
                            const struct ckpt_value *of)
{
    children->of = of;
    children->next = 0;
    children->attr = of->attrs;
}

static const struct ckpt_value *
children_part(struct sdk_optimizer_children *children)
{
    const struct ckpt_object *object = children->of->as.object;
    const struct ckpt_value *const parts[] = {object->callee, object->args,
                                              object->kwargs, object->state,
                                              object->items,  object->pairs};

    while (children->next < sizeof parts / sizeof *parts)
        if (parts[children->next++] != NULL)
            return parts[children->next - 1];
    return NULL;
}

static const struct ckpt_value *
children_content(struct sdk_optimizer_children *children)
{
    const struct ckpt_value *of = children->of;

    if (of->kind == CKPT_KIND_OBJECT)
        return children_part(children);
    if (of->kind == CKPT_KIND_MAP)
        return children->next < of->as.map.count
                   ? of->as.map.pairs[children->next++].value
                   : NULL;
    if (of->kind == CKPT_KIND_LIST || of->kind == CKPT_KIND_TUPLE)
        return children->next < of->as.list.count
                   ? of->as.list.items[children->next++]
                   : NULL;
    return NULL;
}

const struct ckpt_value *
sdk_optimizer_children_next(struct sdk_optimizer_children *children)
{
    const struct ckpt_value *found = children_content(children);

    if (found == NULL && children->attr != NULL) {
        found = children->attr->value;
        children->attr = children->attr->next;
    }
    return found;
}

const struct ckpt_value *
sdk_optimizer_key(const struct ckpt_value *map, const char *key)
{
    size_t i, size = strlen(key);
    const struct ckpt_value *found;

    for (i = 0; map->kind == CKPT_KIND_MAP && i < map->as.map.count; i++) {
        found = map->as.map.pairs[i].key;
        if (found->kind == CKPT_KIND_STRING &&
            found->as.text.size_bytes == size &&
            memcmp(found->as.text.data, key, size) == 0)
            return map->as.map.pairs[i].value;
    }
    return NULL;
}

/* ---- Whether it is one ---- */

static bool
group_is(const struct ckpt_value *group, uint32_t *kind)
{
    const struct ckpt_value *params = sdk_optimizer_key(group, "params");
    const struct ckpt_value *item;
    size_t i;

    if (params == NULL || params->kind != CKPT_KIND_LIST)
        return false;
    for (i = 0; i < params->as.list.count; i++) {
        item = params->as.list.items[i];
        if (*kind == CKPT_KIND_NONE && item->kind == CKPT_KIND_STRING)
            *kind = CKPT_KIND_STRING;
        else if (*kind == CKPT_KIND_NONE)
            *kind = CKPT_KIND_INT;
        if (item->kind != *kind || (item->kind == CKPT_KIND_INT && item->wide))
            return false;
    }
    return true;
}

/* The kind of what stands for parameters: NONE if it is no optimizer, and INT
 * for one without any. */
static uint32_t
optimizer_kind(const struct ckpt_value *value)
{
    const struct ckpt_value *state, *groups;
    uint32_t kind = CKPT_KIND_NONE;
    size_t i;

    if (value->kind != CKPT_KIND_MAP || value->as.map.count < 2 ||
        value->as.map.count > OPTIMIZER_KEYS_MAX)
        return CKPT_KIND_NONE;
    state = sdk_optimizer_key(value, "state");
    groups = sdk_optimizer_key(value, "param_groups");
    if (state == NULL || state->kind != CKPT_KIND_MAP || groups == NULL ||
        groups->kind != CKPT_KIND_LIST || groups->as.list.count == 0)
        return CKPT_KIND_NONE;
    for (i = 0; i < groups->as.list.count; i++)
        if (!group_is(groups->as.list.items[i], &kind))
            return CKPT_KIND_NONE;
    return kind == CKPT_KIND_NONE ? CKPT_KIND_INT : kind;
}

/* ---- Listing slots ---- */

/* What orders keys: numbers, or names. */
static int
key_order(const struct ckpt_value *a, const struct ckpt_value *b)
{
    size_t size;
    int order;

    if (a->kind == CKPT_KIND_INT)
        return a->as.integer < b->as.integer   ? -1
               : a->as.integer > b->as.integer ? 1
                                               : 0;
    size = a->as.text.size_bytes < b->as.text.size_bytes
               ? a->as.text.size_bytes
               : b->as.text.size_bytes;
    order = memcmp(a->as.text.data, b->as.text.data, size);
    if (order != 0 || a->as.text.size_bytes == b->as.text.size_bytes)
        return order;
    return a->as.text.size_bytes < b->as.text.size_bytes ? -1 : 1;
}

static const struct ckpt_value *
slot_key(const struct sdk_slot *slot)
{
    return slot->params->as.list.items[slot->item];
}

static int
slot_order(const void *a, const void *b)
{
    const struct sdk_slot *one = *(const struct sdk_slot *const *)a;
    const struct sdk_slot *two = *(const struct sdk_slot *const *)b;
    int order = key_order(slot_key(one), slot_key(two));

    return order != 0 ? order : one < two ? -1 : one > two;
}

static struct sdk_slot *
slot_find(struct sdk_slot **sorted, size_t count, const struct ckpt_value *key)
{
    size_t low = 0, high = count, middle;

    while (low < high) {
        middle = low + (high - low) / 2;
        if (key_order(slot_key(sorted[middle]), key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low < count && key_order(slot_key(sorted[low]), key) == 0
               ? sorted[low]
               : NULL;
}

/* Tells each slot what is kept for it. */
static int
slots_states(const struct ckpt_host *host, struct sdk_optimizer *optimizer)
{
    const struct ckpt_value *key, *state = optimizer->state;
    size_t i, count = optimizer->slot_count;
    struct sdk_slot *found,
        **sorted = host->allocate(host, (count + 1) * sizeof *sorted);

    if (sorted == NULL)
        return CKPT_MEMORY;
    for (i = 0; i < count; i++)
        sorted[i] = &optimizer->slots[i];
    qsort(sorted, count, sizeof *sorted, slot_order);
    for (i = 0; count > 0 && i < state->as.map.count; i++) {
        key = state->as.map.pairs[i].key;
        if (key->kind != slot_key(sorted[0])->kind ||
            (key->kind == CKPT_KIND_INT && key->wide))
            continue;
        found = slot_find(sorted, count, key);
        if (found == NULL)
            continue;
        found->state = state->as.map.pairs[i].value;
        found->pair = i;
    }
    host->release(host, sorted);
    return CKPT_OK;
}

/* The names that a group gives itself; NULL if it does not. */
static const struct ckpt_value *
group_names(const struct ckpt_value *group, size_t count)
{
    const struct ckpt_value *names = sdk_optimizer_key(group, "param_names");
    size_t i;

    if (names == NULL || names->kind != CKPT_KIND_LIST ||
        names->as.list.count != count)
        return NULL;
    for (i = 0; i < count; i++)
        if (names->as.list.items[i]->kind != CKPT_KIND_STRING)
            return NULL;
    return names;
}

static void
slots_fill(struct sdk_optimizer *optimizer)
{
    const struct ckpt_value *groups = optimizer->groups, *params, *names;
    struct sdk_slot *slot = optimizer->slots;
    size_t i, j;

    optimizer->stored = optimizer->slot_count > 0;
    for (i = 0; i < groups->as.list.count; i++) {
        params = sdk_optimizer_key(groups->as.list.items[i], "params");
        names = optimizer->by_names ? params
                                    : group_names(groups->as.list.items[i],
                                                  params->as.list.count);
        optimizer->stored = optimizer->stored && names != NULL;
        for (j = 0; j < params->as.list.count; j++, slot++) {
            slot->params = params;
            slot->item = j;
            if (names != NULL)
                slot->name = &names->as.list.items[j]->as.text;
        }
    }
    for (i = 0; !optimizer->stored && i < optimizer->slot_count; i++)
        optimizer->slots[i].name = NULL;
}

static int
slots_list(const struct ckpt_host *host, struct sdk_optimizer *optimizer)
{
    const struct ckpt_value *groups = optimizer->groups;
    size_t i;

    for (i = 0; i < groups->as.list.count; i++)
        optimizer->slot_count +=
            sdk_optimizer_key(groups->as.list.items[i], "params")
                ->as.list.count;
    optimizer->slots = host->allocate(host, (optimizer->slot_count + 1) *
                                                sizeof *optimizer->slots);
    if (optimizer->slots == NULL)
        return CKPT_MEMORY;
    slots_fill(optimizer);
    return slots_states(host, optimizer);
}

/* ---- Finding ---- */

static int
optimizer_add(struct sdk_optimizer_walk *walk, const struct ckpt_value *value,
              uint32_t kind)
{
    const struct ckpt_host *host = walk->host;
    struct sdk_optimizers *found = walk->found;
    struct sdk_optimizer *optimizer;
    int status;

    if (found->items == NULL)
        found->items =
            host->allocate(host, OPTIMIZERS_MAX * sizeof *found->items);
    if (found->items == NULL)
        return CKPT_MEMORY;
    if (found->count == OPTIMIZERS_MAX)
        return CKPT_OK;
    optimizer = &found->items[found->count++];
    optimizer->map = value;
    optimizer->state = sdk_optimizer_key(value, "state");
    optimizer->groups = sdk_optimizer_key(value, "param_groups");
    optimizer->by_names = kind == CKPT_KIND_STRING;
    status = slots_list(host, optimizer);
    if (status == CKPT_OK)
        status = sdk_optimizer_pair(walk, optimizer);
    return status;
}

static int
optimizer_walk(struct sdk_optimizer_walk *walk, const struct ckpt_value *value,
               const struct ckpt_value *around, unsigned depth)
{
    struct sdk_optimizer_children children;
    const struct ckpt_value *next;
    uint32_t kind;
    int status = CKPT_OK;

    if (depth >= DEPTH_MAX || walk->met[value->id])
        return CKPT_OK;
    walk->met[value->id] = 1;
    walk->around[value->id] = around;
    kind = optimizer_kind(value);
    if (kind != CKPT_KIND_NONE)
        return optimizer_add(walk, value, kind);
    sdk_optimizer_children_init(&children, value);
    while (status == CKPT_OK &&
           (next = sdk_optimizer_children_next(&children)) != NULL)
        if (next->kind >= CKPT_KIND_LIST && next->kind <= CKPT_KIND_OBJECT)
            status = optimizer_walk(walk, next, value, depth + 1);
    return status;
}

/* Marks a container, and those in it, as being in an optimizer. */
static void
inside_mark(struct sdk_optimizers *optimizers, const struct ckpt_value *value,
            struct sdk_inside where, unsigned depth)
{
    struct sdk_optimizer_children children;
    const struct ckpt_value *next;

    if (depth >= DEPTH_MAX || value->kind < CKPT_KIND_LIST ||
        value->kind > CKPT_KIND_OBJECT ||
        optimizers->inside[value->id].optimizer != 0)
        return;
    optimizers->inside[value->id] = where;
    sdk_optimizer_children_init(&children, value);
    while ((next = sdk_optimizer_children_next(&children)) != NULL)
        inside_mark(optimizers, next, where, depth + 1);
}

static int
inside_fill(const struct sdk_optimizer_walk *walk)
{
    struct sdk_optimizers *optimizers = walk->found;
    const struct sdk_optimizer *optimizer;
    struct sdk_inside where = {0};
    size_t i, j;

    optimizers->inside = walk->host->allocate(
        walk->host,
        ((size_t)walk->graph->value_count + 1) * sizeof *optimizers->inside);
    if (optimizers->inside == NULL)
        return CKPT_MEMORY;
    for (i = 0; i < optimizers->count; i++) {
        optimizer = &optimizers->items[i];
        where.optimizer = (uint32_t)i + 1;
        for (j = 0; j < optimizer->slot_count; j++) {
            where.slot = (uint32_t)j + 1;
            if (optimizer->slots[j].state != NULL)
                inside_mark(optimizers, optimizer->slots[j].state, where, 0);
        }
        where.slot = 0;
        inside_mark(optimizers, optimizer->map, where, 0);
    }
    return CKPT_OK;
}

int
sdk_optimizers_find(const struct ckpt_host *host,
                    const struct ckpt_graph *graph,
                    struct sdk_optimizers *optimizers)
{
    size_t count = (size_t)graph->value_count + 1;
    struct sdk_optimizer_walk walk = {
        .host = host, .graph = graph, .found = optimizers};
    int status = CKPT_MEMORY;

    memset(optimizers, 0, sizeof *optimizers);
    if (graph->root == NULL)
        return CKPT_OK;
    walk.around = host->allocate(host, count * sizeof *walk.around);
    if (walk.around != NULL)
        walk.met = host->allocate(host, count);
    if (walk.met != NULL)
        status = optimizer_walk(&walk, graph->root, NULL, 0);
    if (status == CKPT_OK && optimizers->count > 0)
        status = inside_fill(&walk);
    host->release(host, walk.around);
    host->release(host, walk.met);
    return status;
}

void
sdk_optimizers_fini(const struct ckpt_host *host,
                    struct sdk_optimizers *optimizers)
{
    struct sdk_optimizer *optimizer;
    size_t i, j;

    for (i = 0; i < optimizers->count; i++) {
        optimizer = &optimizers->items[i];
        for (j = 0; optimizer->slots != NULL && j < optimizer->slot_count; j++)
            host->release(host, optimizer->slots[j].renamed);
        host->release(host, optimizer->slots);
        host->release(host, optimizer->slot_of);
    }
    host->release(host, optimizers->inside);
    host->release(host, optimizers->items);
    memset(optimizers, 0, sizeof *optimizers);
}

struct sdk_slot *
sdk_slot_at(const struct sdk_optimizer *optimizer,
            const struct ckpt_value *owner, size_t index)
{
    if (owner == NULL || optimizer->weights != owner ||
        optimizer->slot_of[index] == 0)
        return NULL;
    return &optimizer->slots[optimizer->slot_of[index] - 1];
}

struct sdk_optimizer *
sdk_optimizer_around(const struct sdk_optimizers *optimizers,
                     const struct ckpt_value *owner)
{
    if (optimizers->inside == NULL || owner == NULL ||
        optimizers->inside[owner->id].optimizer == 0)
        return NULL;
    return &optimizers->items[optimizers->inside[owner->id].optimizer - 1];
}

struct sdk_slot *
sdk_slot_around(const struct sdk_optimizers *optimizers,
                const struct ckpt_value *owner)
{
    struct sdk_optimizer *optimizer = sdk_optimizer_around(optimizers, owner);

    if (optimizer == NULL || optimizers->inside[owner->id].slot == 0)
        return NULL;
    return &optimizer->slots[optimizers->inside[owner->id].slot - 1];
}
