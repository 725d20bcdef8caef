/* SPDX-License-Identifier: MIT
 *
 * Pairing. The numbers of all groups, in order, are the `slots`; the tensors
 * of a map that can be parameters are the `places`. A slot fits a place by
 * shape, and its neighbours keep their order.
 */
#include "optimizer_pair.h"

#include <stdlib.h>
#include <string.h>

#include "numbers.h"

#define TWINS_LOOK_MAX 64 /* tensors on one storage */

struct slot {
    int64_t number;
    size_t order, group;
    const struct ckpt_value *state; /* what is kept for it, or NULL */
    size_t pair;                    /* of the state; if there is one */
    const struct ckpt_text *name;
};

struct place {
    const struct ckpt_text *name;
    const struct ckpt_tensor *tensor;
    size_t before; /* 1 + an earlier place on the same storage, or 0 */
};

struct pairing {
    const struct cli_optimizer *optimizer;
    struct slot *slots;
    size_t slot_count, group_count;
    struct place *places;
    size_t place_count;
    uint64_t element_count; /* of all places */
    size_t *chosen;         /* by slot: its place, looked for from the front */
    size_t *other;          /* the same, from the back */
    size_t *storages;       /* by storage id: 1 + its last place, or 0 */
};

/* ---- Slots ---- */

static const struct ckpt_value *
pair_groups(const struct cli_optimizer *optimizer)
{
    return cli_map_find(optimizer->map, "param_groups");
}

static int
slot_by_number(const void *a, const void *b)
{
    const struct slot *one = a, *two = b;

    if (one->number != two->number)
        return one->number < two->number ? -1 : 1;
    return one->order < two->order ? -1 : 1;
}

static int
slot_by_order(const void *a, const void *b)
{
    const struct slot *one = a, *two = b;

    return one->order < two->order ? -1 : 1;
}

/* Tells each slot what is kept for it. */
static void
pair_states(struct pairing *pairing)
{
    const struct ckpt_value *state = pairing->optimizer->state;
    struct slot wanted = {0}, *found;
    size_t i, low, high, middle;

    qsort(pairing->slots, pairing->slot_count, sizeof *found, slot_by_number);
    for (i = 0; i < state->as.map.count; i++) {
        const struct ckpt_pair *pair = &state->as.map.pairs[i];

        if (pair->key->kind != CKPT_KIND_INT || pair->key->wide)
            continue;
        wanted.number = pair->key->as.integer;
        for (low = 0, high = pairing->slot_count; low < high;) {
            middle = low + (high - low) / 2;
            if (pairing->slots[middle].number < wanted.number)
                low = middle + 1;
            else
                high = middle;
        }
        found = &pairing->slots[low];
        if (low == pairing->slot_count || found->number != wanted.number)
            continue;
        found->state = pair->value;
        found->pair = i;
    }
    qsort(pairing->slots, pairing->slot_count, sizeof *found, slot_by_order);
}

/* The names that a group gives itself; NULL if it does not. */
static const struct ckpt_value *
group_names(const struct ckpt_value *group, size_t count)
{
    const struct ckpt_value *names = cli_map_find(group, "param_names");
    size_t i;

    if (names == NULL || names->kind != CKPT_KIND_LIST ||
        names->as.list.count != count)
        return NULL;
    for (i = 0; i < count; i++)
        if (names->as.list.items[i]->kind != CKPT_KIND_STRING)
            return NULL;
    return names;
}

static int
pair_slots(struct pairing *pairing, bool *named)
{
    const struct ckpt_value *groups = pair_groups(pairing->optimizer);
    const struct ckpt_value *params, *names;
    struct slot *slot;
    size_t i, j, count = 0;

    for (i = 0; i < groups->as.list.count; i++)
        count +=
            cli_map_find(groups->as.list.items[i], "params")->as.list.count;
    slot = calloc(count + 1, sizeof *slot);
    if (slot == NULL)
        return CKPT_MEMORY;
    pairing->slots = slot;
    *named = count > 0;
    for (i = 0; i < groups->as.list.count; i++) {
        params = cli_map_find(groups->as.list.items[i], "params");
        names = group_names(groups->as.list.items[i], params->as.list.count);
        *named = *named && names != NULL;
        pairing->group_count += params->as.list.count > 0;
        for (j = 0; j < params->as.list.count; j++, slot++) {
            slot->number = params->as.list.items[j]->as.integer;
            slot->order = pairing->slot_count++;
            slot->group = i;
            if (names != NULL)
                slot->name = &names->as.list.items[j]->as.text;
        }
    }
    for (i = 0; !*named && i < count; i++)
        pairing->slots[i].name = NULL;
    pair_states(pairing);
    return CKPT_OK;
}

/* ---- Places ---- */

static bool
same_shape(const struct ckpt_tensor *a, const struct ckpt_tensor *b)
{
    return a->rank == b->rank &&
           (a->rank == 0 ||
            memcmp(a->shape, b->shape, a->rank * sizeof *a->shape) == 0);
}

/* Whether it is a second name of a place before. */
static bool
place_is_twin(struct pairing *pairing, struct place *place)
{
    size_t *last = &pairing->storages[place->tensor->storage->id];
    const struct place *before;
    size_t at = *last, looks = 0;

    for (; at != 0 && looks < TWINS_LOOK_MAX; at = before->before, looks++) {
        before = &pairing->places[at - 1];
        if (before->tensor->offset == place->tensor->offset &&
            before->tensor->dtype == place->tensor->dtype &&
            same_shape(before->tensor, place->tensor))
            return true;
    }
    place->before = *last;
    *last = pairing->place_count + 1;
    return false;
}

static int
pair_places(struct pairing *pairing, const struct ckpt_value *map)
{
    const struct ckpt_pair *pair = map->as.map.pairs;
    struct place place = {0};
    size_t i;

    free(pairing->places);
    pairing->place_count = 0;
    pairing->element_count = 0;
    pairing->places = calloc(map->as.map.count + 1, sizeof place);
    if (pairing->places == NULL)
        return CKPT_MEMORY;
    for (i = 0; i < map->as.map.count; i++, pair++) {
        if (pair->key->kind != CKPT_KIND_STRING ||
            pair->value->kind != CKPT_KIND_TENSOR)
            continue;
        place.name = &pair->key->as.text;
        place.tensor = pair->value->as.tensor;
        if (!cli_is_parameter(place.name, place.tensor) ||
            place_is_twin(pairing, &place))
            continue;
        pairing->places[pairing->place_count++] = place;
        pairing->element_count += place.tensor->element_count;
    }
    for (i = 0; i < pairing->place_count; i++)
        pairing->storages[pairing->places[i].tensor->storage->id] = 0;
    return CKPT_OK;
}

/* ---- Which slot has which place ---- */

/* A slot without tensors of a rank fits anywhere, and so does one with all
 * parameters in one row, as some optimizers keep them. */
static bool
slot_fits(const struct pairing *pairing, const struct slot *slot,
          const struct place *place)
{
    const struct ckpt_value *state = slot->state, *value;
    const struct ckpt_tensor *tensor;
    bool free_to_fit = true;
    size_t i;

    if (state == NULL || state->kind != CKPT_KIND_MAP)
        return true;
    for (i = 0; i < state->as.map.count; i++) {
        value = state->as.map.pairs[i].value;
        if (value->kind != CKPT_KIND_TENSOR)
            continue;
        tensor = value->as.tensor;
        if (same_shape(tensor, place->tensor))
            return true;
        if (tensor->rank > 1 ||
            (tensor->rank == 1 &&
             tensor->element_count != pairing->element_count))
            free_to_fit = false;
    }
    return free_to_fit;
}

/* The first way to place all slots in order, and the last one. There is just
 * one way if these are the same. */
static bool
pair_choose(struct pairing *pairing)
{
    size_t i, at = 0;

    for (i = 0; i < pairing->slot_count; i++, at++) {
        while (at < pairing->place_count &&
               !slot_fits(pairing, &pairing->slots[i], &pairing->places[at]))
            at++;
        if (at == pairing->place_count)
            return false;
        pairing->chosen[i] = at;
    }
    at = pairing->place_count;
    for (i = pairing->slot_count; i-- > 0;) {
        do
            at--;
        while (!slot_fits(pairing, &pairing->slots[i], &pairing->places[at]));
        pairing->other[i] = at;
    }
    return true;
}

struct shaped {
    const struct ckpt_tensor *tensor;
    size_t group;
};

static int
shaped_order(const void *a, const void *b)
{
    const struct shaped *one = a, *two = b;
    uint32_t i;

    if (one->tensor->rank != two->tensor->rank)
        return one->tensor->rank < two->tensor->rank ? -1 : 1;
    for (i = 0; i < one->tensor->rank; i++)
        if (one->tensor->shape[i] != two->tensor->shape[i])
            return one->tensor->shape[i] < two->tensor->shape[i] ? -1 : 1;
    return one->group < two->group ? -1 : one->group > two->group;
}

/* Whether parameters of one shape are in different groups. */
static int
pair_mixed(const struct pairing *pairing, bool *mixed)
{
    struct shaped *list = calloc(pairing->slot_count + 1, sizeof *list);
    size_t i;

    if (list == NULL)
        return CKPT_MEMORY;
    for (i = 0; i < pairing->slot_count; i++) {
        list[i].tensor = pairing->places[pairing->chosen[i]].tensor;
        list[i].group = pairing->slots[i].group;
    }
    qsort(list, pairing->slot_count, sizeof *list, shaped_order);
    for (i = 1; i < pairing->slot_count; i++)
        if (list[i].group != list[i - 1].group &&
            same_shape(list[i].tensor, list[i - 1].tensor))
            *mixed = true;
    free(list);
    return CKPT_OK;
}

static bool
same_text(const struct ckpt_text *a, const struct ckpt_text *b)
{
    return a->size_bytes == b->size_bytes &&
           memcmp(a->data, b->data, a->size_bytes) == 0;
}

/* Takes the names of the places, unless others were taken before. */
static bool
pair_take(struct pairing *pairing)
{
    const struct ckpt_text *name;
    size_t i;

    for (i = 0; i < pairing->slot_count; i++) {
        name = pairing->places[pairing->chosen[i]].name;
        if (pairing->slots[i].name != NULL &&
            !same_text(pairing->slots[i].name, name))
            return false;
        pairing->slots[i].name = name;
    }
    return true;
}

static const char several[] = "which parameters these are can be read in more "
                              "than one way";

/* Tries one map beside the optimizer. */
static int
pair_try(struct pairing *pairing, struct cli_optimizer *optimizer,
         const struct cli_child *beside)
{
    bool mixed = false;
    int status = pair_places(pairing, beside->value);

    if (status != CKPT_OK || pairing->place_count < pairing->slot_count ||
        !pair_choose(pairing))
        return status;
    if (memcmp(pairing->chosen, pairing->other,
               pairing->slot_count * sizeof *pairing->chosen) != 0)
        mixed = true;
    if (pairing->group_count > 1 && !mixed)
        status = pair_mixed(pairing, &mixed);
    if (status != CKPT_OK)
        return status;
    if (mixed || !pair_take(pairing)) {
        optimizer->why = several;
    } else if (optimizer->by == NULL) {
        optimizer->by = beside->value;
        optimizer->by_step = beside->step;
    }
    return CKPT_OK;
}

/* Tries all maps in the containers around it, from the nearest on. */
static int
pair_beside(struct pairing *pairing, struct cli_optimizer *optimizer,
            const struct cli_walk *walk)
{
    const struct ckpt_value *branch = optimizer->map;
    const struct ckpt_value *around = optimizer->step.parent;
    struct cli_children children;
    struct cli_child child;
    int status = CKPT_OK;

    while (around != NULL && optimizer->by == NULL && optimizer->why == NULL) {
        cli_children_init(&children, around);
        while (status == CKPT_OK && cli_children_next(&children, &child))
            if (child.value != branch && child.value->kind == CKPT_KIND_MAP)
                status = pair_try(pairing, optimizer, &child);
        if (status != CKPT_OK)
            return status;
        branch = around;
        around = walk->places[around->id].step.parent;
    }
    if (optimizer->by == NULL && optimizer->why == NULL)
        optimizer->why = "no map beside it holds parameters of these shapes";
    return CKPT_OK;
}

static int
pair_names(const struct pairing *pairing, struct cli_optimizer *optimizer)
{
    size_t i;

    if (optimizer->why != NULL)
        return CKPT_OK;
    optimizer->names =
        calloc(optimizer->state->as.map.count + 1, sizeof *optimizer->names);
    if (optimizer->names == NULL)
        return CKPT_MEMORY;
    for (i = 0; i < pairing->slot_count; i++)
        if (pairing->slots[i].state != NULL)
            optimizer->names[pairing->slots[i].pair] = pairing->slots[i].name;
    return CKPT_OK;
}

int
cli_optimizer_pair(struct cli_optimizer *optimizer, const struct cli_walk *walk)
{
    struct pairing pairing = {.optimizer = optimizer};
    bool named = false;
    int status = pair_slots(&pairing, &named);

    if (status == CKPT_OK && !named) {
        size_t count = pairing.slot_count + 1;

        pairing.chosen = calloc(count, sizeof *pairing.chosen);
        pairing.other = calloc(count, sizeof *pairing.other);
        pairing.storages =
            calloc(walk->graph->storage_count + 1, sizeof *pairing.storages);
        status = pairing.chosen && pairing.other && pairing.storages
                     ? pair_beside(&pairing, optimizer, walk)
                     : CKPT_MEMORY;
    }
    if (status == CKPT_OK)
        status = pair_names(&pairing, optimizer);
    free(pairing.slots);
    free(pairing.places);
    free(pairing.chosen);
    free(pairing.other);
    free(pairing.storages);
    return status;
}
