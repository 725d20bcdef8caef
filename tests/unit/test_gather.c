/* SPDX-License-Identifier: MIT
 *
 * Strided gathering against the plainest loop there is, over random views,
 * and over views larger than the buffers, from files and from memory.
 */
#include "file_unit.h"

#include "hub/io/gather.h"

struct view {
    struct ckpt_tensor tensor;
    struct ckpt_storage storage;
    uint64_t shape[CKPT_MAX_RANK], strides[CKPT_MAX_RANK];
};

static uint64_t
view_extent(const struct view *view)
{
    uint64_t extent = view->tensor.offset + 1;
    uint32_t i;

    for (i = 0; i < view->tensor.rank; i++)
        extent += (view->shape[i] - 1) * view->strides[i];
    return extent;
}

static void
view_finish(struct view *view)
{
    struct ckpt_tensor *tensor = &view->tensor;
    size_t item = ckpt_dtype_width_bits(tensor->dtype) / 8;
    uint32_t i;

    tensor->shape = view->shape;
    tensor->strides = view->strides;
    tensor->storage = &view->storage;
    tensor->element_count = 1;
    for (i = 0; i < tensor->rank; i++)
        tensor->element_count *= view->shape[i];
    tensor->size_bytes = tensor->element_count * item;
    if (tensor->element_count > 0)
        view->storage.size_bytes = view_extent(view) * item;
}

/* The bytes of the view, by counting its indices like an odometer. */
static void
view_naive(const struct view *view, const unsigned char *storage,
           unsigned char *out)
{
    const struct ckpt_tensor *tensor = &view->tensor;
    size_t item = ckpt_dtype_width_bits(tensor->dtype) / 8;
    uint64_t index[CKPT_MAX_RANK] = {0}, n, at;
    uint32_t d;

    for (n = 0; n < tensor->element_count; n++) {
        at = tensor->offset;
        for (d = 0; d < tensor->rank; d++)
            at += index[d] * view->strides[d];
        memcpy(out + n * item, storage + at * item, item);
        for (d = tensor->rank; d-- > 0 && ++index[d] == view->shape[d];)
            index[d] = 0;
    }
}

static void
assert_gathers(struct unit *unit, const struct view *view,
               const struct ckpt_source *source, uint64_t offset,
               const unsigned char *memory, const unsigned char *wanted)
{
    struct hub_gather *gather;
    struct ckpt_span span;
    uint64_t at = 0;
    int status;

    assert_status(hub_gather_new(&unit->budget, HUB_BOX_BYTES, &view->tensor,
                                 source, offset, memory, &gather),
                  CKPT_OK);
    while ((status = hub_gather_next(gather, &span)) == CKPT_OK) {
        assert_true(span.size_bytes > 0);
        assert_true(span.size_bytes <= view->tensor.size_bytes - at);
        if (memcmp(span.data, wanted + at, span.size_bytes) != 0)
            fail_msg("other bytes from %llu", (unsigned long long)at);
        at += span.size_bytes;
    }
    assert_status(status, CKPT_END);
    assert_int_equal(at, view->tensor.size_bytes);
    assert_status(hub_gather_next(gather, &span), CKPT_END);
    hub_gather_free(gather);
}

/* From a file behind some bytes, from memory, and from memory at an address
 * that is not aligned. */
static void
try_view(struct unit *unit, struct folder *folder, const struct view *view)
{
    size_t i, size = (size_t)view->storage.size_bytes;
    unsigned char *bytes = malloc(size + 7);
    unsigned char *wanted = malloc((size_t)view->tensor.size_bytes + 1);
    struct ckpt_source *source;
    uint32_t random = 1;

    for (i = 0; i < size + 7; i++) {
        random = random * 1664525 + 1013904223;
        bytes[i] = (unsigned char)(random >> 24);
    }
    view_naive(view, bytes + 7, wanted);
    folder_write(folder, "storage", bytes, size + 7);
    assert_status(
        hub_source_open(&unit->budget, folder_path(folder, "storage"), &source),
        CKPT_OK);
    assert_gathers(unit, view, source, 7, NULL, wanted);
    assert_gathers(unit, view, NULL, 0, bytes + 7, wanted);
    memmove(bytes, bytes + 7, size);
    assert_gathers(unit, view, NULL, 0, bytes, wanted);
    hub_source_free(source);
    free(bytes);
    free(wanted);
}

static void
random_view(struct view *view)
{
    static const uint32_t dtypes[] = {CKPT_UINT8, CKPT_FLOAT16, CKPT_FLOAT32,
                                      CKPT_INT64, CKPT_COMPLEX128};
    uint64_t step = 1, spare;
    uint32_t i, order[6] = {0, 1, 2, 3, 4, 5}, k, swap;

    memset(view, 0, sizeof *view);
    view->tensor.dtype = dtypes[rand() % 5];
    view->tensor.rank = (uint32_t)rand() % 6;
    view->tensor.offset = (uint64_t)rand() % 5;
    for (i = 0; i + 1 < view->tensor.rank; i++) {
        k = i + (uint32_t)rand() % (view->tensor.rank - i);
        swap = order[i];
        order[i] = order[k];
        order[k] = swap;
    }
    for (i = 0; i < view->tensor.rank; i++) {
        view->shape[order[i]] = 1 + (uint64_t)rand() % 6;
        spare = (uint64_t)rand() % 3;
        view->strides[order[i]] = rand() % 6 == 0 ? 0 : step + spare;
        step = (step + spare) * (view->shape[order[i]] + 1);
    }
    view_finish(view);
}

static void
test_random_views(void **state)
{
    struct unit *unit = *state;
    struct folder folder = folder_begin();
    struct view view;
    int i;

    srand(20);
    for (i = 0; i < 1000; i++) {
        random_view(&view);
        try_view(unit, &folder, &view);
    }
    folder_end(&folder);
}

/* Each is larger than the box, the scratch, or both. */
static void
test_large_views(void **state)
{
    static const struct view views[] = {
        /* a transpose of 36 MB */
        {.tensor = {.dtype = CKPT_FLOAT32, .rank = 2},
         .shape = {3001, 3000},
         .strides = {1, 3001}},
        /* one of large elements, and a column to spare */
        {.tensor = {.dtype = CKPT_COMPLEX128, .rank = 2},
         .shape = {1000, 1200},
         .strides = {1, 1001}},
        /* kernels of a convolution, height and width first */
        {.tensor = {.dtype = CKPT_FLOAT16, .rank = 4},
         .shape = {500, 300, 3, 3},
         .strides = {1, 500, 450000, 150000}},
        /* gaps on two levels */
        {.tensor = {.dtype = CKPT_UINT8, .rank = 3},
         .shape = {300, 40, 70},
         .strides = {1, 700000, 9000}},
        /* the same rows again and again, turned */
        {.tensor = {.dtype = CKPT_FLOAT32, .rank = 3},
         .shape = {40, 900, 300},
         .strides = {0, 1, 3000}},
        /* rows far apart */
        {.tensor = {.dtype = CKPT_FLOAT16, .rank = 2, .offset = 3},
         .shape = {50, 300},
         .strides = {100000, 2}},
        /* one row repeated */
        {.tensor = {.dtype = CKPT_UINT8, .rank = 2},
         .shape = {20000, 1000},
         .strides = {0, 1}},
        /* every second byte of 12 MB */
        {.tensor = {.dtype = CKPT_UINT8, .rank = 1},
         .shape = {6000000},
         .strides = {2}},
        /* channels last */
        {.tensor = {.dtype = CKPT_FLOAT32, .rank = 4},
         .shape = {4, 64, 90, 80},
         .strides = {460800, 1, 5120, 64}},
        /* inner rows longer than the scratch, far apart */
        {.tensor = {.dtype = CKPT_FLOAT64, .rank = 3},
         .shape = {2, 3, 300000},
         .strides = {7, 700000, 2}},
    };
    struct unit *unit = *state;
    struct folder folder = folder_begin();
    struct view view;
    size_t i;

    for (i = 0; i < COUNT_OF(views); i++) {
        view = views[i];
        view_finish(&view);
        try_view(unit, &folder, &view);
    }
    folder_end(&folder);
}

static void
test_memory_is_bounded(void **state)
{
    struct unit *unit = *state;
    struct view view = {.tensor = {.dtype = CKPT_FLOAT32, .rank = 2},
                        .shape = {100000, 100000},
                        .strides = {1, 100000}};
    struct hub_gather *gather;
    char byte;

    view_finish(&view);
    assert_status(hub_gather_new(&unit->budget, HUB_BOX_BYTES, &view.tensor,
                                 NULL, 0, &byte, &gather),
                  CKPT_OK);
    assert_true(unit->budget.used_bytes < 40 << 20);
    hub_gather_free(gather);
    hub_gather_free(NULL);
}

static void
test_types_below_a_byte(void **state)
{
    struct unit *unit = *state;
    struct view view = {.tensor = {.dtype = CKPT_FLOAT4_E2M1, .rank = 1},
                        .shape = {4},
                        .strides = {2}};
    struct hub_gather *gather;

    view.tensor.shape = view.shape;
    view.tensor.strides = view.strides;
    assert_status(hub_gather_new(&unit->budget, HUB_BOX_BYTES, &view.tensor,
                                 NULL, 0, "x", &gather),
                  CKPT_UNSUPPORTED);
    assert_contains(unit->report.text, "float4_e2m1");
}

static void
test_file_that_shrank(void **state)
{
    struct unit *unit = *state;
    struct folder folder = folder_begin();
    struct view view = {.tensor = {.dtype = CKPT_UINT8, .rank = 1},
                        .shape = {50},
                        .strides = {2}};
    struct ckpt_source *source;
    struct hub_gather *gather;
    struct ckpt_span span;
    char bytes[99] = {0};

    view_finish(&view);
    folder_write(&folder, "storage", bytes, sizeof bytes);
    assert_status(hub_source_open(&unit->budget,
                                  folder_path(&folder, "storage"), &source),
                  CKPT_OK);
    assert_status(hub_gather_new(&unit->budget, HUB_BOX_BYTES, &view.tensor,
                                 source, 0, NULL, &gather),
                  CKPT_OK);
    assert_int_equal(truncate(folder_path(&folder, "storage"), 98), 0);
    assert_status(hub_gather_next(gather, &span), CKPT_IO);
    assert_contains(unit->report.text, "shrank");
    hub_gather_free(gather);
    hub_source_free(source);
    folder_end(&folder);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        unit_case(test_random_views),      unit_case(test_large_views),
        unit_case(test_memory_is_bounded), unit_case(test_types_below_a_byte),
        unit_case(test_file_that_shrank),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
