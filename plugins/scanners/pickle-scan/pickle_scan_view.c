/* SPDX-License-Identifier: MIT
 *
 * Views, and the inflater behind some of them. A packed part that is damaged
 * is looked at as far as it goes.
 */
#include "pickle_scan_view.h"

#include <string.h>

#include "checked.h"

#define CHUNK_BYTES ((size_t)64 << 10)

struct pickle_scan_inflater {
    struct pickle_scan_view packed;
    uint64_t at; /* in `packed` */
    struct pickle_scan_codec codec;
    unsigned char *data;
    size_t size_bytes, capacity_bytes;
    bool ended;
    const char *problem;
};

/* ---- Inflating ---- */

static int
inflater_room(const struct ckpt_host *host, struct pickle_scan_inflater *self)
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
inflater_stop(struct pickle_scan_inflater *self, const char *problem)
{
    self->ended = true;
    self->problem = problem;
}

/* What follows a packed stream: nothing, or one more of its kind, which
 * unpacks to the same run of bytes. */
static int
inflater_go_on(struct pickle_scan_inflater *self)
{
    static const char *const marks[] = {[PICKLE_SCAN_GZIP] = "\x1f\x8b",
                                        [PICKLE_SCAN_BZIP2] = "BZ",
                                        [PICKLE_SCAN_XZ] = "\xfd\x37",
                                        [PICKLE_SCAN_ZIP_LZMA] = NULL};
    enum pickle_scan_wrap wrap = self->codec.wrap;
    unsigned char next[2];
    size_t got = 0;
    int status = pickle_scan_copy(&self->packed, self->at, next, 2, &got);

    if (status != CKPT_OK)
        return status;
    if (got == 0) {
        inflater_stop(self, NULL);
    } else if (got < 2 || marks[wrap] == NULL ||
               memcmp(next, marks[wrap], 2) != 0) {
        inflater_stop(self, "other bytes follow what is packed");
    } else {
        pickle_scan_codec_end(&self->codec);
        memset(&self->codec, 0, sizeof self->codec);
        self->codec.wrap = wrap;
        if (!pickle_scan_codec_start(&self->codec))
            inflater_stop(self, "what is packed goes on, but cannot be "
                                "unpacked");
    }
    return CKPT_OK;
}

/* Unpacks what one span of the packed bytes gives. */
static int
inflater_step(const struct ckpt_host *host, struct pickle_scan_inflater *self)
{
    struct pickle_scan_flow flow = {0};
    struct ckpt_span span;
    int status = inflater_room(host, self);
    size_t room;
    bool good;

    if (status == CKPT_OK)
        status = pickle_scan_peek(&self->packed, self->at, CHUNK_BYTES, &span);
    if (status != CKPT_OK)
        return status;
    if (span.size_bytes > CHUNK_BYTES)
        span.size_bytes = CHUNK_BYTES;
    room = self->capacity_bytes - self->size_bytes;
    flow.in = span.size_bytes > 0 ? span.data : (const unsigned char *)"";
    flow.in_bytes = span.size_bytes;
    flow.out = self->data + self->size_bytes;
    flow.out_bytes = room;
    good = pickle_scan_codec_step(&self->codec, &flow);
    room -= flow.out_bytes;
    self->at += span.size_bytes - flow.in_bytes;
    self->size_bytes += room;
    if (self->codec.ended)
        status = inflater_go_on(self);
    else if (!good)
        inflater_stop(self, "its packed bytes are damaged");
    else if (span.size_bytes == 0 && room == 0)
        inflater_stop(self, "its packed bytes end early");
    else if (self->size_bytes >= PICKLE_SCAN_INFLATED_MAX)
        inflater_stop(self, "it unpacks to more than 64 MiB");
    return status == CKPT_OK ? pickle_scan_charge(&self->packed, room + 64)
                             : status;
}

static int
inflater_fill(const struct ckpt_host *host, struct pickle_scan_inflater *self,
              uint64_t until)
{
    int status = CKPT_OK;

    while (status == CKPT_OK && !self->ended && self->size_bytes < until)
        status =
            host->cancelled(host) ? CKPT_CANCELLED : inflater_step(host, self);
    return status;
}

int
pickle_scan_inflate(const struct pickle_scan_view *packed,
                    enum pickle_scan_wrap wrap, const char *place,
                    struct pickle_scan_view *view)
{
    const struct ckpt_host *host = packed->host;
    struct pickle_scan_inflater *made = host->allocate(host, sizeof *made);

    if (made == NULL)
        return CKPT_MEMORY;
    made->packed = *packed;
    made->codec.wrap = wrap;
    if (!pickle_scan_codec_start(&made->codec)) {
        host->release(host, made);
        return host->fail(host, CKPT_MEMORY, NULL, CKPT_NOWHERE,
                          "unpacking cannot be started");
    }
    memset(view, 0, sizeof *view);
    view->host = host;
    view->place = place;
    view->script = packed->script;
    view->inflater = made;
    view->work_left = packed->work_left;
    return CKPT_OK;
}

void
pickle_scan_inflate_end(struct pickle_scan_view *view)
{
    struct pickle_scan_inflater *self = view->inflater;

    if (self == NULL)
        return;
    pickle_scan_codec_end(&self->codec);
    view->host->release(view->host, self->data);
    view->host->release(view->host, self);
    view->inflater = NULL;
}

const char *
pickle_scan_inflate_problem(const struct pickle_scan_view *view)
{
    return view->inflater != NULL ? view->inflater->problem : NULL;
}

/* ---- Views ---- */

int
pickle_scan_charge(const struct pickle_scan_view *view, uint64_t cost)
{
    uint64_t *left = view->work_left;

    if (left == NULL)
        return CKPT_OK;
    if (*left > cost) {
        *left -= cost;
        return CKPT_OK;
    }
    *left = 0;
    return view->host->fail(view->host, CKPT_LIMIT, NULL, CKPT_NOWHERE,
                            "to look at all of it takes more work than goes "
                            "with its size");
}

static int
peek_inflated(const struct pickle_scan_view *view, uint64_t at, size_t wanted,
              struct ckpt_span *span)
{
    struct pickle_scan_inflater *self = view->inflater;
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
pickle_scan_peek(const struct pickle_scan_view *view, uint64_t at,
                 size_t wanted, struct ckpt_span *span)
{
    uint64_t left;
    int status = pickle_scan_charge(view, 256 + wanted / 8);

    if (status != CKPT_OK)
        return status;
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
pickle_scan_copy(const struct pickle_scan_view *view, uint64_t at, void *to,
                 size_t wanted, size_t *got)
{
    struct ckpt_span span;
    int status = pickle_scan_peek(view, at, wanted, &span);

    if (status != CKPT_OK)
        return status;
    *got = span.size_bytes < wanted ? span.size_bytes : wanted;
    memcpy(to, span.data != NULL ? span.data : to, *got);
    return CKPT_OK;
}

int
pickle_scan_size(const struct pickle_scan_view *view, uint64_t *size_bytes)
{
    struct ckpt_span span;
    int status = CKPT_OK;

    *size_bytes = view->size_bytes;
    if (view->inflater == NULL || view->size_bytes > 0)
        return CKPT_OK;
    status = pickle_scan_peek(view, PICKLE_SCAN_INFLATED_MAX, 1, &span);
    if (status == CKPT_OK && view->inflater->size_bytes > view->offset)
        *size_bytes = view->inflater->size_bytes - view->offset;
    return status;
}

uint64_t
pickle_scan_byte(const struct pickle_scan_view *view, uint64_t at)
{
    return view->source != NULL ? view->offset + at : CKPT_NOWHERE;
}

struct pickle_scan_view
pickle_scan_part(const struct pickle_scan_view *view, uint64_t at,
                 uint64_t size_bytes, const char *place)
{
    struct pickle_scan_view part = *view;

    if (view->inflater == NULL) {
        at = at < view->size_bytes ? at : view->size_bytes;
        if (size_bytes > view->size_bytes - at)
            size_bytes = view->size_bytes - at;
    }
    part.place = place;
    part.item = false;
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
