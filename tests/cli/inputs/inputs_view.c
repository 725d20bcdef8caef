/* SPDX-License-Identifier: MIT
 *
 * Transforms that turn tensors round: as views of the old storage, or as
 * storages that the hub makes of such views.
 */
#include <string.h>

#include "inputs.h"

/* The argument is "made", "twice", or none. */
static int
turn_open(const struct ckpt_host *host, const char *argument,
          const struct ckpt_option_value *options, void **self)
{
    (void)host;
    (void)options;
    *self = (void *)(uintptr_t)(argument != NULL ? argument : "");
    return CKPT_OK;
}

/* Its dimensions in the other order, on its storage. */
static int
turn_view(const struct ckpt_host *host, struct ckpt_graph *graph,
          const struct ckpt_tensor *old, struct ckpt_value **value)
{
    uint64_t dims[2 * CKPT_MAX_RANK];
    struct ckpt_tensor tensor = *old;
    uint32_t d;

    for (d = 0; d < tensor.rank; d++) {
        dims[d] = old->shape[tensor.rank - 1 - d];
        dims[CKPT_MAX_RANK + d] = old->strides[tensor.rank - 1 - d];
    }
    tensor.shape = dims;
    tensor.strides = dims + CKPT_MAX_RANK;
    return host->tensor_new(host, graph, &tensor, sizeof tensor, NULL, value);
}

/* A tensor of its own, with the bytes of the view once or more often. */
static int
turn_made(const struct ckpt_host *host, struct ckpt_graph *graph,
          const struct ckpt_tensor *view, size_t times,
          struct ckpt_value **value)
{
    const struct ckpt_tensor *views[2] = {view, view};
    uint64_t shape[CKPT_MAX_RANK];
    struct ckpt_tensor tensor = {
        .dtype = view->dtype, .rank = view->rank, .shape = shape};
    int status = host->storage_join(host, graph, views, times,
                                    view->storage->device, &tensor.storage);

    if (status != CKPT_OK)
        return status;
    memcpy(shape, view->shape, view->rank * sizeof *shape);
    if (view->rank > 0)
        shape[0] *= times;
    return host->tensor_new(host, graph, &tensor, sizeof tensor, NULL, value);
}

static int
turn_apply(const struct ckpt_host *host, void *self,
           const struct ckpt_graph *const *graphs, size_t graph_count,
           struct ckpt_edits *edits)
{
    struct ckpt_graph *graph = host->edit_graph(host, edits);
    const struct ckpt_value *root = graphs[0]->root;
    const char *how = self;
    struct ckpt_value *value;
    size_t i;
    int status = CKPT_OK;

    (void)graph_count;
    for (i = 0; i < root->as.map.count && status == CKPT_OK; i++) {
        status = turn_view(host, graph, root->as.map.pairs[i].value->as.tensor,
                           &value);
        if (status == CKPT_OK && how[0] != '\0')
            status = turn_made(host, graph, value->as.tensor,
                               strcmp(how, "twice") == 0 ? 2 : 1, &value);
        if (status == CKPT_OK)
            status = host->edit_replace(host, edits, root, i, value);
    }
    return status;
}

static void
turn_close(const struct ckpt_host *host, void *self)
{
    (void)host;
    (void)self;
}

const struct ckpt_transform inputs_turn = {
    .size = sizeof(struct ckpt_transform),
    .id = "turn",
    .summary = "transposes every tensor without touching it",
    .argument = "[made|twice]",
    .open = turn_open,
    .apply = turn_apply,
    .close = turn_close,
};
