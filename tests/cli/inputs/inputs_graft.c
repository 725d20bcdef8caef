/* SPDX-License-Identifier: MIT
 *
 * A transform of several graphs: the pairs of them all in one map.
 */
#include "inputs.h"

static int
graft_open(const struct ckpt_host *host, const char *argument,
           const struct ckpt_option_value *options, void **self)
{
    (void)argument;
    if (options[0].graph != NULL || options[1].graph != NULL)
        return host->fail(host, CKPT_CONTRACT, NULL, CKPT_NOWHERE, "a lie");
    *self = (void *)(uintptr_t)options;
    return CKPT_OK;
}

static int
graft_pairs(const struct ckpt_host *host, struct ckpt_graph *into,
            struct ckpt_value *map, const struct ckpt_graph *from)
{
    const struct ckpt_value *root = from->root;
    size_t i;
    int status = CKPT_OK;

    for (i = 0; i < root->as.map.count && status == CKPT_OK; i++)
        status = host->map_set(host, into, map, root->as.map.pairs[i].key,
                               root->as.map.pairs[i].value);
    return status;
}

static int
graft_apply(const struct ckpt_host *host, void *self,
            const struct ckpt_graph *const *graphs, size_t graph_count,
            struct ckpt_edits *edits)
{
    const struct ckpt_option_value *options = self;
    struct ckpt_graph *into = host->edit_graph(host, edits);
    struct ckpt_value like = {.kind = CKPT_KIND_MAP}, *map;
    int status = host->value_new(host, into, &like, sizeof like, &map);
    size_t i;

    if (graphs[graph_count - 1] !=
            (options[0].given ? options[0].graph : options[1].graph) ||
        (options[1].given && graphs[1] != options[1].graph))
        return host->fail(host, CKPT_CONTRACT, NULL, CKPT_NOWHERE, "a lie");
    for (i = 0; i < graph_count && status == CKPT_OK; i++)
        status = graft_pairs(host, into, map, graphs[i]);
    return status == CKPT_OK ? host->edit_root(host, edits, map) : status;
}

static void
graft_close(const struct ckpt_host *host, void *self)
{
    (void)host;
    (void)self;
}

static const struct ckpt_option graft_options[] = {
    {"also", CKPT_OPTION_GRAPH, NULL, "one more", NULL},
    {NULL, CKPT_OPTION_END, NULL, NULL, NULL},
};

const struct ckpt_transform inputs_graft = {
    .size = sizeof(struct ckpt_transform),
    .id = "graft",
    .summary = "adds all that other files have",
    .argument = "[OTHER]",
    .options = graft_options,
    .inputs_min = 2,
    .inputs_max = 3,
    .open = graft_open,
    .apply = graft_apply,
    .close = graft_close,
    .argument_kind = CKPT_OPTION_GRAPH,
};
