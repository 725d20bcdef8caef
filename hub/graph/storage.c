/* SPDX-License-Identifier: MIT
 *
 * Storages and the tensors that view them.
 */
#include <string.h>

#include "checked.h"
#include "hub/graph/graph.h"
#include "hub/graph/validate.h"

/* The most bytes that a graph keeps itself for one storage. */
#define OWNED_MAX ((uint64_t)64 << 20)

static int
storage_keep(struct hub_graph *graph, const struct ckpt_storage *like,
             struct hub_storage **kept)
{
    const char *device = like->device != NULL ? like->device : "cpu";
    struct hub_storage *storage;

    storage = hub_arena_allocate(&graph->arena, sizeof *storage);
    if (storage == NULL)
        return graph->report->status;
    storage->public = *like;
    storage->public.word_bytes = like->word_bytes ? like->word_bytes : 1;
    storage->public.device =
        strcmp(device, "cpu") == 0
            ? "cpu"
            : hub_arena_text(&graph->arena, device, strlen(device));
    if (storage->public.device == NULL)
        return graph->report->status;
    storage->public.id = graph->public.storage_count++;
    *kept = storage;
    return CKPT_OK;
}

static int
storage_own(struct hub_graph *graph, struct hub_storage *storage)
{
    if (storage->public.size_bytes > OWNED_MAX)
        return hub_fail(graph->report, CKPT_CONTRACT, NULL, CKPT_NOWHERE,
                        "an owned storage of %llu bytes is too large",
                        (unsigned long long)storage->public.size_bytes);
    storage->public.data = hub_arena_text(&graph->arena, storage->public.data,
                                          (size_t)storage->public.size_bytes);
    return storage->public.data != NULL ? CKPT_OK : graph->report->status;
}

int
hub_storage_new(struct hub_graph *graph, const struct ckpt_storage *like,
                uint64_t source_size, const struct ckpt_storage **storage)
{
    bool absent = like->place == CKPT_PLACE_ABSENT;
    struct hub_storage *kept;
    int status;

    if (like->place < CKPT_PLACE_SPAN ||
        (like->place > CKPT_PLACE_OWNED && !absent) ||
        (absent && like->size_bytes != 0) ||
        (like->place == CKPT_PLACE_SPAN && like->source == NULL))
        return hub_fail(graph->report, CKPT_CONTRACT, NULL, CKPT_NOWHERE,
                        "a storage without a place");
    status = hub_storage_check(graph->report, like, source_size);
    if (status == CKPT_OK)
        status = storage_keep(graph, like, &kept);
    if (status == CKPT_OK && like->place == CKPT_PLACE_OWNED)
        status = storage_own(graph, kept);
    if (status != CKPT_OK)
        return status;
    if (like->place == CKPT_PLACE_CODED)
        kept->from.coder = graph->coder;
    *storage = &kept->public;
    return CKPT_OK;
}

int
hub_storage_made(struct hub_graph *graph, const struct ckpt_storage *like,
                 const struct hub_piece *pieces, size_t piece_count,
                 const struct ckpt_storage **storage)
{
    struct hub_storage *kept;
    struct hub_pieces *kept_pieces;
    struct hub_piece *copy;
    int status = storage_keep(graph, like, &kept);

    if (status != CKPT_OK)
        return status;
    kept_pieces = hub_arena_allocate(&graph->arena, sizeof *kept_pieces);
    copy = hub_arena_allocate(&graph->arena, piece_count * sizeof *copy);
    if (kept_pieces == NULL || copy == NULL)
        return graph->report->status;
    memcpy(copy, pieces, piece_count * sizeof *copy);
    kept->public.place = CKPT_PLACE_MADE;
    kept->public.byte_order = CKPT_LITTLE_ENDIAN;
    kept_pieces->first = copy;
    kept_pieces->count = piece_count;
    kept->from.pieces = kept_pieces;
    *storage = &kept->public;
    return CKPT_OK;
}

/* Where a view goes that begins at `*end`, which moves behind it. */
static int
join_piece(struct hub_graph *graph, const struct ckpt_tensor *view, bool last,
           struct hub_piece *piece, uint64_t *end)
{
    uint64_t width = ckpt_dtype_width_bits(view->dtype);

    if (view->storage->place == CKPT_PLACE_ABSENT)
        return hub_fail(graph->report, CKPT_CONTRACT, NULL, CKPT_NOWHERE,
                        "a join of a view without bytes");
    if (view->flips != 0)
        return hub_fail(graph->report, CKPT_UNSUPPORTED, NULL, CKPT_NOWHERE,
                        "a join of a conjugate or negative view");
    if (!last && width % 8 != 0 && view->element_count % 8 * width % 8 != 0)
        return hub_fail(graph->report, CKPT_UNSUPPORTED, NULL, CKPT_NOWHERE,
                        "a join of %s behind a part of a byte",
                        ckpt_dtype_name(view->dtype));
    piece->offset_bytes = *end;
    piece->view = view;
    if (!sdk_add_u64(*end, view->size_bytes, end))
        return hub_fail(graph->report, CKPT_LIMIT, NULL, CKPT_NOWHERE,
                        "a join of more than 2^64 bytes");
    return CKPT_OK;
}

int
hub_storage_join(struct hub_graph *graph,
                 const struct ckpt_tensor *const *views, size_t view_count,
                 const char *device, const struct ckpt_storage **storage)
{
    struct ckpt_storage like = {.place = CKPT_PLACE_MADE, .device = device};
    struct hub_budget *budget = graph->arena.budget;
    struct hub_piece *pieces;
    size_t i, size;
    int status = CKPT_OK;

    if (!sdk_mul_size(view_count, sizeof *pieces, &size))
        size = SIZE_MAX;
    pieces = hub_allocate(budget, size);
    if (pieces == NULL)
        return graph->report->status;
    for (i = 0; i < view_count && status == CKPT_OK; i++)
        status = join_piece(graph, views[i], i + 1 == view_count, &pieces[i],
                            &like.size_bytes);
    if (status == CKPT_OK)
        status = hub_storage_made(graph, &like, pieces, view_count, storage);
    hub_release(budget, pieces);
    return status;
}

/* Copies shape and strides; row-major strides where none are given. */
static int
tensor_dims(struct hub_graph *graph, const struct ckpt_tensor *like,
            struct ckpt_tensor *tensor)
{
    uint64_t *dims, step = 1;
    uint32_t i, rank = like->rank;

    dims = hub_arena_allocate(&graph->arena,
                              (2 * (size_t)rank + 1) * sizeof *dims);
    if (dims == NULL)
        return graph->report->status;
    for (i = rank; i-- > 0;) {
        dims[i] = like->shape[i];
        dims[rank + i] = like->strides != NULL ? like->strides[i] : step;
        if (dims[i] != 0 && !sdk_mul_u64(step, dims[i], &step))
            step = 0;
    }
    tensor->shape = dims;
    tensor->strides = dims + rank;
    return CKPT_OK;
}

int
hub_tensor_new(struct hub_graph *graph, const struct ckpt_tensor *like,
               const char *name, struct ckpt_value **value)
{
    struct ckpt_value wrapped = {.kind = CKPT_KIND_TENSOR};
    struct ckpt_tensor *tensor;
    int status;

    if (like->storage == NULL)
        return hub_fail(graph->report, CKPT_CONTRACT, name, CKPT_NOWHERE,
                        "a tensor without a storage");
    if (like->rank > CKPT_MAX_RANK)
        return hub_fail(graph->report, CKPT_FORMAT, name, CKPT_NOWHERE,
                        "a tensor of %u dimensions, more than %d", like->rank,
                        CKPT_MAX_RANK);
    tensor = hub_arena_allocate(&graph->arena, sizeof *tensor);
    if (tensor == NULL)
        return graph->report->status;
    *tensor = *like;
    tensor->type_name = NULL;
    if (like->type_name != NULL)
        tensor->type_name = hub_arena_text(&graph->arena, like->type_name,
                                           strlen(like->type_name));
    status = tensor_dims(graph, like, tensor);
    if (status == CKPT_OK)
        status = hub_tensor_check(graph->report, tensor, name);
    if (status != CKPT_OK)
        return status;
    tensor->id = graph->public.tensor_count++;
    wrapped.as.tensor = tensor;
    return hub_value_new(graph, &wrapped, value);
}
