/* SPDX-License-Identifier: MIT
 *
 * What an optimizer keeps for a parameter that is resized.
 */
#include "shape.h"

struct follow {
    struct shape_work *work;
    const struct shape_run *run; /* of the parameter */
};

/* Zeros are new: there is no past of entries that were not there. */
static int
slot_resize(void *context, const struct ckpt_value *state, size_t pair)
{
    const struct follow *follow = context;
    struct shape_run run = *follow->run;
    const struct ckpt_value *kept = state->as.map.pairs[pair].value;
    const struct ckpt_entry entry = {.name = {.data = run.name}, .value = kept};
    const struct ckpt_storage *storage = kept->as.tensor->storage;
    struct ckpt_value **value = &follow->work->values[kept->as.tensor->id];
    int status = CKPT_OK;

    run.from = kept->as.tensor;
    run.keep = run.keep || run.fill == SHAPE_REPEAT;
    run.fill = SHAPE_ZERO;
    run.factor = 1;
    if (*value == NULL && storage->place != CKPT_PLACE_ABSENT)
        status = shape_make(&run, &storage);
    if (*value == NULL && status == CKPT_OK)
        status = shape_value(&run, &entry, storage, value);
    if (status != CKPT_OK)
        return status;
    return run.host->edit_replace(run.host, run.edits, state, pair, *value);
}

int
shape_slots(struct shape_work *work, size_t index, const struct shape_run *run)
{
    struct follow follow = {work, run};

    return sdk_entry_slots(&work->optimizers, work->graph, index, slot_resize,
                           &follow);
}
