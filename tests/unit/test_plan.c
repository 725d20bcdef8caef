/* SPDX-License-Identifier: MIT
 *
 * Plans: positions, files, and segments that cannot be.
 */
#include "graph_unit.h"

#include "hub/io/source.h"
#include "hub/run/plan.h"

struct scene {
    struct hub_host host;
    struct ckpt_plan plan;
};

static void
scene_begin(struct scene *scene, struct unit *unit)
{
    hub_report_clear(&unit->report);
    hub_host_init(&scene->host, &unit->budget);
    hub_plan_lend(&scene->host.table);
    hub_plan_init(&scene->plan, &unit->budget, "out.x");
}

static void
scene_end(struct scene *scene)
{
    hub_plan_fini(&scene->plan);
    hub_host_fini(&scene->host);
}

static int
add(struct scene *scene, const struct ckpt_segment *segment, uint64_t *index)
{
    return scene->host.table.plan_add(&scene->host.table, &scene->plan, segment,
                                      sizeof *segment, index);
}

static uint64_t
position(const struct scene *scene)
{
    return scene->host.table.plan_position(&scene->host.table, &scene->plan);
}

static void
test_positions(void **state)
{
    const struct ckpt_segment bytes = {
        .kind = CKPT_SEGMENT_BYTES, .data = "abc", .size_bytes = 3};
    const struct ckpt_segment padding = {.kind = CKPT_SEGMENT_PADDING,
                                         .size_bytes = UINT64_C(1) << 40};
    struct scene scene;
    uint64_t index = 99;

    scene_begin(&scene, *state);
    assert_string_equal(
        scene.host.table.plan_name(&scene.host.table, &scene.plan), "out.x");
    assert_int_equal(position(&scene), 0);
    assert_status(add(&scene, &bytes, &index), CKPT_OK);
    assert_int_equal(index, 0);
    assert_int_equal(position(&scene), 3);
    assert_status(add(&scene, &padding, &index), CKPT_OK);
    assert_int_equal(index, 1);
    assert_int_equal(position(&scene), (UINT64_C(1) << 40) + 3);
    assert_int_equal(scene.plan.file_count, 1);
    assert_ptr_not_equal(scene.plan.segments[0].from.data, bytes.data);
    scene_end(&scene);
}

static void
test_files(void **state)
{
    const struct ckpt_segment padding = {.kind = CKPT_SEGMENT_PADDING,
                                         .size_bytes = 5};
    struct scene scene;
    const struct ckpt_host *table = &scene.host.table;

    scene_begin(&scene, *state);
    assert_status(table->plan_file(table, &scene.plan, "one"), CKPT_OK);
    assert_status(add(&scene, &padding, NULL), CKPT_OK);
    assert_status(table->plan_file(table, &scene.plan, "two"), CKPT_OK);
    assert_int_equal(position(&scene), 0);
    assert_status(add(&scene, &padding, NULL), CKPT_OK);
    assert_status(hub_plan_finish(&scene.plan), CKPT_OK);
    assert_int_equal(scene.plan.file_count, 2);
    assert_string_equal(scene.plan.files[1].name, "two");
    assert_int_equal(scene.plan.segments[1].file, 1);
    assert_int_equal(scene.plan.files[0].size_bytes, 5);
    scene_end(&scene);
}

static void
test_names_that_climb(void **state)
{
    static const char *const names[] = {"", ".", "..", "a/b", "/a", "../a"};
    struct scene scene;
    size_t i;

    for (i = 0; i < COUNT_OF(names); i++) {
        scene_begin(&scene, *state);
        assert_status(scene.host.table.plan_file(&scene.host.table, &scene.plan,
                                                 names[i]),
                      CKPT_CONTRACT);
        scene_end(&scene);
    }
}

static void
test_empty_plan_is_one_file(void **state)
{
    struct scene scene;

    scene_begin(&scene, *state);
    assert_status(hub_plan_finish(&scene.plan), CKPT_OK);
    assert_int_equal(scene.plan.file_count, 1);
    assert_null(scene.plan.files[0].name);
    scene_end(&scene);
}

static void
test_segments_that_cannot_be(void **state)
{
    static const struct ckpt_segment padding = {.kind = CKPT_SEGMENT_PADDING,
                                                .size_bytes = UINT64_MAX};
    static const struct ckpt_segment none = {.kind = 99};
    struct scene scene;

    scene_begin(&scene, *state);
    assert_status(add(&scene, &none, NULL), CKPT_CONTRACT);
    scene_end(&scene);
    scene_begin(&scene, *state);
    assert_status(add(&scene, &padding, NULL), CKPT_OK);
    assert_status(add(&scene, &padding, NULL), CKPT_LIMIT);
    scene_end(&scene);
}

/* A run of a file is within the file. */
static void
test_runs_past_the_end(void **state)
{
    static const struct {
        uint64_t offset, size_bytes;
        int status;
    } runs[] = {
        {0, 10, CKPT_OK},
        {10, 0, CKPT_OK},
        {9, 2, CKPT_CONTRACT},
        {11, 0, CKPT_CONTRACT},
        {0, 11, CKPT_CONTRACT},
        {1, UINT64_MAX, CKPT_CONTRACT},
        {UINT64_MAX, 1, CKPT_CONTRACT},
    };
    struct ckpt_source file = {.size_bytes = 10}, folder = {.folder = true};
    struct ckpt_segment segment = {.kind = CKPT_SEGMENT_SOURCE};
    struct scene scene;
    size_t i;

    for (i = 0; i < COUNT_OF(runs); i++) {
        scene_begin(&scene, *state);
        segment.source = &file;
        segment.offset = runs[i].offset;
        segment.size_bytes = runs[i].size_bytes;
        assert_status(add(&scene, &segment, NULL), runs[i].status);
        scene_end(&scene);
    }
    segment.offset = segment.size_bytes = 0;
    for (i = 0; i < 2; i++) {
        scene_begin(&scene, *state);
        segment.source = i == 0 ? &folder : NULL;
        assert_status(add(&scene, &segment, NULL), CKPT_CONTRACT);
        scene_end(&scene);
    }
}

static void
test_checks_before_their_time(void **state)
{
    static const struct ckpt_segment padding = {.kind = CKPT_SEGMENT_PADDING,
                                                .size_bytes = 1};
    struct scene scene;
    const struct ckpt_host *table = &scene.host.table;
    unsigned char digest[32];

    scene_begin(&scene, *state);
    assert_status(add(&scene, &padding, NULL), CKPT_OK);
    assert_int_equal(table->plan_crc32(table, &scene.plan, 0), 0);
    assert_int_equal(table->plan_crc32(table, &scene.plan, 7), 0);
    assert_status(table->plan_sha256(table, &scene.plan, 0, digest),
                  CKPT_CONTRACT);
    scene_end(&scene);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        unit_case(test_positions),
        unit_case(test_files),
        unit_case(test_names_that_climb),
        unit_case(test_empty_plan_is_one_file),
        unit_case(test_segments_that_cannot_be),
        unit_case(test_runs_past_the_end),
        unit_case(test_checks_before_their_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
