/* SPDX-License-Identifier: MIT
 *
 * Ties: tensors that overlap in their storage, among those that both sides
 * have. What lies between the first and the last byte of a view counts as its
 * own; that two views interleave without a common byte is not seen.
 */
#include <stdlib.h>

#include "hub/run/diff.h"

/* Where the elements of an entry of the first, or what it is paired with,
 * lie; in bits. */
struct tie_extent {
    uint64_t storage, first, end;
    size_t number;
};

static void
tie_measure(struct tie_extent *extent, const struct ckpt_tensor *tensor)
{
    uint64_t width = ckpt_dtype_width_bits(tensor->dtype);
    uint64_t last = tensor->offset;
    uint32_t i;

    /* That a view lies within its storage has been checked: no overflow. */
    for (i = 0; i < tensor->rank; i++)
        last += (tensor->shape[i] - 1) * tensor->strides[i];
    extent->storage = tensor->storage->id;
    extent->first = tensor->offset * width;
    extent->end = (last + 1) * width;
}

static int
tie_order(const void *left, const void *right)
{
    const struct tie_extent *a = left, *b = right;

    if (a->storage != b->storage)
        return a->storage < b->storage ? -1 : 1;
    if (a->first != b->first)
        return a->first < b->first ? -1 : 1;
    return a->number < b->number ? -1 : a->number > b->number;
}

/* Of each entry, the first one that it is tied to, or itself. */
static void
tie_groups(struct tie_extent *extents, size_t count, size_t *tied_to)
{
    size_t from, to, i, least;
    uint64_t end;

    qsort(extents, count, sizeof *extents, tie_order);
    for (from = 0; from < count; from = to) {
        end = extents[from].end;
        least = extents[from].number;
        for (to = from + 1; to < count; to++) {
            if (extents[to].storage != extents[from].storage ||
                extents[to].first >= end)
                break;
            if (extents[to].end > end)
                end = extents[to].end;
            if (extents[to].number < least)
                least = extents[to].number;
        }
        for (i = from; i < to; i++)
            tied_to[extents[i].number] = least;
    }
}

static int
tie_side(struct hub_arena *arena, const struct hub_entries *first,
         const struct hub_entries *second, const struct hub_pairs *pairs,
         size_t **tied_to)
{
    struct tie_extent *extents =
        hub_arena_large(arena, NULL, (first->count + 1) * sizeof *extents);
    size_t count = 0, i;

    *tied_to =
        hub_arena_large(arena, NULL, (first->count + 1) * sizeof **tied_to);
    if (extents == NULL || *tied_to == NULL)
        return arena->budget->report->status;
    for (i = 0; i < first->count; i++) {
        const struct ckpt_value *value = first->first[i].value;

        (*tied_to)[i] = i;
        if (pairs->second_of[i] == HUB_UNPAIRED)
            continue;
        if (second != NULL)
            value = second->first[pairs->second_of[i]].value;
        if (value->as.tensor->element_count == 0)
            continue;
        extents[count].number = i;
        tie_measure(&extents[count++], value->as.tensor);
    }
    tie_groups(extents, count, *tied_to);
    hub_arena_large_free(arena, extents);
    return CKPT_OK;
}

int
hub_diff_ties(struct ckpt_diff *diff, const struct hub_entries *first,
              const struct hub_entries *second, const struct hub_pairs *pairs)
{
    size_t *tied_to[2], i;
    int status = tie_side(&diff->arena, first, NULL, pairs, &tied_to[0]);

    if (status == CKPT_OK)
        status = tie_side(&diff->arena, first, second, pairs, &tied_to[1]);
    for (i = 0; i < first->count && status == CKPT_OK; i++) {
        struct ckpt_difference found = {.kind = CKPT_DIFFERENCE_TIE};
        size_t a = tied_to[0][i], b = tied_to[1][i];

        if (a == b)
            continue;
        found.name = first->first[i].name;
        found.first = first->first[i].value;
        found.second = second->first[pairs->second_of[i]].value;
        found.first_tie = a != i ? first->first[a].name.data : NULL;
        found.second_tie = b != i ? first->first[b].name.data : NULL;
        status = hub_diff_add(diff, &found);
    }
    return status;
}
