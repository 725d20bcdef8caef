/* SPDX-License-Identifier: MIT
 *
 * Which views of a storage, each kept as a contiguous tensor of its own, give
 * the storage's bytes back. A view is dense if its elements fill one run of
 * the storage, in whatever order; repeated elements (stride 0) count once.
 */
#ifndef HUB_GRAPH_COVER_H
#define HUB_GRAPH_COVER_H

#include "hub/graph/graph.h"

/* A run of the storage that one view fills. */
struct hub_cover_run {
    uint64_t begin, end; /* bytes of the storage */
    uint64_t skip_bytes; /* of the view's own run, left to earlier runs */
    uint64_t reach;      /* where this run and those that adjoin it end */
    size_t view;         /* index among the views */
};

struct hub_cover {
    struct hub_cover_run *runs; /* ascending, without overlap */
    size_t count;
};

/* Finds runs whose union is that of all dense views. `cover->runs` has room
 * for `count` runs. */
void hub_cover_find(const struct ckpt_tensor *const *views, size_t count,
                    struct hub_cover *cover);

/* Whether all bytes between the first and the last element of a view lie in
 * the cover. */
bool hub_cover_holds(const struct hub_cover *cover,
                     const struct ckpt_tensor *view);

/* The bytes of the storage that the cover holds. */
uint64_t hub_cover_bytes(const struct hub_cover *cover);

/* A view of `kept`, the contiguous copy of dense view `view`, whose
 * contiguous bytes are the run. `dims` has room for 2 * CKPT_MAX_RANK. */
void hub_cover_view(const struct hub_cover_run *run,
                    const struct ckpt_tensor *view,
                    const struct ckpt_tensor *kept, uint64_t *dims,
                    struct ckpt_tensor *piece);

#endif
