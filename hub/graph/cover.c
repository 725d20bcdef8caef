/* SPDX-License-Identifier: MIT
 *
 * Laying a storage out again from its views.
 */
#include "hub/graph/cover.h"

#include <stdlib.h>
#include <string.h>

/* The dimensions that move through the storage, largest stride first; returns
 * how many. */
static size_t
cover_order(const struct ckpt_tensor *view, uint32_t order[CKPT_MAX_RANK])
{
    size_t at, count = 0;
    uint32_t d;

    for (d = 0; d < view->rank; d++) {
        if (view->shape[d] == 1 || view->strides[d] == 0)
            continue;
        for (at = count;
             at > 0 && view->strides[order[at - 1]] < view->strides[d]; at--)
            order[at] = order[at - 1];
        order[at] = d;
        count++;
    }
    return count;
}

/* Whether the view is dense, and then its run. */
static bool
cover_run(const struct ckpt_tensor *view, struct hub_cover_run *run)
{
    uint32_t width = ckpt_dtype_width_bits(view->dtype);
    uint32_t order[CKPT_MAX_RANK];
    size_t count;
    uint64_t elements = 1;

    if (view->element_count == 0 ||
        (width % 8 != 0 && (!view->contiguous || view->offset != 0)))
        return false;
    for (count = cover_order(view, order); count-- > 0;) {
        if (view->strides[order[count]] != elements)
            return false;
        elements *= view->shape[order[count]];
    }
    run->begin = view->offset * width / 8;
    run->end = run->begin + (elements * width + 7) / 8;
    run->skip_bytes = 0;
    return true;
}

/* The rest of a run can be cut out only where the order is plain, and only
 * between elements. */
static bool
cover_cuts(const struct ckpt_tensor *view, uint64_t skip_bytes)
{
    uint32_t width = ckpt_dtype_width_bits(view->dtype);

    return view->contiguous && width % 8 == 0 && skip_bytes % (width / 8) == 0;
}

static int
cover_compare(const void *a, const void *b)
{
    const struct hub_cover_run *x = a, *y = b;

    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    if (x->end != y->end)
        return x->end > y->end ? -1 : 1;
    return x->view < y->view ? -1 : x->view > y->view;
}

void
hub_cover_find(const struct ckpt_tensor *const *views, size_t count,
               struct hub_cover *cover)
{
    struct hub_cover_run *run;
    uint64_t end = 0;
    size_t i, found = 0, kept = 0;

    for (i = 0; i < count; i++) {
        if (!cover_run(views[i], &cover->runs[found]))
            continue;
        cover->runs[found++].view = i;
    }
    qsort(cover->runs, found, sizeof *cover->runs, cover_compare);
    for (i = 0; i < found; i++) {
        run = &cover->runs[i];
        if (run->end <= end)
            continue;
        if (run->begin < end && !cover_cuts(views[run->view], end - run->begin))
            continue;
        if (run->begin < end) {
            run->skip_bytes = end - run->begin;
            run->begin = end;
        }
        end = run->end;
        cover->runs[kept++] = *run;
    }
    cover->count = kept;
    for (i = kept; i-- > 0;) {
        run = &cover->runs[i];
        run->reach = run->end;
        if (i + 1 < kept && run[1].begin == run->end)
            run->reach = run[1].reach;
    }
}

/* Where the bytes of the cover from `begin` on end. */
static uint64_t
cover_reach(const struct hub_cover *cover, uint64_t begin)
{
    size_t low = 0, high = cover->count, middle;

    while (low < high) {
        middle = low + (high - low) / 2;
        if (cover->runs[middle].end <= begin)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == cover->count || cover->runs[low].begin > begin)
        return begin;
    return cover->runs[low].reach;
}

bool
hub_cover_holds(const struct hub_cover *cover, const struct ckpt_tensor *view)
{
    uint32_t d, width = ckpt_dtype_width_bits(view->dtype);
    uint64_t last = view->offset, begin, end;

    if (view->element_count == 0)
        return true;
    for (d = 0; d < view->rank; d++)
        last += (view->shape[d] - 1) * view->strides[d];
    begin = view->offset * width / 8;
    end = (last + 1) * width / 8 + ((last + 1) * width % 8 != 0);
    return begin >= end || cover_reach(cover, begin) >= end;
}

uint64_t
hub_cover_bytes(const struct hub_cover *cover)
{
    uint64_t bytes = 0;
    size_t i;

    for (i = 0; i < cover->count; i++)
        bytes += cover->runs[i].end - cover->runs[i].begin;
    return bytes;
}

/* The rest of a contiguous tensor, as one dimension. */
static void
cover_rest(const struct hub_cover_run *run, const struct ckpt_tensor *kept,
           uint64_t *dims, struct ckpt_tensor *piece)
{
    uint32_t item = ckpt_dtype_width_bits(kept->dtype) / 8;

    piece->rank = 1;
    piece->offset = kept->offset + run->skip_bytes / item;
    dims[0] = (run->end - run->begin) / item;
    dims[1] = 1;
}

void
hub_cover_view(const struct hub_cover_run *run, const struct ckpt_tensor *view,
               const struct ckpt_tensor *kept, uint64_t *dims,
               struct ckpt_tensor *piece)
{
    uint32_t order[CKPT_MAX_RANK];
    size_t i, count = cover_order(view, order);

    memset(piece, 0, sizeof *piece);
    piece->dtype = kept->dtype;
    piece->storage = kept->storage;
    piece->offset = kept->offset;
    piece->shape = dims;
    if (run->skip_bytes > 0) {
        cover_rest(run, kept, dims, piece);
    } else {
        piece->rank = (uint32_t)count;
        for (i = 0; i < count; i++) {
            dims[i] = kept->shape[order[i]];
            dims[count + i] = kept->strides[order[i]];
        }
    }
    piece->strides = dims + piece->rank;
}
