/* SPDX-License-Identifier: MIT
 *
 * One child serves all cursors of a reading, one request at a time: it is a
 * copy of this process from when the first cursor was opened, so storages are
 * known there by the same pointers.
 */
#include "hub/run/confined.h"

#include <string.h>

#define WINDOW_BYTES ((size_t)1 << 20)

enum ask { ASK_OPEN = 1, ASK_NEXT, ASK_CLOSE };

struct request {
    uint32_t ask; /* enum ask */
    const struct ckpt_storage *storage;
    void *cursor;
};

/* What `size_bytes` bytes follow, or after a failure both texts do. */
struct reply {
    int32_t status;
    uint32_t size_bytes;
    void *cursor;
};

/* A cursor on this side. */
struct confined_cursor {
    void *theirs;          /* its pointer in the child: here, a number */
    unsigned char *window; /* what the last `next` gave */
    size_t window_bytes;   /* as large as anything that it gave */
};

/* ---- In the child ---- */

static bool
serve_one(struct hub_confined *confined, const struct request *request, int to)
{
    struct ckpt_span span = {NULL, 0};
    struct reply reply = {0};

    if (request->ask == ASK_OPEN)
        reply.status = confined->inner->open(confined->inner, request->storage,
                                             &reply.cursor);
    else if (request->ask == ASK_NEXT)
        reply.status =
            confined->inner->next(confined->inner, request->cursor, &span);
    if (reply.status == CKPT_OK && span.size_bytes <= WINDOW_BYTES)
        reply.size_bytes = (uint32_t)span.size_bytes;
    if (!hub_child_put(to, &reply, sizeof reply))
        return false;
    if (reply.status >= 0)
        return hub_child_put(to, span.data, reply.size_bytes);
    return hub_child_tell(to, confined->child.budget->report);
}

static void
serve(void *context, int to, int from)
{
    struct hub_confined *confined = context;
    struct request request;

    while (hub_child_get(from, &request, sizeof request)) {
        if (request.ask == ASK_CLOSE)
            confined->inner->close(confined->inner, request.cursor);
        else if (!serve_one(confined, &request, to))
            return;
    }
}

/* ---- In the parent ---- */

static int
ask_child(struct hub_confined *confined, const struct request *request,
          struct reply *reply)
{
    struct hub_report *report = confined->child.budget->report;
    int status;

    if (confined->child.process == 0)
        return hub_fail(report, CKPT_CONTRACT, NULL, CKPT_NOWHERE,
                        "its process has ended");
    hub_child_send(&confined->child, request, sizeof *request);
    status = hub_child_receive(&confined->child, reply, sizeof *reply);
    if (status != CKPT_OK)
        return status;
    if (reply->status < 0)
        return hub_child_hear(&confined->child, reply->status);
    if (reply->status > CKPT_END || reply->size_bytes > WINDOW_BYTES)
        return hub_fail(report, CKPT_CONTRACT, NULL, CKPT_NOWHERE,
                        "its process gave an answer that is none");
    return reply->status;
}

/* What goes wrong on the way is told as the reader's. */
static int
ask(struct hub_confined *confined, const struct request *request,
    struct reply *reply)
{
    struct hub_report *report = confined->child.budget->report;
    const char *file = report->file, *plugin = report->plugin;
    int status;

    report->file = confined->file;
    report->plugin = confined->plugin;
    status = ask_child(confined, request, reply);
    report->file = file;
    report->plugin = plugin;
    return status;
}

static int
confined_start(struct hub_confined *confined)
{
    if (confined->started)
        return CKPT_OK;
    confined->started = true;
    return hub_child_start(&confined->child, serve, confined);
}

static int
confined_open(struct hub_coder *coder, const struct ckpt_storage *storage,
              void **cursor)
{
    struct hub_confined *confined = (struct hub_confined *)coder;
    struct hub_budget *budget = confined->child.budget;
    struct request request = {.ask = ASK_OPEN, .storage = storage};
    struct confined_cursor *made = hub_allocate(budget, sizeof *made);
    struct reply reply;
    int status;

    if (made == NULL)
        return budget->report->status;
    status = confined_start(confined);
    if (status == CKPT_OK)
        status = ask(confined, &request, &reply);
    if (status != CKPT_OK) {
        hub_release(budget, made);
        return status;
    }
    made->theirs = reply.cursor;
    *cursor = made;
    return CKPT_OK;
}

/* Small storages have small windows: there may be very many of them. */
static int
window_grow(struct hub_budget *budget, struct confined_cursor *own,
            size_t size_bytes)
{
    unsigned char *grown;

    if (size_bytes <= own->window_bytes)
        return CKPT_OK;
    grown = hub_reallocate(budget, own->window, size_bytes);
    if (grown == NULL)
        return budget->report->status;
    own->window = grown;
    own->window_bytes = size_bytes;
    return CKPT_OK;
}

static int
confined_next(struct hub_coder *coder, void *cursor, struct ckpt_span *span)
{
    struct hub_confined *confined = (struct hub_confined *)coder;
    struct confined_cursor *own = cursor;
    struct request request = {.ask = ASK_NEXT, .cursor = own->theirs};
    struct reply reply;
    int status = ask(confined, &request, &reply);

    if (status == CKPT_OK)
        status = window_grow(confined->child.budget, own, reply.size_bytes);
    if (status == CKPT_OK)
        status =
            hub_child_receive(&confined->child, own->window, reply.size_bytes);
    if (status == CKPT_OK) {
        span->data = own->window;
        span->size_bytes = reply.size_bytes;
    }
    return status;
}

static void
confined_close(struct hub_coder *coder, void *cursor)
{
    struct hub_confined *confined = (struct hub_confined *)coder;
    struct confined_cursor *own = cursor;
    struct request request = {.ask = ASK_CLOSE, .cursor = own->theirs};

    if (confined->child.process != 0)
        hub_child_send(&confined->child, &request, sizeof request);
    hub_release(confined->child.budget, own->window);
    hub_release(confined->child.budget, own);
}

void
hub_confined_init(struct hub_confined *confined, struct hub_coder *inner,
                  const struct hub_child *child)
{
    memset(confined, 0, sizeof *confined);
    confined->coder.open = confined_open;
    confined->coder.next = confined_next;
    confined->coder.close = confined_close;
    confined->inner = inner;
    confined->child = *child;
}

void
hub_confined_fini(struct hub_confined *confined)
{
    hub_child_end(&confined->child);
}
