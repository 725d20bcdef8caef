/* SPDX-License-Identifier: MIT
 *
 * The walk over values that transforms share: each value that the root
 * reaches once, whatever is shared or a cycle, and not beyond a failure.
 */
#include <math.h>

#include "random_graph.h"

#include "graph_each.h"
#include "hub/graph/walk.h"
#include "hub/load/host_table.h"

struct counts {
    unsigned char *seen; /* of each value id */
    size_t count, stop_at;
};

static int
count_visit(void *context, const struct ckpt_value *value)
{
    struct counts *counts = context;

    counts->seen[value->id]++;
    return ++counts->count == counts->stop_at ? CKPT_UNSUPPORTED : CKPT_OK;
}

/* Keys that are scalars are values too. */
static void
mark_below(unsigned char *marks, const struct ckpt_value *value)
{
    struct hub_children children;
    struct hub_child child;

    if (marks[value->id] != 0)
        return;
    marks[value->id] = 1;
    hub_children_init(&children, value);
    while (hub_children_next(&children, &child)) {
        if (child.key != NULL)
            mark_below(marks, child.key);
        mark_below(marks, child.value);
    }
}

static void
test_random(void **state)
{
    struct unit *unit = *state;
    struct hub_host host;
    uint64_t seed;

    hub_host_init(&host, &unit->budget);
    for (seed = 1; seed <= 500; seed++) {
        struct hub_graph graph = graph_begin(unit);
        struct counts counts = {.count = 0};
        unsigned char *marks;

        random_graph(&graph, seed);
        counts.seen = calloc(1, (size_t)graph.public.value_count);
        marks = calloc(1, (size_t)graph.public.value_count);
        mark_below(marks, graph.public.root);
        assert_status(
            sdk_graph_each(&host.table, &graph.public, count_visit, &counts),
            CKPT_OK);
        assert_memory_equal(counts.seen, marks,
                            (size_t)graph.public.value_count);
        free(counts.seen);
        free(marks);
        hub_graph_fini(&graph);
    }
    hub_host_fini(&host);
}

static void
test_stops(void **state)
{
    struct unit *unit = *state;
    struct hub_graph graph = graph_begin(unit);
    struct ckpt_value *root = graph_empty(&graph, CKPT_KIND_LIST);
    struct counts counts = {.stop_at = 2};
    struct hub_host host;
    int i;

    hub_host_init(&host, &unit->budget);
    for (i = 0; i < 5; i++)
        hub_list_add(&graph, root, graph_int(&graph, i));
    hub_list_add(&graph, root, root);
    hub_root_set(&graph, root);
    assert_status(hub_graph_finish(&graph), CKPT_OK);
    counts.seen = calloc(1, (size_t)graph.public.value_count);
    assert_status(
        sdk_graph_each(&host.table, &graph.public, count_visit, &counts),
        CKPT_UNSUPPORTED);
    assert_int_equal(counts.count, 2);
    free(counts.seen);
    hub_graph_fini(&graph);
    hub_host_fini(&host);
}

static bool
always(void *user)
{
    (void)user;
    return true;
}

/* Between two looks are thousands of values. */
static void
test_cancelled(void **state)
{
    struct unit *unit = *state;
    struct hub_graph graph = graph_begin(unit);
    struct ckpt_value *root = graph_empty(&graph, CKPT_KIND_LIST);
    struct counts counts = {.count = 0};
    struct hub_host host;
    int i;

    hub_host_init(&host, &unit->budget);
    host.cancelled = always;
    for (i = 0; i < 10000; i++)
        hub_list_add(&graph, root, graph_int(&graph, i));
    hub_root_set(&graph, root);
    assert_status(hub_graph_finish(&graph), CKPT_OK);
    counts.seen = calloc(1, (size_t)graph.public.value_count);
    assert_status(
        sdk_graph_each(&host.table, &graph.public, count_visit, &counts),
        CKPT_CANCELLED);
    assert_in_range(counts.count, 1, 9999);
    free(counts.seen);
    hub_graph_fini(&graph);
    hub_host_fini(&host);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        unit_case(test_random),
        unit_case(test_stops),
        unit_case(test_cancelled),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
