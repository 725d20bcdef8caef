/* SPDX-License-Identifier: MIT
 *
 * The side record: two thousand random graphs are fitted to a flat target
 * and restored from what that target holds. The same graph comes back.
 */
#include <math.h>

#include "graph_dump.h"
#include "random_graph.h"

#include "hub/run/fit.h"
#include "hub/run/restore.h"

static const struct ckpt_writer test_flat = {
    .size = sizeof(struct ckpt_writer),
    .id = "flat",
    .limits = {.holds = CKPT_HOLDS_STRINGS, .dtypes = ~UINT64_C(0)},
};
static const struct ckpt_writer test_tie_names = {
    .size = sizeof(struct ckpt_writer),
    .id = "tie-names",
    .limits = {.holds = CKPT_HOLDS_STRINGS | CKPT_HOLDS_TIE_NAMES,
               .dtypes = ~UINT64_C(0)},
};
static const struct ckpt_writer test_few_dtypes = {
    .size = sizeof(struct ckpt_writer),
    .id = "few-dtypes",
    .limits = {.holds = CKPT_HOLDS_STRINGS,
               .dtypes =
                   CKPT_DTYPE_BIT(CKPT_UINT8) | CKPT_DTYPE_BIT(CKPT_FLOAT32)},
};

/* Names as a tree of groups has them. */
static int
slash_name(const struct ckpt_host *host, void *self,
           const struct ckpt_graph *graph, size_t index, struct ckpt_text *name)
{
    static char text[1000];
    size_t i;

    (void)host;
    (void)self;
    assert_in_range(name->size_bytes, 0, sizeof text - 1);
    memcpy(text, name->data, name->size_bytes + 1);
    for (i = 0; i < name->size_bytes; i++)
        if (text[i] == '.')
            text[i] = '/';
    assert_ptr_equal(graph->entries[index].name.data, name->data);
    name->data = text;
    return CKPT_OK;
}

static bool
keep_plain(const struct ckpt_host *host, void *self,
           const struct ckpt_graph *graph, size_t index,
           const struct ckpt_attr *attr)
{
    (void)host;
    (void)self;
    assert_true(index == SIZE_MAX || index < graph->entry_count);
    return attr->value->kind == CKPT_KIND_STRING ||
           attr->value->kind == CKPT_KIND_FLOAT;
}

static const struct ckpt_writer test_twins = {
    .size = sizeof(struct ckpt_writer),
    .id = "twins",
    .limits = {.holds = CKPT_HOLDS_STRINGS | CKPT_HOLDS_TWINS,
               .dtypes = ~UINT64_C(0)},
    .name = slash_name,
    .keeps = keep_plain,
};

/* The same, for an output that is not made so. */
static uint64_t
strings_alone(const struct ckpt_host *host, void *self)
{
    (void)host;
    (void)self;
    return CKPT_HOLDS_STRINGS | CKPT_HOLDS_TREE;
}

static const struct ckpt_writer test_no_twins = {
    .size = sizeof(struct ckpt_writer),
    .id = "no-twins",
    .limits = {.holds = CKPT_HOLDS_STRINGS | CKPT_HOLDS_TWINS,
               .dtypes = ~UINT64_C(0)},
    .holds = strings_alone,
};

/* The line at which two dumps part. */
static void
assert_same_text(const char *wanted, const char *got, uint64_t seed)
{
    size_t i, line = 0;

    if (strcmp(wanted, got) == 0)
        return;
    for (i = 0; wanted[i] == got[i]; i++)
        if (wanted[i] == '\n')
            line = i;
    fail_msg("seed %" PRIu64 ": wanted '%.200s', got '%.200s'", seed,
             wanted + line, got + line);
}

/* A tensor as a flat file holds it: contiguous, on a storage of its own. */
static const struct ckpt_value *
written_tensor(struct hub_spool *spool, struct hub_graph *graph,
               const struct ckpt_tensor *tensor)
{
    struct ckpt_storage like = {.place = CKPT_PLACE_OWNED};
    struct ckpt_tensor view = *tensor;
    struct ckpt_value *value = NULL;
    struct hub_stream stream;
    unsigned char *bytes = calloc(1, (size_t)tensor->size_bytes + 16);
    size_t filled, done = 0;

    assert_status(hub_stream_tensor(&stream, spool, tensor), CKPT_OK);
    while (hub_stream_fill(&stream, bytes + done,
                           (size_t)tensor->size_bytes + 16 - done,
                           &filled) == CKPT_OK)
        done += filled;
    assert_int_equal(done, tensor->size_bytes);
    hub_stream_fini(&stream);
    like.size_bytes = done;
    like.data = bytes;
    assert_status(hub_storage_new(graph, &like, 0, &view.storage), CKPT_OK);
    view.strides = NULL;
    view.offset = 0;
    assert_status(hub_tensor_new(graph, &view, NULL, &value), CKPT_OK);
    free(bytes);
    return value;
}

static bool
same_view(const struct ckpt_tensor *a, const struct ckpt_tensor *b)
{
    size_t dims = a->rank * sizeof *a->shape;

    return a->storage == b->storage && a->dtype == b->dtype &&
           a->rank == b->rank && a->offset == b->offset &&
           a->flips == b->flips && memcmp(a->shape, b->shape, dims) == 0 &&
           memcmp(a->strides, b->strides, dims) == 0;
}

/* The tensor as it is written, or another on the storage of its twin. */
static const struct ckpt_value *
read_tensor(struct hub_spool *spool, struct hub_graph *described,
            const struct ckpt_value *root, const struct ckpt_pair *pairs,
            size_t at, bool twins)
{
    const struct ckpt_tensor *tensor = pairs[at].value->as.tensor, *written;
    struct ckpt_value *value;
    size_t i;

    for (i = 0; twins && i < at; i++) {
        if (!same_view(tensor, pairs[i].value->as.tensor))
            continue;
        written = root->as.map.pairs[i].value->as.tensor;
        assert_status(hub_tensor_new(described, written, NULL, &value),
                      CKPT_OK);
        return value;
    }
    return written_tensor(spool, described, tensor);
}

/* What a flat writer writes and its reader reads. */
static void
write_and_read(struct hub_spool *spool, const struct ckpt_writer *writer,
               const struct ckpt_graph *fitted, struct hub_graph *described)
{
    bool twins =
        (writer->limits.holds & CKPT_HOLDS_TWINS) != 0 && writer->holds == NULL;
    struct ckpt_value *root;
    const struct ckpt_attr *attr;
    const struct ckpt_pair *pair;
    size_t i;

    hub_graph_init(described, spool->budget);
    root = graph_empty(described, CKPT_KIND_MAP);
    for (i = 0; i < fitted->root->as.map.count; i++) {
        pair = &fitted->root->as.map.pairs[i];
        hub_map_set(described, root, pair->key,
                    read_tensor(spool, described, root,
                                fitted->root->as.map.pairs, i, twins));
    }
    for (attr = fitted->attrs; attr != NULL; attr = attr->next)
        hub_attr_set(described, NULL, attr->name, attr->value);
    hub_root_set(described, root);
    assert_status(hub_graph_finish(described), CKPT_OK);
}

/* Losses that the dump does not look at are no reason to differ. */
static void
count_losses(void *user, enum ckpt_message_level level, const char *text)
{
    if (level == CKPT_MESSAGE_WARNING)
        fail_msg("warned: %s", text);
    if (level == CKPT_MESSAGE_LOSS &&
        strstr(text, "that no tensor shows") == NULL &&
        strstr(text, "its bits are kept as") == NULL)
        ++*(int *)user;
}

/* Whether anything was told as lost; if not, the same graph comes back. */
static bool
there_and_back(struct unit *unit, const struct ckpt_writer *writer,
               uint64_t seed)
{
    struct hub_graph original, described, restored;
    const struct ckpt_graph *found;
    struct hub_host host;
    struct hub_fit fit;
    struct hub_spool spool = {.budget = &unit->budget, .folder = "/tmp"};
    char *wanted, *got;
    int losses = 0;

    hub_report_clear(&unit->report);
    unit->report.message = count_losses;
    unit->report.user = &losses;
    hub_host_init(&host, &unit->budget);
    hub_graph_init(&original, &unit->budget);
    hub_graph_init(&restored, &unit->budget);
    random_graph(&original, seed);
    wanted = dump_graph(&spool, &original.public);
    if (hub_fit(&fit, &host, &original.public, writer, NULL) != CKPT_OK)
        fail_msg("seed %" PRIu64 ": %s", seed, unit->report.text);
    write_and_read(&spool, writer, &fit.fitted.public, &described);
    found = &described.public;
    if (hub_restore(&host.table, &described, &restored, &found) != CKPT_OK)
        fail_msg("seed %" PRIu64 ": %s", seed, unit->report.text);
    got = dump_graph(&spool, found);
    if (losses == 0)
        assert_same_text(wanted, got, seed);
    free(wanted);
    free(got);
    hub_graph_fini(&restored);
    hub_graph_fini(&described);
    hub_fit_fini(&fit);
    hub_graph_fini(&original);
    hub_spool_fini(&spool);
    hub_host_fini(&host);
    return losses > 0;
}

/* Of these seeds at most so many may lose anything. */
static void
many(struct unit *unit, const struct ckpt_writer *writer, uint64_t from,
     uint64_t to)
{
    uint64_t seed, lossy = 0;

    for (seed = from; seed < to; seed++)
        lossy += there_and_back(unit, writer, seed);
    assert_in_range(lossy, 0, (to - from) / 2);
}

static void
test_flat_target(void **state)
{
    many(*state, &test_flat, 0, 1000);
}

static void
test_target_with_tie_names(void **state)
{
    many(*state, &test_tie_names, 1000, 1500);
}

static void
test_target_with_few_dtypes(void **state)
{
    many(*state, &test_few_dtypes, 1500, 2000);
}

static void
test_target_with_twins(void **state)
{
    many(*state, &test_twins, 2000, 3000);
}

static void
test_target_without_what_it_may_hold(void **state)
{
    many(*state, &test_no_twins, 3000, 3500);
}

static struct ckpt_value *
tensor_of(struct hub_graph *graph, const struct ckpt_storage *storage,
          uint64_t shown)
{
    struct ckpt_tensor like = {
        .dtype = CKPT_UINT8, .rank = 1, .shape = &shown, .storage = storage};
    struct ckpt_value *value = NULL;

    assert_status(hub_tensor_new(graph, &like, NULL, &value), CKPT_OK);
    return value;
}

/* A graph of two tensors on one storage of eight bytes, fitted. */
static void
fit_two(struct unit *unit, uint64_t shown, struct hub_graph *graph,
        struct hub_fit *fit, struct hub_host *host)
{
    const struct ckpt_storage *storage;
    struct ckpt_value *root;

    hub_report_clear(&unit->report);
    hub_host_init(host, &unit->budget);
    hub_graph_init(graph, &unit->budget);
    root = graph_empty(graph, CKPT_KIND_MAP);
    storage = graph_storage(graph, 8);
    graph_put(graph, root, "a", tensor_of(graph, storage, shown));
    graph_put(graph, root, "b", tensor_of(graph, storage, shown));
    hub_root_set(graph, root);
    assert_status(hub_graph_finish(graph), CKPT_OK);
    assert_status(hub_fit(fit, host, &graph->public, &test_twins, NULL),
                  CKPT_OK);
}

/* Twins that are all of their storage need no record; parts of one do. */
static void
test_twins_without_a_record(void **state)
{
    const struct ckpt_entry *entries;
    struct hub_graph graph;
    struct hub_fit fit;
    struct hub_host host;

    fit_two(*state, 8, &graph, &fit, &host);
    entries = fit.fitted.public.entries;
    assert_int_equal(fit.fitted.public.entry_count, 2);
    assert_true(
        same_view(entries[0].value->as.tensor, entries[1].value->as.tensor));
    assert_null(hub_attr_find(fit.fitted.public.attrs, HUB_RECORD_NAME));
    hub_fit_fini(&fit);
    hub_graph_fini(&graph);
    fit_two(*state, 4, &graph, &fit, &host);
    assert_non_null(hub_attr_find(fit.fitted.public.attrs, HUB_RECORD_NAME));
    hub_fit_fini(&fit);
    hub_graph_fini(&graph);
    hub_host_fini(&host);
}

/* A flat file of one tensor `w` whose record is `text`. */
static void
describe_with(struct unit *unit, const char *text, struct hub_graph *described)
{
    struct ckpt_value *root;

    hub_graph_init(described, &unit->budget);
    root = graph_empty(described, CKPT_KIND_MAP);
    graph_put(described, root, "w",
              graph_tensor(described, graph_storage(described, 8)));
    hub_attr_set(described, NULL, HUB_RECORD_NAME,
                 graph_string(described, text));
    hub_root_set(described, root);
    assert_status(hub_graph_finish(described), CKPT_OK);
}

/* Whether the record is used. */
static bool
restores(struct unit *unit, const char *text, struct hub_graph *described,
         struct hub_graph *restored)
{
    const struct ckpt_graph *found = &described->public;
    struct hub_host host;

    hub_host_init(&host, &unit->budget);
    describe_with(unit, text, described);
    hub_graph_init(restored, &unit->budget);
    assert_status(hub_restore(&host.table, described, restored, &found),
                  CKPT_OK);
    hub_host_fini(&host);
    return found == &restored->public;
}

/* Side tables have a place for each value of an attribute too. */
static void
test_attributes_alone(void **state)
{
    static const char text[] =
        "{\"version\":1,\"attributes\":[\"a\",{\"list\":[{\"list\":[]}]}]}";
    struct hub_graph described, restored;
    const struct ckpt_value *list;

    assert_true(restores(*state, text, &described, &restored));
    assert_int_equal(restored.public.entry_count, 1);
    list = hub_attr_find(restored.public.attrs, "a");
    assert_true(list->id < restored.public.value_count);
    assert_true(list->as.list.items[0]->id < restored.public.value_count);
    hub_graph_fini(&restored);
    hub_graph_fini(&described);
}

static void
test_attributes_hold_no_tensors(void **state)
{
    static const char *const texts[] = {
        "{\"version\":1,\"attributes\":[\"a\",{\"tensor\":\"w\"}]}",
        "{\"version\":1,\"root\":{\"map\":[\"w\",{\"tensor\":\"w\"}]},"
        "\"attributes\":[\"a\",{\"list\":[{\"tensor\":\"w\"}]}]}",
    };
    struct hub_graph described, restored;
    size_t i;

    for (i = 0; i < COUNT_OF(texts); i++) {
        assert_false(restores(*state, texts[i], &described, &restored));
        hub_graph_fini(&restored);
        hub_graph_fini(&described);
    }
}

/* A tensor of eight bytes that the record puts far into its storage. */
static void
test_storage_of_gaps(void **state)
{
    static const char *const texts[] = {
        "{\"version\":1,\"storages\":[{}],\"root\":{\"map\":[\"w\","
        "{\"tensor\":\"w\",\"storage\":0,\"offset\":67108864}]}}",
        "{\"version\":1,\"storages\":[{}],\"root\":{\"map\":[\"w\","
        "{\"tensor\":\"w\",\"storage\":0,\"offset\":67108856}]}}",
    };
    struct hub_graph described, restored;
    size_t i;

    for (i = 0; i < COUNT_OF(texts); i++) {
        assert_int_equal(restores(*state, texts[i], &described, &restored), i);
        hub_graph_fini(&restored);
        hub_graph_fini(&described);
    }
}

/* Each of two views of one byte may be written out in full, both may not. */
static void
test_views_that_expand(void **state)
{
    static const uint64_t shape = 40 << 20, stride = 0;
    struct unit *unit = *state;
    struct hub_graph graph = graph_begin(unit);
    struct ckpt_value *root = graph_empty(&graph, CKPT_KIND_MAP), *value;
    struct ckpt_tensor like = {.dtype = CKPT_UINT8, .rank = 1};
    struct hub_host host;
    struct hub_fit fit;
    uint32_t i;

    hub_host_init(&host, &unit->budget);
    like.shape = &shape;
    like.strides = &stride;
    like.storage = graph_storage(&graph, 2);
    for (i = 0; i < 2; i++) {
        like.offset = i;
        assert_status(hub_tensor_new(&graph, &like, NULL, &value), CKPT_OK);
        graph_put(&graph, root, i == 0 ? "a" : "b", value);
    }
    hub_root_set(&graph, root);
    assert_status(hub_graph_finish(&graph), CKPT_OK);
    assert_status(hub_fit(&fit, &host, &graph.public, &test_flat, NULL),
                  CKPT_LIMIT);
    assert_contains(unit->report.text, "views of 2 bytes would be written");
    hub_fit_fini(&fit);
    hub_host_fini(&host);
    hub_graph_fini(&graph);
}

/* An attribute that contains itself is recorded with a reference. */
static void
test_attribute_with_a_cycle(void **state)
{
    static const char text[] = "{\"version\":1,\"attributes\":"
                               "[\"a\",{\"id\":1,\"list\":[{\"ref\":1}]}]}";
    struct unit *unit = *state;
    struct hub_graph described, restored;
    const struct ckpt_value *record;
    struct hub_host host;
    struct hub_fit fit;

    assert_true(restores(unit, text, &described, &restored));
    hub_host_init(&host, &unit->budget);
    assert_status(hub_fit(&fit, &host, &restored.public, &test_flat, NULL),
                  CKPT_OK);
    record = hub_attr_find(fit.fitted.public.attrs, HUB_RECORD_NAME);
    assert_contains(record->as.text.data, "{\"id\":1,\"list\":[{\"ref\":1}]}");
    hub_fit_fini(&fit);
    hub_host_fini(&host);
    hub_graph_fini(&restored);
    hub_graph_fini(&described);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        unit_case(test_flat_target),
        unit_case(test_target_with_tie_names),
        unit_case(test_target_with_few_dtypes),
        unit_case(test_target_with_twins),
        unit_case(test_target_without_what_it_may_hold),
        unit_case(test_twins_without_a_record),
        unit_case(test_attributes_alone),
        unit_case(test_attributes_hold_no_tensors),
        unit_case(test_storage_of_gaps),
        unit_case(test_views_that_expand),
        unit_case(test_attribute_with_a_cycle),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
