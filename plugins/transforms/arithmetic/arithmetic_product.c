/* SPDX-License-Identifier: MIT
 *
 * W + factor * left @ right, row by row, for a rank that is small. Blocks of
 * rows are summed in doubles; the right matrix stays in memory if it is small
 * enough, else it is read again for each block, some of its rows at a time.
 */
#include "arithmetic.h"

#include <string.h>

#include "checked.h"

/* In doubles: 4, 8 and 2 MiB. */
#define SUMS_MAX ((size_t)1 << 19)
#define RIGHT_MAX ((size_t)1 << 20)
#define LEFT_MAX ((size_t)1 << 18)
#define WINDOW_BYTES ((size_t)256 << 10)
#define TILE ((size_t)512)
#define LANES ((size_t)4)

typedef double lanes __attribute__((vector_size(32), aligned(8), may_alias));

struct matrix {
    const struct ckpt_tensor *tensor;
    struct ckpt_stream *stream;
    struct ckpt_span left; /* of what the stream gave */
};

struct arithmetic_product {
    struct arithmetic_job *job;
    struct matrix base, left, right;
    size_t rows, cols, rank;  /* of the whole */
    size_t stride;            /* doubles from row to row: cols, rounded up */
    size_t block_rows, chunk; /* rows of sums, and of the right, at once */
    double *sums, *lefts, *rights;
    size_t row;                /* the first that no block has had yet */
    size_t here_rows, at, col; /* of the block, and what was given of it */
    uint64_t overflow_count;
    unsigned char window[WINDOW_BYTES];
};

/* ---- Reading ---- */

static void
matrix_close(const struct ckpt_host *host, struct matrix *matrix)
{
    host->tensor_close(host, matrix->stream);
    matrix->stream = NULL;
    matrix->left.size_bytes = 0;
}

/* Elements at hand: at least one. */
static int
matrix_next(const struct ckpt_host *host, struct matrix *matrix, size_t *count)
{
    size_t width = ckpt_dtype_width_bits(matrix->tensor->dtype) / 8;
    int status = CKPT_OK;

    if (matrix->left.size_bytes == 0)
        status = host->tensor_next(host, matrix->stream, &matrix->left);
    if (status == CKPT_OK)
        *count = matrix->left.size_bytes / width;
    return status;
}

static void
matrix_take(struct matrix *matrix, double *to, size_t count)
{
    size_t width = ckpt_dtype_width_bits(matrix->tensor->dtype) / 8;

    arithmetic_load(matrix->tensor->dtype, matrix->left.data, to, count);
    matrix->left.data += count * width;
    matrix->left.size_bytes -= count * width;
}

static int
matrix_read(const struct ckpt_host *host, struct matrix *matrix, double *to,
            size_t count)
{
    size_t there;
    int status;

    while (count > 0) {
        status = matrix_next(host, matrix, &there);
        if (status == CKPT_END)
            return host->fail(host, CKPT_CONTRACT, NULL, CKPT_NOWHERE,
                              "a tensor ends early");
        if (status != CKPT_OK)
            return status;
        if (there > count)
            there = count;
        if (there > ARITHMETIC_BLOCK)
            there = ARITHMETIC_BLOCK;
        matrix_take(matrix, to, there);
        to += there;
        count -= there;
    }
    return CKPT_OK;
}

/* The next rows of the right matrix, apart by the stride. */
static int
rights_read(const struct ckpt_host *host, struct arithmetic_product *product,
            size_t count)
{
    size_t k;
    int status = CKPT_OK;

    for (k = 0; k < count && status == CKPT_OK; k++)
        status =
            matrix_read(host, &product->right,
                        product->rights + k * product->stride, product->cols);
    return status;
}

/* ---- Multiplying ---- */

/* A tile of a row of sums gets some rows of the right, four at a time. */
static inline __attribute__((always_inline)) void
row_add(double *sums, const double *left, const double *rights, size_t count,
        size_t stride, size_t width)
{
    lanes *sum = (lanes *)sums, value;
    const lanes *right;
    size_t k, j, apart = stride / LANES;

    for (k = 0; k + 4 <= count; k += 4) {
        right = (const lanes *)(rights + k * stride);
        for (j = 0; j < width / LANES; j++) {
            value = sum[j] + left[k] * right[j];
            value += left[k + 1] * right[j + apart];
            value += left[k + 2] * right[j + 2 * apart];
            value += left[k + 3] * right[j + 3 * apart];
            sum[j] = value;
        }
    }
    for (; k < count; k++) {
        right = (const lanes *)(rights + k * stride);
        for (j = 0; j < width / LANES; j++)
            sum[j] += left[k] * right[j];
    }
}

static inline __attribute__((always_inline)) void
block_add(struct arithmetic_product *product, size_t first, size_t count)
{
    size_t stride = product->stride, i, j, width;

    for (j = 0; j < stride; j += TILE) {
        width = stride - j < TILE ? stride - j : TILE;
        for (i = 0; i < product->here_rows; i++)
            row_add(product->sums + i * stride + j,
                    product->lefts + i * product->rank + first,
                    product->rights + j, count, stride, width);
    }
}

#if defined(__x86_64__)
/* The same operations, and so the same bits, four at a time. */
static __attribute__((target("avx2"))) void
block_add_fast(struct arithmetic_product *product, size_t first, size_t count)
{
    block_add(product, first, count);
}
#endif

static void
block_multiply(struct arithmetic_product *product, size_t first, size_t count)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2")) {
        block_add_fast(product, first, count);
        return;
    }
#endif
    block_add(product, first, count);
}

/* The right matrix once more, for one block of rows. */
static int
block_again(const struct ckpt_host *host, struct arithmetic_product *product)
{
    size_t first, count;
    int status =
        host->tensor_open(host, product->right.tensor, &product->right.stream);

    for (first = 0; first < product->rank && status == CKPT_OK;
         first += count) {
        count = product->rank - first < product->chunk ? product->rank - first
                                                       : product->chunk;
        status = rights_read(host, product, count);
        if (status == CKPT_OK)
            block_multiply(product, first, count);
    }
    matrix_close(host, &product->right);
    return status;
}

static int
block_next(const struct ckpt_host *host, struct arithmetic_product *product)
{
    size_t left = product->rows - product->row;
    int status;

    product->here_rows =
        left < product->block_rows ? left : product->block_rows;
    product->row += product->here_rows;
    product->at = product->col = 0;
    memset(product->sums, 0,
           product->here_rows * product->stride * sizeof *product->sums);
    status = matrix_read(host, &product->left, product->lefts,
                         product->here_rows * product->rank);
    if (status != CKPT_OK)
        return status;
    if (product->chunk < product->rank)
        return block_again(host, product);
    block_multiply(product, 0, product->rank);
    return CKPT_OK;
}

/* ---- The cursor ---- */

/* How many rows go into so many doubles; 0: not even one. */
static size_t
rows_within(size_t room, size_t width, size_t most)
{
    size_t rows = room / width;

    return rows < most ? rows : most;
}

static int
product_measure(const struct ckpt_host *host,
                struct arithmetic_product *product)
{
    uint64_t count = product->base.tensor->element_count;
    size_t of_left;

    product->rank = (size_t)product->right.tensor->shape[0];
    product->cols =
        (size_t)(product->right.tensor->element_count / product->rank);
    product->rows = (size_t)(count / product->cols);
    if (product->cols > SUMS_MAX - LANES || product->rank > LEFT_MAX)
        return host->fail(host, CKPT_LIMIT, product->job->name, CKPT_NOWHERE,
                          "a product of rank %zu with rows of %zu elements is "
                          "too large",
                          product->rank, product->cols);
    product->stride = (product->cols + LANES - 1) / LANES * LANES;
    product->chunk = rows_within(RIGHT_MAX, product->stride, product->rank);
    product->block_rows = rows_within(SUMS_MAX, product->stride, product->rows);
    of_left = rows_within(LEFT_MAX, product->rank, product->rows);
    if (product->block_rows > of_left)
        product->block_rows = of_left;
    return CKPT_OK;
}

static int
product_allocate(const struct ckpt_host *host,
                 struct arithmetic_product *product)
{
    size_t wide = product->stride * sizeof(double);

    product->sums = host->allocate(host, product->block_rows * wide);
    product->rights = host->allocate(host, product->chunk * wide);
    product->lefts = host->allocate(host, product->block_rows * product->rank *
                                              sizeof(double));
    return product->sums != NULL && product->rights != NULL &&
                   product->lefts != NULL
               ? CKPT_OK
               : CKPT_MEMORY;
}

static int
product_begin(const struct ckpt_host *host, struct arithmetic_product *product)
{
    int status = product_measure(host, product);

    if (status == CKPT_OK)
        status = product_allocate(host, product);
    if (status == CKPT_OK && product->chunk == product->rank) {
        status = host->tensor_open(host, product->right.tensor,
                                   &product->right.stream);
        if (status == CKPT_OK)
            status = rights_read(host, product, product->rank);
        matrix_close(host, &product->right);
    }
    if (status == CKPT_OK)
        status = host->tensor_open(host, product->left.tensor,
                                   &product->left.stream);
    if (status == CKPT_OK)
        status = host->tensor_open(host, product->base.tensor,
                                   &product->base.stream);
    return status;
}

int
arithmetic_product_open(const struct ckpt_host *host,
                        struct arithmetic_job *job,
                        struct arithmetic_product **product)
{
    struct arithmetic_product *made = host->allocate(host, sizeof *made);
    int status;

    if (made == NULL)
        return CKPT_MEMORY;
    made->job = job;
    made->base.tensor = job->inputs[0].tensor;
    made->left.tensor = job->inputs[1].tensor;
    made->right.tensor = job->inputs[2].tensor;
    status = product_begin(host, made);
    if (status == CKPT_OK)
        *product = made;
    else
        arithmetic_product_close(host, made);
    return status;
}

void
arithmetic_product_close(const struct ckpt_host *host,
                         struct arithmetic_product *product)
{
    matrix_close(host, &product->base);
    matrix_close(host, &product->left);
    matrix_close(host, &product->right);
    host->release(host, product->sums);
    host->release(host, product->lefts);
    host->release(host, product->rights);
    host->release(host, product);
}

/* What is left of a row at most. */
static void
piece_make(struct arithmetic_product *product, unsigned char *to, size_t count)
{
    const double *sums =
        product->sums + product->at * product->stride + product->col;
    double factor = product->job->inputs[2].factor;
    double values[ARITHMETIC_BLOCK];
    size_t i;

    matrix_take(&product->base, values, count);
    for (i = 0; i < count; i++)
        values[i] += factor * sums[i];
    arithmetic_store(product->job->dtype, values, to, count,
                     &product->overflow_count);
    product->col += count;
    if (product->col == product->cols) {
        product->col = 0;
        product->at++;
    }
}

int
arithmetic_product_next(const struct ckpt_host *host,
                        struct arithmetic_product *product,
                        struct ckpt_span *span)
{
    size_t width = ckpt_dtype_width_bits(product->job->dtype) / 8;
    size_t made = 0, step, count;
    int status = CKPT_OK;

    if (product->at == product->here_rows && product->row < product->rows)
        status = block_next(host, product);
    if (status == CKPT_OK)
        status = matrix_next(host, &product->base, &count);
    if (status == CKPT_END)
        arithmetic_tell_overflow(host, product->job, product->overflow_count);
    if (status != CKPT_OK)
        return status;
    if (count > WINDOW_BYTES / width)
        count = WINDOW_BYTES / width;
    while (made < count && product->at < product->here_rows) {
        step = product->cols - product->col;
        if (step > count - made)
            step = count - made;
        if (step > ARITHMETIC_BLOCK)
            step = ARITHMETIC_BLOCK;
        piece_make(product, product->window + made * width, step);
        made += step;
    }
    span->data = product->window;
    span->size_bytes = made * width;
    return CKPT_OK;
}
