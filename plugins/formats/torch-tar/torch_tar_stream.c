/* SPDX-License-Identifier: MIT
 *
 * A member read from front to back, through windows that grow with what they
 * must hold.
 */
#include "torch_tar_stream.h"

#include <string.h>

#define PEEK_MAX TORCH_TAR_SMALL
#define FIRST_WINDOW 512

void
torch_tar_stream_init(struct torch_tar_stream *stream,
                      const struct ckpt_host *host,
                      const struct torch_tar_members *members, int which,
                      struct torch_tar_tables *tables)
{
    const struct torch_tar_member *member = &members->members[which];

    memset(stream, 0, sizeof *stream);
    stream->host = host;
    stream->source = members->source;
    stream->at = member->offset;
    stream->end = member->offset + member->size_bytes;
    stream->tables = tables;
}

int
torch_tar_stream_fail(const struct torch_tar_stream *stream, int status,
                      uint64_t byte, const char *what)
{
    return stream->host->fail(stream->host, status, NULL, byte, "%s", what);
}

/* The next bytes, until the next call for bytes. */
static int
stream_window(struct torch_tar_stream *stream, size_t size_bytes,
              const void **data)
{
    struct ckpt_span span;
    unsigned char *big;
    int status;

    if (size_bytes <= PEEK_MAX) {
        status = stream->host->source_peek(stream->host, stream->source,
                                           stream->at, size_bytes, &span);
        if (status == CKPT_OK)
            *data = span.data;
        return status;
    }
    big = stream->host->reallocate(stream->host, stream->big, size_bytes);
    if (big == NULL)
        return CKPT_MEMORY;
    stream->big = big;
    *data = big;
    return stream->host->source_read(stream->host, stream->source, stream->at,
                                     big, size_bytes);
}

int
torch_tar_stream_pickle(struct torch_tar_stream *stream, uint64_t most,
                        struct sdk_pickled *pickled)
{
    uint64_t left = stream->end - stream->at, size_bytes = FIRST_WINDOW;
    struct sdk_pickled_input input = {.origin = stream->at};
    int status;

    do {
        if (size_bytes > left)
            size_bytes = left;
        status = stream_window(stream, (size_t)size_bytes, &input.data);
        if (status != CKPT_OK)
            return status;
        input.size_bytes = (size_t)size_bytes;
        input.partial = size_bytes < left;
        status = sdk_pickled_parse(stream->host, &input, pickled);
        size_bytes *= 8;
    } while (status == CKPT_END && size_bytes <= most);
    if (status == CKPT_END)
        return torch_tar_stream_fail(stream, CKPT_FORMAT, stream->at,
                                     "a key of more than 1 MiB");
    if (status == CKPT_OK)
        stream->at += pickled->end_bytes;
    return status;
}

int
torch_tar_stream_bytes(struct torch_tar_stream *stream, void *buffer,
                       size_t size_bytes)
{
    int status;

    if (size_bytes > stream->end - stream->at)
        return torch_tar_stream_fail(stream, CKPT_FORMAT, stream->at,
                                     "the member ends early");
    status = stream->host->source_read(stream->host, stream->source, stream->at,
                                       buffer, size_bytes);
    if (status == CKPT_OK)
        stream->at += size_bytes;
    return status;
}

int
torch_tar_stream_count(struct torch_tar_stream *stream, uint64_t *count)
{
    uint64_t byte = stream->at;
    struct sdk_pickled pickled = {0};
    const struct sdk_pickled_node *node;
    int status = torch_tar_stream_pickle(stream, PEEK_MAX, &pickled);

    if (status != CKPT_OK)
        return status;
    node = sdk_pickled_at(&pickled, pickled.root);
    if (node->kind != SDK_PICKLED_INT || node->as.integer < 0)
        status = torch_tar_stream_fail(stream, CKPT_FORMAT, byte,
                                       "a count that is no count");
    else
        *count = (uint64_t)node->as.integer;
    sdk_pickled_fini(stream->host, &pickled);
    return status;
}

void
torch_tar_stream_end(const struct torch_tar_stream *stream, const char *member,
                     int status)
{
    if (status == CKPT_OK && stream->at < stream->end)
        stream->host->warn(stream->host, NULL, stream->at,
                           "%llu bytes follow the last part of '%s'",
                           (unsigned long long)(stream->end - stream->at),
                           member);
    stream->host->release(stream->host, stream->big);
}
