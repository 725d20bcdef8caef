/* SPDX-License-Identifier: MIT
 *
 * Weights that are kept as what they are computed from, as the files of the
 * transform `fold-norm` share them.
 */
#ifndef FOLD_NORM_H
#define FOLD_NORM_H

#include "ckpt/host.h"
#include "pattern.h"

#define FOLD_PARTS_MAX 3

/* One weight. Its parts are pairs of one map. */
struct fold {
    const struct ckpt_value *owner;
    size_t parts[FOLD_PARTS_MAX]; /* indices of its pairs */
    size_t part_count;
    struct ckpt_text name;  /* full, that the weight gets */
    struct ckpt_text plain; /* the key at its end */
    bool stored;            /* the plain weight is in the file beside them */
    const struct ckpt_tensor
        *weight;                     /* weight_v, weight_orig: the first part */
    const struct ckpt_tensor *g;     /* weight_norm; NULL: spectral_norm */
    const struct ckpt_tensor *u, *v; /* of spectral_norm */
    /* Dimensions that it may be about, a bit each: one; several whose sizes
     * are the same, of spectral_norm; or none, the norm over all. */
    uint64_t dims;
    const struct ckpt_storage *made;
    bool told; /* that its dimension is in doubt */
};

/* How the elements of a row-major tensor fall to the indices of a dimension:
 * runs of `inner`, `count` of which come in turn. */
struct fold_runs {
    uint64_t count, inner;
};

struct fold_runs fold_runs_of(const struct ckpt_tensor *tensor, uint32_t dim);

/* ---- fold_norm_find.c ---- */

struct fold_list {
    struct fold *items;
    size_t count, capacity;
    char *texts; /* the names */
};

/* Finds the weights of a graph whose names the pattern meets, if there is one;
 * what looks like a weight and is none is told. */
int fold_list_find(const struct ckpt_host *host, const struct ckpt_graph *graph,
                   const struct sdk_pattern *pattern, struct ckpt_edits *edits,
                   struct fold_list *list);
void fold_list_fini(const struct ckpt_host *host, struct fold_list *list);

/* ---- fold_norm_cursor.c ---- */

/* As in ckpt_transform, of the storage that is made for a weight. */
int fold_cursor_open(const struct ckpt_host *host, struct fold *fold,
                     void **cursor);
int fold_cursor_next(const struct ckpt_host *host, void *cursor,
                     struct ckpt_span *span);
void fold_cursor_close(const struct ckpt_host *host, void *cursor);

#endif
