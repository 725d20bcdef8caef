/* SPDX-License-Identifier: MIT
 *
 * Values and containers: what is copied, what is refused, and which keys of
 * a map are equal.
 */
#include <math.h>

#include "graph_unit.h"

static void
test_scalars_are_kept(void **state)
{
    struct hub_graph graph = graph_begin(*state);
    char bytes[] = "a\0b";
    struct ckpt_value like = {.kind = CKPT_KIND_BYTES, .type_name = "C.d"};
    struct ckpt_value *value;

    like.as.text.data = bytes;
    like.as.text.size_bytes = 3;
    value = graph_value(&graph, like);
    memset(bytes, 'x', sizeof bytes);
    assert_memory_equal(value->as.text.data, "a\0b", 4);
    assert_string_equal(value->type_name, "C.d");
    assert_int_equal(value->id, 0);
    assert_int_equal(graph_int(&graph, INT64_MIN)->as.integer, INT64_MIN);
    assert_int_equal(graph.public.value_count, 2);
    like = (struct ckpt_value){.kind = CKPT_KIND_INT, .wide = true};
    like.as.text.data = "\x01\0\0\0\0\0\0\0\x01";
    like.as.text.size_bytes = 9;
    value = graph_value(&graph, like);
    assert_ptr_not_equal(value->as.text.data, like.as.text.data);
    assert_memory_equal(value->as.text.data, like.as.text.data, 9);
    hub_graph_fini(&graph);
}

static void
test_impossible_values(void **state)
{
    struct unit *unit = *state;
    struct hub_graph graph = graph_begin(unit);
    struct ckpt_value *value, like = {.kind = CKPT_KIND_COUNT};

    assert_status(hub_value_new(&graph, &like, &value), CKPT_CONTRACT);
    like = (struct ckpt_value){.kind = CKPT_KIND_STRING};
    like.as.text.size_bytes = 1;
    assert_status(hub_value_new(&graph, &like, &value), CKPT_CONTRACT);
    like.as.text.data = "\xff";
    assert_status(hub_value_new(&graph, &like, &value), CKPT_FORMAT);
    like.kind = CKPT_KIND_BYTES;
    hub_report_clear(&unit->report);
    assert_status(hub_value_new(&graph, &like, &value), CKPT_OK);
    like = (struct ckpt_value){.kind = CKPT_KIND_DTYPE, .as.dtype = 999};
    assert_status(hub_value_new(&graph, &like, &value), CKPT_FORMAT);
    hub_graph_fini(&graph);
}

static void
test_containers_start_empty(void **state)
{
    static const uint32_t kinds[] = {CKPT_KIND_LIST, CKPT_KIND_TUPLE,
                                     CKPT_KIND_SIZE, CKPT_KIND_MAP};
    struct hub_graph graph = graph_begin(*state);
    struct ckpt_value like = {.kind = CKPT_KIND_LIST}, *value;
    size_t i;

    for (i = 0; i < COUNT_OF(kinds); i++) {
        like.kind = kinds[i];
        like.as.list.count = 7;
        value = graph_value(&graph, like);
        assert_int_equal(value->as.list.count, 0);
    }
    hub_graph_fini(&graph);
}

static void
test_lists_grow_in_order(void **state)
{
    struct hub_graph graph = graph_begin(*state);
    struct ckpt_value *list = graph_empty(&graph, CKPT_KIND_LIST);
    int64_t i;

    for (i = 0; i < 1000; i++)
        assert_status(hub_list_add(&graph, list, graph_int(&graph, i)),
                      CKPT_OK);
    assert_int_equal(list->as.list.count, 1000);
    for (i = 0; i < 1000; i++)
        assert_int_equal(list->as.list.items[i]->as.integer, i);
    hub_graph_fini(&graph);
}

static void
test_wrong_owners_are_refused(void **state)
{
    struct unit *unit = *state;
    struct hub_graph graph = graph_begin(unit);
    struct ckpt_value *one = graph_int(&graph, 1);
    struct ckpt_value *size = graph_empty(&graph, CKPT_KIND_SIZE);
    struct ckpt_value *list = graph_empty(&graph, CKPT_KIND_LIST);

    assert_status(hub_list_add(&graph, one, one), CKPT_CONTRACT);
    assert_status(hub_list_add(&graph, list, NULL), CKPT_CONTRACT);
    assert_status(hub_map_set(&graph, list, one, one), CKPT_CONTRACT);
    assert_status(hub_object_set(&graph, list, CKPT_PART_STATE, one),
                  CKPT_CONTRACT);
    assert_status(hub_list_add(&graph, size, one), CKPT_OK);
    assert_status(hub_list_add(&graph, size, list), CKPT_FORMAT);
    assert_int_equal(size->as.list.count, 1);
    hub_graph_fini(&graph);
}

/* The place in the map at which the key is found, by adding it. */
static int64_t
place_of(struct hub_graph *graph, struct ckpt_value *map, struct ckpt_value key)
{
    size_t i, count = map->as.map.count;
    struct ckpt_value *mark = graph_empty(graph, CKPT_KIND_NONE);

    assert_status(hub_map_set(graph, map, graph_value(graph, key), mark),
                  CKPT_OK);
    for (i = 0; i < map->as.map.count; i++)
        if (map->as.map.pairs[i].value == mark)
            return i < count ? (int64_t)i : -1;
    return -2;
}

/* Keys on both sides of the size from which a map has an index. */
static void
test_equal_keys(void **state)
{
    static const struct ckpt_value
        one = {.kind = CKPT_KIND_INT, .as.integer = 1},
        truth = {.kind = CKPT_KIND_BOOL, .as.truth = true},
        real = {.kind = CKPT_KIND_FLOAT, .as.real = 1.0},
        half = {.kind = CKPT_KIND_FLOAT, .as.real = 0.5},
        minus_zero = {.kind = CKPT_KIND_FLOAT, .as.real = -0.0},
        lie = {.kind = CKPT_KIND_BOOL},
        not_a_number = {.kind = CKPT_KIND_FLOAT, .as.real = NAN};
    struct unit *unit = *state;
    struct hub_graph graph;
    struct ckpt_value *map;
    int i, large;

    for (large = 0; large < 2; large++) {
        graph = graph_begin(unit);
        map = graph_empty(&graph, CKPT_KIND_MAP);
        assert_int_equal(place_of(&graph, map, one), -1);
        for (i = 100; large && i < 200; i++)
            hub_map_set(&graph, map, graph_int(&graph, i), map);
        assert_int_equal(place_of(&graph, map, one), 0);
        assert_int_equal(place_of(&graph, map, truth), 0);
        assert_int_equal(place_of(&graph, map, real), 0);
        assert_int_equal(place_of(&graph, map, half), -1);
        assert_int_equal(place_of(&graph, map, half), large ? 101 : 1);
        assert_int_equal(place_of(&graph, map, lie), -1);
        assert_int_equal(place_of(&graph, map, minus_zero), large ? 102 : 2);
        assert_int_equal(place_of(&graph, map, not_a_number), -1);
        assert_int_equal(place_of(&graph, map, not_a_number), -1);
        assert_int_equal(map->as.map.pairs[0].key->kind, CKPT_KIND_INT);
        hub_graph_fini(&graph);
    }
}

/* A string is never a number's key, however its bytes look. */
static void
test_string_keys_are_no_numbers(void **state)
{
    static const char looks[24] = {'i', [8] = 5};
    struct hub_graph graph = graph_begin(*state);
    struct ckpt_value *map = graph_empty(&graph, CKPT_KIND_MAP);
    struct ckpt_value key = {.kind = CKPT_KIND_STRING};
    int i;

    for (i = 0; i < 40; i++)
        hub_map_set(&graph, map, graph_int(&graph, i), map);
    key.as.text.data = looks;
    key.as.text.size_bytes = sizeof looks;
    assert_int_equal(place_of(&graph, map, key), -1);
    assert_int_equal(place_of(&graph, map, key), 40);
    hub_graph_fini(&graph);
}

static void
test_many_string_keys(void **state)
{
    struct hub_graph graph = graph_begin(*state);
    struct ckpt_value *map = graph_empty(&graph, CKPT_KIND_MAP);
    struct ckpt_value *value = graph_int(&graph, 0);
    char name[32];
    int i, round;

    for (round = 0; round < 2; round++) {
        for (i = 0; i < 5000; i++) {
            snprintf(name, sizeof name, "layer.%d", i);
            graph_put(&graph, map, name, value);
        }
        assert_int_equal(map->as.map.count, 5000);
    }
    assert_string_equal(map->as.map.pairs[4999].key->as.text.data,
                        "layer.4999");
    hub_graph_fini(&graph);
}

static void
test_objects_take_each_part_once(void **state)
{
    struct unit *unit = *state;
    struct hub_graph graph = graph_begin(unit);
    struct ckpt_object like = {.made = CKPT_MADE_CALLED, .module = "m"};
    struct ckpt_value wrapped = {.kind = CKPT_KIND_OBJECT};
    struct ckpt_value *object, *list = graph_empty(&graph, CKPT_KIND_LIST);

    wrapped.as.object = &like;
    assert_status(hub_value_new(&graph, &wrapped, &object), CKPT_CONTRACT);
    hub_report_clear(&unit->report);
    like.name = "A.b";
    object = graph_value(&graph, wrapped);
    assert_ptr_not_equal(object->as.object, &like);
    assert_string_equal(object->as.object->name, "A.b");
    assert_status(hub_object_set(&graph, object, CKPT_PART_ITEMS, list),
                  CKPT_OK);
    assert_status(hub_object_set(&graph, object, CKPT_PART_ITEMS, list),
                  CKPT_CONTRACT);
    assert_status(hub_object_set(&graph, object, CKPT_PART_PAIRS, list),
                  CKPT_CONTRACT);
    assert_status(hub_object_set(&graph, object, 9, list), CKPT_CONTRACT);
    assert_ptr_equal(object->as.object->items, list);
    hub_graph_fini(&graph);
}

static void
test_attributes_replace_in_place(void **state)
{
    struct hub_graph graph = graph_begin(*state);
    struct ckpt_value *one = graph_int(&graph, 1), *two = graph_int(&graph, 2);
    struct ckpt_value like = {.kind = CKPT_KIND_MAP}, *map;

    assert_status(hub_value_new(&graph, &like, &map), CKPT_OK);
    assert_status(hub_attr_set(&graph, NULL, "a", one), CKPT_OK);
    assert_status(hub_attr_set(&graph, NULL, "b", one), CKPT_OK);
    assert_status(hub_attr_set(&graph, NULL, "a", two), CKPT_OK);
    assert_ptr_equal(graph.public.attrs->value, two);
    assert_string_equal(graph.public.attrs->next->name, "b");
    assert_null(graph.public.attrs->next->next);
    assert_status(hub_attr_set(&graph, map, "c", two), CKPT_OK);
    assert_ptr_equal(hub_attr_find(map->attrs, "c"), two);
    assert_null(hub_attr_find(map->attrs, "a"));
    assert_status(hub_attr_set(&graph, one, "c", two), CKPT_CONTRACT);
    hub_graph_fini(&graph);
}

static void
test_exactly_one_root(void **state)
{
    struct unit *unit = *state;
    struct hub_graph graph = graph_begin(unit);
    struct ckpt_value *one = graph_int(&graph, 1);

    assert_status(hub_graph_finish(&graph), CKPT_CONTRACT);
    hub_report_clear(&unit->report);
    assert_status(hub_root_set(&graph, one), CKPT_OK);
    assert_status(hub_root_set(&graph, one), CKPT_CONTRACT);
    hub_report_clear(&unit->report);
    assert_status(hub_graph_finish(&graph), CKPT_OK);
    assert_int_equal(graph.public.entry_count, 0);
    hub_graph_fini(&graph);
}

/* Whatever the budget, building ends in a status and leaks nothing. */
static void
test_every_budget(void **state)
{
    struct unit *unit = *state;
    struct hub_graph graph;
    struct ckpt_value *map, *key, like = {.kind = CKPT_KIND_MAP};
    int status, failures = 0;
    uint64_t limit;
    char name[16];

    for (limit = 0; limit < 300000; limit += 10000) {
        hub_report_clear(&unit->report);
        unit->budget.limit_bytes = limit;
        graph = graph_begin(unit);
        status = hub_value_new(&graph, &like, &map);
        while (status == CKPT_OK && map->as.map.count < 500) {
            snprintf(name, sizeof name, "%zu", map->as.map.count);
            status = hub_string_new(&graph, name, strlen(name), &key);
            if (status == CKPT_OK)
                status = hub_map_set(&graph, map, map, key);
        }
        assert_true(status == CKPT_OK || status == CKPT_LIMIT);
        failures += status != CKPT_OK;
        hub_graph_fini(&graph);
    }
    assert_in_range(failures, 1, 29);
}

/* One long key of many pairs: it is hashed for each of them. */
static void
test_keys_are_bounded(void **state)
{
    struct unit *unit = *state;
    struct hub_graph graph = graph_begin(unit);
    struct ckpt_value *map = graph_empty(&graph, CKPT_KIND_MAP);
    struct ckpt_value *key = graph_string(&graph, "twelve bytes");
    int i;

    graph.keys_max = 120;
    for (i = 0; i < 10; i++)
        assert_status(hub_map_set(&graph, map, key, key), CKPT_OK);
    assert_status(hub_map_set(&graph, map, key, key), CKPT_LIMIT);
    assert_contains(unit->report.text, "more than 120 bytes");
    hub_graph_fini(&graph);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        unit_case(test_scalars_are_kept),
        unit_case(test_impossible_values),
        unit_case(test_containers_start_empty),
        unit_case(test_lists_grow_in_order),
        unit_case(test_wrong_owners_are_refused),
        unit_case(test_equal_keys),
        unit_case(test_string_keys_are_no_numbers),
        unit_case(test_many_string_keys),
        unit_case(test_objects_take_each_part_once),
        unit_case(test_attributes_replace_in_place),
        unit_case(test_exactly_one_root),
        unit_case(test_every_budget),
        unit_case(test_keys_are_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
