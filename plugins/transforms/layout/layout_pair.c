/* SPDX-License-Identifier: MIT
 *
 * Which layer of Keras is which module of torch, where the target is to be
 * like a file: those of the mapping file first, then each layer takes the
 * first module that is left and has the shapes it would have in torch.
 */
#include "layout.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define SHAPES_BYTES 200

struct pairing {
    struct layout_run *run;
    struct layout_torch *torch;
    struct layout_plans plans;   /* of the layer at hand */
    struct sdk_table unit_names; /* to the index of the unit */
    struct sdk_table signatures; /* to the last layer of such shapes */
    size_t first_free, last;     /* of the units; the last that was taken */
    bool order_told;
};

static uint32_t
module_count(const struct layout_layer *layer)
{
    return layer->kind == LAYOUT_SEPARABLE ? 2 : 1;
}

/* Which of the layer's modules a plan belongs to. */
static uint32_t
plan_module(const struct layout_layer *layer, const struct layout_plan *plan)
{
    return layer->kind == LAYOUT_SEPARABLE ? plan->part : 0;
}

struct layout_item **
layout_pair_slot(const struct layout_layer *layer,
                 const struct layout_plan *plan)
{
    uint32_t module = plan_module(layer, plan);

    return &layer->units[module]
                ->torch[module > 0 || layer->kind == LAYOUT_SEPARABLE
                            ? 0
                            : plan->part][plan->place];
}

static bool
shape_same(const struct layout_plan *plan, const struct ckpt_tensor *tensor)
{
    uint32_t k;

    if (plan->rank != tensor->rank)
        return false;
    for (k = 0; k < plan->rank; k++)
        if (plan->shape[k] != tensor->shape[k])
            return false;
    return true;
}

static size_t
unit_size(const struct layout_unit *unit)
{
    size_t part, slot, count = 0;

    for (part = 0; part < LAYOUT_TORCH_PARTS; part++)
        for (slot = 0; slot < LAYOUT_SLOT_COUNT; slot++)
            count += unit->torch[part][slot] != NULL;
    return count;
}

/* Whether a value that Keras lacks can be left out on the way there. */
static bool
plan_dispensable(const struct layout_plan *plan)
{
    return plan->how != LAYOUT_FILLED || plan->place == LAYOUT_BATCHES ||
           plan->place == LAYOUT_BIAS_HH;
}

/* Whether a module has exactly the tensors that the plans make. */
static bool
unit_fits(struct pairing *pairing, const struct layout_layer *layer,
          struct layout_unit *unit, uint32_t module)
{
    const struct layout_plan *plan = pairing->plans.plans;
    const struct layout_item *item;
    size_t i, found = 0;
    uint32_t part;

    for (i = 0; i < pairing->plans.count; i++, plan++) {
        if (plan_module(layer, plan) != module)
            continue;
        part = layer->kind == LAYOUT_SEPARABLE ? 0 : plan->part;
        item = unit->torch[part][plan->place];
        if (item == NULL && plan->optional)
            continue;
        if (item == NULL || !shape_same(plan, item->tensor))
            return false;
        if (pairing->run->self->to_keras && !plan_dispensable(plan))
            return false;
        found++;
    }
    return found > 0 && found == unit_size(unit);
}

/* The shapes that were looked for, for whoever has to find out. */
static void
shapes_show(const struct pairing *pairing, char *text, size_t room)
{
    const struct layout_plan *plan = pairing->plans.plans;
    size_t i, used = 0;
    uint32_t k;

    text[0] = '\0';
    for (i = 0; i < pairing->plans.count; i++, plan++) {
        if (plan->optional || used + 60 > room)
            continue;
        used += (size_t)snprintf(text + used, room - used, "%s[",
                                 used > 0 ? ", " : "");
        for (k = 0; k < plan->rank && used + 30 < room; k++)
            used += (size_t)snprintf(text + used, room - used, "%s%" PRIu64,
                                     k > 0 ? "," : "", plan->shape[k]);
        used += (size_t)snprintf(text + used, room - used, "]");
    }
}

static int
pair_missing(struct pairing *pairing, const struct layout_layer *layer)
{
    char shapes[SHAPES_BYTES];

    shapes_show(pairing, shapes, sizeof shapes);
    return layout_refuse(pairing->run, layer,
                         "no module that is left has its shapes, %s: say "
                         "map=FILE",
                         shapes);
}

static void
pair_set(struct pairing *pairing, struct layout_layer *layer, uint32_t module,
         struct layout_unit *unit)
{
    unit->layer = layer;
    layer->units[module] = unit;
    (void)pairing;
}

static int
pair_mapped(struct pairing *pairing, struct layout_layer *layer,
            uint32_t module)
{
    const char *name = layer->modules[module];
    uint64_t *index = sdk_table_find(&pairing->unit_names, name, strlen(name));
    char shapes[SHAPES_BYTES];
    struct layout_unit *unit;

    if (index == NULL)
        return layout_refuse(pairing->run, layer,
                             "it is mapped to '%.200s', and there is no such "
                             "module",
                             name);
    unit = &pairing->torch->units[*index];
    if (unit->layer != NULL)
        return layout_refuse(pairing->run, layer,
                             "it is mapped to '%.200s', and so is '%.200s'",
                             name, unit->layer->name);
    if (!unit_fits(pairing, layer, unit, module)) {
        shapes_show(pairing, shapes, sizeof shapes);
        return layout_refuse(pairing->run, layer,
                             "it is mapped to '%.200s', which has not its "
                             "shapes, %s",
                             name, shapes);
    }
    pair_set(pairing, layer, module, unit);
    return CKPT_OK;
}

/* Told once: pairs by shape alone are a guess. */
static void
order_tell(struct pairing *pairing, const struct layout_layer *layer,
           size_t index)
{
    if (index < pairing->last && !pairing->order_told) {
        pairing->order_told = true;
        pairing->run->host->warn(
            pairing->run->host, NULL, CKPT_NOWHERE,
            "the files have their layers in different orders, from '%.200s' "
            "on; those of equal shapes are paired as they come",
            layer->name);
    }
    pairing->last = index;
}

static int
pair_next(struct pairing *pairing, struct layout_layer *layer, uint32_t module)
{
    struct layout_torch *torch = pairing->torch;
    struct layout_unit *unit;
    size_t i;

    while (pairing->first_free < torch->count &&
           (torch->units[pairing->first_free].layer != NULL ||
            torch->units[pairing->first_free].absorbed))
        pairing->first_free++;
    for (i = pairing->first_free; i < torch->count; i++) {
        unit = &torch->units[i];
        if (unit->layer != NULL || unit->absorbed ||
            !unit_fits(pairing, layer, unit, module))
            continue;
        pair_set(pairing, layer, module, unit);
        order_tell(pairing, layer, i);
        return CKPT_OK;
    }
    return pair_missing(pairing, layer);
}

/* Two layers of equal shapes, and nothing says which comes first. */
static int
order_check(struct pairing *pairing, struct layout_layer *layer)
{
    struct layout_run *run = pairing->run;
    const struct layout_layer *other;
    char shapes[2 * SHAPES_BYTES];
    const char *key;
    uint64_t *found;
    bool added;

    shapes_show(pairing, shapes, sizeof shapes);
    key = layout_printf(run, "%s", shapes);
    if (key == NULL)
        return CKPT_MEMORY;
    found = sdk_table_add(run->host, &pairing->signatures, key, strlen(key),
                          &added);
    if (found == NULL)
        return CKPT_MEMORY;
    other = (const struct layout_layer *)(uintptr_t)*found;
    *found = (uintptr_t)layer;
    if (added || layout_keras_alike(other, layer))
        return CKPT_OK;
    return layout_refuse(run, layer,
                         "whether it or '%.200s' comes first cannot be told "
                         "by this file: say map=FILE",
                         other->name);
}

/* Mapped layers go first, so that no other takes their modules. */
static int
pair_layers(struct pairing *pairing, struct layout_keras *keras, bool mapped)
{
    const struct ckpt_host *host = pairing->run->host;
    struct layout_layer *layer;
    int status = CKPT_OK;
    uint32_t module;
    size_t i;

    for (i = 0; i < keras->sorted_count && status == CKPT_OK; i++) {
        layer = keras->sorted[i];
        if ((layer->modules[0] != NULL) != mapped || layer->skipped)
            continue;
        if (host->cancelled(host))
            return CKPT_CANCELLED;
        status = layout_forth(pairing->run, layer, &pairing->plans);
        if (status == CKPT_OK && !mapped && !keras->ordered)
            status = order_check(pairing, layer);
        for (module = 0; module < module_count(layer) && status == CKPT_OK;
             module++)
            status = layer->modules[module] != NULL
                         ? pair_mapped(pairing, layer, module)
                         : pair_next(pairing, layer, module);
    }
    return status;
}

static int
units_index(struct pairing *pairing)
{
    struct layout_unit *unit;
    uint64_t *found;
    bool added;
    size_t i;

    for (i = 0; i < pairing->torch->count; i++) {
        unit = &pairing->torch->units[i];
        found = sdk_table_add(pairing->run->host, &pairing->unit_names,
                              unit->name, strlen(unit->name), &added);
        if (found == NULL)
            return CKPT_MEMORY;
        if (added)
            *found = i;
    }
    return CKPT_OK;
}

int
layout_pair(struct layout_run *run, struct layout_keras *keras,
            struct layout_torch *torch)
{
    struct pairing *pairing = layout_allocate(run, sizeof *pairing);
    int status;

    if (pairing == NULL)
        return CKPT_MEMORY;
    pairing->run = run;
    pairing->torch = torch;
    status = units_index(pairing);
    if (status == CKPT_OK)
        status = pair_layers(pairing, keras, true);
    pairing->last = 0;
    if (status == CKPT_OK)
        status = pair_layers(pairing, keras, false);
    sdk_table_fini(run->host, &pairing->unit_names);
    sdk_table_fini(run->host, &pairing->signatures);
    return status;
}
