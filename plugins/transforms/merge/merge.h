/* SPDX-License-Identifier: MIT
 *
 * One graph laid over another, name by name. What `merge` and `grow` share:
 * BASE is the graph whose tensors the result has, OTHER the one that is laid
 * over it, and which of the two is edited is all that differs.
 */
#ifndef MERGE_H
#define MERGE_H

#include "ckpt/plugin.h"
#include "hash_table.h"

#define MERGE_NONE SIZE_MAX

/* In the order of the choices. */
enum merge_policy {
    MERGE_ERROR = 0,
    MERGE_SKIP,
    MERGE_KEEP,
    MERGE_TAKE,
    MERGE_RESIZE
};

/* What becomes of a tensor of BASE. */
enum merge_fate {
    MERGE_STAYS = 0,
    MERGE_GOES,     /* it is left out */
    MERGE_LOADED,   /* OTHER's is copied into it */
    MERGE_RESIZED,  /* of OTHER's what is of the same indices is */
    MERGE_REPLACED, /* OTHER's stands in its place */
};

/* A place of BASE as the key of a table. */
struct merge_place {
    uint64_t owner;
    uint64_t index;
};

/* What is known of an entry of BASE. */
struct merge_item {
    size_t other; /* OTHER's entry of that name, or MERGE_NONE */
    uint32_t fate;
    bool fits;  /* OTHER's has its shape */
    bool fixed; /* it is part of an object: another cannot stand there */
    bool tied;  /* it stays, but is changed with one that it is tied to */
    const struct ckpt_value *value; /* what it becomes; NULL: what it is */
    struct merge_place place;
    size_t next; /* the next entry on the same storage, or MERGE_NONE */
};

/* Bytes that are copied into others: a view of the storage that is made, its
 * dimensions in order of their strides, and what is poured into it. */
struct merge_overlay {
    struct merge_overlay *next;
    const struct ckpt_tensor *from; /* in the same order of dimensions */
    const char *name;
    uint32_t dtype;
    uint32_t rank;
    uint64_t *shape, *strides; /* in elements */
    uint64_t offset;
    bool told; /* what did not fit */
};

/* A storage that a cursor makes. */
struct merge_job {
    struct merge_job *next;
    const struct ckpt_tensor *under; /* the bytes below; NULL: all is covered */
    struct merge_overlay *overlays, **end;
    size_t overlay_count;
};

struct merge {
    const struct ckpt_host *host;
    struct ckpt_edits *edits;
    bool grows;   /* it is `grow` */
    bool update;  /* OTHER's tensors are taken as they are */
    bool refused; /* for what the options say */
    bool done;    /* the result is made */
    uint32_t missing, unexpected, mismatch; /* enum merge_policy */
    const char *path;                       /* of the file that is named */
    const struct ckpt_graph *base, *other;
    struct merge_item *items; /* of each entry of BASE */
    bool *used;               /* of each entry of OTHER: BASE has the name */
    bool *added;              /* likewise: it was added to BASE */
    struct sdk_table names;   /* of OTHER: the indices of its entries */
    struct sdk_table places;  /* of BASE: the indices of its entries */
    struct merge_job **jobs;  /* by their cursor_key */
    size_t job_count;
    /* By the ids of BASE's tensors; the last by those of OTHER's storages. */
    const struct ckpt_value **values;
    bool *given; /* likewise: where it comes from was said */
    bool *taken;
    struct merge_take *take; /* while the tree is made, if things are added */
};

/* ---- merge_load.c ---- */

/* Makes what tensors become that are LOADED or RESIZED. */
int merge_load(struct merge *merge);

/* ---- merge_overlay.c ---- */

/* A new job; it ends with merge_jobs_fini. */
int merge_job_new(struct merge *merge, struct merge_job **job, uint64_t *key);

/* Pours `from` into `into`, a view of the storage that the job makes, of the
 * same shape. CKPT_UNSUPPORTED: elements overlap, or there is no cast. */
int merge_overlay_add(struct merge *merge, struct merge_job *job,
                      const struct ckpt_tensor *into,
                      const struct ckpt_tensor *from, const char *name);

/* The dimensions of a tensor, the largest stride first; without those of one
 * index. Gives their number. */
uint32_t merge_dims_sort(const struct ckpt_tensor *tensor,
                         uint32_t order[CKPT_MAX_RANK]);

int merge_cursor_open(const struct ckpt_host *host, void *self,
                      const struct ckpt_storage *storage, void **cursor);
int merge_cursor_next(const struct ckpt_host *host, void *cursor,
                      struct ckpt_span *span);
void merge_cursor_close(const struct ckpt_host *host, void *cursor);
void merge_jobs_fini(const struct ckpt_host *host, struct merge *merge);

/* ---- merge_take.c ---- */

/* Finds which OTHER alone has. Ends with merge_take_fini. */
int merge_take_init(struct merge *merge);

/* The map of OTHER under the key that the pair of BASE's map has, or NULL. */
const struct ckpt_value *merge_take_beside(const struct merge *merge,
                                           const struct ckpt_value *other,
                                           const struct ckpt_pair *pair);

/* Adds to `made`, which is to be BASE's map `old`, what OTHER's map `other`
 * has beyond it. */
int merge_take_fill(struct merge *merge, struct ckpt_value *made,
                    const struct ckpt_value *old,
                    const struct ckpt_value *other);

/* Marks in merge->added the entries that were added. */
void merge_take_fini(struct merge *merge);

/* ---- merge_tree.c ---- */

/* BASE's tree with all that was decided. */
int merge_tree(struct merge *merge, const struct ckpt_value **root);

/* ---- merge_tell.c ---- */

/* Says what becomes of every tensor. */
int merge_tell(const struct merge *merge);

/* Says which prefix keeps names from meeting. */
int merge_hint(const struct merge *merge);

#endif
