/* SPDX-License-Identifier: MIT
 *
 * Bytes laid over others, a window at a time. Both the storage that is made
 * and what is poured into it are walked in order of memory, so that each is
 * read once, from start to end.
 */
#include "merge.h"

#include <string.h>

#include "cast.h"

#define WINDOW_BYTES ((size_t)256 << 10)

/* How far an overlay is. */
struct pour {
    struct ckpt_stream *stream;
    struct ckpt_span left; /* of what the stream gave */
    uint64_t *index;       /* of the next element */
    uint64_t position;     /* its place in the storage, in elements */
    uint64_t count;        /* elements that are left */
    bool open;
    struct sdk_cast_tally tally;
};

struct merge_cursor {
    struct merge_job *job;
    struct ckpt_stream *under;
    struct ckpt_span left; /* of what it gave */
    uint64_t at, size_bytes;
    struct pour *pours;
    size_t window_bytes;
    unsigned char window[];
};

/* ---- Planning ---- */

int
merge_job_new(struct merge *merge, struct merge_job **job, uint64_t *key)
{
    const struct ckpt_host *host = merge->host;
    size_t count = merge->job_count;
    struct merge_job **jobs;

    if ((count & (count - 1)) == 0) {
        jobs = host->reallocate(host, merge->jobs,
                                (count > 0 ? 2 * count : 1) * sizeof *jobs);
        if (jobs == NULL)
            return CKPT_MEMORY;
        merge->jobs = jobs;
    }
    *job = host->allocate(host, sizeof **job);
    if (*job == NULL)
        return CKPT_MEMORY;
    (*job)->end = &(*job)->overlays;
    *key = count;
    merge->jobs[merge->job_count++] = *job;
    return CKPT_OK;
}

static void
overlay_free(const struct ckpt_host *host, struct merge_overlay *overlay)
{
    if (overlay == NULL)
        return;
    host->release(host, overlay->shape);
    host->release(host, overlay);
}

void
merge_jobs_fini(const struct ckpt_host *host, struct merge *merge)
{
    struct merge_overlay *overlay, *next;
    size_t i;

    for (i = 0; i < merge->job_count; i++) {
        for (overlay = merge->jobs[i]->overlays; overlay; overlay = next) {
            next = overlay->next;
            overlay_free(host, overlay);
        }
        host->release(host, merge->jobs[i]);
    }
    host->release(host, merge->jobs);
}

uint32_t
merge_dims_sort(const struct ckpt_tensor *tensor, uint32_t order[CKPT_MAX_RANK])
{
    uint32_t k, at, rank = 0;

    for (k = 0; k < tensor->rank; k++) {
        if (tensor->shape[k] == 1)
            continue;
        for (at = rank;
             at > 0 && tensor->strides[order[at - 1]] < tensor->strides[k];
             at--)
            order[at] = order[at - 1];
        order[at] = k;
        rank++;
    }
    return rank;
}

struct dims {
    uint32_t rank;
    uint64_t shape[CKPT_MAX_RANK], strides[CKPT_MAX_RANK];
};

/* Adds the next inner dimension, or makes the last one longer by it. False:
 * its elements would lie on each other. */
static bool
dims_add(struct dims *dims, uint64_t shape, uint64_t stride)
{
    uint32_t last = dims->rank - 1;

    if (stride == 0)
        return false;
    if (dims->rank > 0 && dims->strides[last] == shape * stride) {
        dims->shape[last] *= shape;
        dims->strides[last] = stride;
        return true;
    }
    if (dims->rank > 0 && dims->strides[last] <= (shape - 1) * stride)
        return false;
    dims->shape[dims->rank] = shape;
    dims->strides[dims->rank++] = stride;
    return true;
}

static int
overlay_dims(struct merge *merge, struct merge_overlay *overlay,
             const struct ckpt_tensor *into, const uint32_t *order,
             uint32_t rank)
{
    const struct ckpt_host *host = merge->host;
    struct dims dims = {0};
    uint32_t k;

    for (k = 0; k < rank; k++)
        if (!dims_add(&dims, into->shape[order[k]], into->strides[order[k]]))
            return host->fail(host, CKPT_UNSUPPORTED, overlay->name,
                              CKPT_NOWHERE,
                              "its elements overlap in memory, and cannot be "
                              "copied into");
    overlay->shape = host->allocate(host, (2 * (size_t)dims.rank + 1) *
                                              sizeof *overlay->shape);
    if (overlay->shape == NULL)
        return CKPT_MEMORY;
    overlay->rank = dims.rank;
    overlay->strides = overlay->shape + dims.rank;
    memcpy(overlay->shape, dims.shape, dims.rank * sizeof *dims.shape);
    memcpy(overlay->strides, dims.strides, dims.rank * sizeof *dims.strides);
    return CKPT_OK;
}

/* The same tensor with its dimensions in another order. */
static int
overlay_source(struct merge *merge, struct merge_overlay *overlay,
               const struct ckpt_tensor *from, const uint32_t *order,
               uint32_t rank)
{
    uint64_t shape[CKPT_MAX_RANK], strides[CKPT_MAX_RANK];
    struct ckpt_tensor like = {.dtype = from->dtype,
                               .rank = rank,
                               .shape = shape,
                               .strides = strides,
                               .offset = from->offset,
                               .storage = from->storage,
                               .flips = from->flips};
    struct ckpt_value *value;
    uint32_t k;
    int status;

    for (k = 0; k < rank; k++) {
        shape[k] = from->shape[order[k]];
        strides[k] = from->strides[order[k]];
    }
    status = merge->host->tensor_new(
        merge->host, merge->host->edit_graph(merge->host, merge->edits), &like,
        sizeof like, overlay->name, &value);
    if (status == CKPT_OK)
        overlay->from = value->as.tensor;
    return status;
}

static int
overlay_fill(struct merge *merge, struct merge_overlay *overlay,
             const struct ckpt_tensor *into, const struct ckpt_tensor *from)
{
    const struct ckpt_host *host = merge->host;
    uint32_t order[CKPT_MAX_RANK], rank = merge_dims_sort(into, order);

    int status;

    overlay->dtype = into->dtype;
    overlay->offset = into->offset;
    if (into->flips != 0)
        return host->fail(host, CKPT_UNSUPPORTED, overlay->name, CKPT_NOWHERE,
                          "it is a conjugate or negative view, and cannot be "
                          "copied into");
    if (ckpt_dtype_width_bits(into->dtype) % 8 != 0 ||
        ckpt_dtype_width_bits(from->dtype) % 8 != 0)
        return host->fail(host, CKPT_UNSUPPORTED, overlay->name, CKPT_NOWHERE,
                          "elements of %s cannot be copied in part",
                          ckpt_dtype_name(into->dtype));
    status = overlay_dims(merge, overlay, into, order, rank);
    return status == CKPT_OK ? overlay_source(merge, overlay, from, order, rank)
                             : status;
}

int
merge_overlay_add(struct merge *merge, struct merge_job *job,
                  const struct ckpt_tensor *into,
                  const struct ckpt_tensor *from, const char *name)
{
    struct merge_overlay *overlay;
    int status;

    if (into->element_count == 0)
        return CKPT_OK;
    overlay = merge->host->allocate(merge->host, sizeof *overlay);
    if (overlay == NULL)
        return CKPT_MEMORY;
    overlay->name = name;
    status = overlay_fill(merge, overlay, into, from);
    if (status != CKPT_OK) {
        overlay_free(merge->host, overlay);
        return status;
    }
    *job->end = overlay;
    job->end = &overlay->next;
    job->overlay_count++;
    return CKPT_OK;
}

/* ---- Pouring ---- */

static size_t
width_bytes(uint32_t dtype)
{
    return ckpt_dtype_width_bits(dtype) / 8;
}

static int
pour_open(const struct ckpt_host *host, const struct merge_overlay *overlay,
          struct pour *pour)
{
    pour->index =
        host->allocate(host, (overlay->rank + 1) * sizeof *pour->index);
    if (pour->index == NULL)
        return CKPT_MEMORY;
    pour->open = true;
    return host->tensor_open(host, overlay->from, &pour->stream);
}

static void
pour_close(const struct ckpt_host *host, struct pour *pour)
{
    host->tensor_close(host, pour->stream);
    host->release(host, pour->index);
    pour->stream = NULL;
    pour->index = NULL;
}

static void
pour_tell(const struct ckpt_host *host, struct merge_overlay *overlay,
          const struct pour *pour)
{
    if (pour->tally.overflow_count > 0 && !overlay->told)
        host->warn(host, overlay->name, CKPT_NOWHERE,
                   "%llu of %llu values of %s do not fit %s",
                   (unsigned long long)pour->tally.overflow_count,
                   (unsigned long long)overlay->from->element_count,
                   ckpt_dtype_name(overlay->from->dtype),
                   ckpt_dtype_name(overlay->dtype));
    overlay->told = true;
}

/* How many of the next elements lie side by side. */
static uint64_t
pour_run(const struct merge_overlay *overlay, const struct pour *pour)
{
    uint32_t last = overlay->rank - 1;

    if (overlay->rank == 0 || overlay->strides[last] != 1)
        return 1;
    return overlay->shape[last] - pour->index[last];
}

static void
pour_advance(const struct merge_overlay *overlay, struct pour *pour,
             uint64_t count)
{
    uint32_t k = overlay->rank;

    pour->count -= count;
    for (; k-- > 0; count = 1) {
        pour->index[k] += count;
        pour->position += count * overlay->strides[k];
        if (pour->index[k] < overlay->shape[k])
            return;
        pour->index[k] = 0;
        pour->position -= overlay->shape[k] * overlay->strides[k];
    }
}

/* All that falls into the first `room` bytes of the window. */
static int
pour_into(const struct ckpt_host *host, struct merge_cursor *at, size_t room,
          struct merge_overlay *overlay, struct pour *pour)
{
    uint32_t from = overlay->from->dtype;
    size_t wide = width_bytes(overlay->dtype), source = width_bytes(from);
    uint64_t place, count;
    int status = CKPT_OK;

    while (pour->count > 0 && pour->position * wide < at->at + room) {
        if (pour->left.size_bytes == 0) {
            status = host->tensor_next(host, pour->stream, &pour->left);
            if (status != CKPT_OK)
                break;
        }
        place = pour->position * wide - at->at;
        count = pour_run(overlay, pour);
        if (count > (room - place) / wide)
            count = (room - place) / wide;
        if (count > pour->left.size_bytes / source)
            count = pour->left.size_bytes / source;
        if (from == overlay->dtype)
            memcpy(at->window + place, pour->left.data, (size_t)count * wide);
        else
            sdk_cast(from, overlay->dtype, pour->left.data, at->window + place,
                     (size_t)count, &pour->tally);
        pour->left.data += count * source;
        pour->left.size_bytes -= (size_t)count * source;
        pour_advance(overlay, pour, count);
    }
    return status;
}

static int
pour_window(const struct ckpt_host *host, struct merge_cursor *at, size_t room,
            struct merge_overlay *overlay, struct pour *pour)
{
    int status = CKPT_OK;

    if (pour->count == 0 ||
        pour->position * width_bytes(overlay->dtype) >= at->at + room)
        return CKPT_OK;
    if (!pour->open)
        status = pour_open(host, overlay, pour);
    if (status == CKPT_OK)
        status = pour_into(host, at, room, overlay, pour);
    if (status != CKPT_OK || pour->count > 0)
        return status == CKPT_END ? CKPT_CONTRACT : status;
    pour_tell(host, overlay, pour);
    pour_close(host, pour);
    return CKPT_OK;
}

/* ---- Cursors ---- */

int
merge_cursor_open(const struct ckpt_host *host, void *self,
                  const struct ckpt_storage *storage, void **cursor)
{
    const struct merge *merge = self;
    struct merge_job *job = merge->jobs[storage->cursor_key];
    const struct merge_overlay *overlay = job->overlays;
    size_t i, window = storage->size_bytes < WINDOW_BYTES
                           ? (size_t)storage->size_bytes
                           : WINDOW_BYTES;
    struct merge_cursor *made = host->allocate(host, sizeof *made + window);
    int status = CKPT_OK;

    if (made == NULL)
        return CKPT_MEMORY;
    made->job = job;
    made->size_bytes = storage->size_bytes;
    made->window_bytes = window;
    made->pours =
        host->allocate(host, (job->overlay_count + 1) * sizeof *made->pours);
    if (made->pours == NULL)
        status = CKPT_MEMORY;
    for (i = 0; status == CKPT_OK && overlay != NULL; overlay = overlay->next) {
        made->pours[i].position = overlay->offset;
        made->pours[i++].count = overlay->from->element_count;
    }
    if (status == CKPT_OK && job->under != NULL)
        status = host->tensor_open(host, job->under, &made->under);
    if (status == CKPT_OK)
        *cursor = made;
    else
        merge_cursor_close(host, made);
    return status;
}

void
merge_cursor_close(const struct ckpt_host *host, void *cursor)
{
    struct merge_cursor *at = cursor;
    size_t i;

    host->tensor_close(host, at->under);
    for (i = 0; at->pours != NULL && i < at->job->overlay_count; i++)
        pour_close(host, &at->pours[i]);
    host->release(host, at->pours);
    host->release(host, at);
}

/* The bytes that were there before. */
static int
window_under(const struct ckpt_host *host, struct merge_cursor *at, size_t room)
{
    size_t done = 0, step;
    int status;

    while (done < room) {
        if (at->left.size_bytes == 0) {
            status = host->tensor_next(host, at->under, &at->left);
            if (status != CKPT_OK)
                return status;
        }
        step = room - done < at->left.size_bytes ? room - done
                                                 : at->left.size_bytes;
        memcpy(at->window + done, at->left.data, step);
        at->left.data += step;
        at->left.size_bytes -= step;
        done += step;
    }
    return CKPT_OK;
}

int
merge_cursor_next(const struct ckpt_host *host, void *cursor,
                  struct ckpt_span *span)
{
    struct merge_cursor *at = cursor;
    struct merge_overlay *overlay = at->job->overlays;
    uint64_t left = at->size_bytes - at->at;
    size_t i, room = left < at->window_bytes ? (size_t)left : at->window_bytes;
    int status = CKPT_OK;

    if (room == 0)
        return CKPT_END;
    if (at->under != NULL)
        status = window_under(host, at, room);
    for (i = 0; overlay != NULL && status == CKPT_OK; overlay = overlay->next)
        status = pour_window(host, at, room, overlay, &at->pours[i++]);
    if (status != CKPT_OK)
        return status;
    at->at += room;
    span->data = at->window;
    span->size_bytes = room;
    return CKPT_OK;
}
