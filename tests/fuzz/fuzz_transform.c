/* SPDX-License-Identifier: MIT
 *
 * The fuzz harness of every transform. The input is an argument with
 * options, up to a zero byte, and then a program that builds a graph: shared
 * containers, cycles, ties, objects and attributes, under the names that
 * transforms look for. Each transform of the plugin edits it, twice in turn.
 * Beyond crashes and sanitizers it minds that a failure has one reason, that
 * the edited graph is whole and the one that was edited is as it was, that all
 * small tensors can be read, and that all memory comes back. A plugin links its
 * own tables in.
 */
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
    struct hub_arena arena;     /* of the options */
    struct hub_graph graphs[5]; /* given; applied and settled, twice */
    const uint8_t *at, *end;    /* of the program */
    struct ckpt_value *made[MADE_MAX];
    size_t made_count;
    const struct ckpt_storage *storages[4];
    /* What the transform is given: the graph that it edits, and as often as
     * it asks for another one the first. */
    const struct ckpt_graph *given[8];
    size_t graph_count;
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

    LAW(hub_value_new(&fuzz->graphs[0], like, &value) == CKPT_OK);
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
        LAW(hub_storage_new(&fuzz->graphs[0], &bytes, 0, &fuzz->storages[at]) ==
            CKPT_OK);
    if (byte >= 128)
        like.dtype = at == 2 ? CKPT_FLOAT16 : CKPT_FLOAT32;
    like.rank = fuzz_shape(byte / 4 % 32, shape);
    like.shape = shape;
    like.storage = fuzz->storages[at];
    LAW(hub_tensor_new(&fuzz->graphs[0], &like, NULL, &value) == CKPT_OK);
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
    struct hub_graph *graph = &fuzz->graphs[0];
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
        LAW(hub_attr_set(&fuzz->graphs[0], NULL, name->as.text.data, value) ==
            CKPT_OK);
}

static int
fuzz_build(struct fuzz *fuzz)
{
    struct hub_graph *graph = &fuzz->graphs[0];

    fuzz_container(fuzz, CKPT_KIND_MAP);
    while (fuzz->at < fuzz->end) {
        switch (fuzz_byte(fuzz) % 11) {
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
        default:
            fuzz_fill(fuzz, NULL);
        }
    }
    LAW(hub_root_set(graph, fuzz->made[0]) == CKPT_OK);
    return hub_graph_finish(graph);
}

/* ---- The laws ---- */

/* Every value that is reached has an id below the count, and once. */
static void
fuzz_whole(const struct ckpt_graph *graph, const struct ckpt_value *value,
           const struct ckpt_value **met)
{
    struct hub_children children;
    struct hub_child child;

    LAW(value->id < graph->value_count);
    LAW(met[value->id] == NULL || met[value->id] == value);
    if (met[value->id] != NULL)
        return;
    met[value->id] = value;
    if (value->kind == CKPT_KIND_TENSOR) {
        LAW(value->as.tensor->id < graph->tensor_count);
        LAW(value->as.tensor->storage->id < graph->storage_count);
    }
    hub_children_init(&children, value);
    while (hub_children_next(&children, &child))
        fuzz_whole(graph, child.value, met);
}

static void
fuzz_check(const struct ckpt_graph *graph)
{
    const struct ckpt_value **met =
        calloc((size_t)graph->value_count, sizeof *met);

    fuzz_whole(graph, graph->root, met);
    free(met);
}

/* ---- Payload ---- */

static int
fuzz_cursor_open(struct hub_coder *coder, const struct ckpt_storage *storage,
                 void **cursor)
{
    struct fuzz_coder *made = (struct fuzz_coder *)coder;

    LAW(made->transform->cursor_open != NULL);
    return made->transform->cursor_open(made->host, made->self, storage,
                                        cursor);
}

static int
fuzz_cursor_next(struct hub_coder *coder, void *cursor, struct ckpt_span *span)
{
    struct fuzz_coder *made = (struct fuzz_coder *)coder;

    return made->transform->cursor_next(made->host, cursor, span);
}

static void
fuzz_cursor_close(struct hub_coder *coder, void *cursor)
{
    struct fuzz_coder *made = (struct fuzz_coder *)coder;

    made->transform->cursor_close(made->host, cursor);
}

static void
fuzz_lend(struct fuzz *fuzz, const struct ckpt_transform *transform, int nth,
          void *self)
{
    struct fuzz_coder *coder = &fuzz->coders[nth];

    coder->coder.open = fuzz_cursor_open;
    coder->coder.next = fuzz_cursor_next;
    coder->coder.close = fuzz_cursor_close;
    coder->coder.wrong = CKPT_CONTRACT;
    coder->transform = transform;
    coder->host = &fuzz->host.table;
    coder->self = self;
    fuzz->graphs[1 + nth].coder = &coder->coder;
    fuzz->graphs[3 + nth].coder = &coder->coder;
}

static void
fuzz_read(struct fuzz *fuzz, const struct ckpt_graph *graph)
{
    unsigned char bytes[READ_MAX_BYTES];
    const struct ckpt_tensor *tensor;
    size_t i;
    int status = CKPT_OK;

    for (i = 0; i < graph->entry_count && status == CKPT_OK; i++) {
        tensor = graph->entries[i].value->as.tensor;
        if (tensor->size_bytes <= sizeof bytes &&
            tensor->storage->size_bytes <= sizeof bytes)
            status =
                fuzz->host.table.tensor_read(&fuzz->host.table, tensor, bytes);
    }
    fuzz_status(fuzz, status);
}

static int
fuzz_edit(struct fuzz *fuzz, const struct ckpt_transform *transform, void *self,
          const struct ckpt_graph **graph, struct hub_graph *made, bool settles)
{
    struct ckpt_edits edits;
    uint64_t values = (*graph)->value_count;
    int status = hub_edits_init(&edits, made, *graph);

    fuzz->given[0] = *graph;
    if (status == CKPT_OK && settles)
        status = transform->settle(&fuzz->host.table, self, *graph, &edits);
    else if (status == CKPT_OK)
        status = transform->apply(&fuzz->host.table, self, fuzz->given,
                                  fuzz->graph_count, &edits);
    if (fuzz_status(fuzz, status) == CKPT_OK && edits.count > 0)
        status = fuzz_status(fuzz, hub_edits_apply(&edits));
    fuzz_check(*graph);
    LAW((*graph)->value_count == values);
    if (status == CKPT_OK && edits.count > 0) {
        fuzz_check(&made->public);
        *graph = &made->public;
        fuzz_read(fuzz, *graph);
    }
    hub_edits_fini(&edits);
    return status;
}

/* A graph that is named is the first one. */
static void
fuzz_name(struct fuzz *fuzz, struct ckpt_option_value *value)
{
    value->graph = &fuzz->graphs[0].public;
    if (fuzz->graph_count < sizeof fuzz->given / sizeof *fuzz->given)
        fuzz->given[fuzz->graph_count] = value->graph;
    fuzz->graph_count++;
}

/* The options, and behind them the argument. There are no files. */
static int
fuzz_options(struct fuzz *fuzz, const struct ckpt_transform *transform,
             const struct hub_wanted *wanted,
             struct ckpt_option_value **options)
{
    struct ckpt_option_value *values;
    int status = hub_options_parse(&fuzz->arena, transform->options,
                                   wanted->given, &values);
    size_t i, count = wanted->option_count;
    int64_t k;

    if (status != CKPT_OK)
        return status;
    *options = hub_arena_allocate(&fuzz->arena, (count + 1) * sizeof **options);
    LAW(*options != NULL);
    memcpy(*options, values, count * sizeof **options);
    fuzz->graph_count = 1;
    if (wanted->declared[count].kind == CKPT_OPTION_GRAPH &&
        wanted->argument != NULL)
        fuzz_name(fuzz, &(*options)[count]);
    for (i = 0; i < count; i++) {
        if (wanted->declared[i].kind == CKPT_OPTION_FILE)
            memset(&(*options)[i], 0, sizeof **options);
        for (k = 0; wanted->declared[i].kind == CKPT_OPTION_GRAPH &&
                    k < (*options)[i].integer;
             k++)
            fuzz_name(fuzz, &(*options)[i]);
    }
    return CKPT_OK;
}

/* Whether it is given as many graphs as it wants, as the hub sees to. */
static bool
fuzz_enough(const struct fuzz *fuzz, const struct ckpt_transform *transform)
{
    size_t most = transform->inputs_max > 0 ? transform->inputs_max : 1;

    return fuzz->graph_count >= transform->inputs_min &&
           fuzz->graph_count <= most &&
           fuzz->graph_count <= sizeof fuzz->given / sizeof *fuzz->given;
}

/* Twice, each time with an instance of its own; both live at once. */
static void
fuzz_twice(struct fuzz *fuzz, const struct ckpt_transform *transform,
           const char *argument, const struct ckpt_option_value *options)
{
    const struct ckpt_graph *graph = &fuzz->graphs[0].public;
    void *selves[2];
    int i, opened = 0, status;

    for (i = 1; i < 5; i++) {
        hub_graph_init(&fuzz->graphs[i], &fuzz->budget);
        fuzz->graphs[i].walk_max = 100000;
    }
    for (i = 0; i < 2; i++) {
        status =
            transform->open(&fuzz->host.table, argument, options, &selves[i]);
        if (fuzz_status(fuzz, status) != CKPT_OK)
            break;
        fuzz_lend(fuzz, transform, i, selves[i]);
        opened++;
    }
    for (i = 0; i < 2 && opened == 2 && fuzz->report.status == CKPT_OK; i++)
        fuzz_edit(fuzz, transform, selves[i], &graph, &fuzz->graphs[1 + i],
                  false);
    for (i = 0; i < 2 && opened == 2 && fuzz->report.status == CKPT_OK &&
                transform->settle != NULL;
         i++)
        fuzz_edit(fuzz, transform, selves[i], &graph, &fuzz->graphs[3 + i],
                  true);
    hub_spool_fini(&fuzz->spool);
    for (i = 0; i < opened; i++)
        transform->close(&fuzz->host.table, selves[i]);
    for (i = 1; i < 5; i++)
        hub_graph_fini(&fuzz->graphs[i]);
}

static void
fuzz_transform(struct fuzz *fuzz, const struct ckpt_transform *transform,
               const char *text)
{
    struct ckpt_option_value *options;
    struct hub_wanted wanted;

    if (transform->argument_kind == CKPT_OPTION_FILE)
        return; /* there are no files to name */
    LAW(hub_wanted_cut(&fuzz->arena, transform, text, &wanted) == CKPT_OK);
    if (fuzz_options(fuzz, transform, &wanted, &options) == CKPT_OK &&
        fuzz_enough(fuzz, transform))
        fuzz_twice(fuzz, transform,
                   wanted.argument != NULL ? wanted.argument : "", options);
    hub_report_clear(&fuzz->report);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    static struct fuzz fuzz;
    size_t i, length = strnlen((const char *)data, size_bytes);
    char *argument;

    memset(&fuzz, 0, sizeof fuzz);
    if (length == size_bytes)
        return 0;
    fuzz.budget.limit_bytes = BUDGET_BYTES;
    fuzz.budget.report = &fuzz.report;
    fuzz.arena.budget = &fuzz.budget;
    fuzz.at = data + length + 1;
    fuzz.end = data + size_bytes;
    hub_host_init(&fuzz.host, &fuzz.budget);
    fuzz.spool.budget = &fuzz.budget;
    fuzz.spool.folder = "/tmp";
    fuzz.host.spool = &fuzz.spool;
    hub_graph_init(&fuzz.graphs[0], &fuzz.budget);
    fuzz.graphs[0].walk_max = 100000;
    argument = hub_arena_allocate(&fuzz.arena, length + 2);
    argument[0] = ':';
    memcpy(argument + 1, data, length);
    if (fuzz_build(&fuzz) == CKPT_OK)
        for (i = 0; FUZZ_PLUGIN.transforms[i] != NULL; i++)
            fuzz_transform(&fuzz, FUZZ_PLUGIN.transforms[i], argument);
    hub_graph_fini(&fuzz.graphs[0]);
    hub_arena_fini(&fuzz.arena);
    hub_host_fini(&fuzz.host);
    LAW(fuzz.budget.used_bytes == 0);
    return 0;
}
