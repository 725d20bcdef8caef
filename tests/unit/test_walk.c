/* SPDX-License-Identifier: MIT
 *
 * The names of tensors: nesting, sharing, cycles, depth, and graphs that
 * unfold without end.
 */
#include "graph_unit.h"

static void
assert_names(struct hub_graph *graph, const char *const *names, size_t count)
{
    size_t i;

    assert_status(hub_graph_finish(graph), CKPT_OK);
    assert_int_equal(graph->public.entry_count, count);
    for (i = 0; i < count; i++)
        assert_string_equal(graph->public.entries[i].name.data, names[i]);
}

/* The value in the place of an entry, or NULL if it has none. */
static const struct ckpt_value *
at_spot(const struct hub_graph *graph, size_t i)
{
    const struct ckpt_value *owner = graph->public.spots[i].owner;
    size_t index = graph->public.spots[i].index;

    if (owner == NULL)
        return NULL;
    return owner->kind == CKPT_KIND_MAP ? owner->as.map.pairs[index].value
                                        : owner->as.list.items[index];
}

static void
test_names_of_a_tree(void **state)
{
    static const char *const names[] = {"model.conv.weight", "model.7.0",
                                        "model.7.1", "", "a.b"};
    struct hub_graph graph = graph_begin(*state);
    struct ckpt_value *root = graph_empty(&graph, CKPT_KIND_MAP);
    struct ckpt_value *model = graph_empty(&graph, CKPT_KIND_MAP);
    struct ckpt_value *conv = graph_empty(&graph, CKPT_KIND_MAP);
    struct ckpt_value *list = graph_empty(&graph, CKPT_KIND_TUPLE);
    struct ckpt_value *tensor = graph_tensor(&graph, graph_storage(&graph, 3));
    size_t i;

    graph_put(&graph, root, "model", model);
    graph_put(&graph, model, "conv", conv);
    graph_put(&graph, conv, "weight", tensor);
    graph_put(&graph, conv, "count", graph_int(&graph, 3));
    hub_map_set(&graph, model, graph_int(&graph, 7), list);
    hub_list_add(&graph, list, tensor);
    hub_list_add(&graph, list, tensor);
    graph_put(&graph, root, "", tensor);
    graph_put(&graph, root, "a.b", tensor);
    hub_root_set(&graph, root);
    assert_names(&graph, names, COUNT_OF(names));
    assert_int_equal(graph.public.tensor_count, 1);
    for (i = 0; i < COUNT_OF(names); i++)
        assert_ptr_equal(at_spot(&graph, i), graph.public.entries[i].value);
    assert_ptr_equal(graph.public.spots[2].owner, list);
    assert_int_equal(graph.public.spots[2].index, 1);
    hub_graph_fini(&graph);
}

static void
test_tensor_as_root(void **state)
{
    static const char *const names[] = {""};
    struct hub_graph graph = graph_begin(*state);

    hub_root_set(&graph, graph_tensor(&graph, graph_storage(&graph, 3)));
    assert_names(&graph, names, 1);
    assert_null(at_spot(&graph, 0));
    hub_graph_fini(&graph);
}

static void
test_tensors_in_attributes_and_objects(void **state)
{
    static const char *const names[] = {"0.weight", "1", "1.grad"};
    struct hub_graph graph = graph_begin(*state);
    struct ckpt_object object = {.module = "m", .name = "C"};
    struct ckpt_value like = {.kind = CKPT_KIND_OBJECT};
    struct ckpt_value *root = graph_empty(&graph, CKPT_KIND_LIST);
    struct ckpt_value *held, *value = graph_empty(&graph, CKPT_KIND_MAP);
    struct ckpt_value *tensor = graph_tensor(&graph, graph_storage(&graph, 3));

    like.as.object = &object;
    held = graph_value(&graph, like);
    graph_put(&graph, value, "weight",
              graph_tensor(&graph, graph_storage(&graph, 1)));
    hub_object_set(&graph, held, CKPT_PART_STATE, value);
    hub_list_add(&graph, root, held);
    hub_attr_set(&graph, tensor, "grad",
                 graph_tensor(&graph, graph_storage(&graph, 1)));
    hub_list_add(&graph, root, tensor);
    hub_root_set(&graph, root);
    assert_names(&graph, names, COUNT_OF(names));
    hub_graph_fini(&graph);
}

static void
test_cycles_end(void **state)
{
    static const char *const names[] = {"1", "2.1"};
    struct hub_graph graph = graph_begin(*state);
    struct ckpt_value *a = graph_empty(&graph, CKPT_KIND_LIST);
    struct ckpt_value *b = graph_empty(&graph, CKPT_KIND_LIST);
    struct ckpt_value *tensor = graph_tensor(&graph, graph_storage(&graph, 3));

    hub_list_add(&graph, a, a);
    hub_list_add(&graph, a, tensor);
    hub_list_add(&graph, a, b);
    hub_list_add(&graph, b, a);
    hub_list_add(&graph, b, tensor);
    hub_root_set(&graph, a);
    assert_names(&graph, names, COUNT_OF(names));
    hub_graph_fini(&graph);
}

static int
finish_nested(struct unit *unit, int depth)
{
    struct hub_graph graph = graph_begin(unit);
    struct ckpt_value *inner, *outer = graph_empty(&graph, CKPT_KIND_LIST);
    int i, status;

    hub_root_set(&graph, outer);
    for (i = 1; i < depth; i++) {
        inner = graph_empty(&graph, CKPT_KIND_LIST);
        hub_list_add(&graph, outer, inner);
        outer = inner;
    }
    status = hub_graph_finish(&graph);
    hub_graph_fini(&graph);
    return status;
}

static void
test_depth_is_bounded(void **state)
{
    struct unit *unit = *state;

    assert_status(finish_nested(unit, HUB_DEPTH_MAX), CKPT_OK);
    assert_status(finish_nested(unit, HUB_DEPTH_MAX + 1), CKPT_LIMIT);
    assert_contains(unit->report.text, "nest deeper than 500");
    hub_report_clear(&unit->report);
    assert_status(finish_nested(unit, 100000), CKPT_LIMIT);
}

/* Thirty lists, each twice in the one before: 2^30 ways to the tensor. */
static void
test_unfolding_is_bounded(void **state)
{
    struct unit *unit = *state;
    struct hub_graph graph = graph_begin(unit);
    struct ckpt_value *outer, *inner;
    int i;

    graph.walk_max = 100000;
    inner = graph_tensor(&graph, graph_storage(&graph, 1));
    for (i = 0; i < 30; i++) {
        outer = graph_empty(&graph, CKPT_KIND_LIST);
        hub_list_add(&graph, outer, inner);
        hub_list_add(&graph, outer, inner);
        inner = outer;
    }
    hub_root_set(&graph, inner);
    assert_status(hub_graph_finish(&graph), CKPT_LIMIT);
    assert_contains(unit->report.text, "unfold");
    hub_graph_fini(&graph);
}

/* So many lists, each twice in the one before; the innermost also holds the
 * outermost, if there is to be a cycle. Gives the tensors that were met. */
static size_t
unfold(struct unit *unit, int levels, bool cycle, int expected)
{
    struct hub_graph graph = graph_begin(unit);
    struct ckpt_value *first = graph_empty(&graph, CKPT_KIND_LIST);
    struct ckpt_value *outer, *inner = first;
    size_t count;
    int i;

    hub_list_add(&graph, first, graph_tensor(&graph, graph_storage(&graph, 1)));
    for (i = 0; i < levels; i++) {
        outer = graph_empty(&graph, CKPT_KIND_LIST);
        hub_list_add(&graph, outer, inner);
        hub_list_add(&graph, outer, inner);
        inner = outer;
    }
    if (cycle)
        hub_list_add(&graph, first, inner);
    hub_root_set(&graph, inner);
    assert_status(hub_graph_finish(&graph), expected);
    count = graph.public.entry_count;
    hub_graph_fini(&graph);
    return count;
}

/* Beyond some hundred thousand visits it is known what comes. */
static void
test_unfolding_is_foreseen(void **state)
{
    struct unit *unit = *state;

    assert_int_equal(unfold(unit, 18, false, CKPT_OK), 1 << 18);
    assert_int_equal(unfold(unit, 18, true, CKPT_OK), 1 << 18);
    assert_true(unfold(unit, 200, false, CKPT_LIMIT) < 1 << 18);
    assert_contains(unit->report.text, "unfold");
}

/* One map with a long key, met again and again: no names, but much copying. */
static void
test_long_labels_are_bounded(void **state)
{
    struct unit *unit = *state;
    struct hub_graph graph = graph_begin(unit);
    struct ckpt_value *list = graph_empty(&graph, CKPT_KIND_LIST);
    struct ckpt_value *map = graph_empty(&graph, CKPT_KIND_MAP);
    char *name = calloc(1, 100001);
    int i;

    memset(name, 'n', 100000);
    graph_put(&graph, map, name, graph_empty(&graph, CKPT_KIND_NONE));
    free(name);
    for (i = 0; i < 1000; i++)
        hub_list_add(&graph, list, map);
    hub_root_set(&graph, list);
    graph.walk_max = 100000;
    assert_status(hub_graph_finish(&graph), CKPT_LIMIT);
    assert_contains(unit->report.text, "unfold");
    hub_graph_fini(&graph);
}

static void
test_long_names_are_counted(void **state)
{
    struct unit *unit = *state;
    struct hub_graph graph = graph_begin(unit);
    struct ckpt_value *outer = graph_empty(&graph, CKPT_KIND_MAP), *inner;
    struct ckpt_value *tensor = graph_tensor(&graph, graph_storage(&graph, 1));
    char *name = calloc(1, 100001);
    int i;

    memset(name, 'n', 100000);
    hub_root_set(&graph, outer);
    for (i = 0; i < 100; i++) {
        inner = graph_empty(&graph, CKPT_KIND_MAP);
        graph_put(&graph, outer, name, inner);
        graph_put(&graph, outer, "t", tensor);
        outer = inner;
    }
    free(name);
    assert_status(hub_graph_finish(&graph), CKPT_LIMIT);
    assert_contains(unit->report.text, "budget");
    hub_graph_fini(&graph);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        unit_case(test_names_of_a_tree),
        unit_case(test_tensor_as_root),
        unit_case(test_tensors_in_attributes_and_objects),
        unit_case(test_cycles_end),
        unit_case(test_depth_is_bounded),
        unit_case(test_unfolding_is_bounded),
        unit_case(test_unfolding_is_foreseen),
        unit_case(test_long_labels_are_bounded),
        unit_case(test_long_names_are_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
