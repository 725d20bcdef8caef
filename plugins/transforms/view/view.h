/* SPDX-License-Identifier: MIT
 *
 * What the parts of the plugin share: other views of the same bytes, and the
 * same views of other bytes.
 */
#ifndef VIEW_H
#define VIEW_H

#include "ckpt/plugin.h"
#include "pattern.h"
#include "tensor_edit.h"

/* An instance of any of them but `tie`. */
struct view {
    struct sdk_pattern *pattern; /* NULL: all tensors */
    uint32_t rank;               /* of the order */
    int64_t order[CKPT_MAX_RANK];
    bool swaps; /* the order is of two dimensions, or of none */
};

/* An instance at work. */
struct view_run {
    const struct ckpt_host *host;
    struct ckpt_edits *edits;
    const struct ckpt_graph *graph;
    const struct view *self;
    struct ckpt_value **values; /* new ones, by the old tensor's id */
    struct sdk_ties ties;
    struct sdk_optimizers optimizers; /* of orders alone */
    bool any;                         /* likewise: a name was met */
    struct view_made *made;           /* `contiguous`: of each view */
    uint32_t *uses;                   /* `untie`: tensors on each storage */
    struct view_spot *spots; /* `untie`: those that were met, as keys */
    struct sdk_table places; /* of them */
};

/* What becomes of the tensors of one view. */
struct view_made {
    const char *name; /* the first that was wanted, or NULL */
    const struct ckpt_storage *storage;
};

struct view_spot {
    uint64_t owner, index;
};

/* Whether an entry is asked for. */
int view_wants(const struct view_run *run, size_t index, bool *wants);

/* "2x0x1": numbers of dimensions, at most CKPT_MAX_RANK. CKPT_OPTION. */
int view_order_read(const struct ckpt_host *host, const char *text,
                    struct view *view);

/* Another order of dimensions for an entry. */
int view_order(struct view_run *run, size_t index);

/* The transforms `contiguous` and `untie`, at work. */
int view_contiguous(struct view_run *run);
int view_untie(struct view_run *run);

extern const struct ckpt_transform view_tie;

#endif
