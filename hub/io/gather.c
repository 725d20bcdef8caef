/* SPDX-License-Identifier: MIT
 *
 * A view is cut into boxes: a run of one dimension and all of those inside
 * it, as much as the output buffer holds. Each box is read in the order of
 * the storage, in pieces that fit the scratch buffer, and laid out in the
 * order of the view.
 */
#include "hub/io/gather.h"

#include <string.h>

#include "hub/io/gather_layout.h"

/* What was read is still in the processor's cache when it is laid out. */
#define SCRATCH_BYTES ((size_t)1 << 20)
/* A gap up to this size costs less to read than a call to leave it out. */
#define GAP_BYTES ((uint64_t)4 << 10)

struct hub_gather {
    struct hub_budget *budget;
    const struct ckpt_tensor *tensor;
    const struct ckpt_source *source;
    uint64_t source_offset;
    const unsigned char *memory;
    size_t item_bytes;
    unsigned char *box, *scratch;
    uint64_t box_elements, scratch_elements; /* what the buffers hold */
    uint32_t split;                          /* the dimension that boxes cut */
    uint64_t inner_count;                    /* elements of one index of it */
    uint64_t index[CKPT_MAX_RANK];
    uint64_t done; /* elements handed out */
};

/* The outermost dimension such that one index of it fits a box. */
static void
gather_split(struct hub_gather *gather)
{
    const struct ckpt_tensor *tensor = gather->tensor;
    uint64_t inner = 1;
    uint32_t d = tensor->rank;

    gather->split = 0;
    gather->inner_count = 1;
    while (d-- > 0) {
        gather->split = d;
        gather->inner_count = inner;
        if (tensor->shape[d] > gather->box_elements / inner)
            return;
        inner *= tensor->shape[d];
    }
}

int
hub_gather_new(struct hub_budget *budget, size_t box_bytes,
               const struct ckpt_tensor *tensor,
               const struct ckpt_source *source, uint64_t offset,
               const void *memory, struct hub_gather **gather)
{
    uint32_t width = ckpt_dtype_width_bits(tensor->dtype);
    struct hub_gather *made;
    size_t box = box_bytes;

    if (width % 8 != 0)
        return hub_fail(budget->report, CKPT_UNSUPPORTED, NULL, CKPT_NOWHERE,
                        "a strided view of %s, a type below a byte",
                        ckpt_dtype_name(tensor->dtype));
    made = hub_allocate(budget, sizeof *made);
    if (made == NULL)
        return budget->report->status;
    if (tensor->size_bytes < box)
        box = (size_t)tensor->size_bytes;
    made->budget = budget;
    made->tensor = tensor;
    made->source = source;
    made->source_offset = offset;
    made->memory = memory;
    made->item_bytes = width / 8;
    made->box_elements = box / made->item_bytes;
    made->scratch_elements = SCRATCH_BYTES / made->item_bytes;
    made->box = hub_allocate(budget, box + 1);
    made->scratch = memory != NULL ? NULL : hub_allocate(budget, SCRATCH_BYTES);
    if (made->box == NULL || (memory == NULL && made->scratch == NULL)) {
        hub_gather_free(made);
        return budget->report->status;
    }
    gather_split(made);
    *gather = made;
    return CKPT_OK;
}

void
hub_gather_free(struct hub_gather *gather)
{
    if (gather == NULL)
        return;
    hub_release(gather->budget, gather->box);
    hub_release(gather->budget, gather->scratch);
    hub_release(gather->budget, gather);
}

/* Elements from the first to the last one of these dimensions, where they are
 * read to. */
static uint64_t
gather_extent(const struct gather_dim *dims, size_t count)
{
    return count > 0 ? (dims->extent - 1) * dims->mid + dims->inner : 1;
}

/* Where each index is read to: at its distance in the storage as long as the
 * gaps cost less than reads of their own, else one behind the other. */
static void
gather_place(const struct hub_gather *gather, struct gather_dim *dims,
             size_t count)
{
    uint64_t inner = 1, gap;
    bool apart = false;
    size_t i;

    for (i = count; i-- > 0;) {
        gap = dims[i].from > inner ? dims[i].from - inner : 0;
        apart = apart || gap * gather->item_bytes > GAP_BYTES;
        if (gather->memory != NULL)
            apart = false;
        dims[i].apart = apart;
        dims[i].mid = apart ? inner : dims[i].from;
        dims[i].inner = inner;
        inner = gather_extent(dims + i, count - i);
    }
}

/* Reads as many runs as these dimensions have. */
static int
gather_fill(struct hub_gather *gather, const struct gather_dim *dims,
            size_t count, uint64_t from, uint64_t at)
{
    size_t item = gather->item_bytes;
    uint64_t i;
    int status = CKPT_OK;

    if (count == 0 || !dims->apart)
        return hub_source_read(gather->source,
                               gather->source_offset + from * item,
                               gather->scratch + at * item,
                               (size_t)gather_extent(dims, count) * item);
    for (i = 0; i < dims->extent && status == CKPT_OK; i++)
        status = gather_fill(gather, dims + 1, count - 1, from + i * dims->from,
                             at + i * dims->mid);
    return status;
}

static int
gather_read(struct hub_gather *gather, const struct gather_dim *dims,
            size_t count, uint64_t from, uint64_t to)
{
    const unsigned char *bytes = gather->scratch;
    size_t item = gather->item_bytes;
    int status = CKPT_OK;

    if (gather->memory != NULL)
        bytes = gather->memory + from * item;
    else
        status = gather_fill(gather, dims, count, from, 0);
    if (status == CKPT_OK)
        hub_gather_layout(dims, count, item, bytes, gather->box + to * item);
    return status;
}

/* How many indices of the first dimension are read together. */
static uint64_t
gather_group(const struct hub_gather *gather, const struct gather_dim *dims)
{
    if (dims->inner > gather->scratch_elements)
        return 0;
    if (dims->mid == 0)
        return dims->extent;
    return (gather->scratch_elements - dims->inner) / dims->mid + 1;
}

static int
gather_box(struct hub_gather *gather, const struct gather_dim *dims,
           size_t count, uint64_t from, uint64_t to)
{
    struct gather_dim part[CKPT_MAX_RANK];
    uint64_t i, group;
    int status = CKPT_OK;

    if (gather->memory != NULL ||
        gather_extent(dims, count) <= gather->scratch_elements)
        return gather_read(gather, dims, count, from, to);
    group = gather_group(gather, dims);
    memcpy(part, dims, count * sizeof *part);
    for (i = 0; i < dims->extent && status == CKPT_OK; i += part->extent) {
        part->extent = group > 0 ? group : 1;
        if (part->extent > dims->extent - i)
            part->extent = dims->extent - i;
        if (group > 0)
            status = gather_read(gather, part, count, from + i * dims->from,
                                 to + i * dims->to);
        else
            status = gather_box(gather, dims + 1, count - 1,
                                from + i * dims->from, to + i * dims->to);
    }
    return status;
}

/* The dimensions of the box that holds `run` indices of the split one,
 * largest stride of the storage first. */
static size_t
gather_dims(const struct hub_gather *gather, uint64_t run,
            struct gather_dim *dims)
{
    const struct ckpt_tensor *tensor = gather->tensor;
    struct gather_dim dim = {.extent = 1};
    uint64_t step = 1;
    size_t count = 0, at;
    uint32_t d;

    for (d = tensor->rank; d-- > gather->split;) {
        dim.extent = d == gather->split ? run : tensor->shape[d];
        dim.from = tensor->strides[d];
        dim.to = step;
        step *= dim.extent;
        if (dim.extent == 1)
            continue;
        for (at = count; at > 0 && dims[at - 1].from < dim.from; at--)
            dims[at] = dims[at - 1];
        dims[at] = dim;
        count++;
    }
    gather_place(gather, dims, count);
    return count;
}

/* Moves on by `run` indices of the split dimension. */
static void
gather_step(struct hub_gather *gather, uint64_t run)
{
    uint32_t d = gather->split;

    gather->done += run * gather->inner_count;
    if (gather->tensor->rank == 0)
        return;
    gather->index[d] += run;
    while (gather->index[d] == gather->tensor->shape[d] && d > 0) {
        gather->index[d--] = 0;
        gather->index[d]++;
    }
}

int
hub_gather_next(struct hub_gather *gather, struct ckpt_span *span)
{
    const struct ckpt_tensor *tensor = gather->tensor;
    struct gather_dim dims[CKPT_MAX_RANK];
    uint64_t run = 1, from = tensor->offset;
    uint32_t d;
    int status;

    if (gather->done == tensor->element_count)
        return CKPT_END;
    if (tensor->rank > 0) {
        run = gather->box_elements / gather->inner_count;
        if (run > tensor->shape[gather->split] - gather->index[gather->split])
            run = tensor->shape[gather->split] - gather->index[gather->split];
    }
    for (d = 0; d < tensor->rank && d <= gather->split; d++)
        from += gather->index[d] * tensor->strides[d];
    status = gather_box(gather, dims, gather_dims(gather, run, dims), from, 0);
    if (status != CKPT_OK)
        return status;
    gather_step(gather, run);
    span->data = gather->box;
    span->size_bytes = (size_t)(run * gather->inner_count) * gather->item_bytes;
    return CKPT_OK;
}
