/* SPDX-License-Identifier: MIT
 *
 * The transforms `contiguous`, `untie`, `tie`, `transpose` and `permute`: how
 * tensors lie in their storages, and which of them share one.
 */
#include "view.h"

#include <string.h>

enum { ORDER_DIMS };

static const struct ckpt_option transpose_options[] = {
    {"dims", CKPT_OPTION_STRING, NULL,
     "the two that change places, like 0x1; if not said, the last two", NULL},
    {NULL, CKPT_OPTION_END, NULL, NULL, NULL}};

static const struct ckpt_option permute_options[] = {
    {"dims", CKPT_OPTION_STRING, NULL,
     "the new order of the old dimensions, like 2x0x1", NULL},
    {NULL, CKPT_OPTION_END, NULL, NULL, NULL}};

static void
view_close(const struct ckpt_host *host, void *self)
{
    struct view *view = self;

    sdk_pattern_free(host, view->pattern);
    host->release(host, view);
}

/* `dims` may be NULL. */
static int
view_begin(const struct ckpt_host *host, const char *pattern, const char *dims,
           struct view **made)
{
    struct view *view = host->allocate(host, sizeof *view);
    int status = CKPT_OK;

    if (view == NULL)
        return CKPT_MEMORY;
    if (pattern != NULL)
        status = sdk_pattern_new(host, pattern, &view->pattern);
    if (status == CKPT_OK && dims != NULL)
        status = view_order_read(host, dims, view);
    if (status == CKPT_OK)
        *made = view;
    else
        view_close(host, view);
    return status;
}

static int
copy_open(const struct ckpt_host *host, const char *argument,
          const struct ckpt_option_value *options, void **self)
{
    struct view *view;
    int status = view_begin(host, argument, NULL, &view);

    (void)options;
    if (status == CKPT_OK)
        *self = view;
    return status;
}

static int
transpose_open(const struct ckpt_host *host, const char *argument,
               const struct ckpt_option_value *options, void **self)
{
    struct view *view;
    int status = view_begin(host, argument, options[ORDER_DIMS].text, &view);
    uint32_t rank;

    if (status != CKPT_OK)
        return status;
    rank = view->rank;
    view->swaps = true;
    if (rank == 0 || rank == 2) {
        *self = view;
        return CKPT_OK;
    }
    view_close(host, view);
    return host->fail(host, CKPT_OPTION, NULL, CKPT_NOWHERE,
                      "two dimensions change places, not %u", rank);
}

static int
permute_open(const struct ckpt_host *host, const char *argument,
             const struct ckpt_option_value *options, void **self)
{
    struct view *view;
    int status;

    if (options[ORDER_DIMS].text == NULL)
        return host->fail(host, CKPT_OPTION, NULL, CKPT_NOWHERE,
                          "it needs an order: dims=2x0x1");
    status = view_begin(host, argument, options[ORDER_DIMS].text, &view);
    if (status == CKPT_OK)
        *self = view;
    return status;
}

int
view_wants(const struct view_run *run, size_t index, bool *wants)
{
    *wants = true;
    if (run->self->pattern == NULL)
        return CKPT_OK;
    return sdk_pattern_match(run->host, run->self->pattern,
                             &run->graph->entries[index].name, wants);
}

static int
order_all(struct view_run *run)
{
    size_t i;
    bool wants;
    int status = sdk_optimizers_find(run->host, run->graph, &run->optimizers);

    for (i = 0; i < run->graph->entry_count && status == CKPT_OK; i++) {
        status = view_wants(run, i, &wants);
        if (status == CKPT_OK && wants)
            status = view_order(run, i);
    }
    if (status == CKPT_OK && run->any)
        sdk_slots_warn(run->host, &run->optimizers);
    return status;
}

static int
run_prepare(struct view_run *run)
{
    const struct ckpt_host *host = run->host;
    const struct ckpt_graph *graph = run->graph;
    size_t tensors = (size_t)graph->tensor_count + 1;
    size_t storages = (size_t)graph->storage_count + 1;
    size_t entries = graph->entry_count + 1;
    int status = sdk_ties_init(host, graph, &run->ties);

    if (status != CKPT_OK)
        return status;
    run->values = host->allocate(host, tensors * sizeof *run->values);
    run->made = host->allocate(host, entries * sizeof *run->made);
    run->uses = host->allocate(host, storages * sizeof *run->uses);
    run->spots = host->allocate(host, entries * sizeof *run->spots);
    return run->values != NULL && run->made != NULL && run->uses != NULL &&
                   run->spots != NULL
               ? CKPT_OK
               : CKPT_MEMORY;
}

static int
view_apply(const struct ckpt_host *host, void *self,
           const struct ckpt_graph *graph, struct ckpt_edits *edits,
           int (*work)(struct view_run *run))
{
    struct view_run run = {
        .host = host, .edits = edits, .graph = graph, .self = self};
    int status = run_prepare(&run);

    if (status == CKPT_OK)
        status = work(&run);
    sdk_ties_fini(host, &run.ties);
    sdk_table_fini(host, &run.places);
    sdk_optimizers_fini(host, &run.optimizers);
    host->release(host, run.values);
    host->release(host, run.made);
    host->release(host, run.uses);
    host->release(host, run.spots);
    return status;
}

static int
contiguous_apply(const struct ckpt_host *host, void *self,
                 const struct ckpt_graph *const *graphs, size_t graph_count,
                 struct ckpt_edits *edits)
{
    (void)graph_count;
    return view_apply(host, self, graphs[0], edits, view_contiguous);
}

static int
untie_apply(const struct ckpt_host *host, void *self,
            const struct ckpt_graph *const *graphs, size_t graph_count,
            struct ckpt_edits *edits)
{
    (void)graph_count;
    return view_apply(host, self, graphs[0], edits, view_untie);
}

static int
order_apply(const struct ckpt_host *host, void *self,
            const struct ckpt_graph *const *graphs, size_t graph_count,
            struct ckpt_edits *edits)
{
    (void)graph_count;
    return view_apply(host, self, graphs[0], edits, order_all);
}

static const struct ckpt_transform view_contiguous_table = {
    .size = sizeof(struct ckpt_transform),
    .id = "contiguous",
    .summary = "elements of tensors in the order of their shapes",
    .argument = "[PATTERN]",
    .open = copy_open,
    .apply = contiguous_apply,
    .close = view_close,
};

static const struct ckpt_transform view_untie_table = {
    .size = sizeof(struct ckpt_transform),
    .id = "untie",
    .summary = "bytes of its own for each tensor that shares them",
    .argument = "[PATTERN]",
    .open = copy_open,
    .apply = untie_apply,
    .close = view_close,
};

static const struct ckpt_transform view_transpose_table = {
    .size = sizeof(struct ckpt_transform),
    .id = "transpose",
    .summary = "two dimensions of tensors in each other's place",
    .argument = "PATTERN",
    .options = transpose_options,
    .open = transpose_open,
    .apply = order_apply,
    .close = view_close,
};

static const struct ckpt_transform view_permute_table = {
    .size = sizeof(struct ckpt_transform),
    .id = "permute",
    .summary = "dimensions of tensors in another order",
    .argument = "PATTERN",
    .options = permute_options,
    .open = permute_open,
    .apply = order_apply,
    .close = view_close,
};

static const struct ckpt_transform *const view_transforms[] = {
    &view_contiguous_table, &view_untie_table,   &view_tie,
    &view_transpose_table,  &view_permute_table, NULL};

CKPT_PLUGIN(view) = {
    .abi = CKPT_ABI,
    .size = sizeof(struct ckpt_plugin),
    .id = "view",
    .version = "0.1.0",
    .summary = "how tensors lie, and which share their bytes",
    .transforms = view_transforms,
};
