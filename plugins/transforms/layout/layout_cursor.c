/* SPDX-License-Identifier: MIT
 *
 * Bytes that no view can show: rows with their blocks in another order, and
 * sums. A job says what; a cursor reads the tensors of one job in order.
 */
#include "layout_cursor.h"

#include <string.h>

#include "cast.h"

#define STEP_BYTES ((size_t)1 << 20)
#define SUM_BLOCK ((size_t)512) /* elements that are added together */

struct cursor {
    const struct layout_job *job;
    struct ckpt_stream *streams[2];
    struct ckpt_span spans[2]; /* what is left of them */
    unsigned char *row;        /* TURNED, SUMMED: what is made */
    size_t row_at, row_bytes;  /* TURNED: what was given of it */
};

static size_t
row_room(const struct layout_job *job)
{
    uint64_t size_bytes = job->tensors[0]->size_bytes;

    if (job->how == LAYOUT_TURNED)
        return (size_t)job->row_bytes;
    return size_bytes < STEP_BYTES ? (size_t)size_bytes : STEP_BYTES;
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
    made->job = layout->jobs.items[storage->cursor_key];
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

/* As torch adds: doubles as they are, all else as float32, rounded once more
 * where the type is narrower. */
static void
sum_block(uint32_t dtype, unsigned char *out, const unsigned char *a,
          const unsigned char *b, size_t count)
{
    struct sdk_cast_tally tally = {0};
    double doubles[2][SUM_BLOCK];
    float floats[2][SUM_BLOCK];
    size_t i;

    if (dtype == CKPT_FLOAT64) {
        memcpy(doubles[0], a, count * sizeof **doubles);
        memcpy(doubles[1], b, count * sizeof **doubles);
        for (i = 0; i < count; i++)
            doubles[0][i] += doubles[1][i];
        memcpy(out, doubles[0], count * sizeof **doubles);
        return;
    }
    sdk_cast(dtype, CKPT_FLOAT32, a, floats[0], count, &tally);
    sdk_cast(dtype, CKPT_FLOAT32, b, floats[1], count, &tally);
    for (i = 0; i < count; i++)
        floats[0][i] += floats[1][i];
    sdk_cast(CKPT_FLOAT32, dtype, floats[0], out, count, &tally);
}

static int
summed_next(const struct ckpt_host *host, struct cursor *cursor,
            struct ckpt_span *span)
{
    size_t width = ckpt_dtype_width_bits(cursor->job->dtype) / 8;
    size_t i, bytes, step;
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
    for (i = 0; i < bytes; i += step) {
        step = bytes - i < SUM_BLOCK * width ? bytes - i : SUM_BLOCK * width;
        sum_block(cursor->job->dtype, cursor->row + i, spans[0].data + i,
                  spans[1].data + i, step / width);
    }
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
