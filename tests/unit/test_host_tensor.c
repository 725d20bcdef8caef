/* SPDX-License-Identifier: MIT
 *
 * Tensors as plugins read them: whole elements from a coder that cares for
 * bytes alone, several streams at once, and what is refused.
 */
#include "file_unit.h"
#include "graph_unit.h"

#include "hub/load/host_table.h"

/* Counts upwards, in runs of seven bytes. */
struct counter {
    struct hub_coder coder;
    uint64_t size_bytes;
    unsigned open;
};

struct count {
    uint64_t at;
    unsigned char run[7];
};

static int
counter_open(struct hub_coder *hub, const struct ckpt_storage *storage,
             void **cursor)
{
    struct counter *counter = (struct counter *)hub;

    counter->size_bytes = storage->size_bytes;
    counter->open++;
    *cursor = calloc(1, sizeof(struct count));
    return CKPT_OK;
}

static int
counter_next(struct hub_coder *hub, void *cursor, struct ckpt_span *span)
{
    struct counter *counter = (struct counter *)hub;
    struct count *count = cursor;

    span->data = count->run;
    for (span->size_bytes = 0;
         span->size_bytes < 7 && count->at < counter->size_bytes; count->at++)
        count->run[span->size_bytes++] = (unsigned char)(count->at % 251);
    return span->size_bytes > 0 ? CKPT_OK : CKPT_END;
}

static void
counter_close(struct hub_coder *hub, void *cursor)
{
    ((struct counter *)hub)->open--;
    free(cursor);
}

struct scene {
    struct hub_host host;
    struct hub_graph graph;
    struct counter counter;
    struct hub_spool spool;
    bool stopped;
};

static bool
scene_stopped(void *user)
{
    return ((struct scene *)user)->stopped;
}

static const struct ckpt_host *
scene_begin(struct scene *scene, struct unit *unit)
{
    memset(scene, 0, sizeof *scene);
    hub_host_init(&scene->host, &unit->budget);
    scene->host.user = scene;
    scene->host.cancelled = scene_stopped;
    scene->graph = graph_begin(unit);
    scene->counter.coder.open = counter_open;
    scene->counter.coder.next = counter_next;
    scene->counter.coder.close = counter_close;
    scene->graph.coder = &scene->counter.coder;
    scene->spool.budget = &unit->budget;
    scene->spool.folder = "/tmp";
    scene->host.spool = &scene->spool;
    return &scene->host.table;
}

static void
scene_end(struct scene *scene)
{
    assert_int_equal(scene->counter.open, 0);
    assert_int_equal(scene->host.stream_count, 0);
    assert_int_equal(scene->spool.gather_count, 0);
    hub_spool_fini(&scene->spool);
    hub_graph_fini(&scene->graph);
    hub_host_fini(&scene->host);
}

/* Turned, it is a view that shows the columns one after the other. */
static const struct ckpt_tensor *
scene_tensor(struct scene *scene, uint32_t dtype, uint64_t rows,
             uint64_t columns, bool turned)
{
    const uint64_t shape[] = {turned ? columns : rows, turned ? rows : columns};
    const uint64_t strides[] = {turned ? 1 : columns, turned ? columns : 1};
    struct ckpt_storage storage = {.place = CKPT_PLACE_CODED};
    struct ckpt_tensor like = {.dtype = dtype, .rank = 2};
    struct ckpt_value *value;

    storage.size_bytes =
        (rows * columns * ckpt_dtype_width_bits(dtype) + 7) / 8;
    like.shape = shape;
    like.strides = strides;
    assert_status(hub_storage_new(&scene->graph, &storage, 0, &like.storage),
                  CKPT_OK);
    assert_status(hub_tensor_new(&scene->graph, &like, NULL, &value), CKPT_OK);
    return value->as.tensor;
}

static void
test_whole_elements(void **state)
{
    static const uint32_t dtypes[] = {CKPT_UINT8, CKPT_FLOAT16, CKPT_FLOAT64,
                                      CKPT_COMPLEX128};
    struct scene scene;
    const struct ckpt_host *host = scene_begin(&scene, *state);
    const struct ckpt_tensor *tensor;
    struct ckpt_stream *stream;
    struct ckpt_span span;
    uint64_t at, k;
    size_t i;
    int status;

    for (i = 0; i < COUNT_OF(dtypes); i++) {
        tensor = scene_tensor(&scene, dtypes[i], 3, 70001, false);
        assert_status(host->tensor_open(host, tensor, &stream), CKPT_OK);
        at = 0;
        while (!(status = host->tensor_next(host, stream, &span))) {
            assert_in_range(span.size_bytes, 1, 1 << 20);
            assert_int_equal(
                span.size_bytes % (ckpt_dtype_width_bits(dtypes[i]) / 8), 0);
            for (k = 0; k < span.size_bytes; k++)
                if (span.data[k] != (at + k) % 251)
                    fail_msg("another byte at %llu",
                             (unsigned long long)(at + k));
            at += span.size_bytes;
        }
        assert_status(status, CKPT_END);
        assert_int_equal(at, tensor->size_bytes);
        assert_status(host->tensor_next(host, stream, &span), CKPT_END);
        host->tensor_close(host, stream);
    }
    host->tensor_close(host, NULL);
    scene_end(&scene);
}

/* Views that are put in order at the same time share the memory for it. */
static void
test_views_share(void **state)
{
    struct unit *unit = *state;
    struct scene scene;
    const struct ckpt_host *host = scene_begin(&scene, unit);
    const struct ckpt_tensor *tensor =
        scene_tensor(&scene, CKPT_FLOAT64, 3000, 2000, true);
    struct ckpt_stream *streams[8];
    struct ckpt_span span;
    uint64_t first = 0;
    size_t i;

    unit->budget.limit_bytes = UINT64_C(1) << 30;
    for (i = 0; i < COUNT_OF(streams); i++)
        assert_status(host->tensor_open(host, tensor, &streams[i]), CKPT_OK);
    assert_true(unit->budget.used_bytes < 96 << 20);
    for (i = 0; i < COUNT_OF(streams); i++) {
        assert_status(host->tensor_next(host, streams[i], &span), CKPT_OK);
        first = 2000 * sizeof(double); /* the second row's first element */
        assert_int_equal(span.data[sizeof(double)], first % 251);
        host->tensor_close(host, streams[i]);
    }
    scene_end(&scene);
}

static void
test_refused(void **state)
{
    struct unit *unit = *state;
    struct scene scene;
    const struct ckpt_host *host = scene_begin(&scene, unit);
    const struct ckpt_tensor *tensor =
        scene_tensor(&scene, CKPT_UINT8, 2, 2, false);
    struct ckpt_stream *streams[129];
    struct ckpt_span span;
    size_t i;

    scene.host.spool = NULL;
    assert_status(host->tensor_open(host, tensor, &streams[0]), CKPT_CONTRACT);
    assert_contains(unit->report.text, "too early");
    scene.host.spool = &scene.spool;
    hub_report_clear(&unit->report);
    for (i = 0; i < 128; i++)
        assert_status(host->tensor_open(host, tensor, &streams[i]), CKPT_OK);
    assert_status(host->tensor_open(host, tensor, &streams[128]), CKPT_LIMIT);
    assert_contains(unit->report.text, "more than 128 tensors");
    hub_report_clear(&unit->report);
    assert_status(host->tensor_next(host, streams[5], &span), CKPT_OK);
    scene.stopped = true;
    assert_status(host->tensor_next(host, streams[5], &span), CKPT_CANCELLED);
    assert_string_equal(unit->report.text, "stopped");
    for (i = 0; i < 128; i++)
        host->tensor_close(host, streams[i]);
    scene_end(&scene);
}

/* Joined views: their bytes one behind the other, or why not. */
static void
test_joined(void **state)
{
    struct unit *unit = *state;
    struct scene scene;
    const struct ckpt_host *host = scene_begin(&scene, unit);
    const struct ckpt_tensor *turned =
        scene_tensor(&scene, CKPT_UINT8, 2, 3, true);
    const struct ckpt_tensor *half =
        scene_tensor(&scene, CKPT_QUINT4X2, 1, 4, false);
    const struct ckpt_tensor *views[] = {turned, half, turned};
    const uint64_t shape[] = {14};
    struct ckpt_tensor like = {.dtype = CKPT_UINT8, .rank = 1};
    struct ckpt_value *value;
    unsigned char got[14];

    like.shape = shape;
    assert_status(host->storage_join(host, &scene.graph.public, views, 3,
                                     "cuda:0", &like.storage),
                  CKPT_OK);
    assert_int_equal(like.storage->size_bytes, 14);
    assert_string_equal(like.storage->device, "cuda:0");
    assert_status(hub_tensor_new(&scene.graph, &like, NULL, &value), CKPT_OK);
    assert_status(host->tensor_read(host, value->as.tensor, got), CKPT_OK);
    assert_memory_equal(got, "\0\3\1\4\2\5\0\1\0\3\1\4\2\5", 14);
    views[1] = scene_tensor(&scene, CKPT_QUINT4X2, 1, 1, false);
    assert_status(host->storage_join(host, &scene.graph.public, views, 3, NULL,
                                     &like.storage),
                  CKPT_UNSUPPORTED);
    assert_contains(unit->report.text, "a join of quint4x2 behind a part");
    scene_end(&scene);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        unit_case(test_whole_elements),
        unit_case(test_views_share),
        unit_case(test_refused),
        unit_case(test_joined),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
