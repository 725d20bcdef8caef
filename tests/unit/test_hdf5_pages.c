/* SPDX-License-Identifier: MIT
 *
 * The sparse file in which libhdf5 lays an output out, against one that is
 * all there; and what names become in an output.
 */
#include "unit.h"

#include "false_host.h"
#include "plugins/formats/hdf5/hdf5_names.h"
#include "plugins/formats/hdf5/hdf5_plan_pages.h"

#define FILE_BYTES 200000

/* The plan as one run of bytes. */
struct ckpt_plan {
    unsigned char bytes[FILE_BYTES];
    size_t size_bytes;
};

static int
fake_plan_add(const struct ckpt_host *host, struct ckpt_plan *plan,
              const struct ckpt_segment *segment, size_t segment_bytes,
              uint64_t *index)
{
    (void)host;
    assert_int_equal(segment_bytes, sizeof *segment);
    assert_null(index);
    assert_in_range(segment->size_bytes, 1, FILE_BYTES - plan->size_bytes);
    if (segment->kind == CKPT_SEGMENT_BYTES)
        memcpy(plan->bytes + plan->size_bytes, segment->data,
               (size_t)segment->size_bytes);
    else
        assert_int_equal(segment->kind, CKPT_SEGMENT_PADDING);
    plan->size_bytes += (size_t)segment->size_bytes;
    return CKPT_OK;
}

static unsigned
any(unsigned *seed, unsigned below)
{
    *seed = *seed * 1103515245u + 12345u;
    return (*seed >> 8) % below;
}

/* Writes a few runs, in any order, into both files. */
static void
write_some(struct hdf5_bytes *bytes, unsigned char *flat, unsigned *seed)
{
    unsigned char run[9000];
    unsigned i, k, begin, size;

    for (i = any(seed, 12); i > 0; i--) {
        begin = any(seed, FILE_BYTES);
        size = any(seed, any(seed, 2) ? 9000 : 100);
        if (size > FILE_BYTES - begin)
            size = FILE_BYTES - begin;
        for (k = 0; k < size; k++)
            run[k] = (unsigned char)any(seed, 256);
        memcpy(flat + begin, run, size);
        assert_int_equal(bytes->write(bytes->context, begin, run, size), 0);
    }
}

static void
test_random_writes(void **state)
{
    static unsigned char flat[FILE_BYTES], got[FILE_BYTES];
    static struct ckpt_plan plan;
    struct false_host host;
    unsigned seed = 1, round, cut;

    (void)state;
    false_host_init(&host);
    host.table.plan_add = fake_plan_add;
    for (round = 0; round < 200; round++) {
        struct hdf5_pages pages = {.host = &host.table};
        struct hdf5_bytes bytes = hdf5_pages_bytes(&pages);

        memset(flat, 0, sizeof flat);
        memset(&plan, 0, sizeof plan);
        write_some(&bytes, flat, &seed);
        assert_int_equal(bytes.read(bytes.context, 0, got, FILE_BYTES), 0);
        assert_memory_equal(got, flat, FILE_BYTES);
        cut = any(&seed, FILE_BYTES);
        assert_status(hdf5_pages_plan(&pages, &plan, 0, cut), CKPT_OK);
        assert_int_equal(plan.size_bytes, cut);
        assert_status(hdf5_pages_plan(&pages, &plan, cut, FILE_BYTES), CKPT_OK);
        assert_int_equal(plan.size_bytes, FILE_BYTES);
        assert_memory_equal(plan.bytes, flat, FILE_BYTES);
        hdf5_pages_fini(&pages);
        assert_int_equal(host.live_count, 0);
    }
}

/* libhdf5 is told that all is well; the status tells otherwise. */
static void
test_no_memory(void **state)
{
    struct false_host host;
    size_t nth;

    (void)state;
    for (nth = 1; nth <= 3; nth++) {
        struct hdf5_pages pages = {.host = &host.table};
        struct hdf5_bytes bytes = hdf5_pages_bytes(&pages);

        false_host_init(&host);
        host.fail_at = nth;
        assert_int_equal(bytes.write(bytes.context, 4090, "0123456789", 10), 0);
        assert_int_equal(bytes.write(bytes.context, 0, "0123456789", 10), 0);
        assert_status(pages.status, CKPT_MEMORY);
        hdf5_pages_fini(&pages);
        assert_int_equal(host.live_count, 0);
    }
}

static void
test_names(void **state)
{
    static const struct {
        enum hdf5_layout layout;
        const char *name, *path;
        size_t layer;
    } wanted[] = {
        {HDF5_FLAT, "a.b/c.d", "a.b/c.d", 0},
        {HDF5_IN_GROUPS, "a.b/c.d", "a/b/c/d", 0},
        {HDF5_KERAS2, "a.b.weight", "a.b/weight", 3},
        {HDF5_KERAS2, "scale", "scale/scale", 5},
        {HDF5_KERAS2, "conv/conv/kernel:0", "conv/conv/kernel:0", 4},
        {HDF5_KERAS3, "layers/dense/vars/0", "layers/dense/vars/0", 0},
    };
    const struct ckpt_graph graph = {0};
    struct ckpt_text name, path;
    struct hdf5_names names;
    struct false_host host;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(wanted); i++) {
        false_host_init(&host);
        assert_status(
            hdf5_names_init(&names, &host.table, wanted[i].layout, &graph),
            CKPT_OK);
        name.data = wanted[i].name;
        name.size_bytes = strlen(name.data);
        assert_status(hdf5_names_give(&names, &name, &path), CKPT_OK);
        assert_int_equal(path.size_bytes, strlen(wanted[i].path));
        assert_memory_equal(path.data, wanted[i].path, path.size_bytes);
        assert_status(hdf5_names_check(&names, &path), CKPT_OK);
        if (wanted[i].layer > 0)
            assert_int_equal(hdf5_names_layer(&names, &path), wanted[i].layer);
        hdf5_names_fini(&names);
        assert_int_equal(host.live_count, 0);
    }
}

static void
test_attribute_paths(void **state)
{
    static const struct {
        const char *name, *own;
        size_t path;
    } wanted[] = {
        {"plain", "plain", 0},
        {"a/b@unit", "unit", 3},
        {"a@b@c", "c", 3},
        {"@x", "@x", 0},
        {"a@", "a@", 0},
        {"a//b@x", "a//b@x", 0},
        {"someone@host", "host", 7},
        {"./a@x", "./a@x", 0},
    };
    const char *own;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(wanted); i++) {
        assert_int_equal(hdf5_attr_path(wanted[i].name, &own), wanted[i].path);
        assert_string_equal(own, wanted[i].own);
    }
    assert_true(hdf5_attr_lists("layer_names", "layer_names"));
    assert_true(hdf5_attr_lists("layer_names12", "layer_names"));
    assert_false(hdf5_attr_lists("layer_names_", "layer_names"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_writes),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_attribute_paths),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
