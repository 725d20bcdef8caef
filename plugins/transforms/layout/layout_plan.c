/* SPDX-License-Identifier: MIT
 *
 * Steps from one layout to the other that both directions take.
 */
#include "layout.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int
layout_refuse(struct layout_run *run, const struct layout_layer *layer,
              const char *format, ...)
{
    char why[400];
    va_list list;

    va_start(list, format);
    vsnprintf(why, sizeof why, format, list);
    va_end(list);
    return run->host->fail(run->host, CKPT_UNSUPPORTED, NULL, CKPT_NOWHERE,
                           "layer '%.200s'%s%s%s: %s", layer->name,
                           layer->class != NULL ? " (" : "",
                           layer->class != NULL ? layer->class->name : "",
                           layer->class != NULL ? ")" : "", why);
}

int
layout_plan_add(struct layout_run *run, const struct layout_layer *layer,
                struct layout_plans *plans, const struct layout_item *item,
                uint32_t rank, uint32_t part, uint32_t place,
                struct layout_plan **plan)
{
    struct layout_plan *made = &plans->plans[plans->count];

    if ((rank != 0 && item->tensor->rank != rank) ||
        item->tensor->rank > LAYOUT_RANK_MAX - 2)
        return layout_refuse(run, layer,
                             "'%.200s' has %u dimensions, which cannot be",
                             item->name.data, (unsigned)item->tensor->rank);
    /* Extents of a tensor without elements may have any product. */
    if (item->tensor->element_count == 0)
        return layout_refuse(run, layer, "'%.200s' has no elements",
                             item->name.data);
    if (item->tensor->dtype > CKPT_FLOAT8_E8M0FNU)
        return layout_refuse(run, layer,
                             "'%.200s' is %s, whose elements are packed or "
                             "have a scale",
                             item->name.data,
                             ckpt_dtype_name(item->tensor->dtype));
    memset(made, 0, sizeof *made);
    made->how = LAYOUT_SHOWN;
    made->part = part;
    made->place = place;
    made->dtype = item->tensor->dtype;
    made->attrs = item->value->attrs;
    made->piece_count = 1;
    layout_view_of(&made->pieces[0], item->tensor);
    layout_plan_shape(made);
    plans->count++;
    *plan = made;
    return CKPT_OK;
}

bool
layout_plan_flat(const struct layout_layer *layer, uint64_t inputs)
{
    uint64_t left = inputs;
    uint32_t k;

    for (k = 0; k < layer->flat_count; k++) {
        if (left % layer->flat[k] != 0)
            return false;
        left /= layer->flat[k];
    }
    return left == 1;
}

void
layout_plan_shape(struct layout_plan *plan)
{
    plan->rank = plan->pieces[0].rank;
    memcpy(plan->shape, plan->pieces[0].shape, sizeof plan->shape);
}

void
layout_plan_merge(struct layout_plan *plan, uint32_t axis, uint32_t count)
{
    uint32_t k;

    layout_plan_shape(plan);
    if (layout_view_merge(&plan->pieces[0], axis, count)) {
        layout_plan_shape(plan);
        return;
    }
    plan->how = LAYOUT_JOINED;
    for (k = axis + 1; k < axis + count; k++)
        plan->shape[axis] *= plan->shape[k];
    for (k = axis + count; k < plan->rank; k++)
        plan->shape[k - count + 1] = plan->shape[k];
    plan->rank -= count - 1;
}

void
layout_plan_gates(struct layout_plan *plan)
{
    static const uint64_t order[] = {1, 0, 2};
    struct layout_view all = plan->pieces[0];
    uint64_t third = all.shape[0] / 3;
    size_t i;

    layout_plan_shape(plan);
    plan->how = LAYOUT_JOINED;
    plan->piece_count = 3;
    for (i = 0; i < 3; i++) {
        plan->pieces[i] = all;
        layout_view_cut(&plan->pieces[i], 0, order[i] * third, third);
    }
}

struct layout_plan *
layout_plan_fill(struct layout_plans *plans, const struct layout_plan *like,
                 uint32_t part, uint32_t place, bool ones)
{
    struct layout_plan *made = &plans->plans[plans->count++];

    *made = *like;
    made->how = LAYOUT_FILLED;
    made->part = part;
    made->place = place;
    made->ones = ones;
    made->attrs = NULL;
    made->optional = made->spare = false;
    return made;
}

void
layout_plan_axes(struct layout_plan *plan, bool to_keras)
{
    uint32_t order[LAYOUT_RANK_MAX], rank = plan->rank, k;

    if (rank < 3)
        return;
    for (k = 0; k < rank; k++)
        order[k] = (to_keras ? k + 1 : k + rank - 1) % rank;
    layout_view_permute(&plan->pieces[0], order);
    layout_plan_shape(plan);
}

void
layout_doubt_add(struct layout_doubt *doubt, const char *name)
{
    if (doubt->count++ == 0)
        doubt->name = name;
}
