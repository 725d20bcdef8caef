/* SPDX-License-Identifier: MIT
 *
 * Making slots follow. What is kept for parameters is put into a new map
 * where numbers change, since keys that are numbers cannot be edited.
 */
#include <string.h>

#include "optimizer_pair.h"

void
sdk_slots_drop(struct sdk_optimizers *optimizers,
               const struct ckpt_value *owner, size_t index)
{
    struct sdk_slot *slot;
    size_t i;

    for (i = 0; i < optimizers->count; i++) {
        slot = sdk_slot_at(&optimizers->items[i], owner, index);
        if (slot != NULL && ++slot->places_gone == slot->places)
            slot->goes = true;
    }
}

int
sdk_slot_rename(const struct ckpt_host *host, struct sdk_slot *slot,
                const char *name, size_t name_bytes)
{
    char *copy = host->allocate(host, name_bytes + 1);

    if (copy == NULL)
        return CKPT_MEMORY;
    memcpy(copy, name, name_bytes);
    host->release(host, slot->renamed);
    slot->renamed = copy;
    slot->renamed_bytes = name_bytes;
    return CKPT_OK;
}

int
sdk_slots_rename(const struct ckpt_host *host,
                 struct sdk_optimizers *optimizers,
                 const struct ckpt_value *owner, size_t index, const char *key,
                 size_t key_bytes)
{
    const struct ckpt_text *old;
    struct sdk_slot *slot;
    int status = CKPT_OK;
    size_t i;

    for (i = 0; i < optimizers->count && status == CKPT_OK; i++) {
        slot = sdk_slot_at(&optimizers->items[i], owner, index);
        if (slot == NULL || !optimizers->items[i].stored)
            continue;
        /* Of several names the optimizer knows one. */
        old = &owner->as.map.pairs[index].key->as.text;
        if (old->size_bytes == slot->name->size_bytes &&
            memcmp(old->data, slot->name->data, old->size_bytes) == 0)
            status = sdk_slot_rename(host, slot, key, key_bytes);
    }
    return status;
}

/* ---- Edits ---- */

struct editing {
    const struct ckpt_host *host;
    struct ckpt_edits *edits;
    const struct sdk_optimizer *optimizer;
};

static int
make_int(const struct editing *editing, int64_t number,
         struct ckpt_value **value)
{
    const struct ckpt_host *host = editing->host;
    struct ckpt_value like = {.kind = CKPT_KIND_INT};

    like.as.integer = number;
    return host->value_new(host, host->edit_graph(host, editing->edits), &like,
                           sizeof like, value);
}

static int
make_string(const struct editing *editing, const struct sdk_slot *slot,
            struct ckpt_value **value)
{
    const struct ckpt_host *host = editing->host;
    struct ckpt_value like = {.kind = CKPT_KIND_STRING};

    like.as.text.data = slot->renamed;
    like.as.text.size_bytes = slot->renamed_bytes;
    return host->value_new(host, host->edit_graph(host, editing->edits), &like,
                           sizeof like, value);
}

/* A list with one item for each parameter of a group. */
static int
edit_names(const struct editing *editing, const struct ckpt_value *list,
           const struct sdk_slot *slots)
{
    const struct ckpt_host *host = editing->host;
    struct ckpt_value *name;
    int status = CKPT_OK;
    size_t i;

    for (i = 0; i < list->as.list.count && status == CKPT_OK; i++) {
        if (slots[i].goes) {
            status = host->edit_drop(host, editing->edits, list, i);
        } else if (slots[i].renamed != NULL) {
            status = make_string(editing, &slots[i], &name);
            if (status == CKPT_OK)
                status =
                    host->edit_replace(host, editing->edits, list, i, name);
        }
    }
    return status;
}

static int
edit_numbers(const struct editing *editing, const struct ckpt_value *list,
             const struct sdk_slot *slots, int64_t *next)
{
    const struct ckpt_host *host = editing->host;
    struct ckpt_value *number;
    int status = CKPT_OK;
    size_t i;

    for (i = 0; i < list->as.list.count && status == CKPT_OK; i++) {
        if (slots[i].goes) {
            status = host->edit_drop(host, editing->edits, list, i);
            continue;
        }
        status = make_int(editing, (*next)++, &number);
        if (status == CKPT_OK)
            status = host->edit_replace(host, editing->edits, list, i, number);
    }
    return status;
}

static int
edit_groups(const struct editing *editing, bool any_goes)
{
    const struct sdk_optimizer *optimizer = editing->optimizer;
    const struct ckpt_value *group, *params, *names;
    const struct sdk_slot *slots = optimizer->slots;
    int64_t next = 0;
    int status = CKPT_OK;
    size_t i;

    for (i = 0; i < optimizer->groups->as.list.count && status == CKPT_OK;
         i++) {
        group = optimizer->groups->as.list.items[i];
        params = sdk_optimizer_key(group, "params");
        names = sdk_optimizer_key(group, "param_names");
        if (optimizer->by_names)
            status = edit_names(editing, params, slots);
        else if (any_goes)
            status = edit_numbers(editing, params, slots, &next);
        if (status == CKPT_OK && names != NULL &&
            names->kind == CKPT_KIND_LIST &&
            names->as.list.count == params->as.list.count)
            status = edit_names(editing, names, slots);
        slots += params->as.list.count;
    }
    return status;
}

/* States by name: each pair for itself. */
static int
edit_state(const struct editing *editing)
{
    const struct ckpt_host *host = editing->host;
    const struct sdk_optimizer *optimizer = editing->optimizer;
    const struct sdk_slot *slot = optimizer->slots;
    int status = CKPT_OK;
    size_t i;

    for (i = 0; i < optimizer->slot_count && status == CKPT_OK; i++, slot++) {
        if (slot->state == NULL)
            continue;
        if (slot->goes)
            status = host->edit_drop(host, editing->edits, optimizer->state,
                                     slot->pair);
        else if (slot->renamed != NULL)
            status = host->edit_rename(host, editing->edits, optimizer->state,
                                       slot->pair, slot->renamed,
                                       slot->renamed_bytes);
    }
    return status;
}

/* An empty map of the same class, with the same attributes. */
static int
state_begin(const struct editing *editing, struct ckpt_value **state)
{
    const struct ckpt_host *host = editing->host;
    struct ckpt_graph *graph = host->edit_graph(host, editing->edits);
    const struct ckpt_value *old = editing->optimizer->state;
    struct ckpt_value like = {.kind = CKPT_KIND_MAP};
    const struct ckpt_attr *attr;
    int status;

    like.type_name = old->type_name;
    status = host->value_new(host, graph, &like, sizeof like, state);
    for (attr = old->attrs; attr != NULL && status == CKPT_OK;
         attr = attr->next)
        status = host->attr_set(host, graph, *state, attr->name, attr->value);
    return status;
}

/* 1 + the new number of what is kept under each pair; 0: it is gone. */
static int64_t *
state_numbers(const struct editing *editing)
{
    const struct sdk_optimizer *optimizer = editing->optimizer;
    const struct ckpt_pair *pair = optimizer->state->as.map.pairs;
    size_t i, count = optimizer->state->as.map.count;
    int64_t next = 0, *numbers = editing->host->allocate(
                          editing->host, (count + 1) * sizeof *numbers);

    if (numbers == NULL)
        return NULL;
    for (i = 0; i < optimizer->slot_count; i++)
        next += !optimizer->slots[i].goes;
    /* A number that no group knows stays, where it is in nobody's way. */
    for (i = 0; i < count; i++, pair++)
        if (pair->key->kind != CKPT_KIND_INT || pair->key->wide ||
            pair->key->as.integer >= next)
            numbers[i] = -1;
    for (i = 0, next = 0; i < optimizer->slot_count; i++) {
        next += !optimizer->slots[i].goes;
        if (optimizer->slots[i].state != NULL)
            numbers[optimizer->slots[i].pair] =
                optimizer->slots[i].goes ? 0 : next;
    }
    return numbers;
}

static int
state_fill(const struct editing *editing, struct ckpt_value *state,
           const int64_t *numbers)
{
    const struct ckpt_host *host = editing->host;
    struct ckpt_graph *graph = host->edit_graph(host, editing->edits);
    const struct ckpt_value *old = editing->optimizer->state;
    const struct ckpt_pair *pair = old->as.map.pairs;
    struct ckpt_value *number;
    int status = CKPT_OK;
    size_t i;

    for (i = 0; i < old->as.map.count && status == CKPT_OK; i++, pair++) {
        if (numbers[i] == 0)
            continue;
        if (numbers[i] < 0) {
            status = host->map_set(host, graph, state, pair->key, pair->value);
            continue;
        }
        status = make_int(editing, numbers[i] - 1, &number);
        if (status == CKPT_OK)
            status = host->map_set(host, graph, state, number, pair->value);
    }
    return status;
}

/* States by number: a new map. */
static int
edit_state_numbers(const struct editing *editing)
{
    const struct ckpt_host *host = editing->host;
    const struct ckpt_value *map = editing->optimizer->map;
    int64_t *numbers = state_numbers(editing);
    struct ckpt_value *state;
    int status = CKPT_MEMORY;
    size_t i;

    if (numbers == NULL)
        return status;
    status = state_begin(editing, &state);
    if (status == CKPT_OK)
        status = state_fill(editing, state, numbers);
    for (i = 0; status == CKPT_OK && i < map->as.map.count; i++)
        if (map->as.map.pairs[i].value == editing->optimizer->state)
            status = host->edit_replace(host, editing->edits, map, i, state);
    host->release(host, numbers);
    return status;
}

static int
optimizer_edit(const struct editing *editing)
{
    const struct sdk_optimizer *optimizer = editing->optimizer;
    bool any_goes = false, any_renamed = false;
    int status;
    size_t i;

    for (i = 0; i < optimizer->slot_count; i++) {
        any_goes |= optimizer->slots[i].goes;
        any_renamed |= optimizer->slots[i].renamed != NULL;
    }
    if (!any_goes && !any_renamed)
        return CKPT_OK;
    status = edit_groups(editing, any_goes);
    if (status == CKPT_OK && optimizer->by_names)
        status = edit_state(editing);
    else if (status == CKPT_OK && any_goes)
        status = edit_state_numbers(editing);
    return status;
}

int
sdk_slots_edit(const struct ckpt_host *host, struct ckpt_edits *edits,
               const struct sdk_optimizers *optimizers)
{
    struct editing editing = {.host = host, .edits = edits};
    int status = CKPT_OK;
    size_t i;

    for (i = 0; i < optimizers->count && status == CKPT_OK; i++) {
        editing.optimizer = &optimizers->items[i];
        status = optimizer_edit(&editing);
    }
    return status;
}

void
sdk_slots_warn(const struct ckpt_host *host,
               const struct sdk_optimizers *optimizers)
{
    const struct sdk_optimizer *optimizer = optimizers->items;
    size_t i;

    for (i = 0; i < optimizers->count; i++, optimizer++)
        if (optimizer->weights == NULL && optimizer->slot_count > 0)
            host->warn(host, NULL, CKPT_NOWHERE,
                       "the state of an optimizer stays as it is: %s",
                       optimizer->why != NULL
                           ? optimizer->why
                           : "no map beside it holds its parameters");
}
