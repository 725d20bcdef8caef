/* SPDX-License-Identifier: MIT
 *
 * From the keys of a state dict to modules: tensors of one prefix, of a
 * recurrent module those of one level.
 */
#include "layout.h"

#include <string.h>

struct finding {
    struct layout_run *run;
    struct layout_torch *torch;
    struct sdk_table prefixes; /* to the index of the first unit */
};

static size_t
tensors_count(const struct ckpt_value *map)
{
    size_t i, count = 0;

    for (i = 0; map->kind == CKPT_KIND_MAP && i < map->as.map.count; i++)
        count += map->as.map.pairs[i].value->kind == CKPT_KIND_TENSOR;
    return count;
}

/* The state dict of a checkpoint that is only looked at. */
static const struct ckpt_value *
map_usual(const struct ckpt_value *root)
{
    static const char *const usual[] = {"state_dict", "model_state_dict",
                                        "model"};
    const struct ckpt_pair *pair;
    size_t i, k;

    for (k = 0; k < sizeof usual / sizeof *usual; k++)
        for (i = 0; root->kind == CKPT_KIND_MAP && i < root->as.map.count;
             i++) {
            pair = &root->as.map.pairs[i];
            if (pair->key->kind == CKPT_KIND_STRING &&
                strcmp(pair->key->as.text.data, usual[k]) == 0 &&
                tensors_count(pair->value) > 0)
                return pair->value;
        }
    return root;
}

int
layout_items_take(struct layout_run *run, const struct ckpt_graph *graph,
                  struct layout_items *items)
{
    const struct ckpt_value *root = graph->root;
    bool like = graph == run->self->options[LAYOUT_OPTION_LIKE].graph;
    const struct ckpt_pair *pair;
    struct layout_item *item;
    size_t i;

    if (like && tensors_count(root) == 0)
        root = map_usual(root);
    if (tensors_count(root) == 0)
        return run->host->fail(
            run->host, CKPT_UNSUPPORTED, NULL, CKPT_NOWHERE, "%s",
            like ? "the file that 'like' names is no map of tensors"
                 : "the root is no map of tensors: choose one by 'root:' "
                   "first");
    items->items = layout_allocate(run, root->as.map.count * sizeof *item);
    if (items->items == NULL)
        return CKPT_MEMORY;
    items->count = root->as.map.count;
    for (i = 0; i < items->count; i++) {
        pair = &root->as.map.pairs[i];
        item = &items->items[i];
        item->value = pair->value;
        item->key = pair->key;
        if (pair->key->kind == CKPT_KIND_STRING)
            item->name = pair->key->as.text;
        if (pair->value->kind == CKPT_KIND_TENSOR &&
            pair->key->kind == CKPT_KIND_STRING)
            item->tensor = pair->value->as.tensor;
    }
    return CKPT_OK;
}

/* The unit of a prefix and a level, a new one or one that is known. */
static int
unit_of(struct finding *finding, const char *prefix, size_t length,
        uint32_t level, struct layout_unit **found)
{
    struct layout_torch *torch = finding->torch;
    struct layout_unit *unit, *last = NULL;
    bool added;
    uint64_t *first = sdk_table_add(finding->run->host, &finding->prefixes,
                                    prefix, length, &added);

    if (first == NULL)
        return CKPT_MEMORY;
    if (added)
        *first = torch->count;
    unit = added ? NULL : &torch->units[*first];
    for (; unit != NULL && unit->level != level; unit = unit->next_level)
        last = unit;
    if (unit == NULL) {
        unit = &torch->units[torch->count++];
        unit->prefix.data = prefix;
        unit->prefix.size_bytes = length;
        unit->level = level;
        unit->name =
            level == 0
                ? layout_printf(finding->run, "%.*s", (int)length, prefix)
                : layout_printf(finding->run, "%.*s_l%u", (int)length, prefix,
                                (unsigned)level);
        if (last != NULL)
            last->next_level = unit;
    }
    *found = unit;
    return unit->name != NULL ? CKPT_OK : CKPT_MEMORY;
}

static int
item_place(struct finding *finding, struct layout_item *item)
{
    uint32_t slot, level, part;
    struct layout_unit *unit;
    const char *dot;
    int status;

    if (item->tensor == NULL)
        return CKPT_OK;
    dot = memrchr(item->name.data, '.', item->name.size_bytes);
    item->leaf = dot != NULL ? (size_t)(dot - item->name.data) + 1 : 0;
    if (!layout_slot_find(item->name.data + item->leaf,
                          item->name.size_bytes - item->leaf, &slot, &level,
                          &part))
        return CKPT_OK;
    status = unit_of(finding, item->name.data,
                     item->leaf > 0 ? item->leaf - 1 : 0, level, &unit);
    if (status == CKPT_OK && unit->torch[part][slot] == NULL)
        unit->torch[part][slot] = item;
    return status;
}

/* Whether a module has no tensors but these. */
static bool
unit_within(const struct layout_unit *unit, uint32_t slots)
{
    uint32_t part, slot;

    for (part = 0; part < LAYOUT_TORCH_PARTS; part++)
        for (slot = 0; slot < LAYOUT_SLOT_COUNT; slot++)
            if (unit->torch[part][slot] != NULL && (slots >> slot & 1) == 0)
                return false;
    return true;
}

/* The projection at the end of attention is a module of its own. */
static int
attention_merge(struct finding *finding, struct layout_unit *unit)
{
    struct layout_unit *out;
    uint64_t *index;
    char *name;

    if (unit->torch[0][LAYOUT_IN_WEIGHT] == NULL)
        return CKPT_OK;
    name = layout_printf(finding->run, "%.*s%sout_proj",
                         (int)unit->prefix.size_bytes, unit->prefix.data,
                         unit->prefix.size_bytes > 0 ? "." : "");
    if (name == NULL)
        return CKPT_MEMORY;
    index = sdk_table_find(&finding->prefixes, name, strlen(name));
    if (index == NULL)
        return CKPT_OK;
    out = &finding->torch->units[*index];
    if (!unit_within(out, layout_kind_slots(LAYOUT_DENSE)))
        return CKPT_OK;
    unit->torch[0][LAYOUT_OUT_WEIGHT] = out->torch[0][LAYOUT_WEIGHT];
    unit->torch[0][LAYOUT_OUT_BIAS] = out->torch[0][LAYOUT_SHIFT];
    out->absorbed = true;
    return CKPT_OK;
}

int
layout_torch_find(struct layout_run *run, const struct ckpt_graph *graph,
                  struct layout_torch *torch)
{
    struct finding finding = {.run = run, .torch = torch};
    int status = layout_items_take(run, graph, &torch->items);
    size_t i;

    if (status != CKPT_OK)
        return status;
    torch->units =
        layout_allocate(run, torch->items.count * sizeof *torch->units);
    if (torch->units == NULL)
        return CKPT_MEMORY;
    for (i = 0; i < torch->items.count && status == CKPT_OK; i++)
        status = item_place(&finding, &torch->items.items[i]);
    for (i = 0; i < torch->count && status == CKPT_OK; i++)
        status = attention_merge(&finding, &torch->units[i]);
    sdk_table_fini(run->host, &finding.prefixes);
    return status;
}

/* ---- What a module is by itself ---- */

static bool
has(const struct layout_unit *unit, uint32_t slot)
{
    return unit->torch[0][slot] != NULL;
}

static uint32_t
kind_of_cell(const struct layout_unit *unit)
{
    if (!has(unit, LAYOUT_WEIGHT_HH) || !has(unit, LAYOUT_WEIGHT_IH))
        return LAYOUT_UNKNOWN;
    return layout_kind_cell(unit->torch[0][LAYOUT_WEIGHT_HH]->tensor, 1);
}

/* A bias is as long as there are outputs: the first dimension of a plain
 * convolution, the second of a transposed one. */
static bool
is_transposed(const struct layout_unit *unit)
{
    const struct ckpt_tensor *weight = unit->torch[0][LAYOUT_WEIGHT]->tensor;
    const struct layout_item *bias = unit->torch[0][LAYOUT_SHIFT];

    return bias != NULL && bias->tensor->rank == 1 &&
           bias->tensor->shape[0] != weight->shape[0] &&
           bias->tensor->shape[0] == weight->shape[1];
}

static const char *
convolution_of(const struct layout_unit *unit, uint32_t rank)
{
    static const char *const names[][2] = {{"conv1d", "conv1d_transpose"},
                                           {"conv2d", "conv2d_transpose"},
                                           {"conv3d", "conv3d_transpose"}};

    return rank <= 5 ? names[rank - 3][is_transposed(unit)] : "?";
}

/* A scale and a shift have one shape. */
static bool
is_norm(const struct layout_unit *unit)
{
    return has(unit, LAYOUT_SHIFT) &&
           unit->torch[0][LAYOUT_SHIFT]->tensor->rank ==
               unit->torch[0][LAYOUT_WEIGHT]->tensor->rank;
}

static const struct layout_class *
class_of_weight(const struct layout_unit *unit)
{
    uint32_t rank = unit->torch[0][LAYOUT_WEIGHT]->tensor->rank;
    const char *name;

    if (is_norm(unit))
        return layout_class_of(LAYOUT_NORM, rank);
    if (rank >= 3) {
        name = convolution_of(unit, rank);
        return layout_class_find(name, strlen(name), false);
    }
    if (!has(unit, LAYOUT_SHIFT))
        return NULL;
    return layout_class_of(LAYOUT_DENSE, rank);
}

/* Whether a class that the user names can be made of this. */
static bool
class_fits(const struct layout_unit *unit, const struct layout_class *class)
{
    const struct layout_item *weight = unit->torch[0][LAYOUT_WEIGHT];

    if (kind_of_cell(unit) != LAYOUT_UNKNOWN)
        return class->kind == kind_of_cell(unit) || class->kind == LAYOUT_BOTH;
    if (class->kind == LAYOUT_ATTENTION)
        return has(unit, LAYOUT_IN_WEIGHT);
    if (weight == NULL || has(unit, LAYOUT_IN_WEIGHT))
        return class->kind == LAYOUT_BATCH && has(unit, LAYOUT_RUNNING_MEAN);
    if (class->kind == LAYOUT_SEPARABLE || class->kind == LAYOUT_BOTH)
        return false;
    if (class->kind == LAYOUT_NORM && class->rank == 0)
        return is_norm(unit) || !has(unit, LAYOUT_SHIFT);
    return class->rank == weight->tensor->rank ||
           (class->kind == LAYOUT_PRELU && weight->tensor->rank == 1);
}

static int
tell_fail(struct layout_run *run, const struct layout_unit *unit)
{
    const struct layout_item *weight = unit->torch[0][LAYOUT_WEIGHT];
    const char *choice = "CLASS";

    if (weight != NULL && weight->tensor->rank == 2)
        choice = "Dense or Embedding";
    else if (weight != NULL && weight->tensor->rank == 1)
        choice = "PReLU, RMSNormalization or LayerNormalization";
    return run->host->fail(
        run->host, CKPT_UNSUPPORTED, NULL, CKPT_NOWHERE,
        "module '%.200s': what it is cannot be told by its tensors: say "
        "class=%.200s=%s, or like=FILE",
        unit->name, unit->name, choice);
}

/* Notes what may be something else, too. */
static void
doubts_add(struct layout_run *run, const struct layout_unit *unit,
           const struct layout_class *class)
{
    const struct layout_item *weight = unit->torch[0][LAYOUT_WEIGHT];
    const struct layout_item *bias = unit->torch[0][LAYOUT_SHIFT];
    const uint64_t *shape;

    if (class->kind == LAYOUT_NORM)
        layout_doubt_add(&run->doubts.norm, unit->name);
    if (class->kind != LAYOUT_CONV)
        return;
    shape = weight->tensor->shape;
    if (shape[1] == 1 && shape[0] > 1)
        layout_doubt_add(&run->doubts.depthwise, unit->name);
    if (bias == NULL || shape[0] == shape[1])
        layout_doubt_add(&run->doubts.transposed, unit->name);
}

static const struct layout_class *
class_guess(struct layout_run *run, const struct layout_unit *unit)
{
    const struct layout_class *class = NULL;

    if (has(unit, LAYOUT_IN_WEIGHT))
        return layout_class_of(LAYOUT_ATTENTION, 0);
    if (has(unit, LAYOUT_RUNNING_MEAN))
        return layout_class_of(LAYOUT_BATCH, 0);
    if (has(unit, LAYOUT_WEIGHT))
        class = class_of_weight(unit);
    if (class != NULL)
        doubts_add(run, unit, class);
    return class;
}

/* ---- The two halves of a separable convolution ---- */

/* Whether a depthwise kernel, [m, 1, ...] without a bias, and [out, m, 1, ...]
 * are such halves. */
static bool
halves_fit(const struct layout_unit *depth, const struct layout_unit *point)
{
    uint32_t k, slots = layout_kind_slots(LAYOUT_DENSE);
    const struct ckpt_tensor *first, *second;

    if (!has(depth, LAYOUT_WEIGHT) || !has(point, LAYOUT_WEIGHT) ||
        !unit_within(depth, 1U << LAYOUT_WEIGHT) || !unit_within(point, slots))
        return false;
    first = depth->torch[0][LAYOUT_WEIGHT]->tensor;
    second = point->torch[0][LAYOUT_WEIGHT]->tensor;
    if (first->rank < 3 || first->rank > 4 || second->rank != first->rank ||
        first->shape[1] != 1 || second->shape[1] != first->shape[0])
        return false;
    for (k = 2; k < second->rank; k++)
        if (second->shape[k] != 1)
            return false;
    return true;
}

/* Where the last part of a prefix begins, if it is `word`; else 0 bytes are
 * left. */
static bool
prefix_ends(const struct layout_unit *unit, const char *word, size_t *parent)
{
    size_t length = strlen(word), bytes = unit->prefix.size_bytes;

    if (bytes < length ||
        memcmp(unit->prefix.data + bytes - length, word, length) != 0)
        return false;
    *parent = bytes - length;
    return *parent == 0 || unit->prefix.data[*parent - 1] == '.';
}

static bool
halves_named(const struct layout_unit *depth, const struct layout_unit *point)
{
    size_t first, second;

    return prefix_ends(depth, "depthwise", &first) &&
           prefix_ends(point, "pointwise", &second) && first == second &&
           memcmp(depth->prefix.data, point->prefix.data, first) == 0;
}

static struct layout_unit *
unit_called(const struct layout_run *run, const char *name)
{
    size_t i;

    for (i = 0; i < run->torch.count; i++)
        if (strcmp(run->torch.units[i].name, name) == 0)
            return &run->torch.units[i];
    return NULL;
}

/* The layer's own name, where the file of pairs gives none. */
static int
halves_name(struct layout_run *run, const struct layout_unit *unit,
            struct layout_layer *layer)
{
    size_t parent;

    if (layer->name != NULL)
        return CKPT_OK;
    layer->name = unit->name;
    if (!prefix_ends(unit, "depthwise", &parent) || parent == 0)
        return CKPT_OK;
    layer->name =
        layout_printf(run, "%.*s", (int)parent - 1, unit->prefix.data);
    return layer->name != NULL ? CKPT_OK : CKPT_MEMORY;
}

int
layout_torch_halves(struct layout_run *run, struct layout_unit *unit,
                    struct layout_layer *layer, bool *found)
{
    bool exact, told, last = unit + 1 == run->torch.units + run->torch.count;
    struct layout_unit *point = last ? NULL : unit + 1;
    const struct layout_class *class =
        layout_option_class(run, unit->name, &exact);
    const char *second;

    *found = false;
    layer->name = (char *)(uintptr_t)layout_map_layer(run, unit->name, &second);
    told = second != NULL ||
           (class != NULL && class->kind == LAYOUT_SEPARABLE && exact);
    if (second != NULL)
        point = unit_called(run, second);
    if (point != NULL && (point->absorbed || !halves_fit(unit, point)))
        point = NULL;
    if (point == NULL && told)
        return run->host->fail(
            run->host, CKPT_UNSUPPORTED, NULL, CKPT_NOWHERE,
            "module '%.200s': it and %s%.200s%s are no separable "
            "convolution, [channels, 1, ...] without a bias and "
            "[out, channels, 1, ...]",
            unit->name, second != NULL ? "'" : "the one behind it",
            second != NULL ? second : "", second != NULL ? "'" : "");
    if (point == NULL ||
        (!told && (class != NULL || !halves_named(unit, point))))
        return CKPT_OK;
    if (!told)
        layout_doubt_add(&run->doubts.separable, unit->name);
    *found = point->absorbed = true;
    layer->units[1] = point;
    layer->kind = LAYOUT_SEPARABLE;
    layer->class = layout_class_of(LAYOUT_SEPARABLE,
                                   unit->torch[0][LAYOUT_WEIGHT]->tensor->rank);
    return halves_name(run, unit, layer);
}

int
layout_torch_tell(struct layout_run *run, struct layout_unit *unit,
                  struct layout_layer *layer)
{
    bool exact;
    const struct layout_class *class =
        layout_option_class(run, unit->name, &exact);
    uint32_t cell = kind_of_cell(unit);

    if (class != NULL && !class_fits(unit, class)) {
        if (exact)
            return run->host->fail(
                run->host, CKPT_UNSUPPORTED, NULL, CKPT_NOWHERE,
                "module '%.200s': its tensors are not those of a %s",
                unit->name, class->name);
        class = NULL;
    }
    if (cell != LAYOUT_UNKNOWN)
        class = layout_class_of(cell, 0);
    else if (class == NULL)
        class = class_guess(run, unit);
    if (class == NULL || !unit_within(unit, layout_kind_slots(class->kind)))
        return tell_fail(run, unit);
    layer->class = class;
    layer->kind = class->kind;
    layer->both = unit->torch[1][LAYOUT_WEIGHT_IH] != NULL;
    return CKPT_OK;
}
