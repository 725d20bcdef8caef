/* SPDX-License-Identifier: MIT
 *
 * Transforms that make payload: all bytes of all tensors changed, in a cursor
 * over the old ones. Some do it wrongly.
 */
#include <string.h>

#include "inputs.h"

enum xor_how { XOR_RIGHT, XOR_SHORT, XOR_LONG, XOR_SILENT, XOR_SELF };

struct xor {
    unsigned char with;
    enum xor_how how;
    const struct ckpt_tensor **tensors; /* by cursor_key */
    size_t count;
};

struct xor_cursor {
    const struct xor *xor;
    struct ckpt_stream *stream;
    uint64_t left;
    unsigned char window[1 << 20];
};

/* "5", or how it goes wrong. */
static int
xor_open(const struct ckpt_host *host, const char *argument,
         const struct ckpt_option_value *options, void **self)
{
    static const char *const hows[] = {"right", "short", "long", "silent",
                                       "self"};
    struct xor *xor = host->allocate(host, sizeof *xor);
    size_t i;

    (void)options;
    if (xor == NULL)
        return CKPT_MEMORY;
    xor->with = (unsigned char)(argument[0] - '0');
    for (i = 0; i < sizeof hows / sizeof *hows; i++)
        if (strcmp(argument, hows[i]) == 0)
            xor->how = (enum xor_how)i;
    *self = xor;
    return CKPT_OK;
}

static int
xor_one(const struct ckpt_host *host, struct xor *xor,
        const struct ckpt_value *root, size_t index, struct ckpt_edits *edits)
{
    const struct ckpt_tensor *old = root->as.map.pairs[index].value->as.tensor;
    struct ckpt_storage storage = {.place = CKPT_PLACE_CODED,
                                   .size_bytes = old->size_bytes,
                                   .device = old->storage->device,
                                   .cursor_key = xor->count};
    struct ckpt_graph *graph = host->edit_graph(host, edits);
    struct ckpt_tensor tensor = {
        .dtype = old->dtype, .rank = old->rank, .shape = old->shape};
    struct ckpt_value *value;
    int status = host->storage_new(host, graph, &storage, sizeof storage,
                                   &tensor.storage);

    if (status == CKPT_OK)
        status =
            host->tensor_new(host, graph, &tensor, sizeof tensor, NULL, &value);
    if (status != CKPT_OK)
        return status;
    xor->tensors[xor->count++] = xor->how == XOR_SELF ? value->as.tensor : old;
    return host->edit_replace(host, edits, root, index, value);
}

static int
xor_apply(const struct ckpt_host *host, void *self,
          const struct ckpt_graph *const *graphs, size_t graph_count,
          struct ckpt_edits *edits)
{
    const struct ckpt_value *root = graphs[0]->root;
    struct xor *xor = self;
    size_t i;
    int status = CKPT_OK;

    (void)graph_count;
    xor->tensors =
        host->allocate(host, (root->as.map.count + 1) * sizeof *xor->tensors);
    if (xor->tensors == NULL)
        return CKPT_MEMORY;
    for (i = 0; i < root->as.map.count && status == CKPT_OK; i++)
        if (root->as.map.pairs[i].value->kind == CKPT_KIND_TENSOR)
            status = xor_one(host, xor, root, i, edits);
    return status;
}

static void
xor_close(const struct ckpt_host *host, void *self)
{
    struct xor *xor = self;

    host->release(host, xor->tensors);
    host->release(host, xor);
}

static int
xor_cursor_open(const struct ckpt_host *host, void *self,
                const struct ckpt_storage *storage, void **cursor)
{
    const struct xor *xor = self;
    struct xor_cursor *made = host->allocate(host, sizeof *made);
    int status;

    if (made == NULL)
        return CKPT_MEMORY;
    made->xor = xor;
    made->left = storage->size_bytes;
    status = host->tensor_open(host, xor->tensors[storage->cursor_key],
                               &made->stream);
    if (status == CKPT_OK)
        *cursor = made;
    else
        host->release(host, made);
    return status;
}

static int
xor_cursor_next(const struct ckpt_host *host, void *cursor,
                struct ckpt_span *span)
{
    struct xor_cursor *at = cursor;
    struct ckpt_span from;
    size_t i;
    int status = host->tensor_next(host, at->stream, &from);

    if (status == CKPT_END && at->xor->how == XOR_LONG) {
        from.data = at->window;
        from.size_bytes = 1;
        status = CKPT_OK;
    }
    if (status != CKPT_OK)
        return status;
    if (at->xor->how == XOR_SILENT)
        return CKPT_FORMAT;
    for (i = 0; i < from.size_bytes; i++)
        at->window[i] = from.data[i] ^ at->xor->with;
    at->left -= from.size_bytes;
    if (at->xor->how == XOR_SHORT && at->left == 0 && --from.size_bytes == 0)
        return CKPT_END;
    span->data = at->window;
    span->size_bytes = from.size_bytes;
    return CKPT_OK;
}

static void
xor_cursor_close(const struct ckpt_host *host, void *cursor)
{
    struct xor_cursor *at = cursor;

    host->tensor_close(host, at->stream);
    host->release(host, at);
}

const struct ckpt_transform inputs_xor = {
    .size = sizeof(struct ckpt_transform),
    .id = "xor",
    .summary = "changes bits of every byte",
    .argument = "DIGIT",
    .open = xor_open,
    .apply = xor_apply,
    .close = xor_close,
    .cursor_open = xor_cursor_open,
    .cursor_next = xor_cursor_next,
    .cursor_close = xor_cursor_close,
};

/* Storages without anybody to make them. */
const struct ckpt_transform inputs_xor_bare = {
    .size = sizeof(struct ckpt_transform),
    .id = "xor-bare",
    .summary = "promises bytes and has no cursors",
    .argument = "DIGIT",
    .open = xor_open,
    .apply = xor_apply,
    .close = xor_close,
};
