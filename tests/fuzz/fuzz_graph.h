/* SPDX-License-Identifier: MIT
 *
 * The graph that transforms are fuzzed with, built by a program of bytes; and
 * what the harness keeps.
 */
#ifndef FUZZ_GRAPH_H
#define FUZZ_GRAPH_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ckpt/plugin.h"
#include "hub/core/options.h"
#include "hub/graph/edit.h"
#include "hub/graph/walk.h"
#include "hub/io/stream.h"
#include "hub/load/host_table.h"
#include "hub/run/transform_text.h"

#define BUDGET_BYTES (UINT64_C(64) << 20)
#define MADE_MAX 256
#define READ_MAX_BYTES 4096 /* larger tensors are not read */

extern const struct ckpt_plugin FUZZ_PLUGIN;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

/* How the storages that an instance adds find back to it. */
struct fuzz_coder {
    struct hub_coder coder; /* first */
    const struct ckpt_transform *transform;
    const struct ckpt_host *host;
    void *self;
};

struct fuzz {
    struct hub_report report;
    struct hub_budget budget;
    struct hub_host host;
    struct hub_spool spool;
    struct fuzz_coder coders[2];
    struct hub_arena arena; /* of the options */
    /* Given; applied and settled, twice; and what else is named, twice. */
    struct hub_graph graphs[7];
    struct hub_graph *target;             /* that is built */
    const uint8_t *program, *program_end; /* it builds them all */
    const uint8_t *at, *end;              /* of the program */
    struct ckpt_value *made[MADE_MAX];
    size_t made_count;
    const struct ckpt_storage *storages[4];
    /* What the transform is given: the graph that it edits, and as often as
     * it asks for it another one. */
    const struct ckpt_graph *given[8];
    size_t graph_count;
    struct ckpt_option_value *named[8]; /* that the other one goes into */
    size_t named_count;
};

#define LAW(truth)                         \
    do {                                   \
        if (!(truth))                      \
            fuzz_broken(#truth, __LINE__); \
    } while (0)

static void
fuzz_broken(const char *law, int line)
{
    fprintf(stderr, "broken at line %d: %s\n", line, law);
    __builtin_trap();
}

static unsigned
fuzz_byte(struct fuzz *fuzz)
{
    return fuzz->at < fuzz->end ? *fuzz->at++ : 0;
}

static int
fuzz_status(const struct fuzz *fuzz, int status)
{
    LAW(status <= CKPT_OK && status >= CKPT_CANCELLED);
    LAW(status != CKPT_CONTRACT && status != CKPT_CANCELLED);
    LAW((status < 0) == (fuzz->report.status != CKPT_OK));
    LAW(status >= 0 || fuzz->report.text[0] != '\0');
    return status;
}

/* ---- The graph ---- */

static struct ckpt_value *
fuzz_keep(struct fuzz *fuzz, const struct ckpt_value *like)
{
    struct ckpt_value *value = NULL;

    LAW(hub_value_new(fuzz->target, like, &value) == CKPT_OK);
    if (fuzz->made_count < MADE_MAX)
        fuzz->made[fuzz->made_count++] = value;
    return value;
}

static struct ckpt_value *
fuzz_text(struct fuzz *fuzz)
{
    static const char *const texts[] = {
        "module.w", "module", "", "w", "module._orig_mod.w", "cuda:1", "cpu",
        "_metadata", "state_dict", "model", "a.b", "0", "module.", "cuda",
        "meta",
        /* of layers, by the names of frameworks */
        "layers/dense/vars/0", "layers/dense/vars/1", "layers/dense_1/vars/0",
        "layers/conv2d/vars/0", "layers/conv2d/vars/1",
        "layers/depthwise_conv2d/vars/0", "layers/p_re_lu/vars/0",
        "layers/separable_conv2d/vars/0", "layers/separable_conv2d/vars/1",
        "layers/batch_normalization/vars/0",
        "layers/batch_normalization/vars/1", "layers/embedding/vars/0",
        "layers/gru/cell/vars/0", "layers/gru/cell/vars/1",
        "layers/gru/cell/vars/2", "l/l/lstm_cell/kernel:0",
        "l/l/lstm_cell/recurrent_kernel:0", "l/l/lstm_cell/bias:0",
        "b/forward_l/kernel", "b/forward_l/recurrent_kernel",
        "b/backward_l/kernel", "b/backward_l/recurrent_kernel",
        "m/query/kernel", "m/key/kernel", "m/value/kernel",
        "m/attention_output/kernel", "m/query/bias", "optimizer/vars/0",
        "model_weights/n/gamma:0", "model_weights/n/moving_mean:0", "a.weight",
        "a.bias", "a.running_mean", "a.running_var", "a.num_batches_tracked",
        "weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0",
        "weight_ih_l0_reverse", "weight_hh_l0_reverse", "a.in_proj_weight",
        "a.in_proj_bias", "a.out_proj.weight", "config.json",
        "{\"class_name\":\"Functional\",\"config\":{\"layers\":["
        "{\"class_name\":\"Dense\",\"config\":{\"name\":\"first\"}},"
        "{\"class_name\":\"GRU\",\"config\":{\"name\":\"gru\","
        "\"reset_after\":false}}]}}",
        /* of normed weights */
        "w_g", "w_v", "w_orig", "w_u", "a.parametrizations.w.original0",
        "a.parametrizations.w.original1", "a.parametrizations.w.original",
        "a.parametrizations.w.0._u", "a.parametrizations.w.0._v",
        /* of adapters */
        "a.lora_A.weight", "a.lora_B.weight", "a.lora_B.bias",
        "base_model.model.b.lora_A.x.weight", "b.lora_B.x.weight",
        "e.lora_embedding_A", "e.lora_embedding_B", "b.weight", "e.weight",
        "a.base_layer.bias", "c.modules_to_save.x.weight", "c.weight",
        /* of layers */
        "a.depthwise.weight", "a.pointwise.weight", "vars/0",
        "layers/layer_normalization/vars/0", "layers/dense/vars@name"};
    const char *text = texts[fuzz_byte(fuzz) % (sizeof texts / sizeof *texts)];
    struct ckpt_value like = {.kind = CKPT_KIND_STRING};

    like.as.text.data = text;
    like.as.text.size_bytes = strlen(text);
    return fuzz_keep(fuzz, &like);
}

static struct ckpt_value *
fuzz_scalar(struct fuzz *fuzz)
{
    struct ckpt_value like = {.kind = CKPT_KIND_INT};

    switch (fuzz_byte(fuzz) % 4) {
    case 0:
        like.as.integer = fuzz_byte(fuzz);
        break;
    case 1:
        like.kind = CKPT_KIND_DEVICE;
        like.as.text.data = "cuda:1";
        like.as.text.size_bytes = 6;
        break;
    case 2:
        like.kind = CKPT_KIND_NONE;
        break;
    default:
        return fuzz_text(fuzz);
    }
    return fuzz_keep(fuzz, &like);
}

/* A shape of eight elements at most, for the high bits of a byte. */
static uint32_t
fuzz_shape(unsigned which, uint64_t *shape)
{
    static const unsigned char shapes[][5] = {
        {4},          {2, 2},    {1, 4},       {4, 1}, {1, 1, 2, 2},
        {2, 1, 2, 2}, {3},       {1, 3},       {3, 1}, {2, 3},
        {1, 2, 2},    {2, 2, 1}, {2, 1, 1, 1}, {1},    {0},
        {1, 8},       {8},       {6, 1},       {2},    {1, 1, 1, 1, 2},
        {2, 2, 2},    {1, 1, 2}, {2, 4}};
    const unsigned char *chosen =
        shapes[which % (sizeof shapes / sizeof *shapes)];
    uint32_t rank = 0;

    for (; rank < 5 && chosen[rank] != 0; rank++)
        shape[rank] = chosen[rank];
    return rank;
}

static struct ckpt_value *
fuzz_tensor(struct fuzz *fuzz)
{
    static const char *const devices[] = {"cpu", "cuda:1", "cuda", "meta"};
    static const unsigned char data[64];
    unsigned byte = fuzz_byte(fuzz), at = byte % 4;
    struct ckpt_storage bytes = {.place = CKPT_PLACE_OWNED,
                                 .size_bytes = sizeof data};
    struct ckpt_tensor like = {.dtype = CKPT_UINT8};
    struct ckpt_value *value = NULL;
    uint64_t shape[5];

    bytes.data = data;
    bytes.device = devices[at];
    if (fuzz->storages[at] == NULL)
        LAW(hub_storage_new(fuzz->target, &bytes, 0, &fuzz->storages[at]) ==
            CKPT_OK);
    if (byte >= 128)
        like.dtype = at == 2 ? CKPT_FLOAT16 : CKPT_FLOAT32;
    like.rank = fuzz_shape(byte / 4 % 32, shape);
    like.shape = shape;
    like.storage = fuzz->storages[at];
    LAW(hub_tensor_new(fuzz->target, &like, NULL, &value) == CKPT_OK);
    if (fuzz->made_count < MADE_MAX)
        fuzz->made[fuzz->made_count++] = value;
    return value;
}

static const struct ckpt_value *
fuzz_any(struct fuzz *fuzz)
{
    if (fuzz->made_count == 0)
        return fuzz_scalar(fuzz);
    return fuzz->made[fuzz_byte(fuzz) % fuzz->made_count];
}

/* A call, by a name that means something to a transform, perhaps. */
static struct ckpt_value *
fuzz_object(struct fuzz *fuzz)
{
    static const char *const names[] = {"_rebuild_device_tensor_from_numpy",
                                        "_rebuild_wrapper_subclass",
                                        "_rebuild_from_type_v2", "anything"};
    unsigned how = fuzz_byte(fuzz);
    struct ckpt_object object = {.made = how / 4 % 3};
    struct ckpt_value like = {.kind = CKPT_KIND_OBJECT};

    object.name = names[how % 4];
    object.module = how % 4 == 2 ? "torch._tensor" : "torch._utils";
    if (object.made != CKPT_MADE_NAMED)
        object.args = fuzz_any(fuzz);
    if (object.args != NULL && object.args->kind != CKPT_KIND_TUPLE)
        object.args = NULL;
    like.as.object = &object;
    return fuzz_keep(fuzz, &like);
}

static struct ckpt_value *
fuzz_container(struct fuzz *fuzz, uint32_t kind)
{
    struct ckpt_value like = {.kind = kind};

    return fuzz_keep(fuzz, &like);
}

/* Puts something into something, where it goes. */
static void
fuzz_fill(struct fuzz *fuzz, const char *attribute)
{
    struct ckpt_value *owner = (struct ckpt_value *)(uintptr_t)fuzz_any(fuzz);
    const struct ckpt_value *key = fuzz_any(fuzz), *value = fuzz_any(fuzz);
    struct hub_graph *graph = fuzz->target;
    int status = CKPT_OK;

    if (attribute != NULL && owner->kind >= CKPT_KIND_SIZE)
        status = hub_attr_set(graph, owner, attribute, value);
    else if (owner->kind == CKPT_KIND_MAP)
        status = hub_map_set(graph, owner, key, value);
    else if (owner->kind == CKPT_KIND_LIST || owner->kind == CKPT_KIND_TUPLE)
        status = hub_list_add(graph, owner, value);
    else if (owner->kind == CKPT_KIND_OBJECT && !owner->as.object->state)
        status = hub_object_set(graph, owner, CKPT_PART_STATE, value);
    LAW(status == CKPT_OK);
}

/* An attribute of the graph itself. */
static void
fuzz_attribute(struct fuzz *fuzz)
{
    const struct ckpt_value *name = fuzz_any(fuzz), *value = fuzz_any(fuzz);

    if (name->kind == CKPT_KIND_STRING && name->as.text.size_bytes > 0)
        LAW(hub_attr_set(fuzz->target, NULL, name->as.text.data, value) ==
            CKPT_OK);
}

static void
fuzz_pair(struct fuzz *fuzz, struct ckpt_value *map, const char *key,
          const struct ckpt_value *value)
{
    struct ckpt_value like = {.kind = CKPT_KIND_STRING};

    like.as.text.data = key;
    like.as.text.size_bytes = strlen(key);
    LAW(hub_map_set(fuzz->target, map, fuzz_keep(fuzz, &like), value) ==
        CKPT_OK);
}

/* The state of an optimizer of up to three parameters, with any values in it.
 * Its numbers are keys too, or are names. */
static void
fuzz_optimizer(struct fuzz *fuzz)
{
    struct hub_graph *graph = fuzz->target;
    struct ckpt_value *map = fuzz_container(fuzz, CKPT_KIND_MAP);
    struct ckpt_value *state = fuzz_container(fuzz, CKPT_KIND_MAP);
    struct ckpt_value *groups = fuzz_container(fuzz, CKPT_KIND_LIST);
    struct ckpt_value *group = fuzz_container(fuzz, CKPT_KIND_MAP);
    struct ckpt_value *params = fuzz_container(fuzz, CKPT_KIND_LIST);
    struct ckpt_value *key, *slots;
    unsigned i, how = fuzz_byte(fuzz);

    for (i = 0; i < how % 4; i++) {
        struct ckpt_value like = {.kind = CKPT_KIND_INT};

        like.as.integer = i;
        key = (how & 4) != 0 ? fuzz_text(fuzz) : fuzz_keep(fuzz, &like);
        slots = fuzz_container(fuzz, CKPT_KIND_MAP);
        fuzz_pair(fuzz, slots, "avg", fuzz_any(fuzz));
        LAW(hub_map_set(graph, state, key, slots) == CKPT_OK);
        LAW(hub_list_add(graph, params, key) == CKPT_OK);
    }
    fuzz_pair(fuzz, group, "params", params);
    fuzz_pair(fuzz, group, "param_names", (how & 8) != 0 ? params : groups);
    LAW(hub_list_add(graph, groups, group) == CKPT_OK);
    if ((how & 16) != 0)
        LAW(hub_list_add(graph, groups, group) == CKPT_OK);
    fuzz_pair(fuzz, map, "state", state);
    fuzz_pair(fuzz, map, "param_groups", groups);
    fuzz_pair(fuzz, fuzz->made[0], "optimizer", map);
}

/* Builds a graph of the program, or of its first half. */
static int
fuzz_build(struct fuzz *fuzz, struct hub_graph *graph, bool half)
{
    size_t size_bytes = (size_t)(fuzz->program_end - fuzz->program);

    fuzz->target = graph;
    fuzz->at = fuzz->program;
    fuzz->end = fuzz->at + (half ? size_bytes / 2 : size_bytes);
    fuzz->made_count = 0;
    memset(fuzz->storages, 0, sizeof fuzz->storages);
    fuzz_container(fuzz, CKPT_KIND_MAP);
    while (fuzz->at < fuzz->end) {
        switch (fuzz_byte(fuzz) % 12) {
        case 0:
            fuzz_container(fuzz, CKPT_KIND_MAP);
            break;
        case 1:
            fuzz_container(fuzz, CKPT_KIND_TUPLE);
            break;
        case 2:
            fuzz_tensor(fuzz);
            break;
        case 3:
            fuzz_object(fuzz);
            break;
        case 4:
            fuzz_scalar(fuzz);
            break;
        case 5:
            fuzz_text(fuzz);
            break;
        case 6:
            fuzz_fill(fuzz, "_metadata");
            break;
        case 10:
            fuzz_attribute(fuzz);
            break;
        case 11:
            fuzz_optimizer(fuzz);
            break;
        default:
            fuzz_fill(fuzz, NULL);
        }
    }
    LAW(hub_root_set(graph, fuzz->made[0]) == CKPT_OK);
    return hub_graph_finish(graph);
}

#endif
