/* SPDX-License-Identifier: MIT
 *
 * Storages and views: what is impossible is refused with its reason, what is
 * odd but legal gets in, and the hub's own members are right.
 */
#include "graph_unit.h"

#include "hub/graph/validate.h"

static void
test_storage_is_copied(void **state)
{
    struct hub_graph graph = graph_begin(*state);
    char device[] = "cuda:1", data[] = "abcd";
    const struct ckpt_storage *storage;
    struct ckpt_storage like = {.place = CKPT_PLACE_OWNED, .size_bytes = 4};

    like.device = device;
    like.data = data;
    assert_status(hub_storage_new(&graph, &like, 0, &storage), CKPT_OK);
    memset(device, 'x', sizeof device - 1);
    memset(data, 'x', sizeof data - 1);
    assert_string_equal(storage->device, "cuda:1");
    assert_memory_equal(storage->data, "abcd", 4);
    assert_int_equal(storage->id, 0);
    assert_string_equal(graph_storage(&graph, 0)->device, "cpu");
    hub_graph_fini(&graph);
}

static void
test_impossible_storages(void **state)
{
    static const struct {
        struct ckpt_storage like;
        uint64_t source_size;
        int status;
        const char *text;
    } rows[] = {
        {{.place = 0}, 0, CKPT_CONTRACT, "without a place"},
        {{.place = CKPT_PLACE_MADE}, 0, CKPT_CONTRACT, "without a place"},
        {{.place = CKPT_PLACE_SPAN}, 9, CKPT_CONTRACT, "without a place"},
        {{.place = CKPT_PLACE_OWNED, .size_bytes = UINT64_C(1) << 40},
         0,
         CKPT_CONTRACT,
         "too large"},
        {{.place = CKPT_PLACE_CODED, .byte_order = 2},
         0,
         CKPT_FORMAT,
         "byte order"},
        {{.place = CKPT_PLACE_CODED,
          .byte_order = CKPT_BIG_ENDIAN,
          .word_bytes = 3},
         0,
         CKPT_FORMAT,
         "byte order"},
        {{.place = CKPT_PLACE_CODED,
          .byte_order = CKPT_BIG_ENDIAN,
          .word_bytes = 4,
          .size_bytes = 6},
         0,
         CKPT_FORMAT,
         "within an element"},
    };
    struct unit *unit = *state;
    struct hub_graph graph = graph_begin(unit);
    const struct ckpt_storage *storage;
    size_t i;

    for (i = 0; i < COUNT_OF(rows); i++) {
        hub_report_clear(&unit->report);
        assert_status(hub_storage_new(&graph, &rows[i].like,
                                      rows[i].source_size, &storage),
                      rows[i].status);
        assert_contains(unit->report.text, rows[i].text);
    }
    hub_graph_fini(&graph);
}

/* A span against the size of its source, at both edges and past 64 bits. */
static void
test_spans_stay_within(void **state)
{
    static const uint64_t rows[][4] = {
        /* offset, size, source, fits */
        {0, 100, 100, 1},
        {100, 0, 100, 1},
        {99, 1, 100, 1},
        {0, 101, 100, 0},
        {100, 1, 100, 0},
        {101, 0, 100, 0},
        {UINT64_MAX, 2, 100, 0},
        {2, UINT64_MAX, 100, 0},
        {UINT64_MAX, UINT64_MAX, UINT64_MAX, 0},
    };
    struct unit *unit = *state;
    struct hub_graph graph = graph_begin(unit);
    struct ckpt_storage like = {.place = CKPT_PLACE_SPAN};
    const struct ckpt_storage *storage;
    int place;
    size_t i;

    like.source = (const struct ckpt_source *)&place;
    for (i = 0; i < COUNT_OF(rows); i++) {
        hub_report_clear(&unit->report);
        like.source_offset = rows[i][0];
        like.size_bytes = rows[i][1];
        assert_status(hub_storage_new(&graph, &like, rows[i][2], &storage),
                      rows[i][3] ? CKPT_OK : CKPT_FORMAT);
    }
    assert_contains(unit->report.text, "beyond the end of the file");
    hub_graph_fini(&graph);
}

struct view {
    uint32_t dtype, rank;
    uint64_t shape[4], strides[4], offset;
};

static int
view_add(struct hub_graph *graph, const struct ckpt_storage *storage,
         const struct view *view, struct ckpt_value **value)
{
    struct ckpt_tensor like = {.dtype = view->dtype, .rank = view->rank};

    hub_report_clear(graph->report);
    like.shape = view->shape;
    like.strides = view->strides;
    like.offset = view->offset;
    like.storage = storage;
    return hub_tensor_new(graph, &like, "t", value);
}

/* Views of a storage of 24 bytes. */
static void
test_impossible_views(void **state)
{
    static const uint64_t huge = UINT64_C(1) << 40;
    const struct view rows[] = {
        {CKPT_FLOAT32, 1, {7}, {1}, 0},
        {CKPT_FLOAT32, 1, {6}, {1}, 1},
        {CKPT_FLOAT32, 1, {3}, {3}, 0},
        {CKPT_FLOAT32, 0, {0}, {0}, 6},
        {CKPT_UINT8, 1, {25}, {1}, 0},
        {CKPT_COMPLEX128, 1, {2}, {1}, 0},
        {CKPT_QUINT2X4, 1, {97}, {1}, 0},
        {CKPT_UINT8, 2, {huge, huge}, {0, 0}, 0},
        {CKPT_UINT8, 2, {2, 2}, {UINT64_MAX, 1}, 0},
        {CKPT_UINT8, 1, {2}, {UINT64_MAX}, 1},
        {CKPT_UINT8, 1, {1}, {1}, UINT64_MAX},
        {CKPT_FLOAT32, 1, {1}, {1}, UINT64_MAX / 8},
        {CKPT_FLOAT64, 1, {UINT64_MAX / 8}, {0}, 0},
        {CKPT_DTYPE_NONE, 1, {1}, {1}, 0},
        {CKPT_DTYPE_COUNT, 1, {1}, {1}, 0},
        {CKPT_FLOAT32, CKPT_MAX_RANK + 1, {1}, {1}, 0},
    };
    struct unit *unit = *state;
    struct hub_graph graph = graph_begin(unit);
    const struct ckpt_storage *storage = graph_storage(&graph, 24);
    struct ckpt_value *value = NULL;
    size_t i;

    for (i = 0; i < COUNT_OF(rows); i++) {
        if (view_add(&graph, storage, &rows[i], &value) != CKPT_FORMAT)
            fail_msg("row %zu: '%s'", i, unit->report.text);
        assert_contains(unit->report.text, "(tensor t)");
    }
    assert_null(value);
    assert_int_equal(graph.public.tensor_count, 0);
    hub_graph_fini(&graph);
}

static void
test_odd_but_legal_views(void **state)
{
    static const struct {
        struct view view;
        uint64_t count, size;
        bool contiguous;
    } rows[] = {
        {{CKPT_FLOAT32, 1, {6}, {1}, 0}, 6, 24, true},
        {{CKPT_FLOAT32, 0, {0}, {0}, 5}, 1, 4, true},
        {{CKPT_FLOAT32, 2, {2, 3}, {3, 1}, 0}, 6, 24, true},
        {{CKPT_FLOAT32, 2, {3, 2}, {1, 3}, 0}, 6, 24, false},
        {{CKPT_FLOAT32, 2, {1000, 1000}, {0, 0}, 5}, 1000000, 4000000, false},
        {{CKPT_FLOAT32, 3, {1, 6, 1}, {99, 1, 99}, 0}, 6, 24, true},
        {{CKPT_FLOAT32, 2, {0, 5}, {5, 1}, UINT64_MAX}, 0, 0, true},
        {{CKPT_QUINT2X4, 1, {96}, {1}, 0}, 96, 24, true},
        {{CKPT_QUINT2X4, 1, {3}, {1}, 0}, 3, 1, true},
        {{CKPT_COMPLEX64, 1, {2}, {2}, 0}, 2, 16, false},
        {{CKPT_UINT8, 1, {24}, {1}, 0}, 24, 24, true},
    };
    struct hub_graph graph = graph_begin(*state);
    const struct ckpt_storage *storage = graph_storage(&graph, 24);
    struct ckpt_value *value;
    size_t i;

    for (i = 0; i < COUNT_OF(rows); i++) {
        assert_status(view_add(&graph, storage, &rows[i].view, &value),
                      CKPT_OK);
        assert_int_equal(value->as.tensor->element_count, rows[i].count);
        assert_int_equal(value->as.tensor->size_bytes, rows[i].size);
        assert_int_equal(value->as.tensor->contiguous, rows[i].contiguous);
        assert_int_equal(value->as.tensor->id, i);
        assert_ptr_equal(value->as.tensor->storage, storage);
    }
    hub_graph_fini(&graph);
}

static void
test_strides_not_given(void **state)
{
    struct hub_graph graph = graph_begin(*state);
    const uint64_t shape[] = {2, 3, 4};
    struct ckpt_tensor like = {.dtype = CKPT_UINT8, .rank = 3};
    struct ckpt_value *value;

    like.shape = shape;
    like.storage = graph_storage(&graph, 24);
    assert_status(hub_tensor_new(&graph, &like, NULL, &value), CKPT_OK);
    assert_int_equal(value->as.tensor->strides[0], 12);
    assert_int_equal(value->as.tensor->strides[1], 4);
    assert_int_equal(value->as.tensor->strides[2], 1);
    assert_true(value->as.tensor->contiguous);
    assert_ptr_not_equal(value->as.tensor->shape, shape);
    like.storage = NULL;
    assert_status(hub_tensor_new(&graph, &like, NULL, &value), CKPT_CONTRACT);
    hub_graph_fini(&graph);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        unit_case(test_storage_is_copied),
        unit_case(test_impossible_storages),
        unit_case(test_spans_stay_within),
        unit_case(test_impossible_views),
        unit_case(test_odd_but_legal_views),
        unit_case(test_strides_not_given),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
