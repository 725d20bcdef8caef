/* SPDX-License-Identifier: MIT
 *
 * Side records that do not fit: each is told in one warning with its reason,
 * and the graph stays as the file describes it.
 */
#include "graph_unit.h"

#include "hub/load/host_table.h"
#include "hub/run/fit.h"
#include "hub/run/restore.h"

/* A record's text, with the whole map of the file around a node. */
#define RECORD(rest) "{\"version\":1," rest "}"
#define ROOT(node) RECORD("\"root\":" node)
#define TENSOR(rest) ROOT("{\"map\":[\"w\",{\"tensor\":\"w\"" rest "}]}")
#define SET(rest)                                   \
    RECORD("\"storages\":[{}],\"root\":{\"map\":["  \
           "\"w\",{\"tensor\":\"w\",\"storage\":0," \
           "\"strides\":[1]" rest "}]}")
#define NODE(node) ROOT("{\"list\":[{\"tensor\":\"w\"}," node "]}")

struct refusal {
    const char *record, *reason;
};

static const struct refusal form[] = {
    {"", "the text ends"},
    {"[]", "it is not of the known form"},
    {"{\"version\":1", "it is not of the known form"},
    {"{\"version\":1}x", "text after the value"},
    {"{\"version\":2}", "its version is not known"},
    {"{\"version\":-1}", "its version is not known"},
    {"{\"version\":\"1\"}", "its version is not known"},
    {"{\"root\":null,\"version\":1}", "its version is not known"},
    {RECORD("\"other\":1"), "it has a key that is not known"},
    {RECORD("\"storages\":{}"), "it is not of the known form"},
    {RECORD("\"storages\":[1]"), "the storages are malformed"},
    {RECORD("\"storages\":[{\"place\":1}]"), "a storage is malformed"},
    {RECORD("\"storages\":[{\"device\":1}]"), "it is not of the known form"},
    {RECORD("\"ties\":1"), "it is not of the known form"},
    {RECORD("\"ties\":[1]"), "the ties are malformed"},
    {RECORD("\"ties\":[\"none\"]"), "a tie is not in the metadata"},
    {RECORD("\"ties\":[\"none\"],\"attributes\":[]"),
     "a tie is not in the metadata"},
    {RECORD("\"copies\":1"), "it is not of the known form"},
    {RECORD("\"copies\":[1]"), "the copies are malformed"},
    {RECORD("\"copies\":[\"none\"]"), "it names a tensor that is not there"},
    {RECORD("\"attributes\":[1]"), "attributes are malformed"},
    {RECORD("\"attributes\":[\"a\"]"), "it is not of the known form"},
    {RECORD("\"root\":{\"map\":[]}"),
     "the file has tensors that it leaves out"},
};

static const struct refusal nodes[] = {
    {ROOT("]"), "it is not of the known form"},
    {ROOT("[]"), "it is not of the known form"},
    {ROOT("{\"list\":[],1"), "a node is malformed"},
    {ROOT("{}"), "a node is of no kind"},
    {ROOT("{\"class\":\"C\"}"), "a node is of no kind"},
    {ROOT("{\"class\":1}"), "it is not of the known form"},
    {ROOT("{\"other\":1}"), "a node has a key that is not known"},
    {ROOT("{\"list\":1}"), "it is not of the known form"},
    {ROOT("{\"list\":[],\"map\":[]}"), "a node is of two kinds"},
    {ROOT("{\"list\":[],\"float\":1}"), "a node is of two kinds"},
    {ROOT("{\"list\":[],\"tensor\":\"w\"}"), "a node is of two kinds"},
    {ROOT("{\"map\":[\"a\"]}"), "a key without a value"},
    {ROOT("{\"id\":\"1\",\"list\":[]}"), "an id is malformed"},
    {ROOT("{\"id\":67108865,\"list\":[]}"), "an id is too large"},
    {ROOT("{\"ref\":1}"), "a reference leads nowhere"},
    {ROOT("{\"ref\":\"1\"}"), "a reference leads nowhere"},
    {NODE("{\"id\":1,\"list\":[]},{\"ref\":0}"), "a reference leads nowhere"},
    {NODE("{\"id\":1,\"list\":[]},{\"list\":[],\"ref\":1}"),
     "a reference leads nowhere"},
    {ROOT("{\"list\":[],\"id\":1}"), "an id or a class comes too late"},
    {ROOT("{\"class\":\"a\\u0000b\"}"), "a name has a NUL in it"},
    {ROOT("{\"object\":[\"m\",\"\\u0000\"]}"), "a name has a NUL in it"},
    {ROOT("{\"attrs\":[]}"), "attributes of nothing"},
    {ROOT("{\"list\":[],\"attrs\":[1]}"), "attributes are malformed"},
    {ROOT("{\"list\":[],\"attrs\":1}"), "it is not of the known form"},
    {ROOT("{\"state\":1}"), "a part of no object"},
    {ROOT("{\"made\":99}"), "an object is malformed"},
    {ROOT("{\"made\":\"1\"}"), "an object is malformed"},
    {ROOT("{\"object\":1}"), "it is not of the known form"},
    {ROOT("{\"object\":[\"m\"]}"), "it is not of the known form"},
    {ROOT("{\"object\":[\"m\",\"n\",\"o\"]}"), "it is not of the known form"},
};

static const struct refusal scalars[] = {
    {NODE("9223372036854775808"), "an integer is out of range"},
    {NODE("1.5"), "an integer is out of range"},
    {NODE("{\"float\":1e999}"), "a float is out of range"},
    {NODE("{\"float\":true}"), "a float is malformed"},
    {NODE("{\"float\":\"infinity\"}"), "a float is malformed"},
    {NODE("{\"float\":\"nan:0123456789abcdeg\"}"), "a float is malformed"},
    {NODE("{\"complex\":1}"), "a complex number is malformed"},
    {NODE("{\"complex\":[1]}"), "a float is malformed"},
    {NODE("{\"complex\":[1,2,3]}"), "it is not of the known form"},
    {NODE("{\"int\":1}"), "bytes are malformed"},
    {NODE("{\"int\":\"f\"}"), "bytes are malformed"},
    {NODE("{\"bytes\":\"0g\"}"), "bytes are malformed"},
    {NODE("{\"dtype\":\"float33\"}"), "a dtype is not known"},
    {NODE("{\"dtype\":7}"), "a dtype is malformed"},
    {NODE("{\"dtype\":[\"int8\"]}"), "a dtype is malformed"},
    {NODE("{\"device\":7}"), "a device is malformed"},
    {NODE("{\"device\":[\"cpu\"]}"), "a device is malformed"},
};

/* The file's tensor is eight bytes, `uint8`. */
static const struct refusal tensors[] = {
    {ROOT("{\"map\":[\"v\",{\"tensor\":\"v\"}]}"),
     "it names a tensor that is not there"},
    {ROOT("{\"tensor\":1}"), "it is not of the known form"},
    {ROOT("{\"tensor\":\"w\",\"tensor\":\"w\"}"), "a node is of two kinds"},
    {TENSOR(",\"storage\":0"), "a storage is not among the storages"},
    {TENSOR(",\"storage\":-1"), "a number of a tensor is malformed"},
    {TENSOR(",\"role\":99"), "a role is not known"},
    {TENSOR(",\"role\":\"1\""), "a number of a tensor is malformed"},
    {TENSOR(",\"offset\":null"), "a number of a tensor is malformed"},
    {TENSOR(",\"dtype\":1"), "a dtype is malformed"},
    {TENSOR(",\"dtype\":\"float33\""), "a dtype is not known"},
    {TENSOR(",\"device\":1"), "it is not of the known form"},
    {TENSOR(",\"shape\":8"), "a list of a tensor is malformed"},
    {TENSOR(",\"shape\":[\"8\"]"), "a list of a tensor is malformed"},
    {TENSOR(",\"shape\":[-8]"), "a number of a tensor is malformed"},
    {TENSOR(",\"shape\":[8],\"strides\":[8,1]"),
     "a list of a tensor is malformed"},
    {TENSOR(",\"strides\":[8,1]"), "a tensor has another rank"},
    {TENSOR(",\"shape\":[4294967296,4294967296]"), "a shape overflows"},
    {TENSOR(",\"shape\":[7]"), "a tensor is of another size"},
    {TENSOR(",\"dtype\":\"int16\""), "a tensor is of another size"},
    {TENSOR(",\"shape\":[2305843009213693952],\"dtype\":\"int64\""),
     "a tensor is of another size"},
};

static const struct refusal sets[] = {
    {SET(",\"offset\":281474976710657"), "an offset is too large"},
    {SET(",\"offset\":1099511627776"), "its storages are larger than the file"},
    {RECORD("\"storages\":[{}],\"root\":{\"map\":[\"w\",{\"tensor\":\"w\","
            "\"storage\":0,\"strides\":[1099511627776]}]}"),
     "a storage has bytes that are nowhere"},
    {RECORD("\"storages\":[{}],\"root\":{\"map\":[\"w\",{\"tensor\":\"w\","
            "\"storage\":0,\"strides\":[18446744073709551615]}]}"),
     "a storage has bytes that are nowhere"},
};

/* What was said, and how often. */
struct said {
    char text[400];
    int warnings, others;
};

static void
listen(void *user, enum ckpt_message_level level, const char *text)
{
    struct said *said = user;

    if (level != CKPT_MESSAGE_WARNING) {
        said->others++;
        return;
    }
    said->warnings++;
    snprintf(said->text, sizeof said->text, "%s", text);
}

/* Every other byte of eight, which no flat writer writes. */
static struct ckpt_value *
graph_gaps(struct hub_graph *graph)
{
    static const uint64_t shape = 4, stride = 2;
    struct ckpt_tensor like = {.dtype = CKPT_UINT8, .rank = 1};
    struct ckpt_value *value = NULL;

    like.shape = &shape;
    like.strides = &stride;
    like.storage = graph_storage(graph, 8);
    assert_status(hub_tensor_new(graph, &like, NULL, &value), CKPT_OK);
    return value;
}

/* A flat file of one tensor `w` whose record is `text`. */
static void
describe_with(struct unit *unit, const char *text, bool gaps,
              struct hub_graph *described)
{
    struct ckpt_value *root;

    hub_graph_init(described, &unit->budget);
    root = graph_empty(described, CKPT_KIND_MAP);
    graph_put(described, root, "w",
              gaps ? graph_gaps(described)
                   : graph_tensor(described, graph_storage(described, 8)));
    hub_attr_set(described, NULL, HUB_RECORD_NAME,
                 graph_string(described, text));
    hub_root_set(described, root);
    assert_status(hub_graph_finish(described), CKPT_OK);
}

/* Restores, and tells whether the record was used. */
static bool
restores_from(struct unit *unit, const char *record, bool gaps,
              struct said *said)
{
    struct hub_graph described, restored;
    const struct ckpt_graph *found = &described.public;
    struct hub_host host;

    memset(said, 0, sizeof *said);
    hub_report_clear(&unit->report);
    unit->report.message = listen;
    unit->report.user = said;
    hub_host_init(&host, &unit->budget);
    describe_with(unit, record, gaps, &described);
    hub_graph_init(&restored, &unit->budget);
    assert_status(hub_restore(&host.table, &described, &restored, &found),
                  CKPT_OK);
    assert_status(unit->report.status, CKPT_OK);
    assert_int_equal(found->entry_count, 1);
    hub_graph_fini(&restored);
    hub_graph_fini(&described);
    hub_host_fini(&host);
    return found == &restored.public;
}

static bool
restores(struct unit *unit, const char *record, struct said *said)
{
    return restores_from(unit, record, false, said);
}

static void
refuses(struct unit *unit, const struct refusal *table, size_t count)
{
    static const char head[] = "the side record 'ckpt.graph' is not used: ";
    struct said said;
    size_t i;

    for (i = 0; i < count; i++) {
        if (restores(unit, table[i].record, &said))
            fail_msg("%s was used", table[i].record);
        if (said.warnings != 1 || said.others != 0 ||
            strstr(said.text, head) != said.text ||
            strstr(said.text + sizeof head - 1, table[i].reason) == NULL)
            fail_msg("%s: %d warnings, '%s' without '%s'", table[i].record,
                     said.warnings, said.text, table[i].reason);
    }
}

static void
test_form(void **state)
{
    refuses(*state, form, COUNT_OF(form));
}

static void
test_nodes(void **state)
{
    refuses(*state, nodes, COUNT_OF(nodes));
}

static void
test_scalars(void **state)
{
    refuses(*state, scalars, COUNT_OF(scalars));
}

static void
test_tensors(void **state)
{
    refuses(*state, tensors, COUNT_OF(tensors));
}

static void
test_sets(void **state)
{
    refuses(*state, sets, COUNT_OF(sets));
}

static void
test_not_contiguous(void **state)
{
    struct said said;

    assert_false(restores_from(*state, TENSOR(""), true, &said));
    assert_contains(said.text, "not used: a tensor is not contiguous");
    assert_false(restores_from(*state, SET(""), true, &said));
    assert_contains(said.text, "not used: a tensor is not contiguous");
}

/* The nodes around the faults above are whole. */
static void
test_whole_records(void **state)
{
    static const char *const records[] = {
        "{\"version\":1}",
        TENSOR(""),
        TENSOR(",\"shape\":[2,4],\"role\":1,\"grad\":true"),
        TENSOR(",\"dtype\":\"int32\",\"shape\":[2],\"device\":\"cuda:0\""),
        SET(""),
        SET(",\"offset\":8"),
        NODE("9223372036854775807"),
        NODE("{\"float\":\"nan:7ff8000000000001\"}"),
        NODE("{\"complex\":[1,\"-inf\"]}"),
        NODE("{\"id\":1,\"list\":[]},{\"ref\":1}"),
        NODE("{\"object\":[\"m\",\"n\"],\"made\":1,\"state\":{\"map\":[]}}"),
        NODE("{\"id\":1,\"object\":[\"m\",\"n\"],\"made\":1,\"args\":"
             "{\"tuple\":[{\"object\":[\"m\",\"c\"],\"made\":2,\"args\":"
             "{\"tuple\":[]},\"state\":{\"list\":[{\"ref\":1}]}}]},"
             "\"kwargs\":{\"map\":[]}}"),
        NODE("{\"dtype\":\"int8\"},{\"device\":\"cpu\"},{\"bytes\":\"00ff\"}"),
    };
    struct said said;
    size_t i;

    for (i = 0; i < COUNT_OF(records); i++) {
        if (!restores(*state, records[i], &said))
            fail_msg("%s: %s", records[i], said.text);
        assert_int_equal(said.warnings, 0);
    }
}

/* A record may be cut anywhere. */
static void
test_truncated(void **state)
{
    static const char whole[] = NODE(
        "{\"id\":1,\"list\":[null,\"\\u00e9\",{\"float\":1.5}]},{\"ref\":1}");
    char cut[sizeof whole];
    struct said said;
    size_t size;

    assert_true(restores(*state, whole, &said));
    for (size = 0; size < sizeof whole - 1; size++) {
        memcpy(cut, whole, size);
        cut[size] = '\0';
        assert_false(restores(*state, cut, &said));
        assert_int_equal(said.warnings, 1);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        unit_case(test_form),          unit_case(test_nodes),
        unit_case(test_scalars),       unit_case(test_tensors),
        unit_case(test_sets),          unit_case(test_not_contiguous),
        unit_case(test_whole_records), unit_case(test_truncated),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
