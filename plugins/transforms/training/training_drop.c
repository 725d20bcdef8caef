/* SPDX-License-Identifier: MIT
 *
 * The transform `drop-optimizer`: takes out what sdk/support/optimizer_slots.h
 * finds, by content, wherever it is.
 */
#include "training.h"

#include "graph_each.h"

struct drop {
    const struct ckpt_host *host;
    struct ckpt_edits *edits;
    struct sdk_optimizers optimizers;
    size_t dropped;
};

static bool
drop_is(const struct drop *drop, const struct ckpt_value *value)
{
    const struct sdk_optimizer *optimizer =
        sdk_optimizer_around(&drop->optimizers, value);

    return optimizer != NULL && optimizer->map == value;
}

static int
drop_visit(void *context, const struct ckpt_value *value)
{
    struct drop *drop = context;
    size_t i, count = sdk_item_count(value);
    int status = CKPT_OK;

    for (i = 0; i < count && status == CKPT_OK; i++) {
        if (!drop_is(drop, sdk_item_at(value, i)))
            continue;
        status = drop->host->edit_drop(drop->host, drop->edits, value, i);
        drop->dropped++;
    }
    return status;
}

int
training_drop(const struct ckpt_host *host, void *self,
              const struct ckpt_graph *const *graphs, size_t graph_count,
              struct ckpt_edits *edits)
{
    struct drop drop = {.host = host, .edits = edits};
    int status = sdk_optimizers_find(host, graphs[0], &drop.optimizers);

    (void)self;
    (void)graph_count;
    if (status == CKPT_OK && drop.optimizers.count > 0)
        status = sdk_graph_each(host, graphs[0], drop_visit, &drop);
    if (status == CKPT_OK && drop.optimizers.count > 0 && drop.dropped == 0)
        host->edit_unmatched(host, edits,
                             "the optimizer is the root, or part of an "
                             "object, and stays");
    sdk_optimizers_fini(host, &drop.optimizers);
    return status;
}
