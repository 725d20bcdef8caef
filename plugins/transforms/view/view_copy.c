/* SPDX-License-Identifier: MIT
 *
 * The transforms `contiguous` and `untie`: bytes of their own for tensors. The
 * hub makes them when they are wanted.
 */
#include "view.h"

#include <string.h>

/* A storage with the bytes of a view alone, as they are before signs turn. */
static int
copy_storage(const struct view_run *run, const struct ckpt_entry *entry,
             const uint64_t *shape, const uint64_t *strides,
             const struct ckpt_storage **storage)
{
    const struct ckpt_tensor *from = entry->value->as.tensor, *view;
    const struct ckpt_host *host = run->host;
    struct ckpt_graph *graph = host->edit_graph(host, run->edits);
    struct ckpt_tensor like = {.dtype = from->dtype,
                               .rank = from->rank,
                               .shape = shape,
                               .strides = strides,
                               .offset = from->offset,
                               .storage = from->storage};
    struct ckpt_value *value;
    int status;

    if (from->storage->place == CKPT_PLACE_ABSENT) {
        *storage = from->storage;
        return CKPT_OK;
    }
    status = host->tensor_new(host, graph, &like, sizeof like, entry->name.data,
                              &value);
    if (status != CKPT_OK)
        return status;
    view = value->as.tensor;
    return host->storage_join(host, graph, &view, 1, from->storage->device,
                              storage);
}

/* ---- contiguous ---- */

static int
contiguous_value(struct view_run *run, const struct ckpt_entry *entry,
                 struct view_made *made, struct ckpt_value **value)
{
    const struct ckpt_tensor *from = entry->value->as.tensor;
    struct ckpt_tensor like = {.dtype = from->dtype,
                               .rank = from->rank,
                               .shape = from->shape,
                               .flips = from->flips};
    int status = CKPT_OK;

    if (ckpt_dtype_width_bits(from->dtype) % 8 != 0)
        return run->host->fail(run->host, CKPT_UNSUPPORTED, entry->name.data,
                               CKPT_NOWHERE,
                               "it is %s: types below a byte keep their order",
                               ckpt_dtype_name(from->dtype));
    if (made->storage == NULL)
        status = copy_storage(run, entry, from->shape, from->strides,
                              &made->storage);
    if (status != CKPT_OK)
        return status;
    like.storage = made->storage;
    return sdk_tensor_remake(run->host, run->edits, entry, &like, value);
}

static int
contiguous_entry(struct view_run *run, size_t index, struct view_made *made)
{
    const struct ckpt_entry *entry = &run->graph->entries[index];
    struct ckpt_value **value = &run->values[entry->value->as.tensor->id];
    bool first = made->storage == NULL;
    int status = CKPT_OK;

    if (entry->value->as.tensor->contiguous)
        return sdk_entry_replace(run->host, run->edits, run->graph, index,
                                 entry->value, "copied");
    if (*value == NULL)
        status = contiguous_value(run, entry, made, value);
    if (status != CKPT_OK)
        return status;
    if (first)
        sdk_ties_part(run->host, run->graph, &run->ties, index);
    if (strcmp(entry->name.data, made->name) != 0)
        run->host->warn(run->host, entry->name.data, CKPT_NOWHERE,
                        "it is tied to '%.200s', and follows it", made->name);
    return sdk_entry_replace(run->host, run->edits, run->graph, index, *value,
                             "copied");
}

/* Names of one view stay names of one view. */
int
view_contiguous(struct view_run *run)
{
    size_t i, count = run->graph->entry_count;
    struct view_made *made;
    bool wants;
    int status = CKPT_OK;

    for (i = 0; i < count && status == CKPT_OK; i++) {
        made = &run->made[run->ties.view_of[i]];
        status = view_wants(run, i, &wants);
        if (status == CKPT_OK && wants && made->name == NULL)
            made->name = run->graph->entries[i].name.data;
    }
    for (i = 0; i < count && status == CKPT_OK; i++) {
        made = &run->made[run->ties.view_of[i]];
        if (made->name != NULL)
            status = contiguous_entry(run, i, made);
    }
    return status;
}

/* ---- untie ---- */

/* Dimensions in the order of their strides, the longest first: as torch's
 * clone has it, what was dense keeps its strides, and gaps close. */
static void
untie_order(const struct ckpt_tensor *tensor, uint32_t *order)
{
    uint32_t d, at, rank = tensor->rank;
    bool again = false;

    for (d = 0; d < rank; d++)
        again |= tensor->strides[d] == 0 && tensor->shape[d] > 1;
    for (d = 0; d < rank; d++) {
        for (at = d; at > 0 && !again && tensor->shape[d] != 1 &&
                     tensor->strides[order[at - 1]] < tensor->strides[d];
             at--)
            order[at] = order[at - 1];
        order[at] = d;
    }
}

/* The strides of a copy, and the view that lies in its order. */
static void
untie_strides(const struct ckpt_tensor *from, uint64_t *strides,
              uint64_t *view_shape, uint64_t *view_strides)
{
    uint32_t d, order[CKPT_MAX_RANK];
    bool dense = true;
    uint64_t step = 1;

    untie_order(from, order);
    for (d = from->rank; d-- > 0;) {
        view_shape[d] = from->shape[order[d]];
        view_strides[d] = from->strides[order[d]];
        strides[order[d]] = step;
        dense &= view_shape[d] == 1 || view_strides[d] == step;
        step *= view_shape[d];
    }
    if (dense && from->rank > 0)
        memcpy(strides, from->strides, from->rank * sizeof *strides);
}

static int
untie_value(struct view_run *run, const struct ckpt_entry *entry,
            struct ckpt_value **value)
{
    const struct ckpt_tensor *from = entry->value->as.tensor;
    uint64_t strides[CKPT_MAX_RANK], view_shape[CKPT_MAX_RANK];
    uint64_t view_strides[CKPT_MAX_RANK];
    struct ckpt_tensor like = {.dtype = from->dtype,
                               .rank = from->rank,
                               .shape = from->shape,
                               .strides = strides,
                               .flips = from->flips};
    int status;

    untie_strides(from, strides, view_shape, view_strides);
    status = copy_storage(run, entry, view_shape, view_strides, &like.storage);
    if (status != CKPT_OK)
        return status;
    return sdk_tensor_remake(run->host, run->edits, entry, &like, value);
}

/* Two names that lead to one place cannot be parted. */
static int
untie_place(struct view_run *run, size_t index, bool *met)
{
    const struct ckpt_spot *spot = &run->graph->spots[index];
    struct view_spot *key = &run->spots[index];
    uint64_t *first;
    bool added = true;

    *met = false;
    if (spot->owner == NULL)
        return CKPT_OK;
    key->owner = spot->owner->id;
    key->index = spot->index;
    first = sdk_table_add(run->host, &run->places, key, sizeof *key, &added);
    if (first == NULL)
        return CKPT_MEMORY;
    *met = !added;
    if (added)
        *first = index;
    else
        run->host->warn(run->host, run->graph->entries[index].name.data,
                        CKPT_NOWHERE,
                        "it is in one place with '%.200s', and stays there",
                        run->graph->entries[*first].name.data);
    return CKPT_OK;
}

static int
untie_entry(struct view_run *run, size_t index)
{
    const struct ckpt_entry *entry = &run->graph->entries[index];
    const struct ckpt_tensor *tensor = entry->value->as.tensor;
    struct ckpt_value *value = NULL;
    bool met;
    int status;

    if (run->uses[tensor->storage->id] < 2)
        return sdk_entry_replace(run->host, run->edits, run->graph, index,
                                 entry->value, "untied");
    status = untie_place(run, index, &met);
    if (status != CKPT_OK || met)
        return status;
    status = untie_value(run, entry, &value);
    if (status != CKPT_OK)
        return status;
    return sdk_entry_replace(run->host, run->edits, run->graph, index, value,
                             "untied");
}

int
view_untie(struct view_run *run)
{
    size_t i, count = run->graph->entry_count;
    bool wants;
    int status = CKPT_OK;

    for (i = 0; i < count; i++)
        run->uses[run->graph->entries[i].value->as.tensor->storage->id]++;
    for (i = 0; i < count && status == CKPT_OK; i++) {
        status = view_wants(run, i, &wants);
        if (status == CKPT_OK && wants)
            status = untie_entry(run, i);
    }
    return status;
}
