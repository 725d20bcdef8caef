/* SPDX-License-Identifier: MIT
 *
 * The payload of folded weights. A first pass over the bytes finds what each
 * element is multiplied or divided by, a second one does it. Sums are taken in
 * float64; then each step is rounded as torch rounds it, to float64 for such
 * tensors and to float32 for all others.
 */
#include "fold_norm.h"

#include <math.h>
#include <string.h>

#include "cast.h"
#include "checked.h"

#define WINDOW_ELEMENTS 8192

struct fold_cursor {
    struct fold *fold;
    struct ckpt_stream *stream;
    struct ckpt_span left; /* of what the stream gave */
    uint64_t position;     /* elements so far */
    struct fold_runs runs; /* of the factors */
    double *factors;       /* by index of the dimension */
    double values[WINDOW_ELEMENTS];
    unsigned char window[WINDOW_ELEMENTS * sizeof(double)];
};

struct fold_runs
fold_runs_of(const struct ckpt_tensor *tensor, uint32_t dim)
{
    struct fold_runs runs = {1, 1};
    uint32_t d;

    if (dim < tensor->rank)
        runs.count = tensor->shape[dim];
    for (d = dim + 1; d < tensor->rank; d++)
        runs.inner *= tensor->shape[d];
    if (dim >= tensor->rank)
        runs.inner = tensor->element_count;
    return runs;
}

static double
rounded(const struct fold_cursor *at, double number)
{
    return at->fold->weight->dtype == CKPT_FLOAT64 ? number
                                                   : (double)(float)number;
}

/* ---- Reading ---- */

static int
values_open(const struct ckpt_host *host, struct fold_cursor *at,
            const struct ckpt_tensor *tensor)
{
    host->tensor_close(host, at->stream);
    at->stream = NULL;
    at->left.size_bytes = 0;
    at->position = 0;
    return host->tensor_open(host, tensor, &at->stream);
}

/* The next values as float64, at least one; CKPT_END after the last. */
static int
values_next(const struct ckpt_host *host, struct fold_cursor *at,
            uint32_t dtype, size_t *count)
{
    size_t width_bytes = ckpt_dtype_width_bits(dtype) / 8;
    struct sdk_cast_tally tally = {0};
    int status = CKPT_OK;

    if (at->left.size_bytes == 0)
        status = host->tensor_next(host, at->stream, &at->left);
    if (status != CKPT_OK)
        return status;
    *count = at->left.size_bytes / width_bytes;
    if (*count > WINDOW_ELEMENTS)
        *count = WINDOW_ELEMENTS;
    sdk_cast(dtype, CKPT_FLOAT64, at->left.data, at->values, *count, &tally);
    at->left.data += *count * width_bytes;
    at->left.size_bytes -= *count * width_bytes;
    return CKPT_OK;
}

/* All of a small tensor. */
static int
values_read(const struct ckpt_host *host, struct fold_cursor *at,
            const struct ckpt_tensor *tensor, double **values)
{
    size_t size, count;
    int status;

    if (!sdk_mul_size((size_t)tensor->element_count, sizeof **values, &size))
        size = SIZE_MAX; /* which is over any budget */
    *values = host->allocate(host, size > 0 ? size : 1);
    if (*values == NULL)
        return CKPT_MEMORY;
    status = values_open(host, at, tensor);
    while (status == CKPT_OK) {
        status = values_next(host, at, tensor->dtype, &count);
        if (status != CKPT_OK)
            break;
        memcpy(*values + at->position, at->values, count * sizeof **values);
        at->position += count;
    }
    return status == CKPT_END ? CKPT_OK : status;
}

/* How many of `count` elements from the position on are of one index, which
 * goes to `*index`. */
static size_t
run_next(const struct fold_runs *runs, uint64_t position, size_t count,
         uint64_t *index)
{
    uint64_t left = runs->inner - position % runs->inner;

    *index = position / runs->inner % runs->count;
    return left < count ? (size_t)left : count;
}

/* ---- weight_norm: factors are g / |v| ---- */

static void
squares_add(struct fold_cursor *at, double *sums, size_t count)
{
    size_t done, run, i;
    uint64_t index;

    for (done = 0; done < count; done += run) {
        run = run_next(&at->runs, at->position + done, count - done, &index);
        for (i = 0; i < run; i++)
            sums[index] += at->values[done + i] * at->values[done + i];
    }
    at->position += count;
}

static int
norms_read(const struct ckpt_host *host, struct fold_cursor *at, double *sums)
{
    const struct ckpt_tensor *weight = at->fold->weight;
    size_t count;
    int status = values_open(host, at, weight);

    while (status == CKPT_OK) {
        status = values_next(host, at, weight->dtype, &count);
        if (status == CKPT_OK)
            squares_add(at, sums, count);
    }
    return status == CKPT_END ? CKPT_OK : status;
}

static int
norm_factors(const struct ckpt_host *host, struct fold_cursor *at)
{
    const struct fold *fold = at->fold;
    uint32_t dim = 0;
    double *sums = NULL;
    uint64_t i;
    int status;

    while (fold->dims >> dim > 1)
        dim++;
    at->runs =
        fold_runs_of(fold->weight, fold->dims != 0 ? dim : fold->weight->rank);
    status = values_read(host, at, fold->g, &at->factors);
    if (status == CKPT_OK) {
        /* At most as many as g, which has been read. */
        sums =
            host->allocate(host, ((size_t)at->runs.count + 1) * sizeof *sums);
        status = sums != NULL ? norms_read(host, at, sums) : CKPT_MEMORY;
    }
    for (i = 0; status == CKPT_OK && i < at->runs.count; i++)
        at->factors[i] =
            rounded(at, at->factors[i] / rounded(at, sqrt(sums[i])));
    host->release(host, sums);
    return status;
}

/* ---- spectral_norm: the divisor is u W v ---- */

static double
sigma_add(const struct fold_cursor *at, const double *u, const double *v,
          size_t count)
{
    const struct fold_runs *runs = &at->runs;
    double sigma = 0, sum;
    size_t done, run, i;
    uint64_t index, column;

    for (done = 0; done < count; done += run) {
        uint64_t position = at->position + done;

        run = run_next(runs, position, count - done, &index);
        column = position / runs->inner / runs->count * runs->inner +
                 position % runs->inner;
        for (i = 0, sum = 0; i < run; i++)
            sum += at->values[done + i] * v[column + i];
        sigma += u[index] * sum;
    }
    return sigma;
}

static int
sigma_read(const struct ckpt_host *host, struct fold_cursor *at, uint32_t dim,
           const double *u, const double *v, double *sigma)
{
    const struct ckpt_tensor *weight = at->fold->weight;
    size_t count;
    int status = values_open(host, at, weight);

    at->runs = fold_runs_of(weight, dim);
    *sigma = 0;
    while (status == CKPT_OK) {
        status = values_next(host, at, weight->dtype, &count);
        if (status != CKPT_OK)
            break;
        *sigma += sigma_add(at, u, v, count);
        at->position += count;
    }
    return status == CKPT_END ? CKPT_OK : status;
}

static void
doubt_tell(const struct ckpt_host *host, struct fold *fold, uint32_t taken)
{
    if (!fold->told)
        host->warn(host, fold->name.data, CKPT_NOWHERE,
                   "its sizes do not tell the dimension of spectral_norm, nor "
                   "do its vectors clearly: taken for %u",
                   taken);
    fold->told = true;
}

/* Of several dimensions it is that one whose vectors the two are: any other
 * gives much less than the largest singular value. */
static int
sigma_choose(const struct ckpt_host *host, struct fold_cursor *at,
             const double *u, const double *v)
{
    struct fold *fold = at->fold;
    uint32_t dim, taken = 0;
    double sigma, most = -1, next = -1;
    int status = CKPT_OK;

    for (dim = 0; dim < fold->weight->rank && status == CKPT_OK; dim++) {
        if ((fold->dims >> dim & 1) == 0)
            continue;
        status = sigma_read(host, at, dim, u, v, &sigma);
        if (most >= 0 && !(fabs(sigma) > most)) {
            next = fmax(next, fabs(sigma));
            continue;
        }
        next = most;
        most = fabs(sigma);
        taken = dim;
        at->factors[0] = rounded(at, sigma);
    }
    if (status == CKPT_OK && next >= most / 2)
        doubt_tell(host, fold, taken);
    return status;
}

static int
spectral_factors(const struct ckpt_host *host, struct fold_cursor *at)
{
    double *u = NULL, *v = NULL;
    int status = values_read(host, at, at->fold->u, &u);

    if (status == CKPT_OK)
        status = values_read(host, at, at->fold->v, &v);
    if (status == CKPT_OK) {
        at->factors = host->allocate(host, sizeof *at->factors);
        status =
            at->factors != NULL ? sigma_choose(host, at, u, v) : CKPT_MEMORY;
    }
    at->runs = fold_runs_of(at->fold->weight, at->fold->weight->rank);
    host->release(host, u);
    host->release(host, v);
    return status;
}

/* ---- The cursor ---- */

int
fold_cursor_open(const struct ckpt_host *host, struct fold *fold, void **cursor)
{
    struct fold_cursor *at = host->allocate(host, sizeof *at);
    int status;

    if (at == NULL)
        return CKPT_MEMORY;
    at->fold = fold;
    status =
        fold->g != NULL ? norm_factors(host, at) : spectral_factors(host, at);
    if (status == CKPT_OK)
        status = values_open(host, at, fold->weight);
    if (status != CKPT_OK)
        fold_cursor_close(host, at);
    else
        *cursor = at;
    return status;
}

int
fold_cursor_next(const struct ckpt_host *host, void *cursor,
                 struct ckpt_span *span)
{
    struct fold_cursor *at = cursor;
    uint32_t dtype = at->fold->weight->dtype;
    struct sdk_cast_tally tally = {0};
    size_t count, done, run, i;
    uint64_t index;
    int status = values_next(host, at, dtype, &count);

    if (status != CKPT_OK)
        return status;
    for (done = 0; done < count; done += run) {
        run = run_next(&at->runs, at->position + done, count - done, &index);
        for (i = done; i < done + run; i++)
            at->values[i] = rounded(at, at->fold->g != NULL
                                            ? at->values[i] * at->factors[index]
                                            : at->values[i] / at->factors[0]);
    }
    at->position += count;
    sdk_cast(CKPT_FLOAT64, dtype, at->values, at->window, count, &tally);
    span->data = at->window;
    span->size_bytes = count * (ckpt_dtype_width_bits(dtype) / 8);
    return CKPT_OK;
}

void
fold_cursor_close(const struct ckpt_host *host, void *cursor)
{
    struct fold_cursor *at = cursor;

    host->tensor_close(host, at->stream);
    host->release(host, at->factors);
    host->release(host, at);
}
