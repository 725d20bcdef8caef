/* SPDX-License-Identifier: MIT
 *
 * Views, and the inflater behind some of them. A packed part that is damaged
 * is looked at as far as it goes.
 */
#include "pickles_view.h"

#include <string.h>
#include <zlib.h>

#include "checked.h"

#define CHUNK_BYTES ((size_t)64 << 10)

struct pickles_inflater {
    struct pickles_view packed;
    uint64_t at; /* in `packed` */
    z_stream stream;
    unsigned char *data;
    size_t size_bytes, capacity_bytes;
    bool ended;
    const char *problem;
};

/* ---- Inflating ---- */

static int
inflater_room(const struct ckpt_host *host, struct pickles_inflater *self)
{
    size_t capacity = self->capacity_bytes * 2;
    void *grown;

    if (self->size_bytes < self->capacity_bytes)
        return CKPT_OK;
    if (capacity < CHUNK_BYTES)
        capacity = CHUNK_BYTES;
    grown = host->reallocate(host, self->data, capacity);
    if (grown == NULL)
        return CKPT_MEMORY;
    self->data = grown;
    self->capacity_bytes = capacity;
    return CKPT_OK;
}

static void
inflater_stop(struct pickles_inflater *self, const char *problem)
{
    self->ended = true;
    self->problem = problem;
}

/* Inflates what one span of the packed bytes gives. */
static int
inflater_step(const struct ckpt_host *host, struct pickles_inflater *self)
{
    struct ckpt_span span;
    int status = inflater_room(host, self), result;
    size_t room;

    if (status == CKPT_OK)
        status = pickles_peek(&self->packed, self->at, CHUNK_BYTES, &span);
    if (status != CKPT_OK)
        return status;
    if (span.size_bytes > CHUNK_BYTES)
        span.size_bytes = CHUNK_BYTES;
    room = self->capacity_bytes - self->size_bytes;
    self->stream.next_in = (unsigned char *)(uintptr_t)span.data;
    self->stream.avail_in = (uInt)span.size_bytes;
    self->stream.next_out = self->data + self->size_bytes;
    self->stream.avail_out = (uInt)room;
    result = inflate(&self->stream, Z_NO_FLUSH);
    self->at += span.size_bytes - self->stream.avail_in;
    self->size_bytes += room - self->stream.avail_out;
    if (result == Z_STREAM_END)
        inflater_stop(self, NULL);
    else if (result != Z_OK && result != Z_BUF_ERROR)
        inflater_stop(self, "its packed bytes are damaged");
    else if (span.size_bytes == 0)
        inflater_stop(self, "its packed bytes end early");
    else if (self->size_bytes >= PICKLES_INFLATED_MAX)
        inflater_stop(self, "it unpacks to more than 64 MiB");
    return CKPT_OK;
}

static int
inflater_fill(const struct ckpt_host *host, struct pickles_inflater *self,
              uint64_t until)
{
    int status = CKPT_OK;

    while (status == CKPT_OK && !self->ended && self->size_bytes < until)
        status =
            host->cancelled(host) ? CKPT_CANCELLED : inflater_step(host, self);
    return status;
}

int
pickles_inflate(const struct pickles_view *packed, enum pickles_wrap wrap,
                const char *place, struct pickles_view *view)
{
    static const int bits[] = {
        [PICKLES_RAW_DEFLATE] = -15, [PICKLES_GZIP] = 31, [PICKLES_ZLIB] = 15};
    const struct ckpt_host *host = packed->host;
    struct pickles_inflater *made = host->allocate(host, sizeof *made);

    if (made == NULL)
        return CKPT_MEMORY;
    made->packed = *packed;
    if (inflateInit2(&made->stream, bits[wrap]) != Z_OK) {
        host->release(host, made);
        return host->fail(host, CKPT_MEMORY, NULL, CKPT_NOWHERE,
                          "zlib cannot be started");
    }
    memset(view, 0, sizeof *view);
    view->host = host;
    view->place = place;
    view->inflater = made;
    return CKPT_OK;
}

void
pickles_inflate_end(struct pickles_view *view)
{
    struct pickles_inflater *self = view->inflater;

    if (self == NULL)
        return;
    inflateEnd(&self->stream);
    view->host->release(view->host, self->data);
    view->host->release(view->host, self);
    view->inflater = NULL;
}

const char *
pickles_inflate_problem(const struct pickles_view *view)
{
    return view->inflater != NULL ? view->inflater->problem : NULL;
}

/* ---- Views ---- */

static int
peek_inflated(const struct pickles_view *view, uint64_t at, size_t wanted,
              struct ckpt_span *span)
{
    struct pickles_inflater *self = view->inflater;
    uint64_t from = view->offset + at;
    int status;

    if (at > UINT64_MAX / 4)
        from = UINT64_MAX / 4;
    status = inflater_fill(view->host, self, from + wanted);
    span->data = self->data;
    span->size_bytes = 0;
    if (status == CKPT_OK && from < self->size_bytes) {
        span->data = self->data + from;
        span->size_bytes = self->size_bytes - (size_t)from;
    }
    return status;
}

int
pickles_peek(const struct pickles_view *view, uint64_t at, size_t wanted,
             struct ckpt_span *span)
{
    uint64_t left;
    int status = CKPT_OK;

    if (view->inflater != NULL) {
        status = peek_inflated(view, at, wanted, span);
        left = at < view->size_bytes ? view->size_bytes - at : 0;
        if (view->size_bytes > 0 && span->size_bytes > left)
            span->size_bytes = (size_t)left;
        return status;
    }
    left = at < view->size_bytes ? view->size_bytes - at : 0;
    if (wanted > left)
        wanted = (size_t)left;
    span->data = view->memory;
    span->size_bytes = 0;
    if (wanted == 0)
        return CKPT_OK;
    if (view->memory != NULL) {
        span->data = view->memory + at;
        span->size_bytes = (size_t)left;
        return CKPT_OK;
    }
    status = view->host->source_peek(view->host, view->source,
                                     view->offset + at, wanted, span);
    if (status == CKPT_OK && span->size_bytes > left)
        span->size_bytes = (size_t)left;
    return status;
}

int
pickles_copy(const struct pickles_view *view, uint64_t at, void *to,
             size_t wanted, size_t *got)
{
    struct ckpt_span span;
    int status = pickles_peek(view, at, wanted, &span);

    if (status != CKPT_OK)
        return status;
    *got = span.size_bytes < wanted ? span.size_bytes : wanted;
    memcpy(to, span.data != NULL ? span.data : to, *got);
    return CKPT_OK;
}

int
pickles_size(const struct pickles_view *view, uint64_t *size_bytes)
{
    struct ckpt_span span;
    int status = CKPT_OK;

    *size_bytes = view->size_bytes;
    if (view->inflater == NULL || view->size_bytes > 0)
        return CKPT_OK;
    status = pickles_peek(view, PICKLES_INFLATED_MAX, 1, &span);
    if (status == CKPT_OK && view->inflater->size_bytes > view->offset)
        *size_bytes = view->inflater->size_bytes - view->offset;
    return status;
}

uint64_t
pickles_byte(const struct pickles_view *view, uint64_t at)
{
    return view->source != NULL ? view->offset + at : CKPT_NOWHERE;
}

struct pickles_view
pickles_part(const struct pickles_view *view, uint64_t at, uint64_t size_bytes,
             const char *place)
{
    struct pickles_view part = *view;

    if (view->inflater == NULL) {
        at = at < view->size_bytes ? at : view->size_bytes;
        if (size_bytes > view->size_bytes - at)
            size_bytes = view->size_bytes - at;
    }
    part.place = place;
    part.size_bytes = size_bytes;
    if (view->inflater != NULL && size_bytes == 0) {
        /* A size of 0 would mean all of it. */
        part.inflater = NULL;
        part.memory = (const unsigned char *)"";
    } else if (view->memory != NULL)
        part.memory = view->memory + at;
    else
        part.offset = view->offset + at;
    return part;
}
