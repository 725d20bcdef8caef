/* SPDX-License-Identifier: MIT
 *
 * Edits: each kind by itself, what is shared and what is a cycle, what is
 * refused; and a thousand random graphs that come back as they were.
 */
#include <math.h>

#include "graph_dump.h"
#include "random_graph.h"

#include "hub/graph/edit.h"

/* A graph, and the one that is made of it. */
struct edited {
    struct hub_graph from, graph;
    struct ckpt_edits edits;
    struct hub_spool spool;
};

static struct ckpt_value *
edited_begin(struct edited *edited, struct unit *unit)
{
    memset(edited, 0, sizeof *edited);
    edited->from = graph_begin(unit);
    edited->graph = graph_begin(unit);
    edited->spool.budget = &unit->budget;
    return graph_empty(&edited->from, CKPT_KIND_MAP);
}

static struct ckpt_edits *
edited_finish(struct edited *edited, const struct ckpt_value *root)
{
    if (edited->from.public.root == NULL) {
        assert_status(hub_root_set(&edited->from, root), CKPT_OK);
        assert_status(hub_graph_finish(&edited->from), CKPT_OK);
    }
    assert_status(
        hub_edits_init(&edited->edits, &edited->graph, &edited->from.public),
        CKPT_OK);
    return &edited->edits;
}

static void
edited_end(struct edited *edited)
{
    hub_edits_fini(&edited->edits);
    hub_spool_fini(&edited->spool);
    hub_graph_fini(&edited->graph);
    hub_graph_fini(&edited->from);
}

/* All names of the edited graph, each followed by a blank. */
static void
assert_names(const struct edited *edited, const char *wanted)
{
    const struct ckpt_graph *graph = &edited->graph.public;
    char text[400] = "";
    size_t i, used = 0;

    for (i = 0; i < graph->entry_count; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s ",
                                 graph->entries[i].name.data);
    assert_string_equal(text, wanted);
}

static void
assert_reason(const struct unit *unit, const char *part)
{
    assert_contains(unit->report.text, part);
}

static void
test_rename(void **state)
{
    struct edited edited;
    struct ckpt_value *root = edited_begin(&edited, *state);
    struct ckpt_edits *edits;
    const struct ckpt_storage *storage = graph_storage(&edited.from, 4);

    graph_put(&edited.from, root, "a", graph_tensor(&edited.from, storage));
    graph_put(&edited.from, root, "b", graph_tensor(&edited.from, storage));
    edits = edited_finish(&edited, root);
    assert_status(hub_edit_rename(edits, root, 0, "b", 1), CKPT_OK);
    assert_status(hub_edit_rename(edits, root, 1, "x", 1), CKPT_OK);
    assert_status(hub_edit_rename(edits, root, 1, "a", 1), CKPT_OK);
    assert_status(hub_edits_apply(edits), CKPT_OK);
    assert_names(&edited, "b a ");
    assert_string_equal(edited.from.public.entries[0].name.data, "a");
    assert_ptr_equal(edited.graph.public.entries[0].value->as.tensor->storage,
                     edited.graph.public.entries[1].value->as.tensor->storage);
    edited_end(&edited);
}

static void
test_rename_clash(void **state)
{
    struct edited edited;
    struct ckpt_value *root = edited_begin(&edited, *state);
    struct ckpt_edits *edits;

    graph_put(&edited.from, root, "first", graph_int(&edited.from, 1));
    graph_put(&edited.from, root, "second", graph_int(&edited.from, 2));
    graph_put(&edited.from, root, "third", graph_int(&edited.from, 3));
    edits = edited_finish(&edited, root);
    assert_status(hub_edit_drop(edits, root, 0), CKPT_OK);
    assert_status(hub_edit_rename(edits, root, 1, "third", 5), CKPT_OK);
    assert_status(hub_edits_apply(edits), CKPT_CONFLICT);
    assert_reason(*state, "'second' and 'third' would both be 'third'");
    edited_end(&edited);
}

/* What is dropped makes room for its name. */
static void
test_drop(void **state)
{
    struct edited edited;
    struct ckpt_value *root = edited_begin(&edited, *state);
    struct ckpt_value *list = graph_empty(&edited.from, CKPT_KIND_LIST);
    const struct ckpt_storage *storage = graph_storage(&edited.from, 4);
    struct ckpt_edits *edits;
    size_t i;

    for (i = 0; i < 3; i++)
        hub_list_add(&edited.from, list, graph_tensor(&edited.from, storage));
    graph_put(&edited.from, root, "a", graph_int(&edited.from, 1));
    graph_put(&edited.from, root, "b", list);
    edits = edited_finish(&edited, root);
    assert_status(hub_edit_drop(edits, list, 1), CKPT_OK);
    assert_status(hub_edit_drop(edits, root, 0), CKPT_OK);
    assert_status(hub_edit_rename(edits, root, 1, "a", 1), CKPT_OK);
    assert_status(hub_edits_apply(edits), CKPT_OK);
    assert_names(&edited, "a.0 a.1 ");
    assert_int_equal(edited.graph.public.root->as.map.count, 1);
    assert_int_equal(edits->count, 3);
    edited_end(&edited);
}

/* A new map holds old values; the old place holds the new map. */
static void
test_replace(void **state)
{
    struct edited edited;
    struct ckpt_value *root = edited_begin(&edited, *state), *map;
    const struct ckpt_value *tensor =
        graph_tensor(&edited.from, graph_storage(&edited.from, 4));
    struct ckpt_edits *edits;

    graph_put(&edited.from, root, "t", tensor);
    graph_put(&edited.from, root, "u", graph_int(&edited.from, 1));
    edits = edited_finish(&edited, root);
    map = graph_empty(edits->graph, CKPT_KIND_MAP);
    graph_put(edits->graph, map, "inner", tensor);
    graph_put(edits->graph, map, "back", root);
    assert_status(hub_edit_replace(edits, root, 1, map), CKPT_OK);
    assert_status(hub_edits_apply(edits), CKPT_OK);
    assert_names(&edited, "t u.inner ");
    assert_ptr_equal(edited.graph.public.entries[0].value,
                     edited.graph.public.entries[1].value);
    assert_ptr_equal(
        edited.graph.public.root->as.map.pairs[1].value->as.map.pairs[1].value,
        edited.graph.public.root);
    edited_end(&edited);
}

/* The old storage keeps its label, for the graph that is edited is constant;
 * tensors that were tied still are. */
static void
test_relabel(void **state)
{
    struct edited edited;
    struct ckpt_value *root = edited_begin(&edited, *state);
    const struct ckpt_storage *one = graph_storage(&edited.from, 4);
    const struct ckpt_storage *other = graph_storage(&edited.from, 4);
    const struct ckpt_entry *entries;
    struct ckpt_edits *edits;

    graph_put(&edited.from, root, "a", graph_tensor(&edited.from, one));
    graph_put(&edited.from, root, "b", graph_tensor(&edited.from, other));
    graph_put(&edited.from, root, "c", graph_tensor(&edited.from, one));
    edits = edited_finish(&edited, root);
    assert_status(hub_edit_relabel(edits, one, "cuda:0"), CKPT_OK);
    assert_status(hub_edit_relabel(edits, one, "cuda:1"), CKPT_OK);
    assert_status(hub_edits_apply(edits), CKPT_OK);
    entries = edited.graph.public.entries;
    assert_string_equal(entries[0].value->as.tensor->storage->device, "cuda:1");
    assert_string_equal(entries[1].value->as.tensor->storage->device, "cpu");
    assert_ptr_equal(entries[0].value->as.tensor->storage,
                     entries[2].value->as.tensor->storage);
    assert_string_equal(one->device, "cpu");
    assert_int_equal(edited.graph.public.storage_count, 2);
    edited_end(&edited);
}

/* One map under two names is edited under both. */
static void
test_shared(void **state)
{
    struct edited edited;
    struct ckpt_value *root = edited_begin(&edited, *state);
    struct ckpt_value *map = graph_empty(&edited.from, CKPT_KIND_MAP);
    struct ckpt_edits *edits;

    graph_put(&edited.from, map, "w",
              graph_tensor(&edited.from, graph_storage(&edited.from, 4)));
    graph_put(&edited.from, root, "a", map);
    graph_put(&edited.from, root, "b", map);
    edits = edited_finish(&edited, root);
    assert_status(hub_edit_rename(edits, map, 0, "v", 1), CKPT_OK);
    assert_status(hub_edits_apply(edits), CKPT_OK);
    assert_names(&edited, "a.v b.v ");
    assert_ptr_equal(edited.graph.public.root->as.map.pairs[0].value,
                     edited.graph.public.root->as.map.pairs[1].value);
    edited_end(&edited);
}

/* The ids of what is left are dense again; attributes of the graph stay. */
static void
test_root(void **state)
{
    struct edited edited;
    struct ckpt_value *root = edited_begin(&edited, *state);
    struct ckpt_value *map = graph_empty(&edited.from, CKPT_KIND_MAP);
    struct ckpt_edits *edits;

    graph_put(&edited.from, map, "w",
              graph_tensor(&edited.from, graph_storage(&edited.from, 4)));
    graph_put(&edited.from, root, "a", map);
    graph_put(&edited.from, root, "n", graph_int(&edited.from, 1));
    hub_attr_set(&edited.from, NULL, "order", graph_string(&edited.from, "n"));
    hub_attr_set(&edited.from, NULL, "format", graph_string(&edited.from, "x"));
    edits = edited_finish(&edited, root);
    assert_status(hub_edit_root(edits, map), CKPT_OK);
    assert_status(hub_edit_attr_drop(edits, "order"), CKPT_OK);
    assert_status(hub_edit_attr_drop(edits, "absent"), CKPT_OK);
    assert_status(hub_edits_apply(edits), CKPT_OK);
    assert_names(&edited, "w ");
    assert_int_equal(edited.graph.public.value_count, 4);
    assert_int_equal(edited.graph.public.tensor_count, 1);
    assert_string_equal(edited.graph.public.attrs->name, "format");
    assert_null(edited.graph.public.attrs->next);
    edited_end(&edited);
}

/* From below, a chain that closes is longer than it was from above. */
static void
test_root_deep(void **state)
{
    struct edited edited;
    struct ckpt_value *root = edited_begin(&edited, *state);
    struct ckpt_value *chain[2], *next;
    struct ckpt_edits *edits;
    int side, i;

    for (side = 0; side < 2; side++) {
        chain[side] = graph_empty(&edited.from, CKPT_KIND_LIST);
        graph_put(&edited.from, root, side ? "right" : "left", chain[side]);
        for (i = 0; i < 300; i++) {
            next = graph_empty(&edited.from, CKPT_KIND_LIST);
            hub_list_add(&edited.from, next, chain[side]);
            hub_list_add(&edited.from, chain[side], next);
            chain[side] = next;
        }
        hub_list_add(
            &edited.from,
            (struct ckpt_value *)(uintptr_t)root->as.map.pairs[side].value,
            root);
    }
    edits = edited_finish(&edited, root);
    assert_status(hub_edit_root(edits, chain[0]), CKPT_OK);
    assert_status(hub_edits_apply(edits), CKPT_LIMIT);
    assert_reason(*state, "nest deeper than 500");
    edited_end(&edited);
}

static void
test_misuse(void **state)
{
    struct unit *unit = *state;
    struct edited edited, other;
    struct ckpt_value *root = edited_begin(&edited, unit);
    struct ckpt_value *size = graph_empty(&edited.from, CKPT_KIND_SIZE);
    const struct ckpt_storage *storage;
    struct ckpt_edits *edits;

    edited_begin(&other, unit);
    storage = graph_storage(&other.from, 1);
    hub_list_add(&edited.from, size, graph_int(&edited.from, 1));
    graph_put(&edited.from, root, "size", size);
    edits = edited_finish(&edited, root);
    assert_status(hub_edit_drop(edits, root, 1), CKPT_CONTRACT);
    assert_reason(unit, "an edit of a place that is not there");
    assert_status(hub_edit_drop(edits, size, 0), CKPT_CONTRACT);
    assert_status(hub_edit_drop(edits, NULL, 0), CKPT_CONTRACT);
    assert_status(hub_edit_rename(edits, size, 0, "a", 1), CKPT_CONTRACT);
    assert_status(hub_edit_replace(edits, root, 0, NULL), CKPT_CONTRACT);
    assert_status(hub_edit_root(edits, NULL), CKPT_CONTRACT);
    assert_status(hub_edit_relabel(edits, storage, "cpu"), CKPT_CONTRACT);
    assert_status(hub_edit_rename(edits, root, 0, "\xff", 1), CKPT_FORMAT);
    assert_int_equal(edits->count, 0);
    unit->report.status = CKPT_OK;
    edited_end(&other);
    edited_end(&edited);
}

/* A key that is shared by many places is copied for each that is renamed; the
 * budget is what stops a file that aims at it. */
static void
test_budget(void **state)
{
    struct unit *unit = *state;
    struct edited edited;
    struct ckpt_value *root = edited_begin(&edited, unit);
    struct ckpt_value *list = graph_empty(&edited.from, CKPT_KIND_LIST), *map;
    char *name = calloc(1, 1 << 20);
    struct ckpt_edits *edits;
    int status = CKPT_OK;
    size_t i;

    memset(name, 'a', 1 << 20);
    graph_put(&edited.from, root, "list", list);
    for (i = 0; i < 100; i++) {
        map = graph_empty(&edited.from, CKPT_KIND_MAP);
        graph_put(&edited.from, map, "k", graph_int(&edited.from, 1));
        hub_list_add(&edited.from, list, map);
    }
    edits = edited_finish(&edited, root);
    for (i = 0; i < 100 && status == CKPT_OK; i++)
        status =
            hub_edit_rename(edits, list->as.list.items[i], 0, name, 1 << 20);
    assert_status(status, CKPT_LIMIT);
    unit->report.status = CKPT_OK;
    free(name);
    edited_end(&edited);
}

static char *
edited_dump(struct edited *edited, const struct hub_graph *graph)
{
    return dump_graph(&edited->spool, &graph->public);
}

/* Edits that change nothing give the same graph: every place is replaced by
 * what it holds, every string key renamed to itself, every label kept. */
static void
edit_all_alike(struct ckpt_edits *edits, const struct ckpt_value *value)
{
    const struct ckpt_pair *pair;
    size_t i;

    if (value->kind == CKPT_KIND_TENSOR)
        assert_status(hub_edit_relabel(edits, value->as.tensor->storage,
                                       value->as.tensor->storage->device),
                      CKPT_OK);
    if (value->kind == CKPT_KIND_LIST || value->kind == CKPT_KIND_TUPLE)
        for (i = 0; i < value->as.list.count; i++)
            assert_status(
                hub_edit_replace(edits, value, i, value->as.list.items[i]),
                CKPT_OK);
    if (value->kind != CKPT_KIND_MAP)
        return;
    for (i = 0; i < value->as.map.count; i++) {
        pair = &value->as.map.pairs[i];
        assert_status(hub_edit_replace(edits, value, i, pair->value), CKPT_OK);
        if (pair->key->kind == CKPT_KIND_STRING)
            assert_status(hub_edit_rename(edits, value, i,
                                          pair->key->as.text.data,
                                          pair->key->as.text.size_bytes),
                          CKPT_OK);
    }
}

static void
edit_below(struct ckpt_edits *edits, unsigned char *met,
           const struct ckpt_value *value)
{
    struct hub_children children;
    struct hub_child child;

    if (met[value->id]++ > 0)
        return;
    met[value->id] = 1;
    edit_all_alike(edits, value);
    hub_children_init(&children, value);
    while (hub_children_next(&children, &child))
        edit_below(edits, met, child.value);
}

static void
test_random(void **state)
{
    struct edited edited;
    struct ckpt_edits *edits;
    unsigned char *met;
    char *before, *after;
    uint64_t seed;

    for (seed = 1; seed <= 1000; seed++) {
        edited_begin(&edited, *state);
        random_graph(&edited.from, seed);
        edits = edited_finish(&edited, NULL);
        met = calloc(1, (size_t)edited.from.public.value_count);
        edit_below(edits, met, edited.from.public.root);
        free(met);
        assert_status(hub_edits_apply(edits), CKPT_OK);
        before = edited_dump(&edited, &edited.from);
        after = edited_dump(&edited, &edited.graph);
        assert_string_equal(before, after);
        free(before);
        free(after);
        edited_end(&edited);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        unit_case(test_rename),  unit_case(test_rename_clash),
        unit_case(test_drop),    unit_case(test_replace),
        unit_case(test_relabel), unit_case(test_shared),
        unit_case(test_root),    unit_case(test_root_deep),
        unit_case(test_misuse),  unit_case(test_budget),
        unit_case(test_random),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
