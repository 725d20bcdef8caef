/* SPDX-License-Identifier: MIT
 *
 * What tensors are called in torch and in Keras.
 *
 * Keras 2 has "dense_1/dense_1/kernel:0", with a folder for the cell of a
 * recurrent layer; Keras 3 has "layers/dense_1/vars/0", numbered as the layer
 * made them.
 */
#include "layout.h"

#include <inttypes.h>
#include <string.h>

static const char *const slot_names[LAYOUT_SLOT_COUNT] = {
    [LAYOUT_IN_WEIGHT] = "in_proj_weight",
    [LAYOUT_IN_BIAS] = "in_proj_bias",
    [LAYOUT_WEIGHT] = "weight",
    [LAYOUT_SHIFT] = "bias",
    [LAYOUT_RUNNING_MEAN] = "running_mean",
    [LAYOUT_RUNNING_VAR] = "running_var",
    [LAYOUT_BATCHES] = "num_batches_tracked",
    [LAYOUT_WEIGHT_IH] = "weight_ih",
    [LAYOUT_WEIGHT_HH] = "weight_hh",
    [LAYOUT_BIAS_IH] = "bias_ih",
    [LAYOUT_BIAS_HH] = "bias_hh",
    [LAYOUT_OUT_WEIGHT] = "out_proj.weight",
    [LAYOUT_OUT_BIAS] = "out_proj.bias",
};

static const char *const role_names[LAYOUT_ROLE_COUNT] = {
    [LAYOUT_KERNEL] = "kernel",
    [LAYOUT_DEPTH_KERNEL] = "depthwise_kernel",
    [LAYOUT_POINT_KERNEL] = "pointwise_kernel",
    [LAYOUT_RECURRENT] = "recurrent_kernel",
    [LAYOUT_BIAS] = "bias",
    [LAYOUT_GAMMA] = "gamma",
    [LAYOUT_BETA] = "beta",
    [LAYOUT_MEAN] = "moving_mean",
    [LAYOUT_VARIANCE] = "moving_variance",
    [LAYOUT_EMBEDDINGS] = "embeddings",
    [LAYOUT_ALPHA] = "alpha",
};

static bool
is_recurrent(uint32_t slot)
{
    return slot >= LAYOUT_WEIGHT_IH && slot <= LAYOUT_BIAS_HH;
}

/* "_l1_reverse": the layer and the way behind the name of a slot. */
static bool
level_read(const char *text, size_t length, uint32_t *level, uint32_t *part)
{
    size_t i = 2;

    *level = *part = 0;
    if (length == 0) /* a cell of torch has no levels */
        return true;
    if (length < 3 || text[0] != '_' || text[1] != 'l')
        return false;
    for (; i < length && text[i] >= '0' && text[i] <= '9' && i < 6; i++)
        *level = *level * 10 + (uint32_t)(text[i] - '0');
    *part = i < length;
    return i > 2 && (i == length ||
                     (length - i == 8 && memcmp(text + i, "_reverse", 8) == 0));
}

bool
layout_slot_find(const char *leaf, size_t length, uint32_t *slot,
                 uint32_t *level, uint32_t *part)
{
    uint32_t i;
    size_t bytes;

    *level = *part = 0;
    for (i = 0; i < LAYOUT_OUT_WEIGHT; i++) {
        bytes = strlen(slot_names[i]);
        if (length < bytes || memcmp(leaf, slot_names[i], bytes) != 0)
            continue;
        if (is_recurrent(i)
                ? level_read(leaf + bytes, length - bytes, level, part)
                : length == bytes) {
            *slot = i;
            return true;
        }
    }
    return false;
}

bool
layout_role_find(const char *leaf, size_t length, uint32_t *role)
{
    static const char scale[] = "scale"; /* of RMSNormalization */
    uint32_t i;

    for (i = 0; i < LAYOUT_ROLE_COUNT; i++)
        if (strlen(role_names[i]) == length &&
            memcmp(leaf, role_names[i], length) == 0) {
            *role = i;
            return true;
        }
    *role = LAYOUT_GAMMA;
    return length == sizeof scale - 1 && memcmp(leaf, scale, length) == 0;
}

const char *
layout_name_torch(struct layout_run *run, const struct layout_layer *layer,
                  uint32_t part, uint32_t slot)
{
    static const char *const halves[] = {".depthwise", ".pointwise"};
    const char *prefix = layer->modules[0], *half = "";

    if (prefix == NULL)
        prefix = layer->name;
    if (layer->kind == LAYOUT_SEPARABLE && layer->modules[1] != NULL)
        prefix = layer->modules[part];
    else if (layer->kind == LAYOUT_SEPARABLE)
        half = halves[part];
    return layout_printf(run, "%s%s%s%s%s%s", prefix, half,
                         prefix[0] == '\0' ? "" : ".", slot_names[slot],
                         is_recurrent(slot) ? "_l0" : "",
                         is_recurrent(slot) && part > 0 ? "_reverse" : "");
}

/* ---- Keras ---- */

static const char *
cell_name(uint32_t kind)
{
    switch (kind) {
    case LAYOUT_LSTM:
        return "lstm";
    case LAYOUT_GRU:
        return "gru";
    default:
        return "simple_rnn";
    }
}

static bool
has_cell(const struct layout_layer *layer)
{
    return layer->kind == LAYOUT_LSTM || layer->kind == LAYOUT_GRU ||
           layer->kind == LAYOUT_RNN;
}

/* The position of a weight in its part: Keras numbers those that are there. */
static unsigned
role_number(const struct layout_layer *layer, uint32_t role)
{
    bool there[LAYOUT_ROLE_COUNT] = {false};
    struct layout_item *const *slots;
    unsigned number = 0;
    uint32_t i;

    if (layer->units[0] == NULL)
        return 0;
    slots = layer->units[0]->torch[0];
    there[LAYOUT_GAMMA] = slots[LAYOUT_WEIGHT] != NULL;
    there[LAYOUT_BETA] = slots[LAYOUT_SHIFT] != NULL;
    there[LAYOUT_KERNEL] = there[LAYOUT_RECURRENT] = has_cell(layer);
    there[LAYOUT_MEAN] = true;
    if (layer->kind == LAYOUT_SEPARABLE)
        return role == LAYOUT_DEPTH_KERNEL   ? 0
               : role == LAYOUT_POINT_KERNEL ? 1
                                             : 2;
    if (role == LAYOUT_BIAS && !has_cell(layer))
        return 1;
    for (i = 0; i < role; i++)
        number += there[i];
    return role >= LAYOUT_EMBEDDINGS ? 0 : number;
}

static const char *
name_keras3(struct layout_run *run, const struct layout_layer *layer,
            uint32_t part, uint32_t role)
{
    static const char *const heads[] = {"/query_dense", "/key_dense",
                                        "/value_dense", "/output_dense"};
    const char *middle = "";

    if (layer->kind == LAYOUT_ATTENTION)
        middle = heads[part];
    else if (layer->both)
        middle = part == 0 ? "/forward_layer/cell" : "/backward_layer/cell";
    else if (has_cell(layer))
        middle = "/cell";
    return layout_printf(run, "%s%s/vars/%u", layer->folder.data, middle,
                         role_number(layer, role));
}

static const char *
name_keras2(struct layout_run *run, const struct layout_layer *layer,
            uint32_t part, uint32_t role)
{
    static const char *const heads[] = {"query/", "key/", "value/",
                                        "attention_output/"};
    const char *name = layer->name, *cell = "", *tail = "", *way = "";

    if (layer->kind == LAYOUT_ATTENTION)
        way = heads[part];
    if (has_cell(layer)) {
        cell = cell_name(layer->kind);
        tail = "_cell/";
    }
    if (layer->both)
        return layout_printf(run, "%s/%s/%s_%s/%s%s%s:0", name, name,
                             part == 0 ? "forward" : "backward", cell, cell,
                             tail, role_names[role]);
    return layout_printf(run, "%s/%s/%s%s%s%s:0", name, name, way, cell, tail,
                         role_names[role]);
}

const char *
layout_name_keras(struct layout_run *run, const struct layout_layer *layer,
                  uint32_t part, uint32_t role)
{
    if (layer->kind == LAYOUT_DEPTHWISE && role == LAYOUT_KERNEL &&
        !layer->numbered)
        role = LAYOUT_DEPTH_KERNEL;
    return layer->numbered ? name_keras3(run, layer, part, role)
                           : name_keras2(run, layer, part, role);
}
