/* SPDX-License-Identifier: MIT
 *
 * Which tensors share a storage, and whether the storage can be laid out
 * again from them.
 */
#include <string.h>

#include "checked.h"
#include "hub/graph/cover.h"
#include "hub/run/fit_flat.h"

void *
hub_fit_allocate(struct hub_fit *fit, size_t count, size_t width)
{
    size_t size;

    if (!sdk_mul_size(count + 1, width, &size))
        size = SIZE_MAX;
    return hub_arena_allocate(&fit->fitted.arena, size);
}

static const struct ckpt_tensor *
fit_tensor(const struct hub_fit *fit, size_t entry)
{
    return fit->graph->entries[entry].value->as.tensor;
}

/* A tensor that is all of its storage, plainly. */
static bool
tensor_plain(const struct ckpt_tensor *tensor)
{
    if (tensor->storage->place == CKPT_PLACE_ABSENT)
        return true;
    return tensor->contiguous && tensor->offset == 0 &&
           tensor->size_bytes == tensor->storage->size_bytes;
}

/* What is written are the values, and nothing else has those. */
static void
set_apart(struct hub_fit *fit, const struct ckpt_tensor *tensor)
{
    fit->alone[tensor->id] = true;
    fit->stored_bytes += tensor->size_bytes;
    hub_note(fit->report, CKPT_MESSAGE_LOSS,
             fit->graph->entries[fit->first[tensor->id]].name.data,
             CKPT_NOWHERE, "a %s view becomes a tensor of its own",
             tensor->flips & CKPT_FLIP_CONJUGATE ? "conjugate" : "negative");
}

/* Counts, for each storage, its distinct tensors; marks those that need a
 * set by the largest number. */
static int
sets_count(struct hub_fit *fit, size_t *users)
{
    const struct ckpt_tensor *tensor;
    size_t i;

    for (i = 0; i < fit->graph->entry_count; i++) {
        tensor = fit_tensor(fit, i);
        if (fit->first[tensor->id] != SIZE_MAX)
            continue;
        fit->first[tensor->id] = i;
        if (tensor->flips != 0) {
            set_apart(fit, tensor);
            continue;
        }
        if (users[tensor->storage->id]++ == 0)
            fit->stored_bytes += tensor->storage->size_bytes;
        if (users[tensor->storage->id] > 1 || !tensor_plain(tensor))
            fit->storage_set[tensor->storage->id] = SIZE_MAX;
    }
    return CKPT_OK;
}

static int
set_begin(struct hub_fit *fit, const struct ckpt_storage *storage, size_t users)
{
    struct hub_fit_set *set = &fit->sets[fit->set_count++];

    fit->storage_set[storage->id] = fit->set_count;
    set->storage = storage;
    set->views = hub_fit_allocate(fit, users, sizeof *set->views);
    return set->views != NULL ? CKPT_OK : fit->report->status;
}

static int
sets_fill(struct hub_fit *fit, const size_t *users)
{
    const struct ckpt_tensor *tensor;
    struct hub_fit_set *set;
    size_t i, *at;
    int status;

    for (i = 0; i < fit->graph->entry_count; i++) {
        tensor = fit_tensor(fit, i);
        at = &fit->storage_set[tensor->storage->id];
        if (fit->first[tensor->id] != i || *at == 0 || tensor->flips != 0)
            continue;
        if (*at == SIZE_MAX) {
            status =
                set_begin(fit, tensor->storage, users[tensor->storage->id]);
            if (status != CKPT_OK)
                return status;
        }
        set = &fit->sets[*at - 1];
        set->views[set->count++] = tensor;
    }
    return CKPT_OK;
}

static const char *
view_name(const struct hub_fit *fit, const struct ckpt_tensor *view)
{
    return fit->graph->entries[fit->first[view->id]].name.data;
}

/* Cuts off the views that the others do not cover, and tells what no view
 * shows. */
static int
set_cover(struct hub_fit *fit, struct hub_fit_set *set)
{
    struct hub_cover cover;
    uint64_t shown;
    size_t i;

    cover.runs = hub_fit_allocate(fit, set->count, sizeof *cover.runs);
    if (cover.runs == NULL)
        return fit->report->status;
    hub_cover_find(set->views, set->count, &cover);
    /* A multiple of every element size, so that offsets stay whole. */
    set->begin = cover.count > 0 ? cover.runs[0].begin & ~(uint64_t)15 : 0;
    for (i = 0; i < set->count; i++) {
        if (hub_cover_holds(&cover, set->views[i]))
            continue;
        fit->alone[set->views[i]->id] = true;
        hub_note(fit->report, CKPT_MESSAGE_LOSS, view_name(fit, set->views[i]),
                 CKPT_NOWHERE, "the strides of a view with gaps are not kept");
    }
    shown = hub_cover_bytes(&cover);
    if (shown < set->storage->size_bytes)
        hub_note(fit->report, CKPT_MESSAGE_LOSS, view_name(fit, set->views[0]),
                 CKPT_NOWHERE,
                 "%llu bytes of its storage that no tensor shows are left out",
                 (unsigned long long)(set->storage->size_bytes - shown));
    return CKPT_OK;
}

int
hub_fit_sets(struct hub_fit *fit)
{
    const struct ckpt_graph *graph = fit->graph;
    size_t i, *users;
    int status;

    fit->first = hub_fit_allocate(fit, graph->tensor_count, sizeof(size_t));
    fit->alone = hub_fit_allocate(fit, graph->tensor_count, sizeof(bool));
    fit->storage_set =
        hub_fit_allocate(fit, graph->storage_count, sizeof(size_t));
    users = hub_fit_allocate(fit, graph->storage_count, sizeof(size_t));
    fit->sets = hub_fit_allocate(fit, graph->storage_count, sizeof *fit->sets);
    if (fit->report->status != CKPT_OK)
        return fit->report->status;
    memset(fit->first, 0xFF, graph->tensor_count * sizeof(size_t));
    status = sets_count(fit, users);
    if (status == CKPT_OK)
        status = sets_fill(fit, users);
    for (i = 0; i < fit->set_count && status == CKPT_OK; i++)
        status = set_cover(fit, &fit->sets[i]);
    return status;
}
