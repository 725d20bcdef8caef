/* SPDX-License-Identifier: MIT
 *
 * Tensors that the mapping file names by themselves: those of no layer that is
 * known, a token or a table of positions. They go as they are, under the other
 * name of their pair.
 */
#include "layout.h"

#include <string.h>

/* Tensors by their names. */
static int
items_index(struct layout_run *run, const struct layout_items *items,
            struct sdk_table *names)
{
    struct layout_item *item;
    uint64_t *found;
    bool added;
    size_t i;

    for (i = 0; items != NULL && i < items->count; i++) {
        item = &items->items[i];
        if (item->tensor == NULL)
            continue;
        found = sdk_table_add(run->host, names, item->name.data,
                              item->name.size_bytes, &added);
        if (found == NULL)
            return CKPT_MEMORY;
        *found = (uintptr_t)item;
    }
    return CKPT_OK;
}

static struct layout_item *
item_called(const struct sdk_table *names, const char *name)
{
    const uint64_t *found = sdk_table_find(names, name, strlen(name));

    return found != NULL ? (struct layout_item *)(uintptr_t)*found : NULL;
}

static bool
shape_same(const struct ckpt_tensor *a, const struct ckpt_tensor *b)
{
    return a->rank == b->rank &&
           (a->rank == 0 ||
            memcmp(a->shape, b->shape, a->rank * sizeof *a->shape) == 0);
}

/* A module that has the tensor among its own is none any more. */
static void
unit_leave(struct layout_run *run, const struct layout_item *item)
{
    struct layout_unit *unit = run->torch.units;
    size_t i, part, slot;

    for (i = 0; i < run->torch.count; i++, unit++)
        for (part = 0; part < LAYOUT_TORCH_PARTS; part++)
            for (slot = 0; slot < LAYOUT_SLOT_COUNT; slot++)
                if (unit->torch[part][slot] == item)
                    unit->absorbed = true;
}

/* The same of a layer, once all of it is taken. */
static void
layers_leave(struct layout_run *run)
{
    const struct layout_item *item;
    struct layout_layer *layer;
    size_t i;

    for (i = 0; i < run->keras.sorted_count; i++) {
        layer = run->keras.sorted[i];
        for (item = layer->first;
             item != NULL && (item->used || item->made != NULL);)
            item = item->next;
        if (item == NULL && layer->kind == LAYOUT_UNKNOWN)
            layer->skipped = true;
    }
}

static int
plain_put(struct layout_run *run, struct layout_item *item, const char *to,
          const struct sdk_table *like)
{
    struct layout_item *target = NULL;

    if (like != NULL) {
        target = item_called(like, to);
        if (target == NULL)
            return run->host->fail(run->host, CKPT_UNSUPPORTED, item->name.data,
                                   CKPT_NOWHERE,
                                   "it is mapped to '%.200s', and there is no "
                                   "such tensor",
                                   to);
        if (!shape_same(item->tensor, target->tensor))
            return run->host->fail(run->host, CKPT_UNSUPPORTED, item->name.data,
                                   CKPT_NOWHERE,
                                   "it is mapped to '%.200s', which has "
                                   "another shape",
                                   to);
        target->made = item->value;
        unit_leave(run, target);
    }
    unit_leave(run, item);
    item->used = true;
    return like != NULL ? CKPT_OK
                        : layout_put(run, to, strlen(to), item->value);
}

static int
pairs_take(struct layout_run *run, const struct sdk_table *from,
           const struct sdk_table *like)
{
    struct layout_mapped *pair = layout_map_first(run);
    bool back = run->self->to_keras;
    struct layout_item *item;
    int status = CKPT_OK;

    for (; pair != NULL && status == CKPT_OK; pair = pair->next) {
        if (pair->used || pair->modules[1] != NULL)
            continue;
        item = item_called(from, back ? pair->modules[0] : pair->layer);
        if (item == NULL || item->used)
            continue;
        if (run->host->cancelled(run->host))
            return CKPT_CANCELLED;
        pair->used = true;
        status =
            plain_put(run, item, back ? pair->layer : pair->modules[0], like);
    }
    layers_leave(run);
    return status;
}

int
layout_plain(struct layout_run *run, const struct layout_items *from,
             const struct layout_items *like)
{
    struct sdk_table sources = {0}, targets = {0};
    int status = CKPT_OK;

    if (layout_map_first(run) == NULL)
        return CKPT_OK;
    status = items_index(run, from, &sources);
    if (status == CKPT_OK)
        status = items_index(run, like, &targets);
    if (status == CKPT_OK)
        status = pairs_take(run, &sources, like != NULL ? &targets : NULL);
    sdk_table_fini(run->host, &sources);
    sdk_table_fini(run->host, &targets);
    return status;
}
