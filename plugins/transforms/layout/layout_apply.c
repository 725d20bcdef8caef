/* SPDX-License-Identifier: MIT
 *
 * One apply: layers and modules are found, paired if there is a file to go by,
 * made one after the other, and what is left is told.
 */
#include <stdio.h>
#include <string.h>

#include "layout_cursor.h"

static int
keras_find(struct layout_run *run, const struct ckpt_graph *graph, bool like)
{
    int status = layout_keras_find(run, graph, &run->keras);

    return status == CKPT_OK && run->keras.count == 0
               ? layout_none_fail(run, &run->keras.items, true, like)
               : status;
}

static int
torch_find(struct layout_run *run, const struct ckpt_graph *graph, bool like)
{
    int status = layout_torch_find(run, graph, &run->torch);

    return status == CKPT_OK && run->torch.count == 0
               ? layout_none_fail(run, &run->torch.items, false, like)
               : status;
}

/* ---- Keras to torch ---- */

static void
layer_used(struct layout_layer *layer)
{
    struct layout_item *item;
    size_t part;

    for (part = 0; part < LAYOUT_KERAS_PARTS; part++)
        if (layer->parts[part] != NULL)
            for (item = layer->parts[part]->first; item != NULL;
                 item = item->next)
                item->used = true;
}

static int
forth_one(struct layout_run *run, const struct layout_layer *layer,
          const struct layout_plan *plan)
{
    struct layout_item **slot;
    struct ckpt_value *value;
    const char *name;
    int status;

    if (layer->units[0] != NULL) {
        slot = layout_pair_slot(layer, plan);
        if (*slot == NULL)
            return CKPT_OK;
        status = layout_make(run, plan, (*slot)->name.data, &value);
        if (status == CKPT_OK)
            (*slot)->made = value;
        return status;
    }
    if (plan->spare)
        return CKPT_OK;
    name = layout_name_torch(run, layer, plan->part, plan->place);
    if (name == NULL)
        return CKPT_MEMORY;
    status = layout_make(run, plan, name, &value);
    return status == CKPT_OK ? layout_put(run, name, strlen(name), value)
                             : status;
}

/* Which axis is which is taken for granted. */
static void
axes_note(struct layout_run *run, const struct layout_layer *layer,
          const struct layout_plans *plans)
{
    if (layer->kind == LAYOUT_NORM && plans->count > 0 &&
        plans->plans[0].rank > 1)
        layout_doubt_add(&run->doubts.axes, layer->name);
}

/* Two modules in the mapping file for a layer that is one. */
static void
module_note(struct layout_run *run, const struct layout_layer *layer)
{
    if (layer->modules[1] != NULL && layer->kind != LAYOUT_SEPARABLE)
        run->host->edit_unmatched(run->host, run->edits,
                                  "the mapping file has two modules for "
                                  "'%.200s', which is one: the first is taken",
                                  layer->name);
}

static int
forth_layer(struct layout_run *run, struct layout_layer *layer,
            struct layout_plans *plans)
{
    int status = run->host->cancelled(run->host)
                     ? CKPT_CANCELLED
                     : layout_forth(run, layer, plans);
    size_t i;

    if (status == CKPT_OK)
        axes_note(run, layer, plans);
    if (status == CKPT_OK)
        module_note(run, layer);
    for (i = 0; i < plans->count && status == CKPT_OK; i++)
        status = forth_one(run, layer, &plans->plans[i]);
    layer_used(layer);
    return status;
}

/* Options by layer, and whether a layer that is unknown is to be passed
 * over. */
static void
layers_prepare(struct layout_run *run, struct layout_keras *keras)
{
    struct layout_layer *layer;
    size_t i;

    layout_map_apply(run, keras);
    for (i = 0; i < keras->sorted_count; i++) {
        layer = keras->sorted[i];
        layout_option_flat(run, layer->name, layer);
        if (layer->facts.flattened && layer->flat_count == 0)
            run->host->warn(run->host, NULL, CKPT_NOWHERE,
                            "'%.200s' is behind a Flatten, and torch flattens "
                            "channels first: where there are any, say "
                            "flatten=%.200s=HxWxC",
                            layer->name, layer->name);
        layer->skipped = layer->kind == LAYOUT_UNKNOWN &&
                         layout_other(run) != LAYOUT_OTHER_REFUSE;
    }
}

static int
forth_apply(struct layout_run *run, const struct ckpt_graph *graph,
            const struct ckpt_graph *like, struct layout_plans *plans)
{
    struct layout_keras *keras = &run->keras;
    int status = keras_find(run, graph, false);
    size_t i;

    if (status != CKPT_OK)
        return status;
    layers_prepare(run, keras);
    if (like != NULL)
        status = torch_find(run, like, true);
    if (status == CKPT_OK)
        status = layout_plain(run, &keras->items,
                              like != NULL ? &run->torch.items : NULL);
    if (like != NULL && status == CKPT_OK)
        status = layout_pair(run, keras, &run->torch);
    for (i = 0; i < keras->sorted_count && status == CKPT_OK; i++)
        if (!keras->sorted[i]->skipped)
            status = forth_layer(run, keras->sorted[i], plans);
    if (status == CKPT_OK && like != NULL)
        status = layout_like_put(run, &run->torch.items);
    if (status == CKPT_OK)
        status = layout_others_settle(run, &keras->items);
    if (status == CKPT_OK)
        layout_optimizer_tell(run, keras);
    return status;
}

/* ---- torch to Keras ---- */

static void
unit_used(struct layout_run *run, struct layout_unit *unit)
{
    size_t part, slot;

    for (part = 0; part < LAYOUT_TORCH_PARTS; part++)
        for (slot = 0; slot < LAYOUT_SLOT_COUNT; slot++)
            if (unit->torch[part][slot] != NULL)
                unit->torch[part][slot]->used = true;
    if (unit->torch[0][LAYOUT_BATCHES] != NULL)
        run->counters++;
}

static int
back_one(struct layout_run *run, const struct layout_layer *layer,
         const struct layout_plan *plan, bool like)
{
    struct layout_item *item = layer->keras[plan->part][plan->place];
    struct ckpt_value *value;
    const char *name;
    int status;

    /* Pairing has seen to it that there is one. */
    name = like ? item->name.data
                : layout_name_keras(run, layer, plan->part, plan->place);
    if (name == NULL)
        return CKPT_MEMORY;
    status = layout_make(run, plan, name, &value);
    if (status != CKPT_OK)
        return status;
    if (like)
        item->made = value;
    return like ? CKPT_OK : layout_put(run, name, strlen(name), value);
}

static int
back_layer(struct layout_run *run, struct layout_layer *layer,
           struct layout_plans *plans, bool like)
{
    int status = run->host->cancelled(run->host)
                     ? CKPT_CANCELLED
                     : layout_back(run, layer, plans);
    size_t i;

    if (status == CKPT_OK)
        axes_note(run, layer, plans);
    for (i = 0; i < plans->count && status == CKPT_OK; i++)
        status = back_one(run, layer, &plans->plans[i], like);
    for (i = 0; i < LAYOUT_TORCH_PARTS; i++)
        if (layer->units[i] != NULL)
            unit_used(run, layer->units[i]);
    return status;
}

/* The path of Keras 3: the class, with how many of it came before. */
static int
layer_number(struct layout_run *run, struct layout_layer *layer,
             struct sdk_table *counts)
{
    const char *snake = layer->both ? "bidirectional" : layer->class->snake;
    uint64_t *count;
    char *path;
    bool added;

    count = sdk_table_add(run->host, counts, snake, strlen(snake), &added);
    if (count == NULL)
        return CKPT_MEMORY;
    path = *count == 0 ? layout_printf(run, "layers/%s", snake)
                       : layout_printf(run, "layers/%s_%llu", snake,
                                       (unsigned long long)*count);
    ++*count;
    if (path == NULL)
        return CKPT_MEMORY;
    layer->folder.data = path;
    layer->folder.size_bytes = strlen(path);
    layer->numbered = true;
    return CKPT_OK;
}

/* A layer of its own for a module, or for two. */
static int
unit_layer(struct layout_run *run, struct layout_unit *unit,
           struct layout_layer *layer, struct sdk_table *counts)
{
    const struct ckpt_option_value *options = run->self->options;
    bool halves;
    int status = layout_torch_halves(run, unit, layer, &halves);

    if (status == CKPT_OK && !halves)
        status = layout_torch_tell(run, unit, layer);
    if (status != CKPT_OK)
        return status;
    if (layer->name == NULL)
        layer->name = unit->name;
    if (layer->name[0] == '\0')
        layer->name = (char *)(uintptr_t)layer->class->snake;
    layer->units[0] = unit;
    layer->heads = (uint64_t)options[LAYOUT_OPTION_HEADS].integer;
    layout_option_facts(run, unit->name, layer);
    layout_option_flat(run, unit->name, layer);
    if (options[LAYOUT_OPTION_NAMES].integer == LAYOUT_NAMES_KERAS3)
        status = layer_number(run, layer, counts);
    return status;
}

static int
back_alone(struct layout_run *run, struct layout_plans *plans)
{
    struct layout_torch *torch = &run->torch;
    struct sdk_table counts = {0};
    struct layout_layer *layer;
    int status = layout_plain(run, &torch->items, NULL);
    size_t i;

    for (i = 0; i < torch->count && status == CKPT_OK; i++) {
        if (torch->units[i].absorbed ||
            layout_map_second(run, torch->units[i].name))
            continue;
        layer = layout_allocate(run, sizeof *layer);
        status = layer == NULL
                     ? CKPT_MEMORY
                     : unit_layer(run, &torch->units[i], layer, &counts);
        if (status == CKPT_OK)
            status = back_layer(run, layer, plans, false);
    }
    sdk_table_fini(run->host, &counts);
    return status;
}

static int
back_like(struct layout_run *run, const struct ckpt_graph *like,
          struct layout_plans *plans)
{
    struct layout_keras *keras = &run->keras;
    int status = keras_find(run, like, true);
    size_t i;

    if (status != CKPT_OK)
        return status;
    layers_prepare(run, keras);
    status = layout_plain(run, &run->torch.items, &keras->items);
    if (status == CKPT_OK)
        status = layout_pair(run, keras, &run->torch);
    for (i = 0; i < keras->sorted_count && status == CKPT_OK; i++)
        if (!keras->sorted[i]->skipped)
            status = back_layer(run, keras->sorted[i], plans, true);
    return status == CKPT_OK ? layout_like_put(run, &keras->items) : status;
}

static int
back_apply(struct layout_run *run, const struct ckpt_graph *graph,
           const struct ckpt_graph *like, struct layout_plans *plans)
{
    int status = torch_find(run, graph, false);

    if (status == CKPT_OK)
        status =
            like != NULL ? back_like(run, like, plans) : back_alone(run, plans);
    if (status == CKPT_OK)
        status = layout_others_settle(run, &run->torch.items);
    if (status == CKPT_OK)
        layout_doubts_tell(run);
    return status;
}

/* ---- Both ---- */

/* What a group of Keras says of its layers and weights, and their order. A
 * config, and what is said of the whole file, stay. */
static bool
attribute_stale(const char *name)
{
    static const char *const stale[] = {"layer_names", "weight_names", "name",
                                        "backend", "keras_version"};
    const char *at = strrchr(name, '@'), *leaf = at != NULL ? at + 1 : name;
    size_t i;

    for (i = 0; i < sizeof stale / sizeof *stale; i++)
        if (strcmp(leaf, stale[i]) == 0)
            return at != NULL || i < 2;
    return false;
}

/* Where they stayed, a writer would make such groups again. */
static int
attributes_drop(struct layout_run *run, const struct ckpt_graph *graph)
{
    const struct ckpt_attr *attr = graph->attrs;
    int status = CKPT_OK;

    for (; attr != NULL && status == CKPT_OK; attr = attr->next)
        if (attribute_stale(attr->name))
            status =
                run->host->edit_attr_drop(run->host, run->edits, attr->name);
    return status;
}

static int
run_apply(struct layout_run *run, const struct ckpt_graph *graph)
{
    const struct ckpt_graph *like =
        run->self->options[LAYOUT_OPTION_LIKE].graph;
    struct layout_plans *plans = layout_allocate(run, sizeof *plans);
    struct ckpt_value root = {.kind = CKPT_KIND_MAP};
    int status;

    if (plans == NULL)
        return CKPT_MEMORY;
    if (!run->self->to_keras)
        root.type_name = "collections.OrderedDict";
    status = run->host->value_new(run->host, run->graph, &root, sizeof root,
                                  &run->root);
    if (status == CKPT_OK)
        status = layout_map_read(run);
    if (status == CKPT_OK)
        status = layout_named_read(run);
    if (status == CKPT_OK)
        status = run->self->to_keras ? back_apply(run, graph, like, plans)
                                     : forth_apply(run, graph, like, plans);
    if (status != CKPT_OK)
        return status;
    status = attributes_drop(run, graph);
    if (status != CKPT_OK)
        return status;
    layout_rest_tell(run);
    layout_map_unused(run);
    layout_named_unused(run);
    return run->host->edit_root(run->host, run->edits, run->root);
}

static int
run_values(struct layout_run *run, const struct ckpt_graph *graph)
{
    const struct ckpt_value *value;
    size_t i;

    run->values = layout_allocate(run, ((size_t)graph->tensor_count + 1) *
                                           sizeof *run->values);
    if (run->values == NULL)
        return CKPT_MEMORY;
    run->tensor_count = graph->tensor_count;
    for (i = 0; i < graph->entry_count; i++) {
        value = graph->entries[i].value;
        run->values[value->as.tensor->id] = value;
    }
    return CKPT_OK;
}

int
layout_apply(const struct ckpt_host *host, void *self,
             const struct ckpt_graph *const *graphs, size_t graph_count,
             struct ckpt_edits *edits)
{
    struct layout_run run = {.host = host, .edits = edits, .self = self};
    int status;

    (void)graph_count;
    run.graph = host->edit_graph(host, edits);
    status = run_values(&run, graphs[0]);
    if (status == CKPT_OK)
        status = run_apply(&run, graphs[0]);
    layout_map_fini(&run);
    layout_config_fini(&run);
    layout_release(&run);
    return status;
}
