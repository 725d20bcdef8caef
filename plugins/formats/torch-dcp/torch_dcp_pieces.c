/* SPDX-License-Identifier: MIT
 *
 * Boxes that fill a tensor, and the cursor over them. From the element where
 * it stands the cursor takes as many as lie side by side in one chunk and in
 * the tensor alike: to the end of the chunk's row, or several rows where the
 * chunk is as wide as the tensor.
 */
#include "torch_dcp_pieces.h"

#include <stdlib.h>
#include <string.h>

#include "checked.h"

#define WINDOW_BYTES ((size_t)256 << 10)
/* Most chunks that a cursor looks at where the next one is not at hand. */
#define LOOKS_MAX ((uint64_t)1 << 30)

struct cursor {
    const struct torch_dcp_pieces *pieces;
    uint64_t at[CKPT_MAX_RANK]; /* the next element */
    uint64_t left_bytes;
    size_t chunk; /* that the last element was in */
    size_t *next; /* by chunk: the one that was found behind it */
    uint64_t look_count;
    unsigned char window[WINDOW_BYTES];
};

/* ---- Checks ---- */

static int
compare_chunks(const void *left, const void *right)
{
    const struct torch_dcp_chunk *a = left, *b = right;
    uint32_t i;

    for (i = 0; i < CKPT_MAX_RANK; i++)
        if (a->offset[i] != b->offset[i])
            return a->offset[i] < b->offset[i] ? -1 : 1;
    return 0;
}

static bool
overlap(const struct torch_dcp_pieces *pieces, const struct torch_dcp_chunk *a,
        const struct torch_dcp_chunk *b)
{
    uint32_t i;

    for (i = 0; i < pieces->rank; i++)
        if (a->offset[i] >= b->offset[i] + b->size[i] ||
            b->offset[i] >= a->offset[i] + a->size[i])
            return false;
    return true;
}

/* The elements of a chunk; false: it is not within the tensor. */
static bool
count_elements(const struct torch_dcp_pieces *pieces,
               const struct torch_dcp_chunk *chunk, uint64_t *count)
{
    uint32_t i;

    *count = 1;
    for (i = 0; i < pieces->rank; i++) {
        if (!sdk_within(chunk->offset[i], chunk->size[i], pieces->shape[i]))
            return false;
        *count *= chunk->size[i]; /* at most those of the tensor */
    }
    return true;
}

/* In order of their offsets only those need to be compared that begin before
 * the first one ends. */
static int
check_overlap(const struct ckpt_host *host, struct torch_dcp_pieces *pieces,
              const char *name)
{
    const struct torch_dcp_chunk *chunks = pieces->chunks;
    size_t i, k;

    for (i = 0; i < pieces->count; i++) {
        for (k = i + 1; k < pieces->count; k++) {
            if (chunks[k].offset[0] >= chunks[i].offset[0] + chunks[i].size[0])
                break;
            if (overlap(pieces, &chunks[i], &chunks[k]))
                return host->fail(host, CKPT_FORMAT, name, CKPT_NOWHERE,
                                  ".metadata: chunks that overlap");
        }
        if ((i & 0xff) == 0xff && host->cancelled(host))
            return CKPT_CANCELLED;
    }
    return CKPT_OK;
}

int
torch_dcp_pieces_check(const struct ckpt_host *host,
                       struct torch_dcp_pieces *pieces, const char *name)
{
    uint64_t count, sum = 0;
    size_t i, kept = 0;

    for (i = 0; i < pieces->count; i++) {
        if (!count_elements(pieces, &pieces->chunks[i], &count) ||
            !sdk_add_u64(sum, count, &sum))
            return host->fail(host, CKPT_FORMAT, name, CKPT_NOWHERE,
                              ".metadata: a chunk that is not within its "
                              "tensor");
        if (count > 0)
            pieces->chunks[kept++] = pieces->chunks[i];
    }
    pieces->count = kept;
    if (sum != pieces->size_bytes / pieces->item_bytes)
        return host->fail(host, CKPT_FORMAT, name, CKPT_NOWHERE,
                          ".metadata: chunks that are not all of their tensor");
    qsort(pieces->chunks, kept, sizeof *pieces->chunks, compare_chunks);
    return check_overlap(host, pieces, name);
}

/* ---- The cursor ---- */

static bool
contains(const struct torch_dcp_pieces *pieces,
         const struct torch_dcp_chunk *chunk, const uint64_t *at)
{
    uint32_t i;

    for (i = 0; i < pieces->rank; i++)
        if (at[i] < chunk->offset[i] ||
            at[i] - chunk->offset[i] >= chunk->size[i])
            return false;
    return true;
}

/* Any chunk with the next element; those before the last one come first, as
 * a row begins anew where the chunks are a grid. */
static int
search_chunk(const struct ckpt_host *host, struct cursor *c, size_t *found)
{
    const struct torch_dcp_pieces *pieces = c->pieces;
    size_t i = c->chunk, looks;

    for (looks = 1; looks <= pieces->count; looks++) {
        if (contains(pieces, &pieces->chunks[i], c->at))
            break;
        i = i > c->chunk ? i + 1 : i > 0 ? i - 1 : c->chunk + 1;
    }
    c->look_count += looks;
    if (looks > pieces->count)
        return host->fail(host, CKPT_FORMAT, NULL, CKPT_NOWHERE,
                          "an element that is in no chunk");
    if (c->look_count > LOOKS_MAX)
        return host->fail(host, CKPT_LIMIT, NULL, CKPT_NOWHERE,
                          "chunks that lie in no order that is known here");
    *found = i;
    return host->cancelled(host) ? CKPT_CANCELLED : CKPT_OK;
}

/* The chunk of the next element: the same, the one after it, the one that
 * followed it before, or any. */
static int
find_chunk(const struct ckpt_host *host, struct cursor *c)
{
    const struct torch_dcp_pieces *pieces = c->pieces;
    size_t last = c->chunk;
    int status;

    if (contains(pieces, &pieces->chunks[last], c->at))
        return CKPT_OK;
    c->chunk = c->next[last];
    if (contains(pieces, &pieces->chunks[c->chunk], c->at))
        return CKPT_OK;
    c->chunk = last + 1;
    if (c->chunk < pieces->count &&
        contains(pieces, &pieces->chunks[c->chunk], c->at))
        return CKPT_OK;
    c->chunk = last;
    status = search_chunk(host, c, &c->next[last]);
    if (status == CKPT_OK)
        c->chunk = c->next[last];
    return status;
}

/* How many elements from here on lie side by side, and where they are among
 * the elements of the chunk. */
static uint64_t
measure_run(const struct cursor *c, const struct torch_dcp_chunk *chunk,
            uint64_t *start)
{
    const struct torch_dcp_pieces *pieces = c->pieces;
    uint64_t run = 1, below = 1;
    bool whole = true; /* all dimensions behind this one are */
    uint32_t i;

    *start = 0;
    for (i = pieces->rank; i-- > 0;) {
        uint64_t inside = c->at[i] - chunk->offset[i];

        *start += inside * below;
        if (whole)
            run = (chunk->size[i] - inside) * below - (*start - inside * below);
        whole = whole && chunk->size[i] == pieces->shape[i];
        below *= chunk->size[i];
    }
    return run;
}

/* Moves on by elements, of which the last dimension carries over. */
static void
advance(struct cursor *c, uint64_t count)
{
    const struct torch_dcp_pieces *pieces = c->pieces;
    uint32_t i;

    for (i = pieces->rank; i-- > 0 && count > 0;) {
        uint64_t sum = c->at[i] + count % pieces->shape[i];

        count /= pieces->shape[i];
        if (sum >= pieces->shape[i]) {
            sum -= pieces->shape[i];
            count++;
        }
        c->at[i] = sum;
    }
}

int
torch_dcp_cursor_open(const struct ckpt_host *host,
                      const struct torch_dcp_pieces *pieces, void **cursor)
{
    struct cursor *made = host->allocate(host, sizeof *made);

    if (made == NULL)
        return CKPT_MEMORY;
    made->next = host->allocate(host, (pieces->count + 1) * sizeof *made->next);
    if (made->next == NULL) {
        host->release(host, made);
        return CKPT_MEMORY;
    }
    made->pieces = pieces;
    made->left_bytes = pieces->size_bytes;
    *cursor = made;
    return CKPT_OK;
}

int
torch_dcp_cursor_next(const struct ckpt_host *host, void *cursor,
                      struct ckpt_span *span)
{
    struct cursor *c = cursor;
    uint64_t item_bytes = c->pieces->item_bytes, start, run;
    const struct torch_dcp_chunk *chunk;
    size_t filled = 0, room;
    int status;

    if (c->left_bytes == 0)
        return CKPT_END;
    while (c->left_bytes > 0 && WINDOW_BYTES - filled >= item_bytes) {
        status = find_chunk(host, c);
        if (status != CKPT_OK)
            return status;
        chunk = &c->pieces->chunks[c->chunk];
        run = measure_run(c, chunk, &start);
        room = (WINDOW_BYTES - filled) / (size_t)item_bytes;
        if (run > room)
            run = room;
        status = host->source_read(
            host, chunk->source, chunk->data_offset + start * item_bytes,
            c->window + filled, (size_t)(run * item_bytes));
        if (status != CKPT_OK)
            return status;
        filled += (size_t)(run * item_bytes);
        c->left_bytes -= run * item_bytes;
        advance(c, run);
    }
    span->data = c->window;
    span->size_bytes = filled;
    return CKPT_OK;
}

void
torch_dcp_cursor_close(const struct ckpt_host *host, void *cursor)
{
    struct cursor *c = cursor;

    if (c != NULL)
        host->release(host, c->next);
    host->release(host, c);
}
