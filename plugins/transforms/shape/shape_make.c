/* SPDX-License-Identifier: MIT
 *
 * What a new tensor is made of. With the dimension in question in the middle,
 * a tensor is `outer` times `old` entries of `inner` elements; so two tensors
 * that differ in that dimension alone are joined by taking turns, and each is
 * read from start to end. Entries that come again are views that stay in
 * their place.
 */
#include "shape.h"

#include <string.h>

#include "checked.h"

static struct ckpt_graph *
run_graph(const struct shape_run *run)
{
    return run->host->edit_graph(run->host, run->edits);
}

/* A storage of as many entries, made as the job says. */
static int
storage_coded(const struct shape_run *run, struct shape_job *job,
              uint64_t entries, const struct ckpt_storage **storage)
{
    uint32_t dtype = run->from->dtype;
    struct ckpt_storage like = {.place = CKPT_PLACE_CODED,
                                .word_bytes = ckpt_dtype_word_bytes(dtype),
                                .device = run->from->storage->device};
    uint64_t size = ckpt_dtype_width_bits(dtype) / 8;
    int status;

    if (!sdk_mul_u64(size, entries, &size) ||
        !sdk_mul_u64(size, run->inner, &size) ||
        !sdk_mul_u64(size, run->outer, &size))
        return run->host->fail(run->host, CKPT_OPTION, run->name, CKPT_NOWHERE,
                               "it would be over 2^64 bytes");
    job->dtype = dtype;
    job->name = run->name;
    like.size_bytes = size;
    like.cursor_key = run->self->jobs.count;
    status = sdk_jobs_add(run->host, &run->self->jobs, job, sizeof *job) != NULL
                 ? CKPT_OK
                 : CKPT_MEMORY;
    if (status != CKPT_OK)
        return status;
    return run->host->storage_new(run->host, run_graph(run), &like, sizeof like,
                                  storage);
}

static int
tensor_make(const struct shape_run *run, struct ckpt_tensor *like,
            const struct ckpt_tensor **tensor)
{
    struct ckpt_value *value;
    int status;

    like->dtype = run->from->dtype;
    status = run->host->tensor_new(run->host, run_graph(run), like,
                                   sizeof *like, run->name, &value);
    if (status == CKPT_OK)
        *tensor = value->as.tensor;
    return status;
}

/* A tensor like the old one with another number of entries, over a storage of
 * its own; `stride` is 1 if they are there, 0 if one is there for all. */
static int
tensor_over(const struct shape_run *run, const struct ckpt_storage *storage,
            uint64_t entries, uint64_t stride,
            const struct ckpt_tensor **tensor)
{
    uint64_t shape[CKPT_MAX_RANK], strides[CKPT_MAX_RANK], step = 1;
    struct ckpt_tensor like = {
        .rank = run->from->rank, .shape = shape, .storage = storage};
    uint32_t d;

    memcpy(shape, run->from->shape, like.rank * sizeof *shape);
    shape[run->dim] = entries;
    for (d = like.rank; d-- > 0;) {
        strides[d] = d == run->dim ? step * stride : step;
        step *= d == run->dim && stride == 0 ? 1 : shape[d];
    }
    if (stride == 0)
        like.strides = strides;
    return tensor_make(run, &like, tensor);
}

/* The first of the old entries. */
static int
view_first(const struct shape_run *run, uint64_t entries,
           const struct ckpt_tensor *from, const struct ckpt_tensor **view)
{
    uint64_t shape[CKPT_MAX_RANK];
    struct ckpt_tensor like = {.rank = from->rank,
                               .shape = shape,
                               .strides = from->strides,
                               .offset = from->offset,
                               .storage = from->storage,
                               .flips = from->flips};

    memcpy(shape, from->shape, from->rank * sizeof *shape);
    shape[run->dim] = entries;
    return tensor_make(run, &like, view);
}

/* The old entries so many times. */
static int
view_again(const struct shape_run *run, uint64_t times,
           const struct ckpt_tensor **view)
{
    const struct ckpt_tensor *from = run->from;
    uint64_t shape[CKPT_MAX_RANK], strides[CKPT_MAX_RANK];
    struct ckpt_tensor like = {.rank = from->rank + 1,
                               .shape = shape,
                               .strides = strides,
                               .offset = from->offset,
                               .storage = from->storage,
                               .flips = from->flips};
    uint32_t d, at = 0;

    if (from->rank == CKPT_MAX_RANK)
        return run->host->fail(run->host, CKPT_UNSUPPORTED, run->name,
                               CKPT_NOWHERE,
                               "it has too many dimensions to be repeated");
    for (d = 0; d < from->rank; d++) {
        if (d == run->dim) {
            shape[at] = times;
            strides[at++] = 0;
        }
        shape[at] = from->shape[d];
        strides[at++] = from->strides[d];
    }
    return tensor_make(run, &like, view);
}

/* The old tensor with the dimension behind all others. */
static int
view_last(const struct shape_run *run, const struct ckpt_tensor **view)
{
    const struct ckpt_tensor *from = run->from;
    uint64_t shape[CKPT_MAX_RANK], strides[CKPT_MAX_RANK];
    struct ckpt_tensor like = {.rank = from->rank,
                               .shape = shape,
                               .strides = strides,
                               .offset = from->offset,
                               .storage = from->storage,
                               .flips = from->flips};
    uint32_t d, at = 0;

    for (d = 0; d < from->rank; d++) {
        shape[at] = from->shape[d];
        strides[at] = from->strides[d];
        at += d != run->dim;
    }
    shape[at] = from->shape[run->dim];
    strides[at] = from->strides[run->dim];
    return tensor_make(run, &like, view);
}

/* ---- Fills ---- */

/* The mean of the old entries, so many times. */
static int
fill_means(const struct shape_run *run, uint64_t entries,
           const struct ckpt_tensor **fill)
{
    struct shape_job job = {.how = SHAPE_MEANS,
                            .part_count = 1,
                            .run = run->old,
                            .factor = run->factor};
    const struct ckpt_storage *storage;
    int status = view_last(run, &job.parts[0]);

    if (status == CKPT_OK)
        status = storage_coded(run, &job, 1, &storage);
    if (status == CKPT_OK)
        status = tensor_over(run, storage, entries, 0, fill);
    return status;
}

static int
fill_made(const struct shape_run *run, uint64_t entries,
          const struct ckpt_tensor **fill)
{
    struct shape_job job = {.how = SHAPE_ZEROS};
    const struct ckpt_storage *storage;
    int status;

    if (run->fill == SHAPE_KAIMING) {
        job.how = SHAPE_RANDOM;
        job.factor = run->bound;
        job.seed = run->self->seed;
        job.stream = shape_stream(run->name);
    }
    status = storage_coded(run, &job, entries, &storage);
    if (status == CKPT_OK)
        status = tensor_over(run, storage, entries, 1, fill);
    return status;
}

/* ---- Storages ---- */

static int
chunk_of(const struct shape_run *run, uint64_t entries, uint64_t *bytes)
{
    uint64_t size = ckpt_dtype_width_bits(run->from->dtype) / 8;

    if (sdk_mul_u64(size, entries, &size) &&
        sdk_mul_u64(size, run->inner, bytes))
        return CKPT_OK;
    return run->host->fail(run->host, CKPT_OPTION, run->name, CKPT_NOWHERE,
                           "it would be over 2^64 bytes");
}

/* Joins parts of so many entries; one of none is left out. */
static int
parts_join(const struct shape_run *run,
           const struct ckpt_tensor *const parts[SHAPE_PARTS_MAX],
           const uint64_t entries[SHAPE_PARTS_MAX],
           const struct ckpt_storage **storage)
{
    struct shape_job job = {.how = SHAPE_JOINED};
    int status = CKPT_OK;
    size_t i;

    for (i = 0; i < SHAPE_PARTS_MAX && status == CKPT_OK; i++) {
        if (entries[i] == 0)
            continue;
        job.parts[job.part_count] = parts[i];
        status = chunk_of(run, entries[i], &job.chunk_bytes[job.part_count++]);
    }
    return status == CKPT_OK ? storage_coded(run, &job, run->size, storage)
                             : status;
}

/* The old entries in a circle. */
static int
make_repeated(const struct shape_run *run, const struct ckpt_storage **storage)
{
    const struct ckpt_tensor *parts[SHAPE_PARTS_MAX] = {0};
    uint64_t tail = run->size % run->old;
    uint64_t entries[SHAPE_PARTS_MAX] = {run->size - tail, tail};
    int status = CKPT_OK;

    if (entries[0] > 0)
        status = view_again(run, run->size / run->old, &parts[0]);
    if (tail > 0 && status == CKPT_OK)
        status = view_first(run, tail, run->from, &parts[1]);
    return status == CKPT_OK ? parts_join(run, parts, entries, storage)
                             : status;
}

/* The old entries, multiplied if they are to be. */
static int
old_scaled(const struct shape_run *run, const struct ckpt_tensor **old)
{
    struct shape_job job = {.how = SHAPE_SCALED,
                            .parts = {run->from},
                            .part_count = 1,
                            .factor = run->factor};
    const struct ckpt_storage *storage;
    int status;

    *old = run->from;
    if (run->factor == 1)
        return CKPT_OK;
    status = storage_coded(run, &job, run->old, &storage);
    if (status == CKPT_OK)
        status = tensor_over(run, storage, run->old, 1, old);
    return status;
}

static int
make_filled(const struct shape_run *run, const struct ckpt_storage **storage)
{
    const struct ckpt_tensor *parts[SHAPE_PARTS_MAX] = {0};
    uint64_t entries[SHAPE_PARTS_MAX] = {0, run->size};
    int status = CKPT_OK;

    if (run->keep) {
        entries[0] = run->old;
        entries[1] = run->size - run->old;
        status = old_scaled(run, &parts[0]);
    }
    if (status == CKPT_OK && run->fill == SHAPE_MEAN)
        status = fill_means(run, entries[1], &parts[1]);
    else if (status == CKPT_OK)
        status = fill_made(run, entries[1], &parts[1]);
    return status == CKPT_OK ? parts_join(run, parts, entries, storage)
                             : status;
}

static int
make_cut(const struct shape_run *run, const struct ckpt_storage **storage)
{
    const struct ckpt_tensor *parts[SHAPE_PARTS_MAX] = {0};
    const uint64_t entries[SHAPE_PARTS_MAX] = {run->size, 0};
    int status = view_first(run, run->size, run->from, &parts[0]);

    return status == CKPT_OK ? parts_join(run, parts, entries, storage)
                             : status;
}

/* All of a storage, multiplied. */
static int
make_scaled(const struct shape_run *run, const struct ckpt_storage **storage)
{
    struct shape_job job = {
        .how = SHAPE_SCALED, .part_count = 1, .factor = run->factor};
    int status = tensor_over(run, *storage, run->size, 1, &job.parts[0]);

    return status == CKPT_OK ? storage_coded(run, &job, run->size, storage)
                             : status;
}

int
shape_make(struct shape_run *run, const struct ckpt_storage **storage)
{
    int status;

    if (run->fill == SHAPE_REPEAT) {
        status = make_repeated(run, storage);
        if (status == CKPT_OK && run->factor != 1)
            status = make_scaled(run, storage);
        return status;
    }
    if (run->keep && run->size <= run->old)
        return make_cut(run, storage);
    return make_filled(run, storage);
}
