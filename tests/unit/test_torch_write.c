/* SPDX-License-Identifier: MIT
 *
 * Graphs as pickles: memo places, batches, and each thing that cannot be
 * said. The expected bytes are those of torch.save.
 */
#include "graph_unit.h"

#include "false_host.h"
#include "torch_write.h"

#define assert_bytes(data, size, text)                         \
    do {                                                       \
        assert_int_equal((size), sizeof(text) - 1);            \
        assert_memory_equal((data), (text), sizeof(text) - 1); \
    } while (0)

struct written {
    struct false_host host;
    struct sdk_torch_pickle result;
    int status;
};

/* Ends the graph with that root and writes it. */
static void
write_root(struct written *w, struct hub_graph *graph,
           const struct ckpt_value *root)
{
    assert_status(hub_root_set(graph, root), CKPT_OK);
    assert_status(hub_graph_finish(graph), CKPT_OK);
    memset(w, 0, sizeof *w);
    false_host_init(&w->host);
    w->status = sdk_torch_write(&w->host.table, &graph->public, SDK_TORCH_ZIP,
                                &w->result);
}

static void
write_end(struct written *w, struct hub_graph *graph)
{
    sdk_torch_fini(&w->host.table, &w->result);
    assert_int_equal(w->host.live_count, 0);
    hub_graph_fini(graph);
}

#define assert_written(w, text)                                               \
    do {                                                                      \
        assert_status((w)->status, CKPT_OK);                                  \
        assert_bytes((w)->result.pickle.out.data,                             \
                     (w)->result.pickle.out.size_bytes, "\x80\x02" text "."); \
    } while (0)

static void
assert_refused(struct written *w, int status, const char *text)
{
    assert_status(w->status, status);
    assert_contains(w->host.text, text);
    assert_int_equal(w->host.failure_count, 1);
}

static void
add(struct hub_graph *graph, struct ckpt_value *list,
    const struct ckpt_value *item)
{
    assert_status(hub_list_add(graph, list, item), CKPT_OK);
}

static struct ckpt_value *
object(struct hub_graph *graph, uint32_t made, const char *module,
       const char *name, const struct ckpt_value *args)
{
    struct ckpt_object like = {
        .made = made, .module = module, .name = name, .args = args};

    return graph_value(graph, (struct ckpt_value){.kind = CKPT_KIND_OBJECT,
                                                  .as.object = &like});
}

static struct ckpt_value *
view(struct hub_graph *graph, const struct ckpt_storage *storage,
     uint32_t dtype, uint32_t role)
{
    struct ckpt_value *value = NULL;
    struct ckpt_tensor like = {
        .dtype = dtype, .storage = storage, .role = role};

    assert_status(hub_tensor_new(graph, &like, NULL, &value), CKPT_OK);
    return value;
}

static void
test_state_dict_is_as_torch_saves_it(void **state)
{
    struct hub_graph graph = graph_begin(*state);
    const struct ckpt_storage *storage = graph_storage(&graph, 4);
    struct ckpt_value *map = graph_value(
        &graph, (struct ckpt_value){.kind = CKPT_KIND_MAP,
                                    .type_name = "collections.OrderedDict"});
    struct written w;

    graph_put(&graph, map, "a", view(&graph, storage, CKPT_FLOAT32, 0));
    assert_status(hub_attr_set(&graph, map, "_metadata",
                               graph_empty(&graph, CKPT_KIND_MAP)),
                  CKPT_OK);
    write_root(&w, &graph, map);
    assert_written(&w, "ccollections\nOrderedDict\nq\x00)Rq\x01"
                       "X\x01\0\0\0aq\x02"
                       "ctorch._utils\n_rebuild_tensor_v2\nq\x03("
                       "(X\x07\0\0\0storageq\x04"
                       "ctorch\nFloatStorage\nq\x05X\x01\0\0\0000q\x06"
                       "X\x03\0\0\0cpuq\x07K\x01tq\x08Q"
                       "K\x00))\x89h\x00)Rq\x09tq\x0aRq\x0bs"
                       "}q\x0cX\x09\0\0\0_metadataq\x0d}q\x0esb");
    assert_int_equal(w.result.use_count, 1);
    assert_ptr_equal(w.result.uses[0].storage, storage);
    assert_int_equal(w.result.uses[0].item_bytes, 4);
    write_end(&w, &graph);
}

static void
test_parameter_and_tie(void **state)
{
    struct hub_graph graph = graph_begin(*state);
    const struct ckpt_storage *storage = graph_storage(&graph, 1);
    struct ckpt_value *list = graph_empty(&graph, CKPT_KIND_LIST);
    struct ckpt_value *first =
        view(&graph, storage, CKPT_INT8, CKPT_ROLE_PARAMETER);
    struct written w;

    add(&graph, list, first);
    add(&graph, list, view(&graph, storage, CKPT_INT8, 0));
    add(&graph, list, first);
    write_root(&w, &graph, list);
    assert_written(&w, "]q\x00("
                       "ctorch._utils\n_rebuild_parameter\nq\x01"
                       "ctorch._utils\n_rebuild_tensor_v2\nq\x02("
                       "(X\x07\0\0\0storageq\x03"
                       "ctorch\nCharStorage\nq\x04X\x01\0\0\0000q\x05"
                       "X\x03\0\0\0cpuq\x06K\x01tq\x07Q"
                       "K\x00))\x89"
                       "ccollections\nOrderedDict\nq\x08)Rq\x09tq\x0aRq\x0b"
                       "\x89h\x08)Rq\x0c\x87q\x0dRq\x0e"
                       "h\x02((h\x03h\x04h\x05h\x06K\x01tq\x0fQ"
                       "K\x00))\x89h\x08)Rq\x10tq\x11Rq\x12"
                       "h\x0e"
                       "e");
    assert_int_equal(w.result.use_count, 1);
    write_end(&w, &graph);
}

static void
test_attributes_of_tensors(void **state)
{
    struct hub_graph graph = graph_begin(*state);
    const struct ckpt_storage *storage = graph_storage(&graph, 4);
    struct ckpt_value *list = graph_empty(&graph, CKPT_KIND_LIST);
    struct ckpt_value *plain = view(&graph, storage, CKPT_FLOAT32, 0);
    struct ckpt_value *parameter =
        view(&graph, storage, CKPT_FLOAT32, CKPT_ROLE_PARAMETER);
    struct written w;

    assert_status(hub_attr_set(&graph, plain, "a", graph_int(&graph, 1)),
                  CKPT_OK);
    assert_status(hub_attr_set(&graph, parameter, "a", graph_int(&graph, 2)),
                  CKPT_OK);
    add(&graph, list, plain);
    add(&graph, list, parameter);
    write_root(&w, &graph, list);
    assert_written(&w, "]q\x00("
                       "ctorch._tensor\n_rebuild_from_type_v2\nq\x01("
                       "ctorch._utils\n_rebuild_tensor_v2\nq\x02"
                       "ctorch\nTensor\nq\x03("
                       "(X\x07\0\0\0storageq\x04"
                       "ctorch\nFloatStorage\nq\x05X\x01\0\0\0"
                       "0q\x06"
                       "X\x03\0\0\0cpuq\x07K\x01tq\x08Q"
                       "K\x00))\x89"
                       "ccollections\nOrderedDict\nq\x09)Rq\x0atq\x0b"
                       "}q\x0cX\x01\0\0\0"
                       "aq\x0dK\x01stq\x0eRq\x0f"
                       "ctorch._utils\n_rebuild_parameter_with_state\nq\x10("
                       "h\x02((h\x04h\x05h\x06h\x07K\x01tq\x11Q"
                       "K\x00))\x89h\x09)Rq\x12tq\x13Rq\x14"
                       "\x89h\x09)Rq\x15}q\x16h\x0dK\x02stq\x17Rq\x18"
                       "e");
    write_end(&w, &graph);
}

/* How the pickle ends tells how the last batch was closed. */
static void
test_batches(void **state)
{
    static const struct {
        size_t count;
        const char *dict, *ordered, *list;
    } rows[] = {{1, "s.", "s.", "a."},
                {2, "u.", "u.", "e."},
                {1000, "(u.", "u.", "e."},
                {1001, "(M\xe8\x03Nu.", "M\xe8\x03Ns.",
                 "(M\xe8\x03"
                 "e."},
                {1002, "u.", "u.", "e."}};
    struct hub_graph graph;
    struct ckpt_value *value;
    struct written w;
    const char *end;
    size_t i, k, kind;

    for (i = 0; i < COUNT_OF(rows); i++) {
        for (kind = 0; kind < 3; kind++) {
            graph = graph_begin(*state);
            value = graph_value(
                &graph,
                (struct ckpt_value){
                    .kind = kind == 2 ? CKPT_KIND_LIST : CKPT_KIND_MAP,
                    .type_name = kind == 1 ? "collections.OrderedDict" : NULL});
            for (k = 0; k < rows[i].count; k++)
                if (kind == 2)
                    add(&graph, value, graph_int(&graph, (int64_t)k));
                else
                    assert_status(
                        hub_map_set(&graph, value,
                                    graph_int(&graph, (int64_t)k),
                                    graph_empty(&graph, CKPT_KIND_NONE)),
                        CKPT_OK);
            write_root(&w, &graph, value);
            assert_status(w.status, CKPT_OK);
            end = kind == 0   ? rows[i].dict
                  : kind == 1 ? rows[i].ordered
                              : rows[i].list;
            assert_memory_equal(w.result.pickle.out.data +
                                    w.result.pickle.out.size_bytes -
                                    strlen(end),
                                end, strlen(end));
            write_end(&w, &graph);
        }
    }
}

static void
test_small_values(void **state)
{
    struct hub_graph graph = graph_begin(*state);
    struct ckpt_value *list = graph_empty(&graph, CKPT_KIND_LIST);
    struct ckpt_value *size = graph_empty(&graph, CKPT_KIND_SIZE);
    struct written w;

    add(&graph, list,
        graph_value(&graph, (struct ckpt_value){.kind = CKPT_KIND_DEVICE,
                                                .as.text = {"cuda:1", 6}}));
    add(&graph, size, graph_int(&graph, 2));
    add(&graph, list, size);
    add(&graph, list,
        graph_value(&graph, (struct ckpt_value){.kind = CKPT_KIND_BYTES,
                                                .as.text = {"", 0}}));
    add(&graph, list,
        graph_value(&graph, (struct ckpt_value){.kind = CKPT_KIND_BYTES,
                                                .as.text = {"\xff", 1}}));
    add(&graph, list,
        graph_value(&graph, (struct ckpt_value){.kind = CKPT_KIND_DTYPE,
                                                .as.dtype = CKPT_BOOL}));
    write_root(&w, &graph, list);
    assert_written(
        &w, "]q\x00("
            "ctorch\ndevice\nq\x01X\x04\0\0\0cudaq\x02K\x01\x86q\x03Rq\x04"
            "ctorch\nSize\nq\x05K\x02\x85q\x06\x85q\x07Rq\x08"
            "c__builtin__\nbytes\nq\x09)Rq\x0a"
            "c_codecs\nencode\nq\x0bX\x02\0\0\0\xc3\xbfq\x0c"
            "X\x06\0\0\0latin1q\x0d\x86q\x0eRq\x0f"
            "ctorch\nbool\nq\x10"
            "e");
    write_end(&w, &graph);
}

static void
test_cycles(void **state)
{
    struct hub_graph graph = graph_begin(*state);
    struct ckpt_value *list = graph_empty(&graph, CKPT_KIND_LIST);
    struct ckpt_value *tuple = graph_empty(&graph, CKPT_KIND_TUPLE);
    struct written w;

    add(&graph, tuple, list);
    add(&graph, list, tuple);
    write_root(&w, &graph, tuple);
    assert_written(&w, "]q\x00h\x00\x85q\x01"
                       "a0h\x01");
    write_end(&w, &graph);
}

static void
test_objects(void **state)
{
    struct hub_graph graph = graph_begin(*state);
    struct ckpt_value *list = graph_empty(&graph, CKPT_KIND_LIST);
    struct ckpt_value *args = graph_empty(&graph, CKPT_KIND_TUPLE);
    struct ckpt_value *called, *made;
    struct written w;

    called = object(&graph, CKPT_MADE_CALLED, "collections", "deque", args);
    made = graph_empty(&graph, CKPT_KIND_LIST);
    add(&graph, made, graph_int(&graph, 1));
    assert_status(hub_object_set(&graph, called, CKPT_PART_ITEMS, made),
                  CKPT_OK);
    add(&graph, list, called);
    made = object(&graph, CKPT_MADE_NEW, "argparse", "Namespace", args);
    assert_status(hub_object_set(&graph, made, CKPT_PART_STATE,
                                 graph_empty(&graph, CKPT_KIND_MAP)),
                  CKPT_OK);
    add(&graph, list, made);
    add(&graph, list, called);
    write_root(&w, &graph, list);
    assert_written(&w, "]q\x00("
                       "ccollections\ndeque\nq\x01)Rq\x02K\x01"
                       "a"
                       "cargparse\nNamespace\nq\x03)\x81q\x04}q\x05"
                       "b"
                       "h\x02"
                       "e");
    write_end(&w, &graph);
}

static void
test_two_dtypes_on_one_storage(void **state)
{
    struct hub_graph graph = graph_begin(*state);
    const struct ckpt_storage *storage = graph_storage(&graph, 4);
    struct ckpt_value *list = graph_empty(&graph, CKPT_KIND_LIST);
    struct written w;

    add(&graph, list, view(&graph, storage, CKPT_FLOAT32, 0));
    add(&graph, list, view(&graph, storage, CKPT_INT16, 0));
    write_root(&w, &graph, list);
    assert_written(&w,
                   "]q\x00("
                   "ctorch._utils\n_rebuild_tensor_v3\nq\x01("
                   "(X\x07\0\0\0storageq\x02"
                   "ctorch.storage\nUntypedStorage\nq\x03X\x01\0\0\0000q\x04"
                   "X\x03\0\0\0cpuq\x05K\x04tq\x06Q"
                   "K\x00))\x89"
                   "ccollections\nOrderedDict\nq\x07)Rq\x08"
                   "ctorch\nfloat32\nq\x09tq\x0aRq\x0b"
                   "h\x01((h\x02h\x03h\x04h\x05K\x04tq\x0cQ"
                   "K\x00))\x89h\x07)Rq\x0d"
                   "ctorch\nint16\nq\x0etq\x0fRq\x10"
                   "e");
    write_end(&w, &graph);
}

/* ---- what cannot be said ---- */

static void
test_bare_storage_of_one_dtype_among_others(void **state)
{
    struct hub_graph graph = graph_begin(*state);
    const struct ckpt_storage *storage = graph_storage(&graph, 4);
    struct ckpt_value *list = graph_empty(&graph, CKPT_KIND_LIST);
    struct ckpt_value *args = graph_empty(&graph, CKPT_KIND_TUPLE);
    struct written w;

    add(&graph, args, view(&graph, storage, CKPT_FLOAT32, 0));
    add(&graph, list, view(&graph, storage, CKPT_INT16, 0));
    add(&graph, list,
        object(&graph, CKPT_MADE_PERSISTENT, "torch", "FloatStorage", args));
    write_root(&w, &graph, list);
    assert_refused(&w, CKPT_UNSUPPORTED, "a bare storage that has no one");
    write_end(&w, &graph);
}

static void
test_persistent_object_that_is_no_storage(void **state)
{
    struct hub_graph graph = graph_begin(*state);
    struct written w;

    write_root(&w, &graph,
               object(&graph, CKPT_MADE_PERSISTENT, "torch", "Thing",
                      graph_empty(&graph, CKPT_KIND_TUPLE)));
    assert_refused(&w, CKPT_UNSUPPORTED, "that is no storage");
    write_end(&w, &graph);
}

static void
test_container_without_a_module(void **state)
{
    struct hub_graph graph = graph_begin(*state);
    struct written w;

    write_root(
        &w, &graph,
        graph_value(&graph, (struct ckpt_value){.kind = CKPT_KIND_MAP,
                                                .type_name = "FrozenDict"}));
    assert_refused(&w, CKPT_UNSUPPORTED, "a class without a module");
    write_end(&w, &graph);
}

static void
test_container_of_a_class(void **state)
{
    struct hub_graph graph = graph_begin(*state);
    struct written w;

    write_root(&w, &graph,
               graph_value(&graph, (struct ckpt_value){.kind = CKPT_KIND_LIST,
                                                       .type_name =
                                                           "pkg.mod.Listing"}));
    assert_written(&w, "cpkg.mod\nListing\nq\x00)\x81q\x01");
    write_end(&w, &graph);
}

static void
test_attributes_of_a_list(void **state)
{
    struct hub_graph graph = graph_begin(*state);
    struct ckpt_value *list = graph_empty(&graph, CKPT_KIND_LIST);
    struct written w;

    assert_status(hub_attr_set(&graph, list, "a", graph_int(&graph, 1)),
                  CKPT_OK);
    write_root(&w, &graph, list);
    assert_refused(&w, CKPT_UNSUPPORTED, "attributes of a list");
    write_end(&w, &graph);
}

static void
test_stride_of_2_to_63(void **state)
{
    struct hub_graph graph = graph_begin(*state);
    struct ckpt_value *value = NULL;
    uint64_t shape = 1, stride = UINT64_C(1) << 63;
    struct ckpt_tensor like = {.dtype = CKPT_UINT8,
                               .rank = 1,
                               .shape = &shape,
                               .strides = &stride,
                               .storage = graph_storage(&graph, 1)};
    struct written w;

    assert_status(hub_tensor_new(&graph, &like, NULL, &value), CKPT_OK);
    write_root(&w, &graph, value);
    assert_refused(&w, CKPT_UNSUPPORTED, "a size or stride of 2^63");
    write_end(&w, &graph);
}

static void
test_offset_of_2_to_63(void **state)
{
    struct hub_graph graph = graph_begin(*state);
    struct ckpt_value *value = NULL;
    uint64_t shape = 0;
    struct ckpt_tensor like = {.dtype = CKPT_UINT8,
                               .rank = 1,
                               .shape = &shape,
                               .offset = UINT64_C(1) << 63,
                               .storage = graph_storage(&graph, 1)};
    struct written w;

    assert_status(hub_tensor_new(&graph, &like, NULL, &value), CKPT_OK);
    write_root(&w, &graph, value);
    assert_refused(&w, CKPT_UNSUPPORTED, "an offset of 2^63");
    write_end(&w, &graph);
}

/* The hub lets nothing in that nests so deep; this graph is made by hand. */
static void
test_depth(void **state)
{
    static struct ckpt_value values[SDK_TORCH_DEPTH_MAX + 1];
    static const struct ckpt_value *items[SDK_TORCH_DEPTH_MAX];
    struct ckpt_graph graph = {.root = values, .value_count = COUNT_OF(values)};
    struct false_host host;
    struct sdk_torch_pickle result = {0};
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(values); i++) {
        values[i].kind = CKPT_KIND_TUPLE;
        values[i].id = i;
        if (i == SDK_TORCH_DEPTH_MAX)
            break;
        items[i] = &values[i + 1];
        values[i].as.list.items = &items[i];
        values[i].as.list.count = 1;
    }
    false_host_init(&host);
    assert_status(sdk_torch_write(&host.table, &graph, SDK_TORCH_ZIP, &result),
                  CKPT_LIMIT);
    assert_contains(host.text, "values nest too deep");
    sdk_torch_fini(&host.table, &result);
    assert_int_equal(host.live_count, 0);
}

static void
test_every_allocation_may_fail(void **state)
{
    struct hub_graph graph = graph_begin(*state);
    struct ckpt_value *map =
        graph_value(&graph, (struct ckpt_value){.kind = CKPT_KIND_MAP,
                                                .type_name = "pkg.Map"});
    struct false_host host;
    struct sdk_torch_pickle result;
    size_t nth;
    int status = CKPT_MEMORY;

    graph_put(&graph, map, "a", graph_tensor(&graph, graph_storage(&graph, 4)));
    assert_status(hub_root_set(&graph, map), CKPT_OK);
    assert_status(hub_graph_finish(&graph), CKPT_OK);
    for (nth = 1; status != CKPT_OK; nth++) {
        memset(&result, 0, sizeof result);
        false_host_init(&host);
        host.fail_at = nth;
        status =
            sdk_torch_write(&host.table, &graph.public, SDK_TORCH_ZIP, &result);
        assert_true(status == CKPT_OK || status == CKPT_MEMORY);
        assert_int_equal(host.failure_count, status == CKPT_OK ? 0 : 1);
        sdk_torch_fini(&host.table, &result);
        assert_int_equal(host.live_count, 0);
    }
    assert_true(nth > 6);
    hub_graph_fini(&graph);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        unit_case(test_state_dict_is_as_torch_saves_it),
        unit_case(test_parameter_and_tie),
        unit_case(test_attributes_of_tensors),
        unit_case(test_batches),
        unit_case(test_small_values),
        unit_case(test_cycles),
        unit_case(test_objects),
        unit_case(test_two_dtypes_on_one_storage),
        unit_case(test_bare_storage_of_one_dtype_among_others),
        unit_case(test_persistent_object_that_is_no_storage),
        unit_case(test_container_without_a_module),
        unit_case(test_container_of_a_class),
        unit_case(test_attributes_of_a_list),
        unit_case(test_stride_of_2_to_63),
        unit_case(test_offset_of_2_to_63),
        unit_case(test_depth),
        unit_case(test_every_allocation_may_fail)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
