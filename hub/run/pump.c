/* SPDX-License-Identifier: MIT
 *
 * The byte pump. Runs of a file that nobody need look at are copied by the
 * kernel; all else passes once through the sink's buffer, where the checks
 * see it.
 */
#include "hub/run/pump.h"

#include <string.h>

#include "hub/io/check.h"

/* Below this a copy in the kernel costs more than it saves. */
#define COPY_MIN ((uint64_t)256 << 10)
#define COPY_STEP ((size_t)16 << 20)
/* Off its step in the page the kernel copies each page in two pieces, which
 * takes half as long again as a pass through the buffer; and a file system
 * that shares blocks cannot share those. */
#define COPY_ALIGN ((uint64_t)4096)
/* What passes through the buffer at once stays in a processor's cache. */
#define FILL_STEP ((size_t)256 << 10)
#define PROGRESS_STEP ((uint64_t)8 << 20)

static int
pump_progress(struct hub_pump *pump, uint64_t moved)
{
    const struct ckpt_settings *settings = &pump->user->settings;

    pump->done_bytes += moved;
    if (pump->done_bytes - pump->told_bytes < PROGRESS_STEP)
        return CKPT_OK;
    pump->told_bytes = pump->done_bytes;
    if (settings->progress != NULL)
        settings->progress(settings->user, pump->done_bytes,
                           pump->plan->payload_bytes);
    if (settings->cancelled == NULL || !settings->cancelled(settings->user))
        return CKPT_OK;
    return hub_fail(&pump->user->report, CKPT_CANCELLED, NULL, CKPT_NOWHERE,
                    "stopped");
}

/* Copies in the kernel as far as that goes; `*able` turns false where it
 * does not. */
static int
pump_copy(struct hub_pump *pump, struct hub_sink *sink,
          struct hub_stream *stream, const struct hub_run *run, bool *able)
{
    size_t step = COPY_STEP, done;
    int status;

    if (step > run->size_bytes)
        step = (size_t)run->size_bytes;
    status = hub_sink_copy(sink, run->source, run->offset, step, &done);
    if (status != CKPT_OK)
        return status;
    *able = done > 0;
    hub_stream_take(stream, done);
    return pump_progress(pump, done);
}

static int
pump_fill(struct hub_pump *pump, struct hub_sink *sink,
          struct hub_stream *stream, struct hub_check *check, uint64_t left)
{
    size_t step = left < FILL_STEP ? (size_t)left + 16 : FILL_STEP, done;
    unsigned char *room;
    int status = hub_sink_borrow(sink, step, &room);

    if (status == CKPT_OK)
        status = hub_stream_fill(stream, room, step, &done);
    if (status != CKPT_OK)
        return status;
    hub_check_update(check, room, done);
    hub_sink_advance(sink, done);
    return pump_progress(pump, done);
}

static bool
pump_copies(const struct hub_sink *sink, const struct hub_run *run)
{
    return run->source != NULL && run->swap_bytes == 1 &&
           run->size_bytes >= COPY_MIN &&
           (run->offset - sink->position) % COPY_ALIGN == 0;
}

static int
pump_stream(struct hub_pump *pump, struct hub_sink *sink,
            struct hub_stream *stream, struct hub_check *check,
            uint64_t size_bytes)
{
    uint64_t end = sink->position + size_bytes;
    const struct hub_run *run;
    bool able = check->kinds == 0 && stream->flips == 0;
    int status;

    while ((status = hub_stream_run(stream, &run)) == CKPT_OK) {
        if (able && pump_copies(sink, run))
            status = pump_copy(pump, sink, stream, run, &able);
        else
            status = pump_fill(pump, sink, stream, check, end - sink->position);
        if (status != CKPT_OK)
            return status;
    }
    if (status == CKPT_END && sink->position != end)
        return hub_fail(&pump->user->report, CKPT_CONTRACT, NULL, CKPT_NOWHERE,
                        "%llu bytes came where %llu were planned",
                        (unsigned long long)(sink->position + size_bytes - end),
                        (unsigned long long)size_bytes);
    return status == CKPT_END ? CKPT_OK : status;
}

/* Begins the checks of a segment; fini is due whatever comes of it. */
static int
pump_check(struct hub_pump *pump, struct hub_segment *segment,
           struct hub_check *check)
{
    int status = hub_check_init(check, &pump->user->report, segment->checks);

    if (status != CKPT_OK || check->sha256 == NULL)
        return status;
    segment->sha256 = hub_arena_allocate(&pump->plan->arena, 32);
    return pump->user->report.status;
}

static int
pump_payload(struct hub_pump *pump, struct hub_sink *sink,
             struct hub_segment *segment)
{
    struct hub_stream stream = {0};
    struct hub_check check;
    int status = pump_check(pump, segment, &check);

    if (status == CKPT_OK && segment->kind == CKPT_SEGMENT_TENSOR)
        status = hub_stream_tensor(&stream, pump->spool, segment->from.tensor);
    else if (status == CKPT_OK && segment->kind == CKPT_SEGMENT_SOURCE)
        hub_stream_source(&stream, pump->spool, segment->from.source,
                          segment->offset, segment->size_bytes);
    else if (status == CKPT_OK)
        hub_stream_storage(&stream, pump->spool, segment->from.storage);
    if (status == CKPT_OK)
        status = pump_stream(pump, sink, &stream, &check, segment->size_bytes);
    if (status == CKPT_OK)
        hub_check_finish(&check, segment->sha256);
    segment->crc32 = check.crc32;
    hub_stream_fini(&stream);
    hub_check_fini(&check);
    return status;
}

static int
pump_padding(struct hub_sink *sink, uint64_t size_bytes)
{
    unsigned char *room;
    size_t step;
    int status = CKPT_OK;

    for (; size_bytes > 0 && status == CKPT_OK; size_bytes -= step) {
        step = size_bytes < FILL_STEP ? (size_t)size_bytes : FILL_STEP;
        status = hub_sink_borrow(sink, step, &room);
        if (status != CKPT_OK)
            return status;
        memset(room, 0, step);
        hub_sink_advance(sink, step);
    }
    return status;
}

/* Bytes in memory: checked, then written. */
static int
pump_bytes(struct hub_pump *pump, struct hub_sink *sink,
           struct hub_segment *segment, const void *bytes)
{
    size_t size_bytes = (size_t)segment->size_bytes;
    struct hub_check check;
    int status = pump_check(pump, segment, &check);

    if (status == CKPT_OK) {
        hub_check_update(&check, bytes, size_bytes);
        hub_check_finish(&check, segment->sha256);
        segment->crc32 = check.crc32;
        status = hub_sink_write(sink, bytes, size_bytes);
    }
    hub_check_fini(&check);
    return status;
}

static int
pump_late(struct hub_pump *pump, struct hub_sink *sink,
          struct hub_segment *segment)
{
    struct hub_budget *budget = &pump->user->budget;
    void *bytes = hub_allocate(budget, (size_t)segment->size_bytes + 1);
    int status;

    if (bytes == NULL)
        return budget->report->status;
    if (pump->writer->late == NULL)
        status = hub_fail(budget->report, CKPT_CONTRACT, NULL, CKPT_NOWHERE,
                          "a late segment, but nobody to fill it");
    else
        status = pump->writer->late(&pump->host->table, pump->self, pump->plan,
                                    segment->from.tag, bytes,
                                    (size_t)segment->size_bytes);
    if (status == CKPT_OK)
        status = pump_bytes(pump, sink, segment, bytes);
    hub_release(budget, bytes);
    return status;
}

static int
pump_segment(struct hub_pump *pump, struct hub_sink *sink,
             struct hub_segment *segment)
{
    switch (segment->kind) {
    case CKPT_SEGMENT_BYTES:
        return pump_bytes(pump, sink, segment, segment->from.data);
    case CKPT_SEGMENT_PADDING:
        return pump_padding(sink, segment->size_bytes);
    case CKPT_SEGMENT_LATE:
        return pump_late(pump, sink, segment);
    default:
        return pump_payload(pump, sink, segment);
    }
}

int
hub_pump_file(struct hub_pump *pump, struct hub_sink *sink, uint32_t file,
              size_t *segment)
{
    struct ckpt_plan *plan = pump->plan;
    int status = CKPT_OK;

    while (*segment < plan->segment_count &&
           plan->segments[*segment].file == file && status == CKPT_OK) {
        status = pump_segment(pump, sink, &plan->segments[*segment]);
        plan->done_count = ++*segment;
    }
    return status;
}
