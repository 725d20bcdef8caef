/* SPDX-License-Identifier: MIT
 *
 * What transforms say of tensors: what one is made of, and what became of it.
 */
#include "graph_unit.h"

#include "hub/graph/edit.h"

/* A map of three tensors, edited twice. */
struct edited {
    struct hub_graph graphs[3];
    struct ckpt_edits edits[2];
    const struct ckpt_value *root;
};

static void
edited_begin(struct edited *edited, struct unit *unit)
{
    static const char *const names[] = {"a", "b", "c"};
    struct ckpt_value *root;
    size_t i;

    memset(edited, 0, sizeof *edited);
    for (i = 0; i < 3; i++)
        edited->graphs[i] = graph_begin(unit);
    root = graph_empty(&edited->graphs[0], CKPT_KIND_MAP);
    for (i = 0; i < 3; i++)
        graph_put(&edited->graphs[0], root, names[i],
                  graph_tensor(&edited->graphs[0],
                               graph_storage(&edited->graphs[0], 4)));
    assert_status(hub_root_set(&edited->graphs[0], root), CKPT_OK);
    assert_status(hub_graph_finish(&edited->graphs[0]), CKPT_OK);
    edited->root = root;
    assert_status(hub_edits_init(&edited->edits[0], &edited->graphs[1],
                                 &edited->graphs[0].public),
                  CKPT_OK);
}

static void
edited_end(struct edited *edited)
{
    size_t i;

    for (i = 0; i < 2; i++)
        hub_edits_fini(&edited->edits[i]);
    for (i = 3; i-- > 0;)
        hub_graph_fini(&edited->graphs[i]);
}

static const struct ckpt_value *
old_value(const struct edited *edited, size_t index)
{
    return edited->root->as.map.pairs[index].value;
}

/* A new tensor in a place of the graph that is edited first. */
static struct ckpt_value *
put_new(struct edited *edited, size_t index)
{
    struct hub_graph *graph = &edited->graphs[1];
    struct ckpt_value *value = graph_tensor(graph, graph_storage(graph, 4));

    assert_status(
        hub_edit_replace(&edited->edits[0], edited->root, index, value),
        CKPT_OK);
    return value;
}

/* The entry after the first edit, and after another that drops "c". */
static void
edit_twice(struct edited *edited)
{
    assert_status(hub_edits_apply(&edited->edits[0]), CKPT_OK);
    assert_status(hub_edits_init(&edited->edits[1], &edited->graphs[2],
                                 &edited->graphs[1].public),
                  CKPT_OK);
    assert_status(
        hub_edit_drop(&edited->edits[1], edited->graphs[1].public.root, 2),
        CKPT_OK);
    assert_status(hub_edits_apply(&edited->edits[1]), CKPT_OK);
}

static const struct ckpt_value *
new_value(const struct edited *edited, size_t index)
{
    return edited->graphs[2].public.entries[index].value;
}

static void
test_place(void **state)
{
    const struct ckpt_value *found[2];
    struct edited edited;

    edited_begin(&edited, *state);
    put_new(&edited, 0);
    edit_twice(&edited);
    assert_int_equal(hub_value_origins(new_value(&edited, 0), found, 2), 1);
    assert_ptr_equal(found[0], old_value(&edited, 0));
    assert_int_equal(hub_value_origins(new_value(&edited, 1), found, 2), 1);
    assert_ptr_equal(found[0], old_value(&edited, 1));
    edited_end(&edited);
}

static void
test_said(void **state)
{
    const struct ckpt_value *from[2], *found[3];
    struct edited edited;
    struct ckpt_value *value;

    edited_begin(&edited, *state);
    value = put_new(&edited, 0);
    from[0] = old_value(&edited, 2);
    from[1] = old_value(&edited, 1);
    assert_status(hub_edit_origin(&edited.edits[0], value,
                                  old_value(&edited, 0), from, 2),
                  CKPT_OK);
    edit_twice(&edited);
    assert_int_equal(hub_value_origins(new_value(&edited, 0), found, 3), 2);
    assert_ptr_equal(found[0], from[0]);
    assert_ptr_equal(found[1], from[1]);
    assert_int_equal(hub_value_origins(new_value(&edited, 0), found, 1), 1);
    assert_ptr_equal(hub_value_origin(new_value(&edited, 0)),
                     old_value(&edited, 0));
    edited_end(&edited);
}

/* Of what is made of nothing that was read, nothing is told. */
static void
test_nothing(void **state)
{
    const struct ckpt_value *found[1];
    struct edited edited;

    edited_begin(&edited, *state);
    assert_status(
        hub_edit_origin(&edited.edits[0], put_new(&edited, 0), NULL, NULL, 0),
        CKPT_OK);
    edit_twice(&edited);
    assert_int_equal(hub_value_origins(new_value(&edited, 0), found, 1), 0);
    edited_end(&edited);
}

static void
test_refused(void **state)
{
    struct unit *unit = *state;
    const struct ckpt_value *from[1];
    struct edited edited;
    struct ckpt_value *value;

    edited_begin(&edited, unit);
    from[0] = old_value(&edited, 1);
    assert_status(
        hub_edit_origin(&edited.edits[0], old_value(&edited, 0), NULL, from, 1),
        CKPT_CONTRACT);
    hub_report_clear(&unit->report);
    value = put_new(&edited, 0);
    assert_status(hub_edit_origin(&edited.edits[0], value, NULL, from, 1),
                  CKPT_OK);
    assert_status(hub_edit_origin(&edited.edits[0], value, NULL, from, 1),
                  CKPT_CONTRACT);
    edited_end(&edited);
}

static void
test_told(void **state)
{
    struct edited edited;
    struct ckpt_edits *edits = &edited.edits[0];
    const struct hub_told *told;
    char name[500];
    int i;

    edited_begin(&edited, *state);
    for (i = 0; i < 7; i++) {
        snprintf(name, sizeof name, "t%d", i);
        assert_status(hub_edit_tell(edits, name, "kept", false), CKPT_OK);
    }
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    assert_status(hub_edit_tell(edits, name, "gone", true), CKPT_OK);
    assert_status(hub_edit_tell(edits, "y", "gone", true), CKPT_OK);
    told = edits->told;
    assert_string_equal(told->what, "kept");
    assert_int_equal(told->count, 7);
    assert_string_equal(told->names, "t0, t1, t2, t3, t4");
    assert_false(told->notable);
    told = told->next;
    assert_string_equal(told->what, "gone");
    assert_int_equal(told->count, 2);
    assert_int_equal(told->name_count, 0);
    assert_true(told->notable);
    assert_null(told->next);
    edited_end(&edited);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        unit_case(test_place),   unit_case(test_said), unit_case(test_nothing),
        unit_case(test_refused), unit_case(test_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
