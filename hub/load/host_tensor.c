/* SPDX-License-Identifier: MIT
 *
 * Payload for plugins: a tensor at once, or as a stream of windows that never
 * cut an element.
 */
#include "hub/load/host_tensor.h"

#include <string.h>

/* So many at once are no work but a leak, or a tensor made from itself. */
#define STREAMS_MAX 128
/* What filling needs beyond the bytes that are left. */
#define SLACK_BYTES 16

struct ckpt_stream {
    struct hub_stream from;
    size_t item_bytes;
    size_t window_bytes;
    size_t given; /* bytes of the window that were handed out */
    size_t rest;  /* bytes behind them: of an element that is not whole yet */
    unsigned char window[];
};

static int
tensor_early(const struct hub_host *host)
{
    if (host->spool != NULL)
        return CKPT_OK;
    return hub_fail(host->report, CKPT_CONTRACT, NULL, CKPT_NOWHERE,
                    "the bytes of a tensor are asked for too early");
}

int
hub_host_tensor_read(const struct ckpt_host *table,
                     const struct ckpt_tensor *tensor, void *buffer)
{
    struct hub_host *host = table->hub;
    struct hub_stream stream = {0};
    int status = tensor_early(host);

    if (status == CKPT_OK)
        status = hub_stream_tensor(&stream, host->spool, tensor);
    if (status == CKPT_OK)
        status = hub_stream_read(&stream, buffer, tensor->size_bytes);
    hub_stream_fini(&stream);
    return status;
}

static int
stream_new(struct hub_host *host, const struct ckpt_tensor *tensor,
           struct ckpt_stream **stream)
{
    uint32_t width = ckpt_dtype_width_bits(tensor->dtype);
    size_t window_bytes = HUB_WINDOW_BYTES;
    struct ckpt_stream *made;

    if (tensor->size_bytes < HUB_WINDOW_BYTES - SLACK_BYTES)
        window_bytes = (size_t)tensor->size_bytes + SLACK_BYTES;
    made = hub_allocate(host->budget, sizeof *made + window_bytes);
    if (made == NULL)
        return host->report->status;
    made->window_bytes = window_bytes;
    made->item_bytes = width < 8 ? 1 : width / 8;
    *stream = made;
    return CKPT_OK;
}

int
hub_host_tensor_open(const struct ckpt_host *table,
                     const struct ckpt_tensor *tensor,
                     struct ckpt_stream **stream)
{
    struct hub_host *host = table->hub;
    struct ckpt_stream *made;
    int status = tensor_early(host);

    if (status == CKPT_OK && host->stream_count == STREAMS_MAX)
        status = hub_fail(host->report, CKPT_LIMIT, NULL, CKPT_NOWHERE,
                          "more than %d tensors are read at once", STREAMS_MAX);
    if (status == CKPT_OK)
        status = stream_new(host, tensor, &made);
    if (status != CKPT_OK)
        return status;
    host->stream_count++;
    status = hub_stream_tensor(&made->from, host->spool, tensor);
    if (status == CKPT_OK)
        *stream = made;
    else
        hub_host_tensor_close(table, made);
    return status;
}

static int
stream_cancelled(const struct hub_host *host)
{
    if (host->cancelled == NULL || !host->cancelled(host->user))
        return CKPT_OK;
    return hub_fail(host->report, CKPT_CANCELLED, NULL, CKPT_NOWHERE,
                    "stopped");
}

int
hub_host_tensor_next(const struct ckpt_host *table, struct ckpt_stream *stream,
                     struct ckpt_span *span)
{
    struct hub_host *host = table->hub;
    size_t filled, whole = 0;
    int status = stream_cancelled(host);

    memmove(stream->window, stream->window + stream->given, stream->rest);
    stream->given = 0;
    while (status == CKPT_OK && whole == 0) {
        status = hub_stream_fill(&stream->from, stream->window + stream->rest,
                                 stream->window_bytes - stream->rest, &filled);
        if (status == CKPT_OK)
            stream->rest += filled;
        whole = stream->rest - stream->rest % stream->item_bytes;
    }
    if (status == CKPT_END && stream->rest > 0)
        return hub_fail(host->report, CKPT_CONTRACT, NULL, CKPT_NOWHERE,
                        "the bytes of a tensor end within an element");
    if (status != CKPT_OK)
        return status;
    stream->given = whole;
    stream->rest -= whole;
    span->data = stream->window;
    span->size_bytes = whole;
    return CKPT_OK;
}

void
hub_host_tensor_close(const struct ckpt_host *table, struct ckpt_stream *stream)
{
    struct hub_host *host = table->hub;

    if (stream == NULL)
        return;
    hub_stream_fini(&stream->from);
    hub_release(host->budget, stream);
    host->stream_count--;
}
