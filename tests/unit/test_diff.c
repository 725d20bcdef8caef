/* SPDX-License-Identifier: MIT
 *
 * Comparisons: what counts as a difference, what is read for it, and which
 * prefix is in the way.
 */
#include <math.h>

#include "graph_unit.h"

#include "hub/run/diff.h"

/* Two files that were never opened: only their graphs are there. */
struct scene {
    struct ckpt user;
    struct hub_graph graphs[2];
    struct ckpt_value *roots[2];
    struct ckpt_file files[2];
    struct ckpt_comparison how;
    struct ckpt_diff *diff;
    const struct ckpt_diff_info *info;
};

static void
scene_begin(struct scene *scene, struct unit *unit)
{
    size_t i;

    memset(scene, 0, sizeof *scene);
    scene->user.budget = unit->budget;
    scene->user.budget.report = &scene->user.report;
    scene->how = CKPT_COMPARISON;
    for (i = 0; i < 2; i++) {
        hub_graph_init(&scene->graphs[i], &scene->user.budget);
        scene->roots[i] = graph_empty(&scene->graphs[i], CKPT_KIND_MAP);
        scene->files[i].reading.user = &scene->user;
        scene->files[i].reading.path = i ? "b" : "a";
        scene->files[i].reading.graph = &scene->graphs[i].public;
        scene->files[i].reading.host.report = &scene->user.report;
        scene->files[i].reading.transforms.host.report = &scene->user.report;
        scene->files[i].spool.budget = &scene->user.budget;
    }
}

static void
scene_compare(struct scene *scene)
{
    size_t i;

    for (i = 0; i < 2; i++) {
        assert_status(hub_root_set(&scene->graphs[i], scene->roots[i]),
                      CKPT_OK);
        assert_status(hub_graph_finish(&scene->graphs[i]), CKPT_OK);
    }
    assert_status(ckpt_compare(&scene->files[0], &scene->files[1], &scene->how,
                               &scene->diff),
                  CKPT_OK);
    scene->info = ckpt_diff_info(scene->diff);
}

static void
scene_end(struct scene *scene)
{
    ckpt_diff_free(scene->diff);
    hub_graph_fini(&scene->graphs[0]);
    hub_graph_fini(&scene->graphs[1]);
    assert_int_equal(scene->user.budget.used_bytes, 0);
}

static const struct ckpt_storage *
scene_bytes(struct scene *scene, size_t side, const void *bytes, size_t size)
{
    struct ckpt_storage like = {.place = CKPT_PLACE_OWNED, .data = bytes};
    const struct ckpt_storage *storage = NULL;

    like.size_bytes = size;
    assert_status(hub_storage_new(&scene->graphs[side], &like, 0, &storage),
                  CKPT_OK);
    return storage;
}

static void
scene_view(struct scene *scene, size_t side, const char *name, uint32_t dtype,
           const struct ckpt_storage *storage, uint64_t count)
{
    struct ckpt_tensor like = {.dtype = dtype, .rank = 1, .shape = &count};
    struct ckpt_value *value = NULL;

    like.storage = storage;
    assert_status(hub_tensor_new(&scene->graphs[side], &like, NULL, &value),
                  CKPT_OK);
    graph_put(&scene->graphs[side], scene->roots[side], name, value);
}

/* A vector under that name. */
static void
scene_tensor(struct scene *scene, size_t side, const char *name, uint32_t dtype,
             const void *bytes, uint64_t count)
{
    size_t size = (size_t)(count * ckpt_dtype_width_bits(dtype) + 7) / 8;

    scene_view(scene, side, name, dtype, scene_bytes(scene, side, bytes, size),
               count);
}

#define scene_pair(scene, dtype, a, b)                        \
    do {                                                      \
        scene_tensor(scene, 0, "x", dtype, (a), COUNT_OF(a)); \
        scene_tensor(scene, 1, "x", dtype, (b), COUNT_OF(b)); \
        scene_compare(scene);                                 \
    } while (0)

static void
assert_difference(const struct scene *scene, size_t nth, uint32_t kind,
                  const char *name)
{
    assert_in_range(nth + 1, 1, scene->info->difference_count);
    assert_int_equal(scene->info->differences[nth].kind, kind);
    assert_string_equal(scene->info->differences[nth].name.data, name);
}

static void
test_same(void **state)
{
    struct scene scene;
    const float a[] = {1, -0.0f, NAN, INFINITY}, b[] = {1, 0, NAN, INFINITY};

    scene_begin(&scene, *state);
    scene_pair(&scene, CKPT_FLOAT32, a, b);
    assert_int_equal(scene.info->difference_count, 0);
    assert_int_equal(scene.info->tensor_count, 1);
    scene_end(&scene);
}

static void
test_floats(void **state)
{
    struct scene scene;
    const double a[] = {1, 2, NAN, 4, 8}, b[] = {1, 2.5, 3, 2, 8};
    const struct ckpt_difference *found;

    scene_begin(&scene, *state);
    scene_pair(&scene, CKPT_FLOAT64, a, b);
    assert_int_equal(scene.info->difference_count, 1);
    assert_difference(&scene, 0, CKPT_DIFFERENCE_VALUE, "x");
    found = &scene.info->differences[0];
    assert_true(found->measured);
    assert_int_equal(found->element_count, 3);
    assert_int_equal(found->nan_count, 1);
    assert_true(found->absolute == 2);
    assert_true(found->relative == 0.5);
    scene_end(&scene);
}

static void
test_infinite(void **state)
{
    struct scene scene;
    const double a[] = {INFINITY, 1}, b[] = {-INFINITY, 1};

    scene_begin(&scene, *state);
    scene.how.absolute = 1e300;
    scene.how.relative = 1;
    scene_pair(&scene, CKPT_FLOAT64, a, b);
    assert_int_equal(scene.info->differences[0].element_count, 1);
    assert_true(isinf(scene.info->differences[0].absolute));
    assert_true(isinf(scene.info->differences[0].relative));
    scene_end(&scene);
}

/* Where doubles would not tell them apart. */
static void
test_integers(void **state)
{
    struct scene scene;
    const int64_t a[] = {INT64_MAX, INT64_MIN, -3},
                  b[] = {INT64_MAX - 1, INT64_MIN, 3};

    scene_begin(&scene, *state);
    scene_pair(&scene, CKPT_INT64, a, b);
    assert_int_equal(scene.info->differences[0].element_count, 2);
    assert_true(scene.info->differences[0].absolute == 6);
    assert_true(scene.info->differences[0].relative == 2);
    scene_end(&scene);
}

static void
test_tolerance(void **state)
{
    struct scene scene;
    const float a[] = {100, 1, 0}, b[] = {101, 1.25f, 0.5f};

    scene_begin(&scene, *state);
    scene.how.absolute = 0.25;
    scene.how.relative = 0.0075;
    scene_pair(&scene, CKPT_FLOAT32, a, b);
    assert_int_equal(scene.info->differences[0].element_count, 1);
    assert_true(scene.info->differences[0].absolute == 1);
    scene_end(&scene);
    scene_begin(&scene, *state);
    scene.how.absolute = 1;
    scene_pair(&scene, CKPT_FLOAT32, a, b);
    assert_int_equal(scene.info->difference_count, 0);
    scene_end(&scene);
}

static void
test_complex(void **state)
{
    struct scene scene;
    const float a[][2] = {{3, 4}, {1, 1}}, b[][2] = {{0, 0}, {1, 1}};

    scene_begin(&scene, *state);
    scene_pair(&scene, CKPT_COMPLEX64, a, b);
    assert_int_equal(scene.info->differences[0].element_count, 1);
    assert_true(scene.info->differences[0].absolute == 5);
    assert_true(scene.info->differences[0].relative == 1);
    scene_end(&scene);
}

/* The bits alone: elements that are no numbers. */
static void
test_bits(void **state)
{
    struct scene scene;
    const unsigned char a[] = {0x21, 0x43, 0x05}, b[] = {0x21, 0x40, 0xf5};

    scene_begin(&scene, *state);
    scene_tensor(&scene, 0, "x", CKPT_UINT4, a, 5);
    scene_tensor(&scene, 1, "x", CKPT_UINT4, b, 5);
    scene_compare(&scene);
    assert_int_equal(scene.info->difference_count, 1);
    assert_int_equal(scene.info->differences[0].element_count, 1);
    assert_false(scene.info->differences[0].measured);
    scene_end(&scene);
}

/* A dtype differs once; the numbers may be the same or not. */
static void
test_dtypes(void **state)
{
    struct scene scene;
    const float a[] = {1, -2, NAN};
    const uint16_t b[] = {0x3f80, 0xc000, 0x7fc1};
    const int16_t c[] = {1, -2, 7};

    scene_begin(&scene, *state);
    scene_tensor(&scene, 0, "x", CKPT_FLOAT32, a, 3);
    scene_tensor(&scene, 1, "x", CKPT_BFLOAT16, b, 3);
    scene_tensor(&scene, 0, "y", CKPT_FLOAT32, a, 2);
    scene_tensor(&scene, 1, "y", CKPT_INT16, c, 2);
    scene_tensor(&scene, 0, "z", CKPT_FLOAT32, a, 3);
    scene_tensor(&scene, 1, "z", CKPT_INT16, c, 3);
    scene_compare(&scene);
    assert_int_equal(scene.info->difference_count, 4);
    assert_difference(&scene, 0, CKPT_DIFFERENCE_DTYPE, "x");
    assert_difference(&scene, 1, CKPT_DIFFERENCE_DTYPE, "y");
    assert_difference(&scene, 2, CKPT_DIFFERENCE_DTYPE, "z");
    assert_difference(&scene, 3, CKPT_DIFFERENCE_VALUE, "z");
    assert_int_equal(scene.info->differences[3].nan_count, 1);
    scene_end(&scene);
}

/* In the first's order; then what it lacks. Names that look the same are
 * paired in order. */
static void
test_names(void **state)
{
    struct scene scene;
    const unsigned char bytes[] = {1, 2, 3};
    struct ckpt_value *nested;

    scene_begin(&scene, *state);
    scene_tensor(&scene, 0, "p.q", CKPT_UINT8, bytes, 1);
    nested = scene.roots[0];
    scene.roots[0] = graph_empty(&scene.graphs[0], CKPT_KIND_MAP);
    scene_tensor(&scene, 0, "q", CKPT_UINT8, bytes, 2);
    graph_put(&scene.graphs[0], nested, "p", scene.roots[0]);
    scene.roots[0] = nested;
    scene_tensor(&scene, 0, "first", CKPT_UINT8, bytes, 1);
    scene_tensor(&scene, 0, "shape", CKPT_UINT8, bytes, 1);
    scene_tensor(&scene, 1, "second", CKPT_UINT8, bytes, 1);
    scene_tensor(&scene, 1, "shape", CKPT_UINT8, bytes, 2);
    scene_tensor(&scene, 1, "p.q", CKPT_UINT8, bytes, 1);
    scene_compare(&scene);
    assert_int_equal(scene.info->difference_count, 4);
    assert_difference(&scene, 0, CKPT_DIFFERENCE_ONLY_FIRST, "p.q");
    assert_difference(&scene, 1, CKPT_DIFFERENCE_ONLY_FIRST, "first");
    assert_difference(&scene, 2, CKPT_DIFFERENCE_SHAPE, "shape");
    assert_difference(&scene, 3, CKPT_DIFFERENCE_ONLY_SECOND, "second");
    assert_int_equal(scene.info->tensor_count, 2);
    scene_end(&scene);
}

static void
test_ties(void **state)
{
    struct scene scene;
    const unsigned char bytes[] = {1, 2};
    const struct ckpt_storage *shared;

    scene_begin(&scene, *state);
    shared = scene_bytes(&scene, 0, bytes, 2);
    scene_view(&scene, 0, "a", CKPT_UINT8, shared, 2);
    scene_view(&scene, 0, "b", CKPT_UINT8, shared, 2);
    scene_tensor(&scene, 0, "c", CKPT_UINT8, bytes, 2);
    shared = scene_bytes(&scene, 1, bytes, 2);
    scene_tensor(&scene, 1, "a", CKPT_UINT8, bytes, 2);
    scene_view(&scene, 1, "b", CKPT_UINT8, shared, 2);
    scene_view(&scene, 1, "c", CKPT_UINT8, shared, 2);
    scene_compare(&scene);
    assert_int_equal(scene.info->difference_count, 2);
    assert_difference(&scene, 0, CKPT_DIFFERENCE_TIE, "b");
    assert_string_equal(scene.info->differences[0].first_tie, "a");
    assert_null(scene.info->differences[0].second_tie);
    assert_difference(&scene, 1, CKPT_DIFFERENCE_TIE, "c");
    assert_null(scene.info->differences[1].first_tie);
    assert_string_equal(scene.info->differences[1].second_tie, "b");
    scene_end(&scene);
}

static void
test_scalars(void **state)
{
    struct scene scene;
    struct ckpt_value *list;
    size_t i;

    scene_begin(&scene, *state);
    for (i = 0; i < 2; i++) {
        struct hub_graph *graph = &scene.graphs[i];

        graph_put(graph, scene.roots[i], "epoch", graph_int(graph, 3 + i));
        graph_put(graph, scene.roots[i], "arch", graph_string(graph, "x"));
        graph_put(graph, scene.roots[i], i ? "b" : "a", graph_int(graph, 1));
        /* It holds itself. */
        list = graph_empty(graph, CKPT_KIND_LIST);
        hub_list_add(graph, list, graph_empty(graph, CKPT_KIND_NONE));
        hub_list_add(graph, list, list);
        graph_put(graph, scene.roots[i], "list", list);
    }
    graph_put(&scene.graphs[0], scene.roots[0], "lr",
              graph_value(&scene.graphs[0],
                          (struct ckpt_value){.kind = CKPT_KIND_FLOAT,
                                              .as.real = 0.5}));
    graph_put(&scene.graphs[1], scene.roots[1], "lr",
              graph_value(&scene.graphs[1],
                          (struct ckpt_value){.kind = CKPT_KIND_FLOAT,
                                              .as.real = 0.5 + 1e-9}));
    scene.how.absolute = 1e-6;
    scene_compare(&scene);
    assert_int_equal(scene.info->scalar_count, 4);
    assert_int_equal(scene.info->difference_count, 3);
    assert_difference(&scene, 0, CKPT_DIFFERENCE_SCALAR, "epoch");
    assert_difference(&scene, 1, CKPT_DIFFERENCE_SCALAR, "a");
    assert_null(scene.info->differences[1].second);
    assert_difference(&scene, 2, CKPT_DIFFERENCE_SCALAR, "b");
    assert_null(scene.info->differences[2].first);
    scene_end(&scene);
}

/* A storage is read once for two names of it on both sides. */
static void
test_once(void **state)
{
    struct scene scene;
    const unsigned char a[] = {1, 2}, b[] = {1, 3};
    const struct ckpt_storage *shared;
    size_t i;

    scene_begin(&scene, *state);
    for (i = 0; i < 2; i++) {
        shared = scene_bytes(&scene, i, i ? b : a, 2);
        scene_view(&scene, i, "a", CKPT_UINT8, shared, 2);
        scene_view(&scene, i, "b", CKPT_UINT8, shared, 2);
    }
    scene_compare(&scene);
    assert_int_equal(scene.diff->compared.table.count, 1);
    assert_int_equal(scene.info->difference_count, 2);
    assert_int_equal(scene.info->differences[1].element_count, 1);
    scene_end(&scene);
}

static void
like_names(struct scene *scene, size_t side, const char *const *names)
{
    const unsigned char bytes[] = {1, 2};

    for (; *names != NULL; names++)
        scene_tensor(scene, side, *names, CKPT_UINT8, bytes, 2);
}

static void
test_like_strip(void **state)
{
    static const char *const longer[] = {"module.a.w", "module.b.w", "module.c",
                                         "n", NULL};
    static const char *const shorter[] = {"z", "a.w", "b.w", NULL};
    struct scene scene;
    size_t i;

    for (i = 0; i < 2; i++) {
        scene_begin(&scene, *state);
        scene.how.like = true;
        like_names(&scene, i, longer);
        like_names(&scene, 1 - i, shorter);
        scene_compare(&scene);
        assert_int_equal(scene.info->cure, i ? CKPT_CURE_ADD : CKPT_CURE_STRIP);
        assert_string_equal(scene.info->prefix, "module.");
        assert_string_equal(scene.info->root, "");
        assert_int_equal(scene.info->cured_count, 2);
        assert_int_equal(scene.info->mismatched_count, 0);
        assert_int_equal(scene.info->unexpected_count, i ? 1 : 2);
        assert_int_equal(scene.info->missing_count, i ? 2 : 1);
        scene_end(&scene);
    }
}

static void
test_like_root(void **state)
{
    static const char *const inner[] = {"module.w", "module.b", NULL};
    static const char *const model[] = {"w", "b", NULL};
    struct scene scene;
    struct ckpt_value *outer;

    scene_begin(&scene, *state);
    scene.how.like = true;
    outer = scene.roots[0];
    scene.roots[0] = graph_empty(&scene.graphs[0], CKPT_KIND_MAP);
    like_names(&scene, 0, inner);
    graph_put(&scene.graphs[0], outer, "state", scene.roots[0]);
    scene.roots[0] = outer;
    like_names(&scene, 0, (const char *const[]){"other", NULL});
    like_names(&scene, 1, model);
    scene_compare(&scene);
    assert_int_equal(scene.info->cure, CKPT_CURE_STRIP);
    assert_string_equal(scene.info->root, "state");
    assert_string_equal(scene.info->prefix, "module.");
    assert_int_equal(scene.info->cured_count, 2);
    assert_int_equal(scene.info->unexpected_count, 0);
    assert_int_equal(scene.info->missing_count, 0);
    scene_end(&scene);
}

static void
test_like_none(void **state)
{
    static const char *const names[] = {"a", "x.b", NULL};
    struct scene scene;

    scene_begin(&scene, *state);
    scene.how.like = true;
    like_names(&scene, 0, names);
    like_names(&scene, 1, names);
    scene_tensor(&scene, 0, "s", CKPT_UINT8, "12", 2);
    scene_tensor(&scene, 1, "s", CKPT_INT8, "345", 3);
    scene_compare(&scene);
    assert_int_equal(scene.info->cure, CKPT_CURE_NONE);
    assert_int_equal(scene.info->difference_count, 1);
    assert_difference(&scene, 0, CKPT_DIFFERENCE_SHAPE, "s");
    scene_end(&scene);
}

/* Whatever is no longer to be had, it ends with one reason. */
static void
test_out_of_budget(void **state)
{
    static const char *const names[] = {"a", "x.b", "c", NULL};
    struct scene scene;
    uint64_t limit, before;
    int status = CKPT_LIMIT;

    scene_begin(&scene, *state);
    like_names(&scene, 0, names);
    like_names(&scene, 1, names + 1);
    scene_compare(&scene);
    ckpt_diff_free(scene.diff);
    scene.diff = NULL;
    before = scene.user.budget.used_bytes;
    for (limit = 0; status != CKPT_OK; limit += 64) {
        scene.user.budget.limit_bytes = before + limit;
        if (limit == 1024)
            limit = 2 * HUB_WINDOW_BYTES;
        status = ckpt_compare(&scene.files[0], &scene.files[1], &scene.how,
                              &scene.diff);
        assert_status(status, scene.user.report.status);
        if (status == CKPT_OK)
            break;
        assert_status(status, CKPT_LIMIT);
        assert_int_equal(scene.user.budget.used_bytes, before);
    }
    scene_end(&scene);
}

static bool
test_is_cancelled(void *user)
{
    (void)user;
    return true;
}

static void
test_cancelled(void **state)
{
    struct scene scene;

    scene_begin(&scene, *state);
    scene_tensor(&scene, 0, "x", CKPT_UINT8, "12", 2);
    scene_tensor(&scene, 1, "x", CKPT_UINT8, "13", 2);
    scene_compare(&scene);
    ckpt_diff_free(scene.diff);
    scene.diff = NULL;
    scene.user.settings.cancelled = test_is_cancelled;
    assert_status(
        ckpt_compare(&scene.files[0], &scene.files[1], &scene.how, &scene.diff),
        CKPT_CANCELLED);
    assert_string_equal(scene.user.report.text, "stopped");
    scene_end(&scene);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        unit_case(test_same),       unit_case(test_floats),
        unit_case(test_infinite),   unit_case(test_integers),
        unit_case(test_tolerance),  unit_case(test_complex),
        unit_case(test_bits),       unit_case(test_dtypes),
        unit_case(test_names),      unit_case(test_ties),
        unit_case(test_scalars),    unit_case(test_once),
        unit_case(test_like_strip), unit_case(test_like_root),
        unit_case(test_like_none),  unit_case(test_out_of_budget),
        unit_case(test_cancelled),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
