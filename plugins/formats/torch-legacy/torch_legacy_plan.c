/* SPDX-License-Identifier: MIT
 *
 * The plan of a legacy stream; torch_legacy_parse.h says what follows what.
 * The keys are the storages' numbers, in decimal, and sorted as text.
 */
#include "torch_legacy_plan.h"

#include <string.h>

#include "endian.h"
#include "torch_legacy_parse.h"
#include "torch_release.h"
#include "torch_write.h"

struct torch_legacy_plan {
    struct ckpt_option_value release; /* enum sdk_torch_release, if given */
};

static int
torch_legacy_plan_open(const struct ckpt_host *host,
                       const struct ckpt_option_value *options, void **self)
{
    struct torch_legacy_plan *plan = host->allocate(host, sizeof *plan);

    if (plan == NULL)
        return CKPT_MEMORY;
    plan->release = options[0];
    *self = plan;
    return CKPT_OK;
}

static void
torch_legacy_plan_close(const struct ckpt_host *host, void *self)
{
    host->release(host, self);
}

static int
plan_bytes(const struct ckpt_host *host, struct ckpt_plan *output,
           const void *bytes, size_t size_bytes)
{
    struct ckpt_segment segment = {
        .kind = CKPT_SEGMENT_BYTES, .size_bytes = size_bytes, .data = bytes};

    return host->plan_add(host, output, &segment, sizeof segment, NULL);
}

/* Ends a pickle, plans it, and releases it. */
static int
plan_pickle(const struct ckpt_host *host, struct ckpt_plan *output,
            struct sdk_pickler *pickle)
{
    int status;

    sdk_pickler_op(pickle, SDK_OP_STOP);
    status = pickle->status;
    if (status == CKPT_OK)
        status =
            plan_bytes(host, output, pickle->out.data, pickle->out.size_bytes);
    sdk_pickler_fini(pickle);
    return status;
}

/* ---- The head ---- */

static int
plan_numbers(const struct ckpt_host *host, struct ckpt_plan *output)
{
    struct sdk_pickler pickle;
    int status;

    sdk_pickler_init(&pickle, host);
    sdk_pickler_wide(&pickle, torch_legacy_magic, sizeof torch_legacy_magic);
    status = plan_pickle(host, output, &pickle);
    if (status != CKPT_OK)
        return status;
    sdk_pickler_init(&pickle, host);
    sdk_pickler_int(&pickle, TORCH_LEGACY_PROTOCOL);
    return plan_pickle(host, output, &pickle);
}

static void
begin_dict(struct sdk_pickler *pickle)
{
    sdk_pickler_op(pickle, SDK_OP_EMPTY_DICT);
    sdk_pickler_put(pickle);
    sdk_pickler_op(pickle, SDK_OP_MARK);
}

static void
put_size(struct sdk_pickler *pickle, const char *type, int64_t size_bytes)
{
    sdk_pickler_string(pickle, type);
    sdk_pickler_int(pickle, size_bytes);
}

/* The attributes of the graph that are strings; the hub leaves no others. */
static void
put_attributes(struct sdk_pickler *pickle, const struct ckpt_graph *graph)
{
    const struct ckpt_attr *attr;

    sdk_pickler_string(pickle, TORCH_LEGACY_ATTRIBUTES);
    begin_dict(pickle);
    for (attr = graph->attrs; attr != NULL; attr = attr->next) {
        if (attr->value->kind != CKPT_KIND_STRING)
            continue;
        sdk_pickler_string(pickle, attr->name);
        sdk_pickler_text(pickle, attr->value->as.text.data,
                         attr->value->as.text.size_bytes);
        sdk_pickler_put(pickle);
    }
    sdk_pickler_op(pickle, SDK_OP_SETITEMS);
}

static int
plan_system(const struct ckpt_host *host, const struct ckpt_graph *graph,
            struct ckpt_plan *output)
{
    struct sdk_pickler pickle;

    sdk_pickler_init(&pickle, host);
    begin_dict(&pickle);
    sdk_pickler_string(&pickle, "protocol_version");
    sdk_pickler_int(&pickle, TORCH_LEGACY_PROTOCOL);
    sdk_pickler_string(&pickle, "little_endian");
    sdk_pickler_bool(&pickle, true);
    sdk_pickler_string(&pickle, "type_sizes");
    begin_dict(&pickle);
    put_size(&pickle, "short", 2);
    put_size(&pickle, "int", 4);
    put_size(&pickle, "long", 4);
    sdk_pickler_op(&pickle, SDK_OP_SETITEMS);
    if (graph->attrs != NULL)
        put_attributes(&pickle, graph);
    sdk_pickler_op(&pickle, SDK_OP_SETITEMS);
    return plan_pickle(host, output, &pickle);
}

/* ---- Storages ---- */

/* The number after `number` among 0 to count - 1 in the order of their
 * texts: 0, 1, 10, 11, 2. */
static size_t
next_key(size_t number, size_t count)
{
    if (number == 0)
        return 1;
    if (number <= (count - 1) / 10)
        return number * 10;
    while (number + 1 >= count || number % 10 == 9) {
        if (number < 10)
            return count;
        number /= 10;
    }
    return number + 1;
}

static int
plan_keys(const struct ckpt_host *host, size_t count, struct ckpt_plan *output)
{
    struct sdk_pickler pickle;
    char key[SDK_TORCH_KEY_BYTES];
    size_t i, size_bytes, number = 0;

    sdk_pickler_init(&pickle, host);
    sdk_pickler_op(&pickle, SDK_OP_EMPTY_LIST);
    sdk_pickler_put(&pickle);
    for (i = 0; i < count; i++, number = next_key(number, count)) {
        if (count > 1 && i % SDK_PICKLER_BATCH == 0)
            sdk_pickler_op(&pickle, SDK_OP_MARK);
        size_bytes = sdk_torch_key(number, key);
        sdk_pickler_text(&pickle, key, size_bytes);
        sdk_pickler_put(&pickle);
        if (count > 1 && (i + 1 == count || (i + 1) % SDK_PICKLER_BATCH == 0))
            sdk_pickler_op(&pickle, SDK_OP_APPENDS);
    }
    if (count == 1)
        sdk_pickler_op(&pickle, SDK_OP_APPEND);
    return plan_pickle(host, output, &pickle);
}

static int
plan_storage(const struct ckpt_host *host, const struct sdk_torch_use *use,
             struct ckpt_plan *output)
{
    struct ckpt_segment segment = {.kind = CKPT_SEGMENT_STORAGE,
                                   .storage = use->storage};
    unsigned char count[8];
    int status;

    sdk_store_le64(count, use->storage->size_bytes / use->item_bytes);
    status = plan_bytes(host, output, count, sizeof count);
    if (status != CKPT_OK || use->storage->size_bytes == 0)
        return status;
    return host->plan_add(host, output, &segment, sizeof segment, NULL);
}

static int
torch_legacy_plan_plan(const struct ckpt_host *host, void *self,
                       const struct ckpt_graph *graph, struct ckpt_plan *output)
{
    const struct torch_legacy_plan *plan = self;
    uint32_t release = SDK_TORCH_1_5 + (uint32_t)plan->release.integer;
    struct sdk_torch_pickle object = {.old_csr = plan->release.given &&
                                                 release == SDK_TORCH_1_13};
    size_t i, number = 0;
    int status = sdk_torch_write(host, graph, SDK_TORCH_LEGACY, &object);

    if (status == CKPT_OK && plan->release.given)
        status = sdk_torch_release_check(host, graph, &object, release);
    if (status == CKPT_OK)
        status = plan_numbers(host, output);
    if (status == CKPT_OK)
        status = plan_system(host, graph, output);
    if (status == CKPT_OK)
        status = plan_bytes(host, output, object.pickle.out.data,
                            object.pickle.out.size_bytes);
    if (status == CKPT_OK)
        status = plan_keys(host, object.use_count, output);
    for (i = 0; i < object.use_count && status == CKPT_OK; i++) {
        status = plan_storage(host, &object.uses[number], output);
        number = next_key(number, object.use_count);
    }
    sdk_torch_fini(host, &object);
    return status;
}

/* These names are of zips first; an option asks for the stream. */
static const char *const torch_legacy_plan_suffixes[] = {
    ".pth", ".pt", ".bin", ".ckpt", ".th", ".pth.tar", NULL};

static const struct ckpt_option torch_legacy_plan_options[] = {
    {"torch", CKPT_OPTION_CHOICE, NULL,
     "refuse what this release does not load in its safe mode",
     sdk_torch_releases + SDK_TORCH_1_5},
    {NULL, CKPT_OPTION_END, NULL, NULL, NULL}};

const struct ckpt_writer torch_legacy_writer = {
    .size = sizeof(struct ckpt_writer),
    .id = "torch-legacy",
    .summary = "the stream of torch.save before 1.6",
    .suffixes = torch_legacy_plan_suffixes,
    .capabilities = CKPT_WRITES_IF_ASKED,
    .options = torch_legacy_plan_options,
    .limits = {.holds = SDK_TORCH_HOLDS | CKPT_HOLDS_STRINGS,
               .dtypes = SDK_TORCH_CLASS_DTYPES},
    .open = torch_legacy_plan_open,
    .plan = torch_legacy_plan_plan,
    .close = torch_legacy_plan_close};
