/* SPDX-License-Identifier: MIT
 *
 * Bytes that are made while they are read, a window at a time. All parts are
 * read from start to end.
 */
#include "shape.h"

#include <math.h>
#include <string.h>

#include "cast.h"

#define WINDOW_BYTES ((size_t)256 << 10)
/* What is at hand in one piece of that size is given as it is. */
#define WHOLE_BYTES ((size_t)64 << 10)
/* Elements that are worked on together; a complex one is two numbers. */
#define BLOCK ((size_t)512)

/* A sum that does not lose the low bits, after Neumaier. */
struct sum {
    double sum, rest;
};

struct cursor {
    struct shape_job *job;
    struct ckpt_stream *streams[SHAPE_PARTS_MAX];
    struct ckpt_span left[SHAPE_PARTS_MAX]; /* of what they gave */
    size_t part;                            /* JOINED: whose turn it is */
    uint64_t turn_bytes;                    /* JOINED: left of its turn */
    uint64_t made_bytes, size_bytes;
    uint64_t summed; /* MEANS: elements of the run so far */
    struct sum sums[2];
    struct sdk_cast_tally tally;
    size_t window_bytes;
    unsigned char window[];
};

int
shape_cursor_open(const struct ckpt_host *host, void *self,
                  const struct ckpt_storage *storage, void **cursor)
{
    const struct shape *shape = self;
    size_t i, window_bytes = storage->size_bytes < WINDOW_BYTES
                                 ? (size_t)storage->size_bytes
                                 : WINDOW_BYTES;
    struct cursor *made = host->allocate(host, sizeof *made + window_bytes);
    int status = CKPT_OK;

    if (made == NULL)
        return CKPT_MEMORY;
    made->job = shape->jobs.items[storage->cursor_key];
    made->window_bytes = window_bytes;
    made->size_bytes = storage->size_bytes;
    made->turn_bytes = made->job->chunk_bytes[0];
    for (i = 0; i < made->job->part_count && status == CKPT_OK; i++)
        status =
            host->tensor_open(host, made->job->parts[i], &made->streams[i]);
    if (status == CKPT_OK)
        *cursor = made;
    else
        shape_cursor_close(host, made);
    return status;
}

void
shape_cursor_close(const struct ckpt_host *host, void *cursor)
{
    struct cursor *made = cursor;
    size_t i;

    for (i = 0; i < SHAPE_PARTS_MAX; i++)
        host->tensor_close(host, made->streams[i]);
    host->release(host, made);
}

/* Sees to it that something of a part is at hand. */
static int
part_read(const struct ckpt_host *host, struct cursor *at, size_t part)
{
    if (at->left[part].size_bytes > 0)
        return CKPT_OK;
    return host->tensor_next(host, at->streams[part], &at->left[part]);
}

static void
part_take(struct cursor *at, size_t part, size_t size_bytes)
{
    at->left[part].data += size_bytes;
    at->left[part].size_bytes -= size_bytes;
}

static size_t
least(uint64_t a, uint64_t b)
{
    return (size_t)(a < b ? a : b);
}

/* ---- Joined ---- */

static void
joined_turn(struct cursor *at)
{
    while (at->turn_bytes == 0) {
        at->part = (at->part + 1) % at->job->part_count;
        at->turn_bytes = at->job->chunk_bytes[at->part];
    }
}

static int
joined_next(const struct ckpt_host *host, struct cursor *at,
            struct ckpt_span *span)
{
    size_t step, done = 0;
    int status = CKPT_OK;

    while (done < at->window_bytes && at->made_bytes + done < at->size_bytes) {
        joined_turn(at);
        status = part_read(host, at, at->part);
        if (status != CKPT_OK)
            return status;
        step = least(at->left[at->part].size_bytes, at->turn_bytes);
        span->data = at->left[at->part].data;
        if (done == 0 && step >= WHOLE_BYTES) {
            part_take(at, at->part, step);
            at->turn_bytes -= step;
            span->size_bytes = step;
            return CKPT_OK;
        }
        step = least(step, at->window_bytes - done);
        memcpy(at->window + done, span->data, step);
        part_take(at, at->part, step);
        at->turn_bytes -= step;
        done += step;
    }
    span->data = at->window;
    span->size_bytes = done;
    return CKPT_OK;
}

/* ---- Means ---- */

static void
sum_add(struct sum *sum, double number)
{
    double next = sum->sum + number;

    if (fabs(sum->sum) >= fabs(number))
        sum->rest += (sum->sum - next) + number;
    else
        sum->rest += (number - next) + sum->sum;
    sum->sum = next;
}

/* Beyond the largest number there is no rest to speak of. */
static double
sum_mean(const struct cursor *at, const struct sum *sum)
{
    double whole = isfinite(sum->rest) ? sum->sum + sum->rest : sum->sum;

    return whole / (double)at->job->run * at->job->factor;
}

static bool
is_complex(uint32_t dtype)
{
    return dtype >= CKPT_COMPLEX32 && dtype <= CKPT_COMPLEX128;
}

/* Elements that may be added before there is no room for their means. */
static size_t
means_count(const struct cursor *at, size_t room)
{
    uint64_t run = at->job->run;
    size_t width = ckpt_dtype_width_bits(at->job->dtype) / 8;
    size_t count = least(at->left[0].size_bytes / width, BLOCK);

    return run < BLOCK ? least(count, room / width * run - at->summed) : count;
}

/* Adds numbers, of which every `stride`th is of this sum. What is narrower
 * than a double loses nothing that shows. */
static void
sum_block(struct sum *sum, const double *numbers, size_t count, size_t stride,
          bool exact)
{
    double plain = sum->sum;
    size_t i;

    for (i = 0; i < count && exact; i++)
        sum_add(sum, numbers[i * stride]);
    if (exact)
        return;
    for (i = 0; i < count; i++)
        plain += numbers[i * stride];
    sum->sum = plain;
}

/* Adds what is left of the run, or all there is, and puts a mean that is
 * complete where numbers were that are added. */
static size_t
means_stretch(struct cursor *at, double *block, size_t from, size_t count,
              size_t *made)
{
    uint32_t dtype = at->job->dtype;
    size_t k, numbers = is_complex(dtype) ? 2 : 1;
    bool exact = dtype == CKPT_FLOAT64 || dtype == CKPT_COMPLEX128;

    count = least(count - from, at->job->run - at->summed);
    for (k = 0; k < numbers; k++)
        sum_block(&at->sums[k], block + from * numbers + k, count, numbers,
                  exact);
    at->summed += count;
    if (at->summed < at->job->run)
        return count;
    for (k = 0; k < numbers; k++)
        block[*made * numbers + k] = sum_mean(at, &at->sums[k]);
    memset(at->sums, 0, sizeof at->sums);
    at->summed = 0;
    ++*made;
    return count;
}

/* Adds up to a block of what is at hand, and gives the size of the means that
 * are complete now. */
static size_t
means_add(struct cursor *at, unsigned char *means, size_t room)
{
    uint32_t dtype = at->job->dtype;
    uint32_t wide = is_complex(dtype) ? CKPT_COMPLEX128 : CKPT_FLOAT64;
    size_t width = ckpt_dtype_width_bits(dtype) / 8;
    size_t i, made = 0, count = means_count(at, room);
    struct sdk_cast_tally none = {0};
    double block[2 * BLOCK];

    sdk_cast(dtype, wide, at->left[0].data, block, count, &none);
    part_take(at, 0, count * width);
    for (i = 0; i < count;)
        i += means_stretch(at, block, i, count, &made);
    sdk_cast(wide, dtype, block, means, made, &at->tally);
    return made * width;
}

static int
means_next(const struct ckpt_host *host, struct cursor *at,
           struct ckpt_span *span)
{
    size_t done = 0;
    int status;

    while (done < at->window_bytes && at->made_bytes + done < at->size_bytes) {
        status = part_read(host, at, 0);
        if (status != CKPT_OK)
            return status;
        done += means_add(at, at->window + done, at->window_bytes - done);
    }
    span->data = at->window;
    span->size_bytes = done;
    return CKPT_OK;
}

/* ---- The others ---- */

static int
zeros_next(struct cursor *at, struct ckpt_span *span)
{
    span->data = at->window;
    span->size_bytes = least(at->window_bytes, at->size_bytes - at->made_bytes);
    return CKPT_OK;
}

static int
random_next(struct cursor *at, struct ckpt_span *span)
{
    const struct shape_job *job = at->job;
    size_t width = ckpt_dtype_width_bits(job->dtype) / 8;
    size_t room = least(at->window_bytes, at->size_bytes - at->made_bytes);
    size_t count, done = 0;
    double numbers[BLOCK];

    for (; done < room; done += count * width) {
        count = least((room - done) / width, BLOCK);
        shape_random(job->seed, job->stream, (at->made_bytes + done) / width,
                     job->factor, numbers, count);
        sdk_cast(CKPT_FLOAT64, job->dtype, numbers, at->window + done, count,
                 &at->tally);
    }
    span->data = at->window;
    span->size_bytes = done;
    return CKPT_OK;
}

/* As torch multiplies by a number: doubles as they are, all else as float32,
 * rounded once more where the type is narrower. */
static void
scaled_block(struct cursor *at, const unsigned char *from, unsigned char *to,
             size_t count)
{
    uint32_t dtype = at->job->dtype;
    bool both = is_complex(dtype);
    bool wide = dtype == CKPT_FLOAT64 || dtype == CKPT_COMPLEX128;
    size_t i, numbers = both ? 2 * count : count;
    struct sdk_cast_tally none = {0};
    double doubles[2 * BLOCK];
    float floats[2 * BLOCK];

    if (wide) {
        memcpy(doubles, from, numbers * sizeof *doubles);
        for (i = 0; i < numbers; i++)
            doubles[i] *= at->job->factor;
        memcpy(to, doubles, numbers * sizeof *doubles);
        return;
    }
    sdk_cast(dtype, both ? CKPT_COMPLEX64 : CKPT_FLOAT32, from, floats, count,
             &none);
    for (i = 0; i < numbers; i++)
        floats[i] *= (float)at->job->factor;
    sdk_cast(both ? CKPT_COMPLEX64 : CKPT_FLOAT32, dtype, floats, to, count,
             &at->tally);
}

static int
scaled_next(const struct ckpt_host *host, struct cursor *at,
            struct ckpt_span *span)
{
    size_t width = ckpt_dtype_width_bits(at->job->dtype) / 8;
    size_t room, count, done = 0;
    int status = part_read(host, at, 0);

    if (status != CKPT_OK)
        return status;
    room = least(at->left[0].size_bytes,
                 at->window_bytes - at->window_bytes % width);
    for (; done < room; done += count * width) {
        count = least((room - done) / width, BLOCK);
        scaled_block(at, at->left[0].data + done, at->window + done, count);
    }
    part_take(at, 0, done);
    span->data = at->window;
    span->size_bytes = done;
    return CKPT_OK;
}

/* ---- All ---- */

static int
cursor_make(const struct ckpt_host *host, struct cursor *at,
            struct ckpt_span *span)
{
    switch (at->job->how) {
    case SHAPE_JOINED:
        return joined_next(host, at, span);
    case SHAPE_MEANS:
        return means_next(host, at, span);
    case SHAPE_ZEROS:
        return zeros_next(at, span);
    case SHAPE_RANDOM:
        return random_next(at, span);
    default:
        return scaled_next(host, at, span);
    }
}

static void
overflow_tell(const struct ckpt_host *host, struct cursor *at)
{
    if (at->tally.overflow_count > 0 && !at->job->told)
        host->warn(host, at->job->name, CKPT_NOWHERE,
                   "%llu new values do not fit %s",
                   (unsigned long long)at->tally.overflow_count,
                   ckpt_dtype_name(at->job->dtype));
    at->job->told = true;
}

int
shape_cursor_next(const struct ckpt_host *host, void *cursor,
                  struct ckpt_span *span)
{
    struct cursor *at = cursor;
    int status;

    if (at->made_bytes == at->size_bytes) {
        overflow_tell(host, at);
        return CKPT_END;
    }
    status = cursor_make(host, at, span);
    if (status == CKPT_OK)
        at->made_bytes += span->size_bytes;
    return status;
}
