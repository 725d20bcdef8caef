/* SPDX-License-Identifier: MIT
 *
 * What the safetensors writer refuses, most of which no reader can bring
 * about, and where it puts metadata.
 */
#include "unit.h"

#include "false_host.h"
#include "plugins/formats/safetensors/safetensors_plan.h"

#define HEADER_MAX ((size_t)100000000)
#define SCALAR "{\"\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[0,1]}}"

struct ckpt_plan {
    const char *name;
    size_t file_count, segment_count;
    char last_name[1024];
    char last_bytes[1024]; /* of the last literal segment, cut */
};

/* A graph of up to two tensors, its writer's host and its plan. */
struct fixture {
    struct false_host host;
    struct ckpt_plan plan;
    struct ckpt_graph graph;
    struct ckpt_entry entries[2];
    struct ckpt_value values[2];
    struct ckpt_tensor tensors[2];
    uint64_t shapes[2][2];
    struct ckpt_attr attr;
    struct ckpt_value attr_value;
};

static const char *
fixture_name(const struct ckpt_host *host, const struct ckpt_plan *plan)
{
    (void)host;
    return plan->name;
}

static int
fixture_file(const struct ckpt_host *host, struct ckpt_plan *plan,
             const char *name)
{
    (void)host;
    plan->file_count++;
    snprintf(plan->last_name, sizeof plan->last_name, "%s", name);
    return CKPT_OK;
}

static int
fixture_add(const struct ckpt_host *host, struct ckpt_plan *plan,
            const struct ckpt_segment *segment, size_t segment_bytes,
            uint64_t *index)
{
    size_t room = sizeof plan->last_bytes - 1;

    (void)host;
    (void)segment_bytes;
    (void)index;
    plan->segment_count++;
    if (segment->kind != CKPT_SEGMENT_BYTES)
        return CKPT_OK;
    if (segment->size_bytes < room)
        room = (size_t)segment->size_bytes;
    memcpy(plan->last_bytes, segment->data, room);
    plan->last_bytes[room] = '\0';
    return CKPT_OK;
}

static void
fixture_tensor(struct fixture *f, const char *name, uint32_t dtype,
               uint64_t size_bytes)
{
    size_t at = f->graph.entry_count++;

    f->tensors[at].dtype = dtype;
    f->tensors[at].shape = f->shapes[at];
    f->tensors[at].size_bytes = size_bytes;
    f->tensors[at].element_count = 1;
    f->values[at].kind = CKPT_KIND_TENSOR;
    f->values[at].as.tensor = &f->tensors[at];
    f->entries[at].name.data = name;
    f->entries[at].name.size_bytes = strlen(name);
    f->entries[at].value = &f->values[at];
}

static void
fixture_attr(struct fixture *f, const char *name, const char *text,
             size_t size_bytes)
{
    f->attr_value.kind = CKPT_KIND_STRING;
    f->attr_value.as.text.data = text;
    f->attr_value.as.text.size_bytes = size_bytes;
    f->attr.name = name;
    f->attr.value = &f->attr_value;
    f->graph.attrs = &f->attr;
}

static int
fixture_setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    if (f == NULL)
        return -1;
    false_host_init(&f->host);
    f->host.table.plan_name = fixture_name;
    f->host.table.plan_file = fixture_file;
    f->host.table.plan_add = fixture_add;
    f->plan.name = "m.safetensors";
    f->graph.entries = f->entries;
    *state = f;
    return 0;
}

static int
fixture_teardown(void **state)
{
    struct fixture *f = *state;
    size_t left = f->host.live_count;

    if (left > 0)
        fprintf(stderr, "%zu allocations were not released\n", left);
    free(f);
    return left == 0 ? 0 : -1;
}

static int
fixture_plan(struct fixture *f, uint64_t shard_bytes)
{
    return safetensors_plan(&f->host.table, shard_bytes, &f->graph, &f->plan);
}

/* The plan is refused, once, for a reason. */
static void
assert_refused(struct fixture *f, uint64_t shard_bytes, const char *reason)
{
    assert_status(fixture_plan(f, shard_bytes), CKPT_UNSUPPORTED);
    assert_string_equal(f->host.text, reason);
    assert_int_equal(f->host.failure_count, 1);
}

static void
test_name_not_utf8(void **state)
{
    fixture_tensor(*state, "a\xff", CKPT_UINT8, 1);
    assert_refused(*state, 0, "a name that is not utf-8");
}

static void
test_dtype_not_held(void **state)
{
    fixture_tensor(*state, "a", CKPT_COMPLEX128, 16);
    assert_refused(*state, 0, "a dtype that cannot be held");
}

static void
test_part_of_a_byte(void **state)
{
    struct fixture *f = *state;

    fixture_tensor(f, "a", CKPT_FLOAT4_E2M1, 2);
    f->tensors[0].rank = 1;
    f->tensors[0].element_count = f->shapes[0][0] = 3;
    assert_refused(f, 0, "a shape that does not fill whole bytes");
}

static void
test_wide_dimension(void **state)
{
    struct fixture *f = *state;

    fixture_tensor(f, "a", CKPT_FLOAT4_E2M1FN_X2, 0);
    f->tensors[0].rank = 2;
    f->tensors[0].element_count = 0;
    f->shapes[0][1] = UINT64_C(1) << 63;
    assert_refused(f, 0, "a dimension that overflows 64 bits");
}

static void
test_data_overflow(void **state)
{
    struct fixture *f = *state;

    fixture_tensor(f, "a", CKPT_UINT8, UINT64_C(1) << 63);
    fixture_tensor(f, "b", CKPT_UINT8, UINT64_C(1) << 63);
    assert_refused(f, 0, "the data overflow 64 bits");
}

/* No shard is too large, but all of them together are. */
static void
test_total_overflow(void **state)
{
    struct fixture *f = *state;

    fixture_tensor(f, "a", CKPT_UINT8, UINT64_C(1) << 63);
    fixture_tensor(f, "b", CKPT_UINT8, UINT64_C(1) << 63);
    assert_refused(f, 1, "the data overflow 64 bits");
}

static void
test_header_limit(void **state)
{
    struct fixture *f = *state;
    size_t most = HEADER_MAX - strlen(SCALAR);
    char *name = malloc(most + 2);

    assert_non_null(name);
    memset(name, 'n', most + 1);
    name[most + 1] = '\0';
    fixture_tensor(f, name, CKPT_UINT8, 1);
    f->entries[0].name.size_bytes = most;
    assert_status(fixture_plan(f, 0), CKPT_OK);
    f->entries[0].name.size_bytes = most + 1;
    assert_refused(f, 0,
                   "a header of 100000008 bytes; readers take at most "
                   "100000000");
    free(name);
}

static void
test_index_limit(void **state)
{
    struct fixture *f = *state;
    char *text = malloc(HEADER_MAX);

    assert_non_null(text);
    memset(text, 't', HEADER_MAX);
    fixture_attr(f, "note", text, HEADER_MAX);
    fixture_tensor(f, "a", CKPT_UINT8, 1);
    fixture_tensor(f, "b", CKPT_UINT8, 1);
    assert_status(fixture_plan(f, 1), CKPT_UNSUPPORTED);
    assert_contains(f->host.text, "an index of 100000164 bytes");
    free(text);
}

/* Whatever the system says of such a name, the plan keeps it whole. */
static void
test_long_name(void **state)
{
    struct fixture *f = *state;
    char name[701];

    memset(name, 'm', 700);
    name[700] = '\0';
    f->plan.name = name;
    fixture_tensor(f, "a", CKPT_UINT8, 1);
    fixture_tensor(f, "b", CKPT_UINT8, 1);
    assert_status(fixture_plan(f, 1), CKPT_OK);
    assert_int_equal(f->plan.file_count, 3);
    assert_int_equal(strlen(f->plan.last_name),
                     700 + strlen(".safetensors.index.json"));
}

static void
plan_shards_of(struct fixture *f, const char *key)
{
    fixture_attr(f, key, "x", 1);
    fixture_tensor(f, "a", CKPT_UINT8, 1);
    fixture_tensor(f, "b", CKPT_UINT8, 1);
    assert_status(fixture_plan(f, 1), CKPT_OK);
    assert_string_equal(f->plan.last_name, "m.safetensors.index.json");
}

static void
test_metadata_in_index(void **state)
{
    struct fixture *f = *state;

    plan_shards_of(f, "note");
    assert_contains(f->plan.last_bytes,
                    "\"total_size\": 2,\n    \"note\": \"x\"\n  },");
}

/* The index has a total_size of its own, which is a number. */
static void
test_total_size_as_text(void **state)
{
    struct fixture *f = *state;

    plan_shards_of(f, "total_size");
    assert_contains(f->plan.last_bytes, "{\n    \"total_size\": 2\n  },");
}

static void
test_no_memory(void **state)
{
    struct fixture *f = *state;
    size_t nth;
    int status = CKPT_MEMORY;

    plan_shards_of(f, "note");
    for (nth = 1; status != CKPT_OK; nth++) {
        false_host_clear(&f->host);
        f->host.allocations = 0;
        f->host.fail_at = nth;
        status = fixture_plan(f, 1);
        if (status != CKPT_OK)
            assert_status(status, CKPT_MEMORY);
        assert_int_equal(f->host.live_count, 0);
    }
    assert_true(nth > 4);
}

#define plan_case(function) \
    cmocka_unit_test_setup_teardown(function, fixture_setup, fixture_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        plan_case(test_name_not_utf8),      plan_case(test_dtype_not_held),
        plan_case(test_part_of_a_byte),     plan_case(test_wide_dimension),
        plan_case(test_data_overflow),      plan_case(test_total_overflow),
        plan_case(test_header_limit),       plan_case(test_index_limit),
        plan_case(test_long_name),          plan_case(test_metadata_in_index),
        plan_case(test_total_size_as_text), plan_case(test_no_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
