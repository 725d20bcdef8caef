/* SPDX-License-Identifier: MIT
 *
 * From names of Keras to layers.
 *
 * Keras 2, and Keras 3 in its old form: [model_weights/]LAYER/SCOPE/kernel:0,
 * where SCOPE is often LAYER again. Keras 3: layers/CLASS_N/vars/0, with the
 * layer's own name in the attribute layers/CLASS_N/vars@name. In both, cells
 * of recurrent layers and the parts of attention have folders of their own.
 */
#include "layout.h"

#include <stdlib.h>
#include <string.h>

#define WEIGHTS "model_weights/"

struct finding {
    struct layout_run *run;
    struct layout_keras *keras;
    struct sdk_table folders; /* to the index of the layer */
    struct sdk_table names;   /* attributes of the graph, by name */
    struct sdk_table groups;  /* how many layers a group of Keras 2 has */
};

static bool
text_begins(const struct ckpt_text *text, const char *prefix)
{
    size_t length = strlen(prefix);

    return text->size_bytes >= length &&
           memcmp(text->data, prefix, length) == 0;
}

/* Where the last part of a path begins. */
static size_t
last_part(const char *text, size_t length)
{
    const char *slash = memrchr(text, '/', length);

    return slash != NULL ? (size_t)(slash - text) + 1 : 0;
}

static bool
part_is(const char *text, size_t length, const char *word)
{
    return strlen(word) == length && memcmp(text, word, length) == 0;
}

/* Takes the last part off a folder if that is `word`. */
static bool
folder_pop(struct ckpt_text *folder, const char *word)
{
    size_t at = last_part(folder->data, folder->size_bytes);

    if (at == 0 || !part_is(folder->data + at, folder->size_bytes - at, word))
        return false;
    folder->size_bytes = at - 1;
    return true;
}

/* Takes off the cell of a recurrent layer: `cell`, `lstm_cell`,
 * `gru_cell_3`. */
static void
folder_pop_cell(struct ckpt_text *folder)
{
    static const char *const cells[] = {"lstm_cell", "gru_cell",
                                        "simple_rnn_cell"};
    size_t i, bytes, at = last_part(folder->data, folder->size_bytes);
    const char *text = folder->data + at;
    size_t length = folder->size_bytes - at;

    if (folder_pop(folder, "cell") || at == 0)
        return;
    for (i = 0; i < sizeof cells / sizeof *cells; i++) {
        bytes = strlen(cells[i]);
        if (length < bytes || memcmp(text, cells[i], bytes) != 0)
            continue;
        if (length == bytes || text[bytes] == '_')
            folder->size_bytes = at - 1;
        return;
    }
}

static bool
is_optimizer(const struct ckpt_text *name)
{
    return text_begins(name, "optimizer_weights/") ||
           text_begins(name, "optimizer/") || text_begins(name, "_optimizer/");
}

/* The state of random numbers, which torch keeps nowhere. */
static bool
is_seed(const struct ckpt_text *name)
{
    return memmem(name->data, name->size_bytes, "seed_generator", 14) != NULL;
}

/* The layer of a folder, a new one or one that is known. */
static int
layer_of(struct finding *finding, const struct ckpt_text *folder, bool numbered,
         struct layout_layer **layer)
{
    struct layout_keras *keras = finding->keras;
    bool added;
    uint64_t *index = sdk_table_add(finding->run->host, &finding->folders,
                                    folder->data, folder->size_bytes, &added);

    if (index == NULL)
        return CKPT_MEMORY;
    if (added) {
        *index = keras->count++;
        keras->layers[*index].folder = *folder;
        keras->layers[*index].numbered = numbered;
        keras->layers[*index].end = &keras->layers[*index].first;
    }
    *layer = &keras->layers[*index];
    return CKPT_OK;
}

static int
item_place(struct finding *finding, struct layout_item *item)
{
    struct ckpt_text folder = item->name;
    struct layout_layer *layer;
    bool numbered;
    int status;

    if (item->tensor == NULL)
        return CKPT_OK;
    item->leaf = last_part(item->name.data, item->name.size_bytes);
    if (item->leaf == 0)
        return CKPT_OK;
    if (is_optimizer(&item->name) || is_seed(&item->name)) {
        if (finding->keras->optimizer_count++ == 0)
            finding->keras->optimizer_name = item->name.data;
        item->used = true;
        return CKPT_OK;
    }
    folder.size_bytes = item->leaf - 1;
    if (part_is(folder.data, folder.size_bytes, "vars"))
        return CKPT_OK; /* the model's own, of no layer */
    numbered = folder_pop(&folder, "vars");
    folder_pop_cell(&folder);
    status = layer_of(finding, &folder, numbered, &layer);
    if (status != CKPT_OK)
        return status;
    *layer->end = item;
    layer->end = &item->next;
    layer->weight_count++;
    return CKPT_OK;
}

/* ---- Names ---- */

/* The name that Keras 3 recorded for the object of a path, or its last
 * part. */
static const char *
name_recorded(struct finding *finding, const char *path, size_t length,
              size_t at)
{
    const struct ckpt_value *value;
    struct layout_run *run = finding->run;
    char *key = layout_printf(run, "%.*s/vars@name", (int)length, path);
    uint64_t *found;

    if (key == NULL)
        return NULL;
    found = sdk_table_find(&finding->names, key, strlen(key));
    if (found != NULL) {
        value = (const struct ckpt_value *)(uintptr_t)*found;
        if (value->kind == CKPT_KIND_STRING && value->as.text.size_bytes > 0)
            return value->as.text.data;
    }
    return layout_printf(run, "%.*s", (int)(length - at), path + at);
}

/* Puts a part of a path behind a name. */
static int
name_grow(struct finding *finding, const char **name, const char *part)
{
    if (part != NULL && *name != NULL)
        part = layout_printf(finding->run, "%s.%s", *name, part);
    *name = part;
    return part != NULL ? CKPT_OK : CKPT_MEMORY;
}

/* "layers/functional/layers/conv2d" as "functional.first": what is in a list
 * of layers has its own name, all else that of the attribute. */
static int
name_numbered(struct finding *finding, struct layout_layer *layer)
{
    const char *text = layer->folder.data, *slash, *part, *name = NULL;
    size_t at, end, length = layer->folder.size_bytes;
    bool listed = false;
    int status = CKPT_OK;

    for (at = 0; at < length && status == CKPT_OK; at = end + 1) {
        slash = memchr(text + at, '/', length - at);
        end = slash != NULL ? (size_t)(slash - text) : length;
        if (part_is(text + at, end - at, "layers") && end < length) {
            listed = true;
            continue;
        }
        if (name != NULL && end == length &&
            part_is(text + at, end - at, "layer"))
            break; /* what TimeDistributed wraps */
        part = listed ? name_recorded(finding, text, end, at)
                      : layout_printf(finding->run, "%.*s", (int)(end - at),
                                      text + at);
        status = name_grow(finding, &name, part);
        listed = false;
    }
    layer->name = (char *)(uintptr_t)(name != NULL ? name : "");
    return status;
}

/* The group of a layer: the first part of its path. */
static void
group_of(const struct layout_layer *layer, struct ckpt_text *group)
{
    const char *slash;

    *group = layer->folder;
    if (text_begins(group, WEIGHTS)) {
        group->data += strlen(WEIGHTS);
        group->size_bytes -= strlen(WEIGHTS);
    }
    slash = memchr(group->data, '/', group->size_bytes);
    if (slash != NULL)
        group->size_bytes = (size_t)(slash - group->data);
}

/* The group alone where that has one layer; else with the last part of the
 * path. */
static int
name_grouped(struct finding *finding, struct layout_layer *layer)
{
    struct layout_run *run = finding->run;
    size_t at = last_part(layer->folder.data, layer->folder.size_bytes);
    struct ckpt_text group;
    uint64_t *count;

    group_of(layer, &group);
    count = sdk_table_find(&finding->groups, group.data, group.size_bytes);
    if (count != NULL && *count > 1)
        layer->name = layout_printf(
            run, "%.*s.%.*s", (int)group.size_bytes, group.data,
            (int)(layer->folder.size_bytes - at), layer->folder.data + at);
    else
        layer->name =
            layout_printf(run, "%.*s", (int)group.size_bytes, group.data);
    return layer->name != NULL ? CKPT_OK : CKPT_MEMORY;
}

static int
groups_count(struct finding *finding)
{
    struct layout_keras *keras = finding->keras;
    struct ckpt_text group;
    uint64_t *count;
    bool added;
    size_t i;

    for (i = 0; i < keras->count; i++) {
        if (keras->layers[i].numbered || keras->layers[i].absorbed)
            continue;
        group_of(&keras->layers[i], &group);
        count = sdk_table_add(finding->run->host, &finding->groups, group.data,
                              group.size_bytes, &added);
        if (count == NULL)
            return CKPT_MEMORY;
        ++*count;
    }
    return CKPT_OK;
}

static int
attributes_index(struct finding *finding, const struct ckpt_graph *graph)
{
    const struct ckpt_attr *attr;
    uint64_t *found;
    bool added;

    for (attr = graph->attrs; attr != NULL; attr = attr->next) {
        found = sdk_table_add(finding->run->host, &finding->names, attr->name,
                              strlen(attr->name), &added);
        if (found == NULL)
            return CKPT_MEMORY;
        *found = (uintptr_t)attr->value;
    }
    return CKPT_OK;
}

/* ---- Layers of several parts ---- */

static struct layout_layer *
sibling_find(struct finding *finding, const struct layout_layer *layer,
             size_t parent, const char *name, size_t length)
{
    const char *path = layout_printf(finding->run, "%.*s%.*s", (int)parent,
                                     layer->folder.data, (int)length, name);
    uint64_t *index;

    if (path == NULL)
        return NULL;
    index = sdk_table_find(&finding->folders, path, strlen(path));
    return index != NULL ? &finding->keras->layers[*index] : NULL;
}

static bool
last_is(const struct layout_layer *layer, const char *word, size_t *at)
{
    *at = last_part(layer->folder.data, layer->folder.size_bytes);
    return *at > 0 && part_is(layer->folder.data + *at,
                              layer->folder.size_bytes - *at, word);
}

static void
part_absorb(struct layout_layer *layer, struct layout_layer *other,
            uint32_t part)
{
    layer->parts[part] = other;
    other->absorbed = true;
}

/* Whether the first two weights are tables, as those of cells are. */
static bool
is_cell(const struct layout_layer *layer)
{
    return layer->weight_count >= 2 && layer->first->tensor->rank == 2 &&
           layer->first->next->tensor->rank <= 2 &&
           (layer->weight_count == 3 || layer->first->next->tensor->rank == 2);
}

/* `.../forward_lstm` and `.../backward_lstm` are the layer of the folder
 * above. */
static int
ways_merge(struct finding *finding, struct layout_layer *layer)
{
    size_t at = last_part(layer->folder.data, layer->folder.size_bytes);
    const char *text = layer->folder.data + at;
    size_t length = layer->folder.size_bytes - at;
    struct layout_layer *other;
    char *name;

    if (at == 0 || length <= 8 || memcmp(text, "forward_", 8) != 0 ||
        !is_cell(layer))
        return CKPT_OK;
    name =
        layout_printf(finding->run, "backward_%.*s", (int)length - 8, text + 8);
    if (name == NULL)
        return CKPT_MEMORY;
    other = sibling_find(finding, layer, at, name, strlen(name));
    if (other == NULL || !is_cell(other))
        return CKPT_OK;
    part_absorb(layer, other, 1);
    layer->both = true;
    layer->folder.size_bytes = at - 1;
    return CKPT_OK;
}

/* Query, key, value and output, by the names of either Keras. */
static void
attention_merge(struct finding *finding, struct layout_layer *layer)
{
    static const char *const names[][LAYOUT_KERAS_PARTS] = {
        {"query", "key", "value", "attention_output"},
        {"query_dense", "key_dense", "value_dense", "output_dense"}};
    const char *const *name = names[layer->numbered];
    struct layout_layer *parts[LAYOUT_KERAS_PARTS];
    uint32_t i;
    size_t at;

    if (!last_is(layer, name[0], &at))
        return;
    for (i = 1; i < LAYOUT_KERAS_PARTS; i++) {
        parts[i] = sibling_find(finding, layer, at, name[i], strlen(name[i]));
        if (parts[i] == NULL || parts[i] == layer || parts[i]->absorbed)
            return;
    }
    for (i = 1; i < LAYOUT_KERAS_PARTS; i++)
        part_absorb(layer, parts[i], i);
    layer->kind = LAYOUT_ATTENTION;
    layer->folder.size_bytes = at - 1;
}

static int
parts_merge(struct finding *finding)
{
    struct layout_keras *keras = finding->keras;
    int status = CKPT_OK;
    size_t i;

    for (i = 0; i < keras->count && status == CKPT_OK; i++) {
        if (keras->layers[i].absorbed)
            continue;
        attention_merge(finding, &keras->layers[i]);
        status = ways_merge(finding, &keras->layers[i]);
    }
    return status;
}

/* ---- Order ---- */

/* What comes before the counter of a part of a path, and the counter. */
static size_t
part_base(const char *part, size_t length, uint64_t *number)
{
    size_t base = length;
    uint64_t scale = 1;

    *number = 0;
    while (base > 0 && part[base - 1] >= '0' && part[base - 1] <= '9' &&
           scale < 1000000000) {
        *number += (uint64_t)(part[--base] - '0') * scale;
        scale *= 10;
    }
    if (base > 1 && base < length && part[base - 1] == '_')
        return base - 1;
    *number = 0;
    return length;
}

/* Takes the first part off a path. */
static size_t
part_next(struct ckpt_text *path, const char **part)
{
    const char *slash = memchr(path->data, '/', path->size_bytes);
    size_t length =
        slash != NULL ? (size_t)(slash - path->data) : path->size_bytes;

    *part = path->data;
    path->data += length + (slash != NULL);
    path->size_bytes -= length + (slash != NULL);
    return length;
}

/* Part by part, counters as numbers. `*alike`: nothing but counters
 * differs. */
static int
path_compare(struct ckpt_text a, struct ckpt_text b, bool *alike)
{
    const char *left, *right;
    uint64_t numbers[2];
    size_t bases[2];
    int order = 0;

    *alike = true;
    while (a.size_bytes > 0 && b.size_bytes > 0) {
        bases[0] = part_next(&a, &left);
        bases[0] = part_base(left, bases[0], &numbers[0]);
        bases[1] = part_next(&b, &right);
        bases[1] = part_base(right, bases[1], &numbers[1]);
        if (bases[0] != bases[1] || memcmp(left, right, bases[0]) != 0) {
            *alike = false;
            if (order != 0)
                return order;
            order =
                memcmp(left, right, bases[0] < bases[1] ? bases[0] : bases[1]);
            return order != 0 ? order : bases[0] < bases[1] ? -1 : 1;
        }
        if (order == 0 && numbers[0] != numbers[1])
            order = numbers[0] < numbers[1] ? -1 : 1;
    }
    *alike = a.size_bytes == b.size_bytes;
    if (order != 0 || *alike)
        return order;
    return a.size_bytes < b.size_bytes ? -1 : 1;
}

bool
layout_keras_alike(const struct layout_layer *a, const struct layout_layer *b)
{
    bool alike;

    path_compare(a->folder, b->folder, &alike);
    return alike;
}

/* As the config has them; else by path. */
static int
layer_compare(const void *a, const void *b)
{
    const struct layout_layer *left = *(struct layout_layer *const *)a;
    const struct layout_layer *right = *(struct layout_layer *const *)b;
    bool alike;

    if (left->facts.order != right->facts.order)
        return left->facts.order < right->facts.order ? -1 : 1;
    return path_compare(left->folder, right->folder, &alike);
}

/* Keras 2 has its layers in order in the file. */
static int
layers_sort(struct finding *finding)
{
    struct layout_keras *keras = finding->keras;
    bool told = true, numbered = false;
    size_t i;

    keras->sorted =
        layout_allocate(finding->run, (keras->count + 1) * sizeof(void *));
    if (keras->sorted == NULL)
        return CKPT_MEMORY;
    for (i = 0; i < keras->count; i++) {
        if (keras->layers[i].absorbed)
            continue;
        keras->sorted[keras->sorted_count++] = &keras->layers[i];
        told = told && keras->layers[i].facts.class_name != NULL;
        numbered = numbered || keras->layers[i].numbered;
    }
    keras->ordered = told || !numbered;
    if (numbered && keras->sorted_count > 0)
        qsort(keras->sorted, keras->sorted_count, sizeof(void *),
              layer_compare);
    return CKPT_OK;
}

/* ---- All of it ---- */

static int
items_take(struct finding *finding, const struct ckpt_graph *graph)
{
    struct layout_keras *keras = finding->keras;
    int status = layout_items_take(finding->run, graph, &keras->items);
    size_t i, count = keras->items.count;

    if (status != CKPT_OK)
        return status;
    keras->layers =
        layout_allocate(finding->run, (count + 1) * sizeof *keras->layers);
    if (keras->layers == NULL)
        return CKPT_MEMORY;
    for (i = 0; i < count && status == CKPT_OK; i++)
        status = item_place(finding, &keras->items.items[i]);
    return status;
}

static int
layers_name(struct finding *finding)
{
    struct layout_keras *keras = finding->keras;
    struct layout_layer *layer;
    int status = groups_count(finding);
    size_t i;

    for (i = 0; i < keras->count && status == CKPT_OK; i++) {
        layer = &keras->layers[i];
        if (layer->absorbed)
            continue;
        layer->parts[0] = layer;
        status = layer->numbered ? name_numbered(finding, layer)
                                 : name_grouped(finding, layer);
        if (status == CKPT_OK)
            layout_config_find(finding->run, layer);
    }
    return status;
}

int
layout_keras_find(struct layout_run *run, const struct ckpt_graph *graph,
                  struct layout_keras *keras)
{
    struct finding finding = {.run = run, .keras = keras};
    int status = attributes_index(&finding, graph);
    size_t i;

    if (status == CKPT_OK)
        status = items_take(&finding, graph);
    if (status == CKPT_OK)
        status = parts_merge(&finding);
    if (status == CKPT_OK)
        status = layout_config_read(run, graph);
    if (status == CKPT_OK)
        status = layers_name(&finding);
    if (status == CKPT_OK)
        status = layers_sort(&finding);
    for (i = 0; i < keras->sorted_count && status == CKPT_OK; i++)
        status = layout_kind_tell(run, keras->sorted[i]);
    sdk_table_fini(run->host, &finding.folders);
    sdk_table_fini(run->host, &finding.names);
    sdk_table_fini(run->host, &finding.groups);
    return status;
}
