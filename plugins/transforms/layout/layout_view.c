/* SPDX-License-Identifier: MIT
 *
 * Arithmetic of shapes and strides. Extents and strides were checked by the
 * hub, and nothing here makes them larger than the tensor's elements.
 */
#include "layout_view.h"

#include <string.h>

bool
layout_view_of(struct layout_view *view, const struct ckpt_tensor *tensor)
{
    if (tensor->rank > LAYOUT_RANK_MAX)
        return false;
    view->of = tensor;
    view->rank = tensor->rank;
    view->offset = tensor->offset;
    if (tensor->rank > 0) {
        memcpy(view->shape, tensor->shape, tensor->rank * sizeof(uint64_t));
        memcpy(view->strides, tensor->strides, tensor->rank * sizeof(uint64_t));
    }
    return true;
}

void
layout_view_permute(struct layout_view *view, const uint32_t *order)
{
    struct layout_view old = *view;
    uint32_t k;

    for (k = 0; k < view->rank; k++) {
        view->shape[k] = old.shape[order[k]];
        view->strides[k] = old.strides[order[k]];
    }
}

void
layout_view_swap(struct layout_view *view)
{
    uint32_t order[LAYOUT_RANK_MAX], k;

    order[0] = view->rank - 1;
    order[1] = view->rank - 2;
    for (k = 2; k < view->rank; k++)
        order[k] = k - 2;
    layout_view_permute(view, order);
}

void
layout_view_unswap(struct layout_view *view)
{
    uint32_t order[LAYOUT_RANK_MAX], k;

    for (k = 0; k + 2 < view->rank; k++)
        order[k] = k + 2;
    order[view->rank - 2] = 1;
    order[view->rank - 1] = 0;
    layout_view_permute(view, order);
}

void
layout_view_cut(struct layout_view *view, uint32_t axis, uint64_t start,
                uint64_t count)
{
    /* Of a view without elements the offset is free. */
    if (count > 0)
        view->offset += start * view->strides[axis];
    view->shape[axis] = count;
}

void
layout_view_drop(struct layout_view *view, uint32_t axis)
{
    uint32_t k;

    for (k = axis + 1; k < view->rank; k++) {
        view->shape[k - 1] = view->shape[k];
        view->strides[k - 1] = view->strides[k];
    }
    view->rank--;
}

void
layout_view_insert(struct layout_view *view, uint32_t axis)
{
    uint32_t k;

    for (k = view->rank; k > axis; k--) {
        view->shape[k] = view->shape[k - 1];
        view->strides[k] = view->strides[k - 1];
    }
    view->shape[axis] = 1;
    view->strides[axis] = 1;
    view->rank++;
}

bool
layout_view_split(struct layout_view *view, uint32_t axis, uint64_t inner)
{
    uint64_t stride = view->strides[axis];

    if (view->rank == LAYOUT_RANK_MAX || inner == 0 ||
        view->shape[axis] % inner != 0)
        return false;
    layout_view_insert(view, axis);
    view->shape[axis] = view->shape[axis + 1] / inner;
    view->shape[axis + 1] = inner;
    view->strides[axis] = view->shape[axis] > 1 ? stride * inner : 1;
    return true;
}

bool
layout_view_merge(struct layout_view *view, uint32_t axis, uint32_t count)
{
    uint64_t inner = 1, stride = 1;
    uint32_t k;

    for (k = axis + count; k-- > axis;) {
        if (view->shape[k] == 1)
            continue;
        if (inner > 1 && view->strides[k] != stride * inner)
            return false;
        if (inner == 1)
            stride = view->strides[k];
        inner *= view->shape[k];
    }
    for (k = 1; k < count; k++)
        layout_view_drop(view, axis);
    view->shape[axis] = inner;
    view->strides[axis] = stride;
    return true;
}
