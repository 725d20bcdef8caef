/* SPDX-License-Identifier: MIT
 *
 * Views of tensors that are on their way to another layout: permuted, cut,
 * split. Nothing is made and nothing moves.
 */
#ifndef LAYOUT_VIEW_H
#define LAYOUT_VIEW_H

#include "ckpt/graph.h"

#define LAYOUT_RANK_MAX 8

struct layout_view {
    const struct ckpt_tensor *of; /* dtype, storage and the like */
    uint32_t rank;
    uint64_t shape[LAYOUT_RANK_MAX];
    uint64_t strides[LAYOUT_RANK_MAX];
    uint64_t offset;
};

/* The whole of a tensor. False: it has too many dimensions. */
bool layout_view_of(struct layout_view *view, const struct ckpt_tensor *tensor);

/* Dimension k becomes the one that was order[k]. */
void layout_view_permute(struct layout_view *view, const uint32_t *order);

/* [..., i, o] to [o, i, ...], as kernels lie in torch; and back. */
void layout_view_swap(struct layout_view *view);
void layout_view_unswap(struct layout_view *view);

/* Cuts a dimension to `count` indices from `start`. */
void layout_view_cut(struct layout_view *view, uint32_t axis, uint64_t start,
                     uint64_t count);

/* Takes out a dimension of one index, or the first of it. */
void layout_view_drop(struct layout_view *view, uint32_t axis);

/* Puts in a dimension of one index. */
void layout_view_insert(struct layout_view *view, uint32_t axis);

/* Makes two dimensions of one, the inner of `inner` indices. False: the
 * extent is no multiple of that, or there are too many dimensions. */
bool layout_view_split(struct layout_view *view, uint32_t axis, uint64_t inner);

/* Makes one dimension of `count` from `axis` on. False, and nothing changed:
 * no stride tells that. */
bool layout_view_merge(struct layout_view *view, uint32_t axis, uint32_t count);

#endif
