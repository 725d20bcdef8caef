/* SPDX-License-Identifier: MIT
 *
 * Pairing. The slots of all groups, in order, on one side; on the other the
 * `places`: the tensors of a map that can be parameters. A slot fits a place
 * by shape, and its neighbours keep their order. Where names are stored, the
 * places are those of that name.
 */
#include "optimizer_pair.h"

#include <string.h>

#include "hash_table.h"

#define TWINS_LOOK_MAX 64 /* tensors on one storage */

struct place {
    size_t pair; /* of the map */
    const struct ckpt_value *value;
    size_t before; /* 1 + an earlier place on the same storage, or 0 */
};

struct pairing {
    const struct ckpt_host *host;
    struct sdk_optimizer *optimizer;
    const struct ckpt_value *map;
    struct place *places;
    size_t place_count;
    size_t trained_count;   /* of these, that ask for gradients */
    uint64_t element_count; /* of all places */
    size_t *place_of;       /* by pair of the map: 1 + its place, or 0 */
    size_t *chosen;         /* by slot: its place, looked for from the front */
    size_t *other;          /* the same, from the back */
    size_t *storages;       /* by storage id: 1 + its last place, or 0 */
    size_t *groups; /* that have slots: the first of each, and the end */
    size_t group_count;
    struct sdk_table names; /* where they are stored: the slots */
};

/* ---- Places ---- */

bool
sdk_may_be_parameter(const struct ckpt_text *name,
                     const struct ckpt_tensor *tensor)
{
    static const char *const ends[] = {"running_mean",  "running_var",
                                       "moving_mean",   "moving_variance",
                                       "moving_mean:0", "moving_variance:0"};
    static const char *const kinds[] = {"float", "bfloat", "complex"};
    const char *dtype = ckpt_dtype_name(tensor->dtype);
    size_t i, size;
    bool trained = false;

    if (tensor->role != CKPT_ROLE_UNKNOWN)
        return tensor->role == CKPT_ROLE_PARAMETER;
    for (i = 0; dtype != NULL && i < sizeof kinds / sizeof *kinds; i++)
        trained = trained || strncmp(dtype, kinds[i], strlen(kinds[i])) == 0;
    for (i = 0; i < sizeof ends / sizeof *ends; i++) {
        size = strlen(ends[i]);
        if (name->size_bytes < size ||
            memcmp(name->data + name->size_bytes - size, ends[i], size) != 0)
            continue;
        if (name->size_bytes == size ||
            name->data[name->size_bytes - size - 1] == '.' ||
            name->data[name->size_bytes - size - 1] == '/')
            return false;
    }
    return trained;
}

static bool
same_shape(const struct ckpt_tensor *a, const struct ckpt_tensor *b)
{
    return a->rank == b->rank &&
           (a->rank == 0 ||
            memcmp(a->shape, b->shape, a->rank * sizeof *a->shape) == 0);
}

bool
sdk_slot_alike(const struct sdk_slot *slot, const struct ckpt_value *value)
{
    return slot->tensor != NULL && value->kind == CKPT_KIND_TENSOR &&
           same_shape(slot->tensor->as.tensor, value->as.tensor);
}

/* 1 + the place of which this would be a second name, or 0. */
static size_t
place_twin(struct pairing *pairing, struct place *place)
{
    const struct ckpt_tensor *tensor = place->value->as.tensor, *other;
    size_t *last = &pairing->storages[tensor->storage->id];
    size_t at = *last, looks = 0;

    for (; at != 0 && looks < TWINS_LOOK_MAX; looks++) {
        other = pairing->places[at - 1].value->as.tensor;
        if (other->offset == tensor->offset && other->dtype == tensor->dtype &&
            same_shape(other, tensor))
            return at;
        at = pairing->places[at - 1].before;
    }
    place->before = *last;
    *last = pairing->place_count + 1;
    return 0;
}

static int
places_room(struct pairing *pairing)
{
    const struct ckpt_host *host = pairing->host;
    size_t count = pairing->map->as.map.count + 1;

    host->release(host, pairing->places);
    host->release(host, pairing->place_of);
    pairing->place_of = NULL;
    pairing->place_count = pairing->trained_count = 0;
    pairing->element_count = 0;
    pairing->places = host->allocate(host, count * sizeof *pairing->places);
    if (pairing->places != NULL)
        pairing->place_of =
            host->allocate(host, count * sizeof *pairing->place_of);
    return pairing->place_of != NULL ? CKPT_OK : CKPT_MEMORY;
}

/* Lists the places of a map. */
static int
places_list(struct pairing *pairing, const struct ckpt_value *map)
{
    const struct ckpt_pair *pair = map->as.map.pairs;
    struct place place = {0};
    size_t i, twin;

    pairing->map = map;
    if (places_room(pairing) != CKPT_OK)
        return CKPT_MEMORY;
    for (i = 0; i < map->as.map.count; i++, pair++) {
        place.pair = i;
        place.value = pair->value;
        if (pair->key->kind != CKPT_KIND_STRING ||
            pair->value->kind != CKPT_KIND_TENSOR ||
            !sdk_may_be_parameter(&pair->key->as.text, pair->value->as.tensor))
            continue;
        twin = place_twin(pairing, &place);
        if (twin == 0) {
            pairing->element_count += pair->value->as.tensor->element_count;
            pairing->trained_count += pair->value->as.tensor->requires_grad;
            pairing->places[pairing->place_count++] = place;
        }
        pairing->place_of[i] = twin > 0 ? twin : pairing->place_count;
    }
    for (i = 0; i < pairing->place_count; i++)
        pairing->storages[pairing->places[i].value->as.tensor->storage->id] = 0;
    return CKPT_OK;
}

static const struct ckpt_text *
place_name(const struct pairing *pairing, size_t place)
{
    size_t pair = pairing->places[place].pair;

    return &pairing->map->as.map.pairs[pair].key->as.text;
}

/* ---- Which slot has which place ---- */

/* A slot without tensors of a rank fits anywhere, and so does one with all
 * parameters in one row, as some optimizers keep them. */
static bool
slot_fits(const struct pairing *pairing, size_t index, size_t place)
{
    const struct ckpt_value *state = pairing->optimizer->slots[index].state;
    const struct ckpt_tensor *wanted = pairing->places[place].value->as.tensor;
    const struct ckpt_value *value;
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
        if (same_shape(tensor, wanted))
            return true;
        if (tensor->rank > 1 ||
            (tensor->rank == 1 &&
             tensor->element_count != pairing->element_count))
            free_to_fit = false;
    }
    return free_to_fit;
}

/* Whether the places, all of them or those alone that ask for gradients, are
 * as many as the slots, and each is the next of just one group: then there is
 * one way to deal them out. */
static int
choose_dealt(struct pairing *pairing, bool trained, bool *dealt)
{
    const struct ckpt_host *host = pairing->host;
    size_t i, k, group, found, *heads;
    size_t slot_count = pairing->optimizer->slot_count;

    *dealt = false;
    if ((trained ? pairing->trained_count : pairing->place_count) != slot_count)
        return CKPT_OK;
    heads = host->allocate(host, (pairing->group_count + 1) * sizeof *heads);
    if (heads == NULL)
        return CKPT_MEMORY;
    *dealt = true;
    memcpy(heads, pairing->groups, pairing->group_count * sizeof *heads);
    for (i = 0; i < pairing->place_count && *dealt; i++) {
        if (trained && !pairing->places[i].value->as.tensor->requires_grad)
            continue;
        for (k = group = found = 0; k < pairing->group_count; k++) {
            if (heads[k] == pairing->groups[k + 1] ||
                !slot_fits(pairing, heads[k], i))
                continue;
            found++;
            group = k;
        }
        *dealt = found == 1;
        if (*dealt)
            pairing->chosen[heads[group]++] = i;
    }
    host->release(host, heads);
    return CKPT_OK;
}

/* The first way to place all slots in order, and the last one. There is just
 * one way if these are the same. */
static bool
choose_any(struct pairing *pairing)
{
    size_t i, at = 0, slot_count = pairing->optimizer->slot_count;

    for (i = 0; i < slot_count; i++, at++) {
        while (at < pairing->place_count && !slot_fits(pairing, i, at))
            at++;
        if (at == pairing->place_count)
            return false;
        pairing->chosen[i] = at;
    }
    at = pairing->place_count;
    for (i = slot_count; i-- > 0;) {
        do
            at--;
        while (!slot_fits(pairing, i, at));
        pairing->other[i] = at;
    }
    return true;
}

static bool
chosen_once(const struct pairing *pairing)
{
    return memcmp(pairing->chosen, pairing->other,
                  pairing->optimizer->slot_count * sizeof *pairing->chosen) ==
           0;
}

static bool
same_text(const struct ckpt_text *a, const struct ckpt_text *b)
{
    return a->size_bytes == b->size_bytes &&
           memcmp(a->data, b->data, a->size_bytes) == 0;
}

/* Takes the names of the places, unless others were taken before. */
static bool
take_names(struct pairing *pairing)
{
    struct sdk_slot *slots = pairing->optimizer->slots;
    const struct ckpt_text *name;
    size_t i;

    for (i = 0; i < pairing->optimizer->slot_count; i++) {
        name = place_name(pairing, pairing->chosen[i]);
        if (slots[i].name != NULL && !same_text(slots[i].name, name))
            return false;
        slots[i].name = name;
    }
    return true;
}

/* Takes the map as that of the parameters. */
static int
take_map(struct pairing *pairing)
{
    const struct ckpt_host *host = pairing->host;
    struct sdk_optimizer *optimizer = pairing->optimizer;
    const struct ckpt_value *map = pairing->map;
    size_t *slot_of =
        host->allocate(host, (map->as.map.count + 1) * sizeof *slot_of);
    size_t *slots =
        host->allocate(host, (pairing->place_count + 1) * sizeof *slots);
    size_t i, slot;
    int status = slot_of != NULL && slots != NULL ? CKPT_OK : CKPT_MEMORY;

    for (i = 0; status == CKPT_OK && i < optimizer->slot_count; i++) {
        slots[pairing->chosen[i]] = i + 1;
        optimizer->slots[i].tensor = pairing->places[pairing->chosen[i]].value;
    }
    for (i = 0; status == CKPT_OK && i < map->as.map.count; i++) {
        if (pairing->place_of[i] == 0)
            continue;
        slot = slots[pairing->place_of[i] - 1];
        slot_of[i] = slot;
        if (slot > 0)
            optimizer->slots[slot - 1].places++;
    }
    host->release(host, slots);
    if (status != CKPT_OK) {
        host->release(host, slot_of);
        return status;
    }
    optimizer->slot_of = slot_of;
    optimizer->weights = map;
    return CKPT_OK;
}

static const char several[] = "which parameters these are can be read in more "
                              "than one way";

/* Tries one map beside the optimizer. */
static int
try_shapes(struct pairing *pairing, const struct ckpt_value *map)
{
    struct sdk_optimizer *optimizer = pairing->optimizer;
    bool dealt = false;
    int status = places_list(pairing, map);

    if (status != CKPT_OK || pairing->place_count < optimizer->slot_count)
        return status;
    status = choose_dealt(pairing, false, &dealt);
    if (status == CKPT_OK && !dealt)
        status = choose_dealt(pairing, true, &dealt);
    if (status != CKPT_OK || (!dealt && !choose_any(pairing)))
        return status;
    dealt = dealt || (pairing->group_count <= 1 && chosen_once(pairing));
    if (!dealt || !take_names(pairing))
        optimizer->why = several;
    else if (optimizer->weights == NULL)
        status = take_map(pairing);
    return status;
}

/* Tries one map for names that are stored: all must be there. */
static int
try_names(struct pairing *pairing, const struct ckpt_value *map)
{
    size_t i, found = 0, count = pairing->optimizer->slot_count;
    const struct ckpt_text *name;
    const uint64_t *slot;
    int status;

    if (pairing->optimizer->weights != NULL || map->as.map.count < count)
        return CKPT_OK;
    status = places_list(pairing, map);
    for (i = 0; status == CKPT_OK && i < map->as.map.count; i++) {
        if (pairing->place_of[i] == 0)
            continue;
        name = &map->as.map.pairs[i].key->as.text;
        slot = sdk_table_find(&pairing->names, name->data, name->size_bytes);
        if (slot == NULL)
            continue;
        pairing->chosen[*slot] = pairing->place_of[i] - 1;
        found++;
    }
    if (status == CKPT_OK && found == count)
        status = take_map(pairing);
    return status;
}

/* Tries all maps in the containers around it, from the nearest on. */
static int
try_beside(struct pairing *pairing, const struct sdk_optimizer_walk *walk,
           int (*try)(struct pairing *pairing, const struct ckpt_value *map))
{
    struct sdk_optimizer *optimizer = pairing->optimizer;
    const struct ckpt_value *branch = optimizer->map, *child, *around;
    struct sdk_optimizer_children children;
    int status = CKPT_OK;

    while ((around = walk->around[branch->id]) != NULL &&
           optimizer->weights == NULL && optimizer->why == NULL) {
        sdk_optimizer_children_init(&children, around);
        while (status == CKPT_OK &&
               (child = sdk_optimizer_children_next(&children)) != NULL)
            if (child != branch && child->kind == CKPT_KIND_MAP)
                status = try(pairing, child);
        if (status != CKPT_OK)
            return status;
        branch = around;
    }
    return CKPT_OK;
}

/* ---- Names that are stored ---- */

static int
pair_names(struct pairing *pairing, const struct sdk_optimizer_walk *walk)
{
    struct sdk_optimizer *optimizer = pairing->optimizer;
    const struct ckpt_text *name;
    uint64_t *slot;
    size_t i;
    bool added;

    for (i = 0; i < optimizer->slot_count; i++) {
        name = optimizer->slots[i].name;
        slot = sdk_table_add(pairing->host, &pairing->names, name->data,
                             name->size_bytes, &added);
        if (slot == NULL)
            return CKPT_MEMORY;
        if (!added) {
            optimizer->why = "two of its parameters have one name";
            return CKPT_OK;
        }
        *slot = i;
    }
    return try_beside(pairing, walk, try_names);
}

/* ---- Numbers without names ---- */

static int
pair_shapes(struct pairing *pairing, const struct sdk_optimizer_walk *walk)
{
    struct sdk_optimizer *optimizer = pairing->optimizer;
    int status = try_beside(pairing, walk, try_shapes);

    if (status == CKPT_OK && optimizer->weights == NULL &&
        optimizer->why == NULL)
        optimizer->why = "no map beside it holds parameters of these shapes";
    return status;
}

static void
groups_list(struct pairing *pairing)
{
    const struct sdk_slot *slots = pairing->optimizer->slots;
    size_t i, count = pairing->optimizer->slot_count;

    for (i = 0; i < count; i++)
        if (slots[i].item == 0)
            pairing->groups[pairing->group_count++] = i;
    pairing->groups[pairing->group_count] = count;
}

static int
pairing_init(struct pairing *pairing, const struct sdk_optimizer_walk *walk)
{
    const struct ckpt_host *host = pairing->host;
    size_t count = pairing->optimizer->slot_count + 1;
    size_t storages = (size_t)walk->graph->storage_count + 1;

    pairing->chosen = host->allocate(host, count * sizeof *pairing->chosen);
    if (pairing->chosen != NULL)
        pairing->other = host->allocate(host, count * sizeof *pairing->other);
    if (pairing->other != NULL)
        pairing->storages =
            host->allocate(host, storages * sizeof *pairing->storages);
    if (pairing->storages != NULL)
        pairing->groups = host->allocate(host, count * sizeof *pairing->groups);
    if (pairing->groups == NULL)
        return CKPT_MEMORY;
    groups_list(pairing);
    return CKPT_OK;
}

static void
pairing_fini(struct pairing *pairing)
{
    const struct ckpt_host *host = pairing->host;

    host->release(host, pairing->places);
    host->release(host, pairing->place_of);
    host->release(host, pairing->chosen);
    host->release(host, pairing->other);
    host->release(host, pairing->storages);
    host->release(host, pairing->groups);
    sdk_table_fini(host, &pairing->names);
}

int
sdk_optimizer_pair(const struct sdk_optimizer_walk *walk,
                   struct sdk_optimizer *optimizer)
{
    struct pairing pairing = {.host = walk->host, .optimizer = optimizer};
    int status = pairing_init(&pairing, walk);
    size_t i;

    if (status == CKPT_OK)
        status = optimizer->stored ? pair_names(&pairing, walk)
                                   : pair_shapes(&pairing, walk);
    optimizer->known = status == CKPT_OK && optimizer->why == NULL;
    for (i = 0; !optimizer->known && i < optimizer->slot_count; i++)
        optimizer->slots[i].name = NULL;
    pairing_fini(&pairing);
    return status;
}
