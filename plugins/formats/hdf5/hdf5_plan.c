/* SPDX-License-Identifier: MIT
 *
 * libhdf5 lays the output out in memory, without payload; the plan then has
 * what it wrote as bytes, and the tensors at the places of their data sets.
 */
#include "hdf5_plan.h"

#include <stdlib.h>

#include "hdf5_plan_pages.h"
#include "hdf5_write.h"

/* A data set with bytes. */
struct extent {
    uint64_t offset;
    const struct ckpt_entry *entry;
};

static int
extent_compare(const void *left, const void *right)
{
    const struct extent *a = left, *b = right;

    return (a->offset > b->offset) - (a->offset < b->offset);
}

/* The data sets in order of the file. */
static size_t
plan_extents(const struct hdf5_out *out, struct extent *extents)
{
    const struct ckpt_graph *graph = out->graph;
    size_t i, count = 0;

    for (i = 0; i < graph->entry_count; i++) {
        if (out->first[i] != i ||
            graph->entries[i].value->as.tensor->size_bytes == 0)
            continue;
        extents[count].offset = out->offsets[i];
        extents[count++].entry = &graph->entries[i];
    }
    qsort(extents, count, sizeof *extents, extent_compare);
    return count;
}

static int
plan_tensor(const struct ckpt_host *host, const struct extent *extent,
            struct ckpt_plan *plan)
{
    struct ckpt_segment segment = {
        .kind = CKPT_SEGMENT_TENSOR,
        .tensor = extent->entry->value->as.tensor,
        .name = extent->entry->name.data,
    };

    if (host->plan_position(host, plan) != extent->offset)
        return host->fail(host, CKPT_CONTRACT, segment.name, extent->offset,
                          "libhdf5 laid two data sets over each other");
    return host->plan_add(host, plan, &segment, sizeof segment, NULL);
}

static int
plan_segments(const struct hdf5_out *out, struct hdf5_pages *pages,
              struct extent *extents, struct ckpt_plan *plan)
{
    const struct ckpt_host *host = out->host;
    size_t i, count = plan_extents(out, extents);
    int status = CKPT_OK;

    for (i = 0; i < count && status == CKPT_OK; i++) {
        status = hdf5_pages_plan(pages, plan, host->plan_position(host, plan),
                                 extents[i].offset);
        if (status == CKPT_OK)
            status = plan_tensor(host, &extents[i], plan);
    }
    if (status == CKPT_OK)
        status = hdf5_pages_plan(pages, plan, host->plan_position(host, plan),
                                 pages->size_bytes);
    return status;
}

int
hdf5_plan(const struct ckpt_host *host, enum hdf5_layout layout,
          const struct ckpt_graph *graph, struct ckpt_plan *plan)
{
    struct hdf5_pages pages = {.host = host};
    struct hdf5_bytes bytes = hdf5_pages_bytes(&pages);
    struct extent *extents =
        host->allocate(host, (graph->entry_count + 1) * sizeof *extents);
    struct hdf5_out out = {0};
    int status;

    if (extents == NULL)
        return CKPT_MEMORY;
    status = hdf5_out_init(&out, host, layout, 0, graph, &bytes);
    out.broken = &pages.status;
    if (status == CKPT_OK)
        status = hdf5_out_fill(&out);
    if (status == CKPT_OK)
        status = hdf5_out_finish(&out);
    if (status == CKPT_OK)
        status = plan_segments(&out, &pages, extents, plan);
    hdf5_out_fini(&out);
    hdf5_pages_fini(&pages);
    host->release(host, extents);
    return status;
}
