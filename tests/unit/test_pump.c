/* SPDX-License-Identifier: MIT
 *
 * The pump against a plain copy: storages and tensors of sizes around every
 * step that it takes, from each place, with and without checks.
 */
#include <openssl/sha.h>

#include "file_unit.h"
#include "graph_unit.h"

#include "hub/run/pump.h"

enum { WINDOW = 1 << 20, COPY = 256 << 10, BIG = 3 << 20 };

struct scene {
    struct ckpt user;
    struct folder folder;
    struct hub_host host;
    struct hub_graph graph;
    struct hub_spool spool;
    struct ckpt_plan plan;
    struct hub_pump pump;
    struct hub_sink *sink;
    struct ckpt_source *source;
    unsigned char *bytes;  /* of the source */
    unsigned char *wanted; /* of the output */
    size_t wanted_bytes;
    uint64_t told;
    bool cancelled;
};

static void
scene_progress(void *user, uint64_t done_bytes, uint64_t total_bytes)
{
    struct scene *scene = user;

    assert_true(done_bytes > scene->told && done_bytes <= total_bytes);
    scene->told = done_bytes;
}

static bool
scene_cancelled(void *user)
{
    return ((struct scene *)user)->cancelled;
}

static void
scene_begin(struct scene *scene)
{
    size_t i;

    memset(scene, 0, sizeof *scene);
    scene->user.budget.limit_bytes = UINT64_C(256) << 20;
    scene->user.budget.report = &scene->user.report;
    scene->user.settings.user = scene;
    scene->user.settings.progress = scene_progress;
    scene->user.settings.cancelled = scene_cancelled;
    scene->folder = folder_begin();
    hub_host_init(&scene->host, &scene->user.budget);
    hub_plan_lend(&scene->host.table);
    hub_graph_init(&scene->graph, &scene->user.budget);
    hub_plan_init(&scene->plan, &scene->user.budget, "out");
    scene->spool.budget = &scene->user.budget;
    scene->spool.folder = scene->folder.path;
    scene->pump.user = &scene->user;
    scene->pump.host = &scene->host;
    scene->pump.plan = &scene->plan;
    scene->pump.spool = &scene->spool;
    scene->bytes = malloc(BIG);
    scene->wanted = malloc(64 << 20);
    for (i = 0; i < BIG; i++)
        scene->bytes[i] = (unsigned char)(i * 31 + i / 253);
    folder_write(&scene->folder, "in", scene->bytes, BIG);
    assert_status(hub_source_open(&scene->user.budget,
                                  folder_path(&scene->folder, "in"),
                                  &scene->source),
                  CKPT_OK);
}

static void
scene_end(struct scene *scene)
{
    hub_sink_free(scene->sink);
    hub_plan_fini(&scene->plan);
    hub_spool_fini(&scene->spool);
    hub_graph_fini(&scene->graph);
    hub_host_fini(&scene->host);
    hub_source_free(scene->source);
    assert_int_equal(scene->user.budget.used_bytes, 0);
    free(scene->bytes);
    free(scene->wanted);
    folder_end(&scene->folder);
}

static const struct ckpt_storage *
scene_span(struct scene *scene, uint64_t offset, uint64_t size_bytes,
           uint32_t word_bytes)
{
    struct ckpt_storage like = {.place = CKPT_PLACE_SPAN};
    const struct ckpt_storage *storage = NULL;

    like.source = scene->source;
    like.source_offset = offset;
    like.size_bytes = size_bytes;
    like.word_bytes = word_bytes;
    like.byte_order = word_bytes > 1 ? CKPT_BIG_ENDIAN : CKPT_LITTLE_ENDIAN;
    assert_status(hub_storage_new(&scene->graph, &like, BIG, &storage),
                  CKPT_OK);
    return storage;
}

static void
scene_add(struct scene *scene, const struct ckpt_segment *segment,
          const void *wanted, uint64_t size_bytes)
{
    const struct ckpt_host *table = &scene->host.table;

    assert_status(
        table->plan_add(table, &scene->plan, segment, sizeof *segment, NULL),
        CKPT_OK);
    if (wanted != NULL)
        memcpy(scene->wanted + scene->wanted_bytes, wanted, (size_t)size_bytes);
    else
        memset(scene->wanted + scene->wanted_bytes, 0, (size_t)size_bytes);
    scene->wanted_bytes += (size_t)size_bytes;
}

/* Pumps all into "out" and commits. */
static int
scene_run(struct scene *scene)
{
    size_t segment = 0;
    int status;

    assert_status(hub_plan_finish(&scene->plan), CKPT_OK);
    assert_int_equal(scene->plan.files[0].size_bytes, scene->wanted_bytes);
    assert_status(hub_sink_begin(&scene->user.budget,
                                 folder_path(&scene->folder, "out"),
                                 scene->wanted_bytes, false, &scene->sink),
                  CKPT_OK);
    status = hub_pump_file(&scene->pump, scene->sink, 0, &segment);
    if (status == CKPT_OK)
        status = hub_sink_finish(scene->sink, false);
    if (status == CKPT_OK)
        status = hub_sink_commit(scene->sink, false, false);
    return status;
}

static void
assert_runs(struct scene *scene)
{
    if (scene_run(scene) != CKPT_OK)
        fail_msg("%s", scene->user.report.text);
    assert_file(&scene->folder, "out", scene->wanted, scene->wanted_bytes);
}

static const uint64_t test_sizes[] = {
    0,        1,          7,      4096,       COPY - 1, COPY,
    COPY + 1, WINDOW - 1, WINDOW, WINDOW + 1, BIG - 99, BIG - 100,
};

/* Storages of each size at odd places, between odd bytes. */
static void
copy_sizes(uint32_t checks)
{
    struct ckpt_segment segment = {.checks = checks}, byte = {0};
    struct scene scene;
    unsigned char digest[32];
    const struct ckpt_host *table = &scene.host.table;
    uint64_t at;
    size_t i;

    scene_begin(&scene);
    byte.kind = CKPT_SEGMENT_BYTES;
    byte.data = "-";
    byte.size_bytes = 1;
    for (i = 0; i < COUNT_OF(test_sizes); i++) {
        at = i * 7 % 99;
        segment.kind = CKPT_SEGMENT_STORAGE;
        segment.storage = scene_span(&scene, at, test_sizes[i], 1);
        scene_add(&scene, &segment, scene.bytes + at, test_sizes[i]);
        scene_add(&scene, &byte, "-", 1);
    }
    assert_runs(&scene);
    assert_true(scene.told > 0);
    for (i = 0; checks != 0 && i < COUNT_OF(test_sizes); i++) {
        at = i * 7 % 99;
        SHA256(scene.bytes + at, test_sizes[i], digest);
        assert_memory_equal(scene.plan.segments[2 * i].sha256, digest, 32);
        assert_true(table->plan_crc32(table, &scene.plan, 2 * i) != 0 ||
                    test_sizes[i] == 0);
    }
    scene_end(&scene);
}

static void
test_sizes_without_checks(void **state)
{
    (void)state;
    copy_sizes(0);
}

static void
test_sizes_with_checks(void **state)
{
    (void)state;
    copy_sizes(CKPT_CHECK_CRC32 | CKPT_CHECK_SHA256);
}

/* Runs of a file as they are, of each size and place, with and without
 * checks. */
static void
test_runs_of_a_file(void **state)
{
    struct ckpt_segment segment = {.kind = CKPT_SEGMENT_SOURCE};
    struct scene scene;
    unsigned char digest[32];
    size_t i;

    (void)state;
    scene_begin(&scene);
    segment.source = scene.source;
    for (i = 0; i < 2 * COUNT_OF(test_sizes); i++) {
        segment.checks = i % 2 ? CKPT_CHECK_SHA256 : 0;
        segment.offset = i % 3 * 33;
        segment.size_bytes = test_sizes[i / 2];
        scene_add(&scene, &segment, scene.bytes + segment.offset,
                  segment.size_bytes);
    }
    assert_runs(&scene);
    assert_true(scene.told > 0);
    for (i = 1; i < 2 * COUNT_OF(test_sizes); i += 2) {
        SHA256(scene.bytes + i % 3 * 33, test_sizes[i / 2], digest);
        assert_memory_equal(scene.plan.segments[i].sha256, digest, 32);
    }
    scene_end(&scene);
}

/* CRC-32 of "123456789" is CBF43926, as its catalogue says. */
static void
test_crc_is_the_common_one(void **state)
{
    struct ckpt_segment segment = {.kind = CKPT_SEGMENT_BYTES,
                                   .checks = CKPT_CHECK_CRC32,
                                   .data = "123456789",
                                   .size_bytes = 9};
    struct scene scene;
    const struct ckpt_host *table = &scene.host.table;

    (void)state;
    scene_begin(&scene);
    scene_add(&scene, &segment, "123456789", 9);
    assert_runs(&scene);
    assert_int_equal(table->plan_crc32(table, &scene.plan, 0), 0xCBF43926);
    scene_end(&scene);
}

static void
test_padding_of_each_size(void **state)
{
    struct ckpt_segment padding = {.kind = CKPT_SEGMENT_PADDING}, byte = {0};
    struct scene scene;
    size_t i;

    (void)state;
    scene_begin(&scene);
    byte.kind = CKPT_SEGMENT_BYTES;
    byte.data = "x";
    byte.size_bytes = 1;
    for (i = 0; i < COUNT_OF(test_sizes); i++) {
        padding.size_bytes = test_sizes[i];
        scene_add(&scene, &padding, NULL, test_sizes[i]);
        scene_add(&scene, &byte, "x", 1);
    }
    assert_runs(&scene);
    scene_end(&scene);
}

/* Words of each width, turned round, cut by the pump's steps. */
static void
test_big_endian(void **state)
{
    static const uint32_t words[] = {2, 4, 8};
    const uint64_t size = WINDOW + 8 * 1000;
    struct ckpt_segment segment = {.kind = CKPT_SEGMENT_STORAGE};
    unsigned char *turned = malloc((size_t)size);
    struct scene scene;
    uint64_t k;
    size_t i;

    (void)state;
    scene_begin(&scene);
    for (i = 0; i < COUNT_OF(words); i++) {
        segment.storage = scene_span(&scene, 3, size, words[i]);
        for (k = 0; k < size; k++)
            turned[k] =
                scene.bytes[3 + k - k % words[i] + words[i] - 1 - k % words[i]];
        scene_add(&scene, &segment, turned, size);
    }
    assert_runs(&scene);
    scene_end(&scene);
    free(turned);
}

/* A transposed view of each size, and the bytes by the plainest loop. */
static void
test_tensors_are_made_contiguous(void **state)
{
    static const uint64_t rows[] = {1, 3, 511, 1024, 1500};
    struct ckpt_segment segment = {.kind = CKPT_SEGMENT_TENSOR};
    struct ckpt_tensor like = {.dtype = CKPT_UINT8, .rank = 2};
    uint64_t shape[2], strides[2], r, c;
    unsigned char *turned = malloc(BIG);
    struct ckpt_value *value;
    struct scene scene;
    size_t i;

    (void)state;
    scene_begin(&scene);
    like.shape = shape;
    like.strides = strides;
    like.storage = scene_span(&scene, 0, BIG, 1);
    for (i = 0; i < COUNT_OF(rows); i++) {
        shape[0] = strides[1] = rows[i];
        shape[1] = 1777;
        strides[0] = 1;
        assert_status(hub_tensor_new(&scene.graph, &like, NULL, &value),
                      CKPT_OK);
        segment.tensor = value->as.tensor;
        for (r = 0; r < shape[0]; r++)
            for (c = 0; c < shape[1]; c++)
                turned[r * shape[1] + c] = scene.bytes[c * rows[i] + r];
        scene_add(&scene, &segment, turned, rows[i] * 1777);
    }
    assert_runs(&scene);
    scene_end(&scene);
    free(turned);
}

static int
late_fill(const struct ckpt_host *host, void *self,
          const struct ckpt_plan *plan, uint64_t tag, void *buffer,
          size_t size_bytes)
{
    uint32_t crc32 = host->plan_crc32(host, plan, 0);

    assert_null(self);
    assert_int_equal(tag, 17);
    assert_int_equal(size_bytes, 8);
    assert_int_equal(((unsigned char *)buffer)[7], 0);
    memcpy(buffer, &crc32, 4);
    return CKPT_OK;
}

static void
test_late_segments(void **state)
{
    static const unsigned char wanted[8] = {0x26, 0x39, 0xF4, 0xCB};
    struct ckpt_segment segment = {.kind = CKPT_SEGMENT_BYTES,
                                   .checks = CKPT_CHECK_CRC32,
                                   .data = "123456789",
                                   .size_bytes = 9};
    struct ckpt_segment late = {
        .kind = CKPT_SEGMENT_LATE, .size_bytes = 8, .tag = 17};
    struct ckpt_writer writer = {.late = late_fill};
    struct scene scene;

    (void)state;
    scene_begin(&scene);
    scene.pump.writer = &writer;
    scene_add(&scene, &segment, "123456789", 9);
    scene_add(&scene, &late, wanted, 8);
    assert_runs(&scene);
    scene_end(&scene);
    scene_begin(&scene);
    writer.late = NULL;
    scene.pump.writer = &writer;
    scene_add(&scene, &late, NULL, 8);
    assert_status(scene_run(&scene), CKPT_CONTRACT);
    scene_end(&scene);
}

static void
test_input_that_shrank(void **state)
{
    static const uint32_t checks[] = {0, CKPT_CHECK_CRC32};
    struct ckpt_segment segment = {.kind = CKPT_SEGMENT_STORAGE};
    struct scene scene;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(checks); i++) {
        scene_begin(&scene);
        segment.checks = checks[i];
        segment.storage = scene_span(&scene, 0, BIG, 1);
        scene_add(&scene, &segment, scene.bytes, BIG);
        assert_int_equal(truncate(folder_path(&scene.folder, "in"), BIG - 1),
                         0);
        assert_status(scene_run(&scene), CKPT_IO);
        assert_contains(scene.user.report.text, "shrank");
        hub_sink_free(scene.sink);
        scene.sink = NULL;
        assert_int_equal(folder_count(&scene.folder), 1);
        scene_end(&scene);
    }
}

static void
test_cancelled(void **state)
{
    struct ckpt_segment segment = {.kind = CKPT_SEGMENT_STORAGE};
    struct scene scene;
    int i;

    (void)state;
    scene_begin(&scene);
    scene.cancelled = true;
    segment.storage = scene_span(&scene, 0, BIG, 1);
    for (i = 0; i < 10; i++)
        scene_add(&scene, &segment, scene.bytes, BIG);
    assert_status(scene_run(&scene), CKPT_CANCELLED);
    scene_end(&scene);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes_without_checks),
        cmocka_unit_test(test_sizes_with_checks),
        cmocka_unit_test(test_runs_of_a_file),
        cmocka_unit_test(test_crc_is_the_common_one),
        cmocka_unit_test(test_padding_of_each_size),
        cmocka_unit_test(test_big_endian),
        cmocka_unit_test(test_tensors_are_made_contiguous),
        cmocka_unit_test(test_late_segments),
        cmocka_unit_test(test_input_that_shrank),
        cmocka_unit_test(test_cancelled),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
