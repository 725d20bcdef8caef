/* SPDX-License-Identifier: MIT
 *
 * Bytes that no view can show: rows with their blocks in another order, and
 * sums. A job says what; a cursor reads the tensors of one job in order.
 */
#include "layout_cursor.h"

#include <string.h>

#include "endian.h"

#define STEP_BYTES ((size_t)1 << 20)

struct cursor {
    const struct layout_job *job;
    struct ckpt_stream *streams[2];
    struct ckpt_span spans[2]; /* what is left of them */
    unsigned char *row;        /* TURNED, SUMMED: what is made */
    size_t row_at, row_bytes;  /* TURNED: what was given of it */
};

int
layout_job_add(const struct ckpt_host *host, struct layout *self,
               const struct layout_job *job, uint64_t *key)
{
    struct layout_job **jobs = host->reallocate(
        host, self->jobs, (size_t)(self->job_count + 1) * sizeof *jobs);

    if (jobs == NULL)
        return CKPT_MEMORY;
    self->jobs = jobs;
    jobs[self->job_count] = host->allocate(host, sizeof **jobs);
    if (jobs[self->job_count] == NULL)
        return CKPT_MEMORY;
    *jobs[self->job_count] = *job;
    *key = self->job_count++;
    return CKPT_OK;
}

void
layout_jobs_fini(const struct ckpt_host *host, struct layout *self)
{
    uint64_t i;

    for (i = 0; i < self->job_count; i++)
        host->release(host, self->jobs[i]);
    host->release(host, self->jobs);
}

static size_t
row_room(const struct layout_job *job)
{
    return job->how == LAYOUT_TURNED ? (size_t)job->row_bytes : STEP_BYTES;
}

int
layout_cursor_open(const struct ckpt_host *host, void *self,
                   const struct ckpt_storage *storage, void **cursor)
{
    const struct layout *layout = self;
    struct cursor *made = host->allocate(host, sizeof *made);
    size_t i;
    int status;

    if (made == NULL)
        return CKPT_MEMORY;
    made->job = layout->jobs[storage->cursor_key];
    made->row = host->allocate(host, row_room(made->job));
    status = made->row != NULL ? CKPT_OK : CKPT_MEMORY;
    for (i = 0; i < made->job->tensor_count && status == CKPT_OK; i++)
        status =
            host->tensor_open(host, made->job->tensors[i], &made->streams[i]);
    if (status == CKPT_OK)
        *cursor = made;
    else
        layout_cursor_close(host, made);
    return status;
}

void
layout_cursor_close(const struct ckpt_host *host, void *cursor)
{
    struct cursor *made = cursor;

    host->tensor_close(host, made->streams[0]);
    host->tensor_close(host, made->streams[1]);
    host->release(host, made->row);
    host->release(host, made);
}

/* Exactly so many bytes; CKPT_END before the first. */
static int
turned_read(const struct ckpt_host *host, struct cursor *cursor,
            unsigned char *bytes, size_t size_bytes)
{
    struct ckpt_span *left = &cursor->spans[0];
    size_t done = 0, step;
    int status;

    while (done < size_bytes) {
        if (left->size_bytes == 0) {
            status = host->tensor_next(host, cursor->streams[0], left);
            if (status != CKPT_OK)
                return status;
        }
        step = size_bytes - done < left->size_bytes ? size_bytes - done
                                                    : left->size_bytes;
        memcpy(bytes + done, left->data, step);
        left->data += step;
        left->size_bytes -= step;
        done += step;
    }
    return CKPT_OK;
}

/* The first two thirds of a row change places. */
static int
turned_next(const struct ckpt_host *host, struct cursor *cursor,
            struct ckpt_span *span)
{
    size_t third = (size_t)cursor->job->row_bytes / 3;
    unsigned char *row = cursor->row;
    int status;

    if (cursor->row_at == cursor->row_bytes) {
        status = turned_read(host, cursor, row + third, third);
        if (status == CKPT_OK)
            status = turned_read(host, cursor, row, third);
        if (status == CKPT_OK)
            status = turned_read(host, cursor, row + 2 * third, third);
        if (status != CKPT_OK)
            return status;
        cursor->row_at = 0;
        cursor->row_bytes = 3 * third;
    }
    span->data = row + cursor->row_at;
    span->size_bytes = cursor->row_bytes - cursor->row_at;
    if (span->size_bytes > STEP_BYTES)
        span->size_bytes = STEP_BYTES;
    cursor->row_at += span->size_bytes;
    return CKPT_OK;
}

/* ---- Sums ---- */

static float
float_from(uint32_t bits)
{
    float value;

    memcpy(&value, &bits, sizeof value);
    return value;
}

static uint32_t
bits_of(float value)
{
    uint32_t bits;

    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static void
sum_64(unsigned char *out, const unsigned char *a, const unsigned char *b)
{
    uint64_t left = sdk_load_le64(a), right = sdk_load_le64(b);
    double x, y;

    memcpy(&x, &left, sizeof x);
    memcpy(&y, &right, sizeof y);
    x += y;
    memcpy(&left, &x, sizeof left);
    sdk_store_le64(out, left);
}

/* To the nearest, of two the even one. */
static void
sum_bfloat16(unsigned char *out, const unsigned char *a, const unsigned char *b)
{
    float sum = float_from((uint32_t)sdk_load_le16(a) << 16) +
                float_from((uint32_t)sdk_load_le16(b) << 16);
    uint32_t bits = bits_of(sum);

    if (sum == sum)
        bits += 0x7fff + (bits >> 16 & 1);
    sdk_store_le16(out, (uint16_t)(bits >> 16));
}

static float
half_load(const unsigned char *bytes)
{
    uint32_t half = sdk_load_le16(bytes), sign = (half & 0x8000) << 16;
    uint32_t exponent = half >> 10 & 31, fraction = half & 0x3ff;

    if (exponent == 31)
        return float_from(sign | 0x7f800000 | fraction << 13);
    if (exponent == 0)
        return (sign != 0 ? -1.0f : 1.0f) * (float)fraction / 16777216.0f;
    return float_from(sign | (exponent + 112) << 23 | fraction << 13);
}

/* To the nearest, of two the even one. A float has more than twice the bits of
 * a half, so that a sum that is rounded twice is as if rounded once. */
static uint16_t
half_bits(float value)
{
    uint32_t bits = bits_of(value), sign = bits >> 16 & 0x8000, shift;
    int32_t exponent = (int32_t)(bits >> 23 & 255) - 112;
    uint32_t fraction = bits & 0x7fffff, half, rest, middle;

    if (exponent == 143)
        return (uint16_t)(sign | 0x7c00 | (fraction != 0 ? 0x200 : 0));
    if (exponent >= 31)
        return (uint16_t)(sign | 0x7c00);
    if (exponent < -10)
        return (uint16_t)sign;
    shift = exponent > 0 ? 13 : (uint32_t)(14 - exponent);
    if (exponent <= 0)
        fraction |= 0x800000;
    half = fraction >> shift;
    if (exponent > 0)
        half |= (uint32_t)exponent << 10;
    rest = fraction & ((UINT32_C(1) << shift) - 1);
    middle = UINT32_C(1) << (shift - 1);
    half += rest > middle || (rest == middle && (half & 1) != 0);
    return (uint16_t)(sign | half);
}

static void
sum_one(uint32_t dtype, unsigned char *out, const unsigned char *a,
        const unsigned char *b)
{
    switch (dtype) {
    case CKPT_FLOAT64:
        sum_64(out, a, b);
        return;
    case CKPT_FLOAT32:
        sdk_store_le32(out, bits_of(float_from(sdk_load_le32(a)) +
                                    float_from(sdk_load_le32(b))));
        return;
    case CKPT_BFLOAT16:
        sum_bfloat16(out, a, b);
        return;
    default:
        sdk_store_le16(out, half_bits(half_load(a) + half_load(b)));
    }
}

static int
summed_next(const struct ckpt_host *host, struct cursor *cursor,
            struct ckpt_span *span)
{
    size_t width = ckpt_dtype_width_bits(cursor->job->dtype) / 8, i, bytes;
    struct ckpt_span *spans = cursor->spans;
    int status;

    for (i = 0; i < 2; i++) {
        if (spans[i].size_bytes > 0)
            continue;
        status = host->tensor_next(host, cursor->streams[i], &spans[i]);
        if (status != CKPT_OK)
            return status;
    }
    bytes = spans[0].size_bytes < spans[1].size_bytes ? spans[0].size_bytes
                                                      : spans[1].size_bytes;
    if (bytes > STEP_BYTES)
        bytes = STEP_BYTES;
    for (i = 0; i + width <= bytes; i += width)
        sum_one(cursor->job->dtype, cursor->row + i, spans[0].data + i,
                spans[1].data + i);
    for (i = 0; i < 2; i++) {
        spans[i].data += bytes;
        spans[i].size_bytes -= bytes;
    }
    span->data = cursor->row;
    span->size_bytes = bytes;
    return CKPT_OK;
}

int
layout_cursor_next(const struct ckpt_host *host, void *cursor,
                   struct ckpt_span *span)
{
    struct cursor *made = cursor;

    if (made->job->how == LAYOUT_TURNED)
        return turned_next(host, made, span);
    return summed_next(host, made, span);
}
