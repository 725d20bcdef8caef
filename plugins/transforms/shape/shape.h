/* SPDX-License-Identifier: MIT
 *
 * What the parts of the transforms `resize` and `channels` share: what was
 * asked for, one tensor on its way, and how bytes are made.
 */
#ifndef SHAPE_H
#define SHAPE_H

#include "ckpt/plugin.h"
#include "jobs.h"
#include "optimizer_slots.h"
#include "pattern.h"
#include "tensor_edit.h"

/* The order of the choices of `resize`; REPEAT is the `copy` of `channels`. */
enum shape_fill {
    SHAPE_ZERO = 0,
    SHAPE_MEAN,
    SHAPE_REPEAT,
    SHAPE_KAIMING,
    SHAPE_UNSAID
};

enum shape_how {
    SHAPE_JOINED = 1, /* chunks of the parts in turn */
    SHAPE_MEANS,      /* of runs of elements of the first part */
    SHAPE_ZEROS,
    SHAPE_RANDOM,
    SHAPE_SCALED /* the first part, times a factor */
};

#define SHAPE_PARTS_MAX 2

/* How the bytes of a storage are made; its cursor_key is the job's number. */
struct shape_job {
    uint32_t how;
    uint32_t dtype;
    const struct ckpt_tensor *parts[SHAPE_PARTS_MAX];
    uint64_t chunk_bytes[SHAPE_PARTS_MAX]; /* JOINED: of each in turn */
    size_t part_count;
    uint64_t run;    /* MEANS: elements of each */
    double factor;   /* MEANS, SCALED; RANDOM: the largest number */
    uint64_t seed;   /* RANDOM */
    uint64_t stream; /* RANDOM: which numbers of that seed */
    const char *name;
    bool told; /* what did not fit */
};

/* An instance. */
struct shape {
    struct sdk_pattern *pattern;
    bool channels; /* else `resize` */
    int64_t dim;
    uint64_t size;
    uint32_t fill; /* enum shape_fill */
    bool keep_said, keep;
    bool rescale;
    uint64_t seed;
    struct sdk_jobs jobs; /* struct shape_job */
};

/* What is done to the tensors of one view. */
struct shape_view {
    const char *name; /* of the first that is wanted; NULL: none is */
    bool met;
    const struct ckpt_storage *storage; /* NULL: it stays as it is */
};

/* An instance at work. */
struct shape_work {
    const struct ckpt_host *host;
    struct ckpt_edits *edits;
    const struct ckpt_graph *graph;
    struct shape *self;
    struct sdk_ties ties;
    struct sdk_optimizers optimizers;
    struct shape_view *views;
    struct ckpt_value **values; /* new ones, by the old tensor's id */
};

/* One tensor, from `old` entries along `dim` to `size`. */
struct shape_run {
    const struct ckpt_host *host;
    struct ckpt_edits *edits;
    const struct ckpt_graph *graph;
    struct shape *self;
    const char *name;
    const struct ckpt_tensor *from;
    uint32_t dim;
    uint64_t old, size;
    uint64_t outer, inner; /* elements before and behind the dimension */
    uint32_t fill;
    bool keep; /* the old entries stay, as many as there is room for */
    double factor;
    double bound; /* KAIMING */
};

/* Finds the dimension. */
int shape_run_begin(struct shape_run *run);

/* What stays, and what the rest becomes. */
int shape_run_decide(struct shape_run *run);

void shape_run_tell(const struct shape_run *run);

/* Makes the new tensor over a storage, with what else the old one has. */
int shape_value(const struct shape_run *run, const struct ckpt_entry *entry,
                const struct ckpt_storage *storage, struct ckpt_value **value);

/* The slots of an entry that is resized become as large: zeros are new. */
int shape_slots(struct shape_work *work, size_t index,
                const struct shape_run *run);

/* Makes the storage of the new tensor. */
int shape_make(struct shape_run *run, const struct ckpt_storage **storage);

/* ---- Random numbers ---- */

/* The block of four words of a counter: Philox 4x32-10. */
void shape_philox(const uint32_t counter[4], const uint32_t key[2],
                  uint32_t words[4]);

/* Which numbers of a seed a name has: FNV-1a of 64 bits. */
uint64_t shape_stream(const char *name);

/* Numbers `first` and following, each in (-bound, bound). */
void shape_random(uint64_t seed, uint64_t stream, uint64_t first, double bound,
                  double *numbers, size_t count);

/* ---- Payload; see ckpt/transform.h ---- */

int shape_cursor_open(const struct ckpt_host *host, void *self,
                      const struct ckpt_storage *storage, void **cursor);
int shape_cursor_next(const struct ckpt_host *host, void *cursor,
                      struct ckpt_span *span);
void shape_cursor_close(const struct ckpt_host *host, void *cursor);

#endif
