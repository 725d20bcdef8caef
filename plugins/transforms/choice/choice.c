/* SPDX-License-Identifier: MIT
 *
 * The transforms `keep`, `drop` and `like`: fewer tensors. They judge names,
 * and take out places: what is met under two names stays if one of them is
 * wanted. The slots of an optimizer follow their parameters, and the parts of
 * a sparse tensor each other.
 */
#include "ckpt/plugin.h"

#include <string.h>

#include "graph_each.h"
#include "hash_table.h"
#include "optimizer_slots.h"
#include "pattern.h"
#include "shape_text.h"
#include "torch_layout.h"

/* What becomes of a container. */
enum fate { FATE_UNKNOWN = 0, FATE_STAYS, FATE_GOES };

/* A place as the key of a table. */
struct place {
    uint64_t owner;
    uint64_t index;
};

/* What is known of an entry. */
struct judged {
    struct place place;
    bool met;    /* its name, by the argument */
    bool wanted; /* so it is to stay, unless it follows a parameter that goes */
    bool goes;   /* it follows one */
};

struct choice {
    const struct ckpt_host *host;
    struct ckpt_edits *edits;
    const struct ckpt_graph *graph, *other; /* other: of `like` */
    struct sdk_pattern *pattern;            /* of `keep` and `drop` */
    bool drops;
    struct judged *judged;   /* of each entry */
    struct sdk_table wanted; /* places, and whether one of their names is */
    struct sdk_table names;  /* of `other`: the indices of its entries */
    unsigned char *fates;    /* of each value */
    bool any;                /* a name was met */
    struct sdk_optimizers optimizers;
    unsigned char *ways; /* of each optimizer: what its tensors go by */
};

/* What the tensors of an optimizer go by. */
enum way {
    WAY_NAMES = 0, /* their own names: of the parameters nothing is left */
    WAY_FOLLOW,    /* the parameters */
    WAY_STAY       /* nothing: whose slots they are is not known */
};

static void
choice_close(const struct ckpt_host *host, void *self)
{
    struct choice *choice = self;

    sdk_pattern_free(host, choice->pattern);
    sdk_table_fini(host, &choice->wanted);
    sdk_table_fini(host, &choice->names);
    host->release(host, choice->judged);
    host->release(host, choice->fates);
    host->release(host, choice->ways);
    sdk_optimizers_fini(host, &choice->optimizers);
    host->release(host, choice);
}

static int
choice_open(const struct ckpt_host *host, const char *pattern, bool drops,
            void **self)
{
    struct choice *choice = host->allocate(host, sizeof *choice);
    int status = CKPT_OK;

    if (choice == NULL)
        return CKPT_MEMORY;
    choice->drops = drops;
    if (pattern != NULL)
        status = sdk_pattern_new(host, pattern, &choice->pattern);
    if (status != CKPT_OK)
        choice_close(host, choice);
    else
        *self = choice;
    return status;
}

static int
keep_open(const struct ckpt_host *host, const char *argument,
          const struct ckpt_option_value *options, void **self)
{
    (void)options;
    return choice_open(host, argument, false, self);
}

static int
drop_open(const struct ckpt_host *host, const char *argument,
          const struct ckpt_option_value *options, void **self)
{
    (void)options;
    return choice_open(host, argument, true, self);
}

static int
like_open(const struct ckpt_host *host, const char *argument,
          const struct ckpt_option_value *options, void **self)
{
    (void)argument;
    (void)options;
    return choice_open(host, NULL, false, self);
}

/* ---- Judging names ---- */

static void
shapes_tell(const struct choice *choice, const struct ckpt_entry *entry,
            const struct ckpt_tensor *theirs)
{
    char here[SDK_SHAPE_ROOM], there[SDK_SHAPE_ROOM];

    choice->host->warn(choice->host, entry->name.data, CKPT_NOWHERE,
                       "it is %s here and %s there, and left out",
                       sdk_shape_text(entry->value->as.tensor, here),
                       sdk_shape_text(theirs, there));
}

/* Whether the other graph has a tensor of that name and shape. Of what is in an
 * optimizer nothing is told. */
static bool
like_wants(const struct choice *choice, const struct ckpt_entry *entry,
           const struct ckpt_spot *spot)
{
    const uint64_t *found = sdk_table_find(&choice->names, entry->name.data,
                                           entry->name.size_bytes);
    const struct ckpt_tensor *ours = entry->value->as.tensor, *theirs;

    if (found == NULL)
        return false;
    theirs = choice->other->entries[*found].value->as.tensor;
    if (ours->rank == theirs->rank &&
        (ours->rank == 0 || memcmp(ours->shape, theirs->shape,
                                   ours->rank * sizeof *ours->shape) == 0))
        return true;
    if (sdk_optimizer_around(&choice->optimizers, spot->owner) == NULL)
        shapes_tell(choice, entry, theirs);
    return false;
}

static int
entry_met(const struct choice *choice, size_t index, bool *met)
{
    const struct ckpt_entry *entry = &choice->graph->entries[index];

    if (choice->pattern != NULL)
        return sdk_pattern_match(choice->host, choice->pattern, &entry->name,
                                 met);
    *met = like_wants(choice, entry, &choice->graph->spots[index]);
    return CKPT_OK;
}

/* Whether it is a sparse or nested tensor: a map whose parts are one place. */
static bool
is_layout(const struct ckpt_value *value)
{
    return value->kind == CKPT_KIND_MAP && value->type_name != NULL &&
           sdk_torch_layout_find(value->type_name) != NULL;
}

static struct place
place_of(const struct ckpt_value *owner, size_t index)
{
    return (struct place){owner->id, is_layout(owner) ? 0 : index};
}

/* Takes down whether one of the names of its place is wanted. */
static int
entry_note(struct choice *choice, size_t index)
{
    const struct ckpt_entry *entry = &choice->graph->entries[index];
    const struct ckpt_spot *spot = &choice->graph->spots[index];
    struct judged *judged = &choice->judged[index];
    struct place *place = &judged->place;
    uint64_t *some;
    bool added;

    if (spot->owner == NULL) {
        if (!judged->wanted)
            choice->host->warn(choice->host, entry->name.data, CKPT_NOWHERE,
                               "it is part of an object, and stays");
        return CKPT_OK;
    }
    *place = place_of(spot->owner, spot->index);
    some = sdk_table_add(choice->host, &choice->wanted, place, sizeof *place,
                         &added);
    if (some == NULL)
        return CKPT_MEMORY;
    *some |= judged->wanted;
    return CKPT_OK;
}

static bool
place_goes(const struct choice *choice, const struct ckpt_value *owner,
           size_t index)
{
    struct place place = place_of(owner, index);
    const uint64_t *some =
        sdk_table_find(&choice->wanted, &place, sizeof place);

    return some != NULL && *some == 0;
}

/* Judges what is in no optimizer. */
static int
entries_judge(struct choice *choice)
{
    const struct ckpt_graph *graph = choice->graph;
    struct judged *judged = choice->judged;
    size_t i;
    int status = CKPT_OK;

    for (i = 0; i < graph->entry_count && status == CKPT_OK; i++, judged++) {
        status = entry_met(choice, i, &judged->met);
        judged->wanted = judged->met != choice->drops;
        choice->any |= judged->met;
        if (status == CKPT_OK &&
            sdk_optimizer_around(&choice->optimizers, graph->spots[i].owner) ==
                NULL)
            status = entry_note(choice, i);
    }
    return status;
}

/* ---- Optimizers ---- */

/* Whether a tensor of the map stays. */
static bool
weights_left(const struct choice *choice, const struct ckpt_value *weights)
{
    size_t i;

    for (i = 0; i < weights->as.map.count; i++)
        if (weights->as.map.pairs[i].value->kind == CKPT_KIND_TENSOR &&
            !place_goes(choice, weights, i))
            return true;
    return false;
}

static void
weights_follow(struct choice *choice, const struct ckpt_value *weights)
{
    size_t i;

    for (i = 0; i < weights->as.map.count; i++)
        if (place_goes(choice, weights, i))
            sdk_slots_drop(&choice->optimizers, weights, i);
}

/* Whether the argument met a name in an optimizer, and whether it takes out
 * something that is in none. */
static void
met_find(const struct choice *choice, bool *met, bool *outside)
{
    const struct ckpt_graph *graph = choice->graph;
    const struct sdk_optimizer *optimizer;
    size_t i;

    for (i = 0; i < graph->entry_count; i++) {
        optimizer =
            sdk_optimizer_around(&choice->optimizers, graph->spots[i].owner);
        if (optimizer != NULL)
            met[optimizer - choice->optimizers.items] |= choice->judged[i].met;
        else
            *outside |= !choice->judged[i].wanted;
    }
}

static int
ways_find(struct choice *choice)
{
    const struct ckpt_host *host = choice->host;
    const struct sdk_optimizer *optimizer = choice->optimizers.items;
    size_t i, j, count = choice->optimizers.count;
    bool *met = host->allocate(host, count + 1), outside = false, first;

    choice->ways = host->allocate(host, count + 1);
    if (met == NULL || choice->ways == NULL) {
        host->release(host, met);
        return CKPT_MEMORY;
    }
    met_find(choice, met, &outside);
    for (i = 0; i < count; i++, optimizer++) {
        if (optimizer->weights == NULL) {
            choice->ways[i] = !choice->drops && !met[i] ? WAY_STAY : WAY_NAMES;
            continue;
        }
        if (!weights_left(choice, optimizer->weights))
            continue;
        choice->ways[i] = WAY_FOLLOW;
        for (j = 0, first = true; j < i; j++)
            first &= choice->optimizers.items[j].weights != optimizer->weights;
        if (first)
            weights_follow(choice, optimizer->weights);
    }
    host->release(host, met);
    if (outside)
        sdk_slots_warn(host, &choice->optimizers);
    return CKPT_OK;
}

/* What is in an optimizer: a slot goes with its parameter, and that is left
 * to sdk_slots_edit; all else stays, but for what `drop` meets by name. */
static int
inside_judge(struct choice *choice, size_t index,
             const struct sdk_optimizer *optimizer)
{
    struct judged *judged = &choice->judged[index];
    const struct sdk_slot *slot =
        sdk_slot_around(&choice->optimizers, choice->graph->spots[index].owner);
    enum way way = choice->ways[optimizer - choice->optimizers.items];

    if (way != WAY_NAMES)
        judged->wanted = !choice->drops || !judged->met;
    judged->goes = way == WAY_FOLLOW && slot != NULL && slot->goes;
    return judged->goes ? CKPT_OK : entry_note(choice, index);
}

static int
optimizers_judge(struct choice *choice)
{
    const struct ckpt_graph *graph = choice->graph;
    const struct sdk_optimizer *optimizer;
    size_t i;
    int status = CKPT_OK;

    if (choice->optimizers.count == 0)
        return CKPT_OK;
    status = ways_find(choice);
    for (i = 0; i < graph->entry_count && status == CKPT_OK; i++) {
        optimizer =
            sdk_optimizer_around(&choice->optimizers, graph->spots[i].owner);
        if (optimizer != NULL)
            status = inside_judge(choice, i, optimizer);
    }
    return status;
}

/* ---- Editing ---- */

/* Takes out of a container what is to go, and tells whether nothing is left.
 * The graph nests no deeper than the hub lets it. */
static int
container_choose(struct choice *choice, const struct ckpt_value *value,
                 bool *empty)
{
    size_t i, count = sdk_item_count(value), left = count;
    bool goes;
    int status = CKPT_OK;

    *empty = choice->fates[value->id] == FATE_GOES;
    if (is_layout(value))
        *empty = place_goes(choice, value, 0);
    if (count == 0 || choice->fates[value->id] != FATE_UNKNOWN ||
        is_layout(value))
        return CKPT_OK;
    choice->fates[value->id] = FATE_STAYS; /* what contains itself, does */
    for (i = 0; i < count && status == CKPT_OK; i++) {
        goes = place_goes(choice, value, i);
        if (!goes)
            status = container_choose(choice, sdk_item_at(value, i), &goes);
        if (status == CKPT_OK && goes) {
            status =
                choice->host->edit_drop(choice->host, choice->edits, value, i);
            left--;
        }
    }
    *empty = left == 0;
    if (*empty)
        choice->fates[value->id] = FATE_GOES;
    return status;
}

/* Names that are not wanted, and stay for another one's sake. */
static void
shared_tell(const struct choice *choice)
{
    const struct ckpt_graph *graph = choice->graph;
    const struct ckpt_spot *spot;
    size_t i;

    for (i = 0; i < graph->entry_count; i++) {
        spot = &graph->spots[i];
        if (!choice->judged[i].wanted && !choice->judged[i].goes &&
            spot->owner != NULL &&
            !place_goes(choice, spot->owner, spot->index))
            choice->host->warn(choice->host, graph->entries[i].name.data,
                               CKPT_NOWHERE,
                               "it is in one place with a tensor that is "
                               "wanted, and stays");
    }
}

/* Says that the argument met something, where nothing is to go. */
static int
match_tell(const struct choice *choice)
{
    const struct ckpt_graph *graph = choice->graph;
    const struct ckpt_spot *spot;
    size_t i;

    for (i = 0; i < graph->entry_count; i++) {
        spot = &graph->spots[i];
        if (spot->owner != NULL && !choice->judged[i].goes &&
            !place_goes(choice, spot->owner, spot->index))
            return choice->host->edit_replace(choice->host, choice->edits,
                                              spot->owner, spot->index,
                                              graph->entries[i].value);
    }
    return CKPT_OK;
}

static int
choice_prepare(struct choice *choice)
{
    const struct ckpt_host *host = choice->host;
    const struct ckpt_graph *graph = choice->graph, *other = choice->other;
    uint64_t *number;
    bool added;
    size_t i;

    choice->judged =
        host->allocate(host, (graph->entry_count + 1) * sizeof *choice->judged);
    choice->fates = host->allocate(host, (size_t)graph->value_count + 1);
    if (choice->judged == NULL || choice->fates == NULL)
        return CKPT_MEMORY;
    for (i = 0; other != NULL && i < other->entry_count; i++) {
        number =
            sdk_table_add(host, &choice->names, other->entries[i].name.data,
                          other->entries[i].name.size_bytes, &added);
        if (number == NULL)
            return CKPT_MEMORY;
        *number = i;
    }
    return CKPT_OK;
}

static int
choice_apply(const struct ckpt_host *host, void *self,
             const struct ckpt_graph *const *graphs, size_t graph_count,
             struct ckpt_edits *edits)
{
    struct choice *choice = self;
    bool empty;
    int status;

    choice->host = host;
    choice->edits = edits;
    choice->graph = graphs[0];
    choice->other = graph_count > 1 ? graphs[1] : NULL;
    status = choice_prepare(choice);
    if (status == CKPT_OK)
        status = sdk_optimizers_find(host, choice->graph, &choice->optimizers);
    if (status == CKPT_OK)
        status = entries_judge(choice);
    if (status == CKPT_OK && choice->any)
        status = optimizers_judge(choice);
    if (status != CKPT_OK || !choice->any)
        return status;
    shared_tell(choice);
    status = match_tell(choice);
    if (status == CKPT_OK)
        status = container_choose(choice, choice->graph->root, &empty);
    if (status == CKPT_OK)
        status = sdk_slots_edit(host, edits, &choice->optimizers);
    return status;
}

static const struct ckpt_transform choice_keep = {
    .size = sizeof(struct ckpt_transform),
    .id = "keep",
    .summary = "no other tensors than those whose name the pattern meets",
    .argument = "PATTERN",
    .open = keep_open,
    .apply = choice_apply,
    .close = choice_close,
};

static const struct ckpt_transform choice_drop = {
    .size = sizeof(struct ckpt_transform),
    .id = "drop",
    .summary = "no tensors whose name the pattern meets",
    .argument = "PATTERN",
    .open = drop_open,
    .apply = choice_apply,
    .close = choice_close,
};

static const struct ckpt_transform choice_like = {
    .size = sizeof(struct ckpt_transform),
    .id = "like",
    .summary = "no other tensors than OTHER has, by name and shape",
    .argument = "OTHER",
    .argument_kind = CKPT_OPTION_GRAPH,
    .inputs_min = 2,
    .inputs_max = 2,
    .open = like_open,
    .apply = choice_apply,
    .close = choice_close,
};

static const struct ckpt_transform *const choice_transforms[] = {
    &choice_keep, &choice_drop, &choice_like, NULL};

CKPT_PLUGIN(choice) = {
    .abi = CKPT_ABI,
    .size = sizeof(struct ckpt_plugin),
    .id = "choice",
    .version = "0.1.0",
    .summary = "fewer tensors",
    .transforms = choice_transforms,
};
