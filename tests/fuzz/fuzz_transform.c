/* SPDX-License-Identifier: MIT
 *
 * The fuzz harness of every transform. The input is an argument, up to a zero
 * byte, and then a program that builds a graph: shared containers, cycles,
 * ties, objects and attributes, under the names that transforms look for. Each
 * transform of the plugin edits it, twice in turn. Beyond crashes and
 * sanitizers it minds that a failure has one reason, that the edited graph is
 * whole and the one that was edited is as it was, and that all memory comes
 * back. A plugin links its own tables in.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ckpt/plugin.h"
#include "hub/core/options.h"
#include "hub/graph/edit.h"
#include "hub/graph/walk.h"
#include "hub/load/host_table.h"

#define BUDGET_BYTES (UINT64_C(64) << 20)
#define MADE_MAX 256

extern const struct ckpt_plugin FUZZ_PLUGIN;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

struct fuzz {
    struct hub_report report;
    struct hub_budget budget;
    struct hub_host host;
    struct hub_arena arena; /* of the options */
    struct hub_graph graphs[3];
    const uint8_t *at, *end; /* of the program */
    struct ckpt_value *made[MADE_MAX];
    size_t made_count;
    const struct ckpt_storage *storages[4];
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
        "module.w", "module", "",          "w",          "module._orig_mod.w",
        "cuda:1",   "cpu",    "_metadata", "state_dict", "model",
        "a.b",      "0",      "module.",   "cuda",       "meta"};
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

static struct ckpt_value *
fuzz_tensor(struct fuzz *fuzz)
{
    static const char *const devices[] = {"cpu", "cuda:1", "cuda", "meta"};
    unsigned at = fuzz_byte(fuzz) % 4;
    struct ckpt_storage bytes = {.place = CKPT_PLACE_OWNED, .size_bytes = 4};
    struct ckpt_tensor like = {.dtype = CKPT_UINT8, .rank = 1};
    struct ckpt_value *value = NULL;

    bytes.data = "data";
    bytes.device = devices[at];
    if (fuzz->storages[at] == NULL)
        LAW(hub_storage_new(&fuzz->graphs[0], &bytes, 0, &fuzz->storages[at]) ==
            CKPT_OK);
    like.shape = &bytes.size_bytes;
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

static int
fuzz_build(struct fuzz *fuzz)
{
    struct hub_graph *graph = &fuzz->graphs[0];

    fuzz_container(fuzz, CKPT_KIND_MAP);
    while (fuzz->at < fuzz->end) {
        switch (fuzz_byte(fuzz) % 10) {
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

static int
fuzz_edit(struct fuzz *fuzz, const struct ckpt_transform *transform, void *self,
          const struct ckpt_graph **graph, struct hub_graph *made)
{
    struct ckpt_edits edits;
    uint64_t values = (*graph)->value_count;
    int status = hub_edits_init(&edits, made, *graph);

    if (status == CKPT_OK)
        status = transform->apply(&fuzz->host.table, self, graph, 1, &edits);
    if (fuzz_status(fuzz, status) == CKPT_OK && edits.count > 0)
        status = fuzz_status(fuzz, hub_edits_apply(&edits));
    fuzz_check(*graph);
    LAW((*graph)->value_count == values);
    if (status == CKPT_OK && edits.count > 0) {
        fuzz_check(&made->public);
        *graph = &made->public;
    }
    hub_edits_fini(&edits);
    return status;
}

/* Twice, each time with an instance of its own; both live at once. */
static void
fuzz_transform(struct fuzz *fuzz, const struct ckpt_transform *transform,
               const char *argument)
{
    const struct ckpt_graph *graph = &fuzz->graphs[0].public;
    struct ckpt_option_value *options;
    void *selves[2];
    int i, opened = 0, status;

    LAW(hub_options_parse(&fuzz->arena, transform->options, NULL, &options) ==
        CKPT_OK);
    for (i = 0; i < 2; i++) {
        hub_graph_init(&fuzz->graphs[1 + i], &fuzz->budget);
        fuzz->graphs[1 + i].walk_max = 100000;
        status =
            transform->open(&fuzz->host.table, argument, options, &selves[i]);
        if (fuzz_status(fuzz, status) != CKPT_OK)
            break;
        opened++;
    }
    for (i = 0; i < 2 && opened == 2 && fuzz->report.status == CKPT_OK; i++)
        fuzz_edit(fuzz, transform, selves[i], &graph, &fuzz->graphs[1 + i]);
    for (i = 0; i < opened; i++)
        transform->close(&fuzz->host.table, selves[i]);
    hub_graph_fini(&fuzz->graphs[1]);
    if (opened > 0)
        hub_graph_fini(&fuzz->graphs[2]);
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
    hub_graph_init(&fuzz.graphs[0], &fuzz.budget);
    fuzz.graphs[0].walk_max = 100000;
    argument = hub_arena_text(&fuzz.arena, data, length);
    if (fuzz_build(&fuzz) == CKPT_OK)
        for (i = 0; FUZZ_PLUGIN.transforms[i] != NULL; i++)
            fuzz_transform(&fuzz, FUZZ_PLUGIN.transforms[i], argument);
    hub_graph_fini(&fuzz.graphs[0]);
    hub_arena_fini(&fuzz.arena);
    hub_host_fini(&fuzz.host);
    LAW(fuzz.budget.used_bytes == 0);
    return 0;
}
