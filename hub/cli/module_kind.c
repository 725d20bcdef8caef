/* SPDX-License-Identifier: MIT
 *
 * Kinds of modules. A key that one kind alone has tells it; else the number of
 * dimensions of what a layer multiplies by.
 */
#include "module_kind.h"

#include <string.h>

struct module {
    const struct ckpt_text *path;
    const struct cli_part *parts;
    size_t part_count;
};

/* A variable of a graph has ":0" at the end of its name. */
static const struct ckpt_tensor *
kind_find(const struct module *module, const char *key)
{
    size_t i, size, wanted = strlen(key);
    const struct ckpt_text *text;

    for (i = 0; i < module->part_count; i++) {
        text = &module->parts[i].key;
        size = text->size_bytes;
        if (size > 2 && memcmp(text->data + size - 2, ":0", 2) == 0)
            size -= 2;
        if (size == wanted && memcmp(text->data, key, size) == 0)
            return module->parts[i].tensor;
    }
    return NULL;
}

static const char *
kind_by_key(const struct module *module)
{
    static const char *const rules[][2] = {
        {"running_mean", "BatchNorm"},
        {"moving_mean", "BatchNormalization"},
        {"in_proj_weight", "MultiheadAttention"},
        {"q_proj_weight", "MultiheadAttention"},
        {"embeddings", "Embedding"},
        {"pointwise_kernel", "SeparableConv"},
        {"depthwise_kernel", "DepthwiseConv"},
        {"gamma", "norm"},
    };
    size_t i;

    for (i = 0; i < sizeof rules / sizeof *rules; i++)
        if (kind_find(module, rules[i][0]) != NULL)
            return rules[i][1];
    return NULL;
}

/* So many gates stand in one matrix: `gates` rows for each column, or columns
 * for each row. */
static const char *
kind_by_gates(uint64_t gates, uint64_t units, const char *const names[3])
{
    if (units == 0 || gates % units != 0)
        return NULL;
    return gates / units == 4   ? names[0]
           : gates / units == 3 ? names[1]
           : gates / units == 1 ? names[2]
                                : NULL;
}

static const char *
kind_recurrent(const struct module *module)
{
    static const char *const layers[] = {"LSTM", "GRU", "RNN"};
    static const char *const cells[] = {"LSTMCell", "GRUCell", "RNNCell"};
    static const char *const others[] = {"LSTM", "GRU", "SimpleRNN"};
    const struct ckpt_tensor *found = kind_find(module, "weight_hh_l0");

    if (kind_find(module, "weight_hr_l0") != NULL)
        return layers[0];
    if (found != NULL && found->rank == 2)
        return kind_by_gates(found->shape[0], found->shape[1], layers);
    found = kind_find(module, "weight_hh");
    if (found != NULL && found->rank == 2)
        return kind_by_gates(found->shape[0], found->shape[1], cells);
    found = kind_find(module, "recurrent_kernel");
    if (found != NULL && found->rank == 2)
        return kind_by_gates(found->shape[1], found->shape[0], others);
    return NULL;
}

/* The weight, or what it is computed from; how goes to `*normed`. */
static const struct ckpt_tensor *
kind_weight(const struct module *module, const char **normed)
{
    static const char *const keys[][3] = {
        {"weight", NULL, ""},
        {"weight_v", "weight_g", ", weight_norm"},
        {"weight_orig", "weight_u", ", spectral_norm"},
        {"weight_orig", "weight_mask", ", pruned"},
        {"parametrizations.weight.original1",
         "parametrizations.weight.original0", ", weight_norm"},
        {"parametrizations.weight.original", "parametrizations.weight.0._u",
         ", spectral_norm"},
        {"parametrizations.weight.original", NULL, ", parametrized"},
    };
    const struct ckpt_tensor *found;
    size_t i;

    for (i = 0; i < sizeof keys / sizeof *keys; i++) {
        found = kind_find(module, keys[i][0]);
        if (found == NULL ||
            (keys[i][1] != NULL && kind_find(module, keys[i][1]) == NULL))
            continue;
        *normed = keys[i][2];
        return found;
    }
    return NULL;
}

static bool
kind_path_has(const struct module *module, const char *word)
{
    size_t i, size = strlen(word);

    for (i = 0; i + size <= module->path->size_bytes; i++)
        if (memcmp(module->path->data + i, word, size) == 0)
            return true;
    return false;
}

static const char *
kind_by_rank(const struct module *module, const struct ckpt_tensor *weight)
{
    static const char *const kinds[] = {"-",      "norm",   "Linear",
                                        "Conv1d", "Conv2d", "Conv3d"};
    bool bias = kind_find(module, "bias") != NULL;

    if (weight->rank >= sizeof kinds / sizeof *kinds)
        return "-";
    if (weight->rank == 2 && !bias)
        return kind_path_has(module, "emb") ? "Embedding"
                                            : "Linear or Embedding";
    if (weight->rank == 1 && !bias && kind_path_has(module, "relu"))
        return "PReLU";
    return kinds[weight->rank];
}

static const char *
kind_by_kernel(const struct ckpt_tensor *kernel)
{
    static const char *const kinds[] = {"-",      "-",      "Dense",
                                        "Conv1D", "Conv2D", "Conv3D"};

    return kernel->rank < sizeof kinds / sizeof *kinds ? kinds[kernel->rank]
                                                       : "-";
}

void
cli_module_kind(struct cli_out *out, const struct ckpt_text *path,
                const struct cli_part *parts, size_t part_count)
{
    struct module module = {path, parts, part_count};
    const struct ckpt_tensor *weight, *kernel = kind_find(&module, "kernel");
    const char *kind = kind_by_key(&module), *normed = "";

    weight = kind_weight(&module, &normed);
    if (kind == NULL)
        kind = kind_recurrent(&module);
    if (kind == NULL && weight != NULL)
        kind = kind_by_rank(&module, weight);
    if (kind == NULL && kernel != NULL)
        kind = kind_by_kernel(kernel);
    cli_out_string(out, kind != NULL ? kind : "-");
    cli_out_string(out, normed);
}
