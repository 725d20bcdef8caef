/* SPDX-License-Identifier: MIT
 *
 * Other orders of dimensions. The bytes stay where they are.
 */
#include "view.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "torch_layout.h"

int
view_order_read(const struct ckpt_host *host, const char *text,
                struct view *view)
{
    const char *at = text;
    char *end;

    for (; view->rank < CKPT_MAX_RANK; at = end + 1) {
        view->order[view->rank] = strtoll(at, &end, 10);
        if (end == at || end - at > 4 || (*end != 'x' && *end != '\0'))
            break;
        view->rank++;
        if (*end == '\0')
            return CKPT_OK;
    }
    return host->fail(host, CKPT_OPTION, NULL, CKPT_NOWHERE,
                      "'%.100s' is no order of dimensions, like 2x0x1", text);
}

static int
order_refuse(const struct view_run *run, const struct ckpt_entry *entry,
             const char *why)
{
    return run->host->fail(run->host, CKPT_UNSUPPORTED, entry->name.data,
                           CKPT_NOWHERE, "it has %u dimensions: %s",
                           entry->value->as.tensor->rank, why);
}

/* A dimension of the tensor; those below zero count from the last. False:
 * there is none. */
static bool
dim_find(int64_t dim, uint32_t rank, uint32_t *found)
{
    if (dim < 0)
        dim += rank;
    *found = (uint32_t)dim;
    return dim >= 0 && dim < rank;
}

/* Two dimensions change places; the last two, if none are named. */
static int
order_swap(const struct view_run *run, const struct ckpt_entry *entry,
           uint32_t *order)
{
    const struct view *self = run->self;
    uint32_t rank = entry->value->as.tensor->rank, first, second;
    bool named = self->rank > 0;

    if (!dim_find(named ? self->order[0] : -2, rank, &first) ||
        !dim_find(named ? self->order[1] : -1, rank, &second))
        return order_refuse(run, entry, "there are no such two to swap");
    order[first] = second;
    order[second] = first;
    return CKPT_OK;
}

static int
order_permute(const struct view_run *run, const struct ckpt_entry *entry,
              uint32_t *order)
{
    const struct view *self = run->self;
    uint32_t d, rank = entry->value->as.tensor->rank;
    bool met[CKPT_MAX_RANK] = {0};

    if (rank != self->rank)
        return order_refuse(run, entry, "the order is of another number");
    for (d = 0; d < rank; d++) {
        if (!dim_find(self->order[d], rank, &order[d]) || met[order[d]])
            return order_refuse(run, entry,
                                "the order does not name each of them once");
        met[order[d]] = true;
    }
    return CKPT_OK;
}

static int
order_value(struct view_run *run, const struct ckpt_entry *entry,
            const uint32_t *order, struct ckpt_value **value)
{
    const struct ckpt_tensor *from = entry->value->as.tensor;
    uint64_t shape[CKPT_MAX_RANK], strides[CKPT_MAX_RANK];
    struct ckpt_tensor like = {.dtype = from->dtype,
                               .rank = from->rank,
                               .shape = shape,
                               .strides = strides,
                               .offset = from->offset,
                               .storage = from->storage,
                               .flips = from->flips};
    uint32_t d, axis = sdk_torch_channel_axis(entry->value);

    if (axis < from->rank && order[axis] != axis)
        return run->host->fail(run->host, CKPT_UNSUPPORTED, entry->name.data,
                               CKPT_NOWHERE,
                               "it has scales along dimension %u, which must "
                               "stay where it is",
                               axis);
    if (ckpt_dtype_width_bits(from->dtype) % 8 != 0)
        return run->host->fail(run->host, CKPT_UNSUPPORTED, entry->name.data,
                               CKPT_NOWHERE,
                               "it is %s: types below a byte keep their order",
                               ckpt_dtype_name(from->dtype));
    for (d = 0; d < from->rank; d++) {
        shape[d] = from->shape[order[d]];
        strides[d] = from->strides[order[d]];
    }
    return sdk_tensor_remake(run->host, run->edits, entry, &like, value);
}

static int
order_find(const struct view_run *run, const struct ckpt_entry *entry,
           uint32_t *order)
{
    uint32_t d;

    for (d = 0; d < CKPT_MAX_RANK; d++)
        order[d] = d;
    return run->self->swaps ? order_swap(run, entry, order)
                            : order_permute(run, entry, order);
}

/* What an optimizer keeps for the parameter. */
static int
order_slot(void *context, const struct ckpt_value *state, size_t pair)
{
    struct view_run *run = context;
    const struct ckpt_value *kept = state->as.map.pairs[pair].value;
    struct ckpt_value **value = &run->values[kept->as.tensor->id];
    const struct ckpt_entry entry = {.value = kept};
    uint32_t order[CKPT_MAX_RANK];
    int status = order_find(run, &entry, order);

    if (status == CKPT_OK && *value == NULL)
        status = order_value(run, &entry, order, value);
    if (status != CKPT_OK)
        return status;
    return run->host->edit_replace(run->host, run->edits, state, pair, *value);
}

int
view_order(struct view_run *run, size_t index)
{
    const struct ckpt_entry *entry = &run->graph->entries[index];
    struct ckpt_value **value = &run->values[entry->value->as.tensor->id];
    uint32_t order[CKPT_MAX_RANK];
    int status = CKPT_OK;

    if (sdk_entry_follows(&run->optimizers, run->graph, index))
        return CKPT_OK;
    run->any = true;
    status = order_find(run, entry, order);
    if (status == CKPT_OK && *value == NULL)
        status = order_value(run, entry, order, value);
    if (status == CKPT_OK)
        status = sdk_entry_replace(run->host, run->edits, run->graph, index,
                                   *value, "turned");
    if (status != CKPT_OK)
        return status;
    return sdk_entry_slots(&run->optimizers, run->graph, index, order_slot,
                           run);
}
