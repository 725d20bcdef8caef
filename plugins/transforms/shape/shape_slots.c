/* SPDX-License-Identifier: MIT
 *
 * What an optimizer keeps for a parameter that is resized.
 */
#include "shape.h"

/* One tensor that is kept, at a place of the slot's map. */
static int
slot_resize(struct shape_work *work, const struct sdk_slot *slot, size_t pair,
            const struct shape_run *parameter)
{
    const struct ckpt_host *host = work->host;
    const struct ckpt_value *kept = slot->state->as.map.pairs[pair].value;
    const struct ckpt_entry entry = {.name = {.data = parameter->name},
                                     .value = kept};
    const struct ckpt_storage *storage = kept->as.tensor->storage;
    struct ckpt_value **value = &work->values[kept->as.tensor->id];
    struct shape_run run = *parameter;
    int status = CKPT_OK;

    run.from = kept->as.tensor;
    run.keep = parameter->keep || parameter->fill == SHAPE_REPEAT;
    run.fill = SHAPE_ZERO;
    run.factor = 1;
    if (*value == NULL && storage->place != CKPT_PLACE_ABSENT)
        status = shape_make(&run, &storage);
    if (*value == NULL && status == CKPT_OK)
        status = shape_value(&run, &entry, storage, value);
    if (status != CKPT_OK)
        return status;
    return host->edit_replace(host, work->edits, slot->state, pair, *value);
}

static int
slot_follow(struct shape_work *work, const struct sdk_slot *slot,
            const struct shape_run *run)
{
    const struct ckpt_value *state = slot->state;
    size_t i;
    int status = CKPT_OK;

    if (state == NULL || state->kind != CKPT_KIND_MAP)
        return CKPT_OK;
    for (i = 0; i < state->as.map.count && status == CKPT_OK; i++)
        if (sdk_slot_alike(slot, state->as.map.pairs[i].value))
            status = slot_resize(work, slot, i, run);
    return status;
}

int
shape_slots(struct shape_work *work, size_t index, const struct shape_run *run)
{
    const struct ckpt_spot *spot = &work->graph->spots[index];
    const struct sdk_slot *slot;
    size_t i;
    int status = CKPT_OK;

    if (spot->owner == NULL)
        return CKPT_OK;
    for (i = 0; i < work->optimizers.count && status == CKPT_OK; i++) {
        slot =
            sdk_slot_at(&work->optimizers.items[i], spot->owner, spot->index);
        if (slot != NULL)
            status = slot_follow(work, slot, run);
    }
    return status;
}
