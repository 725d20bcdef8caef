/* SPDX-License-Identifier: MIT
 *
 * The bytes of a job: all inputs are read side by side, and what comes of a
 * block of each is computed in doubles and rounded once.
 */
#include "arithmetic.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "cast.h"

#define WINDOW_BYTES ((size_t)256 << 10)
/* Beyond this cosine an arc is as good as straight. */
#define COLLINEAR 0.9995

struct cursor {
    struct arithmetic_job *job;
    struct arithmetic_product *product; /* or what follows */
    struct ckpt_stream **streams;       /* of each input */
    struct ckpt_span *left;             /* of what each gave */
    uint64_t overflow_count;
    bool differs; /* FIRST: another has other bytes */
    size_t window_bytes;
    unsigned char *window;
};

/* ---- Elements and doubles ---- */

static size_t
width_of(uint32_t dtype)
{
    return ckpt_dtype_width_bits(dtype) / 8;
}

void
arithmetic_load(uint32_t dtype, const unsigned char *from, double *to,
                size_t count)
{
    struct sdk_cast_tally tally = {0};
    float floats[ARITHMETIC_BLOCK];
    size_t i;

    if (dtype == CKPT_FLOAT64) {
        memcpy(to, from, count * sizeof *to);
        return;
    }
    if (dtype == CKPT_FLOAT32)
        memcpy(floats, from, count * sizeof *floats);
    else
        sdk_cast(dtype, CKPT_FLOAT32, from, floats, count, &tally);
    for (i = 0; i < count; i++)
        to[i] = floats[i];
}

void
arithmetic_store(uint32_t dtype, const double *from, unsigned char *to,
                 size_t count, uint64_t *overflow_count)
{
    struct sdk_cast_tally tally = {0};
    float floats[ARITHMETIC_BLOCK];
    uint32_t beyond = 0;
    size_t i;

    if (dtype == CKPT_FLOAT64) {
        memcpy(to, from, count * sizeof *from);
        return;
    }
    for (i = 0; i < count; i++) {
        floats[i] = (float)from[i];
        beyond += (fabsf(floats[i]) > FLT_MAX) & (fabs(from[i]) <= DBL_MAX);
    }
    *overflow_count += beyond;
    if (dtype == CKPT_FLOAT32)
        memcpy(to, floats, count * sizeof *floats);
    else
        sdk_cast(CKPT_FLOAT32, dtype, floats, to, count, &tally);
    *overflow_count += tally.overflow_count;
}

void
arithmetic_tell_overflow(const struct ckpt_host *host,
                         struct arithmetic_job *job, uint64_t overflow_count)
{
    if (overflow_count > 0 && !job->told)
        host->warn(host, job->name, CKPT_NOWHERE, "%llu values do not fit %s",
                   (unsigned long long)overflow_count,
                   ckpt_dtype_name(job->dtype));
    job->told = true;
}

/* ---- Blocks ---- */

/* Of each input `count` components, at `skip` of those that are at hand. */
static void
input_load(const struct cursor *cursor, size_t index, size_t skip, size_t count,
           double *to)
{
    uint32_t dtype =
        arithmetic_component(cursor->job->inputs[index].tensor->dtype);

    arithmetic_load(dtype, cursor->left[index].data + skip * width_of(dtype),
                    to, count);
}

static void
block_add(double *sum, const double *values, double factor, size_t count)
{
    size_t i;

    if (factor == 1)
        for (i = 0; i < count; i++)
            sum[i] += values[i];
    else
        for (i = 0; i < count; i++)
            sum[i] += factor * values[i];
}

static void
block_multiply(double *values, double factor, size_t count)
{
    size_t i;

    if (factor != 1)
        for (i = 0; i < count; i++)
            values[i] *= factor;
}

/* To divide by a power of two is to multiply by another one. */
static void
block_divide(double *values, double divisor, size_t count)
{
    int exponent;
    size_t i;

    if (frexp(divisor, &exponent) == 0.5)
        block_multiply(values, 1 / divisor, count);
    else
        for (i = 0; i < count; i++)
            values[i] /= divisor;
}

static void
block_sum(const struct cursor *cursor, size_t skip, size_t count, double *sum)
{
    const struct arithmetic_job *job = cursor->job;
    double values[ARITHMETIC_BLOCK];
    size_t k;

    input_load(cursor, 0, skip, count, sum);
    block_multiply(sum, job->inputs[0].factor, count);
    for (k = 1; k < job->input_count; k++) {
        if (job->inputs[k].same > 0)
            continue;
        input_load(cursor, k, skip, count, values);
        block_add(sum, values, job->inputs[k].factor, count);
    }
    block_divide(sum, job->divisor, count);
}

/* The second input: those in between are ties of the first. */
static size_t
second_input(const struct arithmetic_job *job)
{
    size_t k = 1;

    while (k + 1 < job->input_count && job->inputs[k].same > 0)
        k++;
    return k;
}

/* As torch.lerp has it: from the nearer end. */
static void
block_between(const struct cursor *cursor, size_t skip, size_t count,
              double *values)
{
    const struct arithmetic_job *job = cursor->job;
    double ends[ARITHMETIC_BLOCK], at = job->at;
    size_t i;

    input_load(cursor, 0, skip, count, values);
    input_load(cursor, second_input(job), skip, count, ends);
    if (fabs(at) < 0.5)
        for (i = 0; i < count; i++)
            values[i] += at * (ends[i] - values[i]);
    else
        for (i = 0; i < count; i++)
            values[i] = ends[i] - (ends[i] - values[i]) * (1 - at);
}

static void
integer_load(const unsigned char *from, size_t width, uint64_t *to)
{
    *to = 0;
    memcpy(to, from, width);
}

/* The low bits of a sum are those of the low bits of what is summed, whatever
 * the sign. */
static void
block_integers(const struct cursor *cursor, size_t skip, size_t count,
               unsigned char *to)
{
    const struct arithmetic_job *job = cursor->job;
    size_t width = width_of(job->dtype), i, k;
    uint64_t sum, value;

    for (i = 0; i < count; i++) {
        for (sum = 0, k = 0; k < job->input_count; k++) {
            if (job->inputs[k].same > 0)
                continue;
            integer_load(cursor->left[k].data + (skip + i) * width, width,
                         &value);
            sum += (uint64_t)(int64_t)job->inputs[k].factor * value;
        }
        memcpy(to + i * width, &sum, width);
    }
}

static void
block_make(struct cursor *cursor, size_t skip, size_t count, unsigned char *to)
{
    const struct arithmetic_job *job = cursor->job;
    double values[ARITHMETIC_BLOCK];

    if (job->how == ARITHMETIC_INTEGERS) {
        block_integers(cursor, skip, count, to);
        return;
    }
    if (job->how == ARITHMETIC_BETWEEN)
        block_between(cursor, skip, count, values);
    else
        block_sum(cursor, skip, count, values);
    arithmetic_store(arithmetic_component(job->dtype), values, to, count,
                     &cursor->overflow_count);
}

/* ---- Streams ---- */

static void
streams_close(const struct ckpt_host *host, struct cursor *cursor)
{
    size_t k;

    for (k = 0; k < cursor->job->input_count && cursor->streams != NULL; k++) {
        host->tensor_close(host, cursor->streams[k]);
        cursor->streams[k] = NULL;
        cursor->left[k].size_bytes = 0;
    }
}

static int
streams_open(const struct ckpt_host *host, struct cursor *cursor)
{
    const struct arithmetic_job *job = cursor->job;
    size_t k;
    int status = CKPT_OK;

    for (k = 0; k < job->input_count && status == CKPT_OK; k++)
        status =
            host->tensor_open(host, job->inputs[k].tensor, &cursor->streams[k]);
    return status;
}

/* How many components are at hand of all inputs: at least one. */
static int
streams_next(const struct ckpt_host *host, struct cursor *cursor, size_t *count)
{
    const struct arithmetic_job *job = cursor->job;
    size_t k, there, least = SIZE_MAX;
    int status = CKPT_OK;

    for (k = 0; k < job->input_count && status == CKPT_OK; k++) {
        if (cursor->left[k].size_bytes == 0)
            status =
                host->tensor_next(host, cursor->streams[k], &cursor->left[k]);
        there = cursor->left[k].size_bytes /
                width_of(arithmetic_component(job->inputs[k].tensor->dtype));
        if (there < least)
            least = there;
    }
    if (status == CKPT_OK)
        *count = least;
    return status;
}

static void
streams_take(struct cursor *cursor, size_t count)
{
    const struct arithmetic_job *job = cursor->job;
    size_t k, bytes;

    for (k = 0; k < job->input_count; k++) {
        bytes = count *
                width_of(arithmetic_component(job->inputs[k].tensor->dtype));
        cursor->left[k].data += bytes;
        cursor->left[k].size_bytes -= bytes;
    }
}

/* What is tied here must be equal where it is not tied. */
static int
ties_check(const struct ckpt_host *host, const struct cursor *cursor,
           size_t count)
{
    const struct arithmetic_job *job = cursor->job;
    const struct arithmetic_input *input;
    size_t k, width;

    for (k = 0; k < job->input_count; k++) {
        input = &job->inputs[k];
        if (input->same == 0)
            continue;
        width = width_of(arithmetic_component(input->tensor->dtype));
        if (memcmp(cursor->left[k].data, cursor->left[input->same - 1].data,
                   count * width) != 0)
            return host->fail(host, CKPT_CONFLICT, input->name, CKPT_NOWHERE,
                              "it is tied to '%.200s', and in another file it "
                              "is not, and differs: 'untie:' first",
                              job->name);
    }
    return CKPT_OK;
}

/* ---- Along an arc ---- */

struct angle {
    double dot, first, second; /* the product, and the squares */
};

static int
angle_measure(const struct ckpt_host *host, struct cursor *cursor,
              struct angle *angle)
{
    double a[ARITHMETIC_BLOCK], b[ARITHMETIC_BLOCK];
    size_t i, k, count, step, second = second_input(cursor->job);
    int status = streams_open(host, cursor);

    while (status == CKPT_OK &&
           (status = streams_next(host, cursor, &count)) == CKPT_OK) {
        for (i = 0; i < count; i += step) {
            step = count - i < ARITHMETIC_BLOCK ? count - i : ARITHMETIC_BLOCK;
            input_load(cursor, 0, i, step, a);
            input_load(cursor, second, i, step, b);
            for (k = 0; k < step; k++) {
                angle->dot += a[k] * b[k];
                angle->first += a[k] * a[k];
                angle->second += b[k] * b[k];
            }
        }
        streams_take(cursor, count);
    }
    streams_close(host, cursor);
    return status == CKPT_END ? CKPT_OK : status;
}

/* Once for a job: from then on it is a sum, or lies on a line. */
static int
round_begin(const struct ckpt_host *host, struct cursor *cursor)
{
    struct arithmetic_job *job = cursor->job;
    struct angle angle = {0, 0, 0};
    double cosine, theta;
    int status = angle_measure(host, cursor, &angle);

    if (status != CKPT_OK)
        return status;
    cosine = angle.dot / (sqrt(angle.first) * sqrt(angle.second));
    if (!(fabs(cosine) <= COLLINEAR)) {
        job->how = ARITHMETIC_BETWEEN;
        return CKPT_OK;
    }
    theta = acos(cosine);
    job->how = ARITHMETIC_SUM;
    job->divisor = 1;
    job->inputs[0].factor = sin((1 - job->at) * theta) / sin(theta);
    job->inputs[second_input(job)].factor = sin(job->at * theta) / sin(theta);
    return CKPT_OK;
}

/* ---- Cursors ---- */

static int
cursor_begin(const struct ckpt_host *host, struct cursor *cursor,
             uint64_t size_bytes)
{
    struct arithmetic_job *job = cursor->job;
    int status = CKPT_OK;

    if (job->how == ARITHMETIC_PRODUCT)
        return arithmetic_product_open(host, job, &cursor->product);
    cursor->window_bytes =
        size_bytes < WINDOW_BYTES ? (size_t)size_bytes : WINDOW_BYTES;
    cursor->window = host->allocate(host, cursor->window_bytes + 1);
    cursor->left =
        host->allocate(host, job->input_count * sizeof *cursor->left);
    cursor->streams =
        host->allocate(host, job->input_count * sizeof *cursor->streams);
    if (cursor->window == NULL || cursor->left == NULL ||
        cursor->streams == NULL)
        return CKPT_MEMORY;
    if (job->how == ARITHMETIC_ROUND)
        status = round_begin(host, cursor);
    return status == CKPT_OK ? streams_open(host, cursor) : status;
}

int
arithmetic_cursor_open(const struct ckpt_host *host, void *self,
                       const struct ckpt_storage *storage, void **cursor)
{
    const struct arithmetic *arithmetic = self;
    struct cursor *made = host->allocate(host, sizeof *made);
    int status;

    if (made == NULL)
        return CKPT_MEMORY;
    made->job = arithmetic->jobs[storage->cursor_key];
    status = cursor_begin(host, made, storage->size_bytes);
    if (status == CKPT_OK)
        *cursor = made;
    else
        arithmetic_cursor_close(host, made);
    return status;
}

void
arithmetic_cursor_close(const struct ckpt_host *host, void *cursor)
{
    struct cursor *made = cursor;

    if (made->streams != NULL && made->left != NULL)
        streams_close(host, made);
    if (made->product != NULL)
        arithmetic_product_close(host, made->product);
    host->release(host, made->streams);
    host->release(host, made->left);
    host->release(host, made->window);
    host->release(host, made);
}

static int
cursor_end(const struct ckpt_host *host, const struct cursor *cursor)
{
    struct arithmetic_job *job = cursor->job;

    if (cursor->differs && !job->told)
        host->warn(host, job->name, CKPT_NOWHERE,
                   "it differs, and is %s: taken from the file that weighs "
                   "most",
                   ckpt_dtype_name(job->dtype));
    if (job->how == ARITHMETIC_FIRST)
        job->told = true;
    else
        arithmetic_tell_overflow(host, job, cursor->overflow_count);
    return CKPT_END;
}

static void
first_compare(struct cursor *cursor, size_t bytes)
{
    const struct arithmetic_job *job = cursor->job;
    size_t k;

    for (k = 1; k < job->input_count && !cursor->differs; k++)
        cursor->differs =
            job->inputs[k].same == 0 &&
            memcmp(cursor->left[0].data, cursor->left[k].data, bytes) != 0;
}

int
arithmetic_cursor_next(const struct ckpt_host *host, void *cursor,
                       struct ckpt_span *span)
{
    struct cursor *at = cursor;
    struct arithmetic_job *job = at->job;
    size_t width = width_of(arithmetic_component(job->dtype)), count, i, step;
    int status;

    if (at->product != NULL)
        return arithmetic_product_next(host, at->product, span);
    status = streams_next(host, at, &count);
    if (status == CKPT_END)
        return cursor_end(host, at);
    if (status == CKPT_OK && count > at->window_bytes / width)
        count = at->window_bytes / width;
    if (status == CKPT_OK)
        status = ties_check(host, at, count);
    if (status != CKPT_OK)
        return status;
    span->data = at->window;
    span->size_bytes = count * width;
    if (job->how == ARITHMETIC_FIRST) {
        first_compare(at, count * width);
        span->data = at->left[0].data;
        streams_take(at, count);
        return CKPT_OK;
    }
    for (i = 0; i < count; i += step) {
        step = count - i < ARITHMETIC_BLOCK ? count - i : ARITHMETIC_BLOCK;
        block_make(at, i, step, at->window + i * width);
    }
    streams_take(at, count);
    return CKPT_OK;
}
