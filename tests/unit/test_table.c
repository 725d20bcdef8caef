/* SPDX-License-Identifier: MIT
 *
 * The hash table, against the plain truth of the keys that went in.
 */
#include "unit.h"

#include "hub/core/table.h"

static void
test_empty(void **state)
{
    struct unit *unit = *state;
    struct hub_table table = {.arena = &unit->arena};

    assert_null(hub_table_find(&table, "a", 1));
    assert_null(hub_table_find(&table, "", 0));
}

static void
test_many_keys(void **state)
{
    enum { COUNT = 20000 };
    struct unit *unit = *state;
    struct hub_table table = {.arena = &unit->arena};
    uint32_t *keys = malloc(COUNT * sizeof *keys), unknown;
    uint64_t *number;
    bool added;
    uint32_t i;

    for (i = 0; i < COUNT; i++) {
        keys[i] = i * 2654435761u;
        number = hub_table_add(&table, &keys[i], sizeof keys[i], &added);
        assert_true(added);
        assert_int_equal(*number, 0);
        *number = i;
    }
    assert_int_equal(table.table.count, COUNT);
    for (i = 0; i < COUNT; i++) {
        number = hub_table_find(&table, &keys[i], sizeof keys[i]);
        assert_non_null(number);
        assert_int_equal(*number, i);
        unknown = (i + COUNT) * 2654435761u;
        assert_null(hub_table_find(&table, &unknown, sizeof unknown));
    }
    number = hub_table_add(&table, &keys[7], sizeof keys[7], &added);
    assert_false(added);
    assert_int_equal(*number, 7);
    assert_int_equal(table.table.count, COUNT);
    free(keys);
}

static void
test_keys_are_bytes(void **state)
{
    static const char *const keys[] = {"", "a", "ab", "a\0b", "a\0c"};
    static const size_t sizes[] = {0, 1, 2, 3, 3};
    struct unit *unit = *state;
    struct hub_table table = {.arena = &unit->arena};
    bool added;
    size_t i;

    for (i = 0; i < COUNT_OF(keys); i++) {
        *hub_table_add(&table, keys[i], sizes[i], &added) = i;
        assert_true(added);
    }
    for (i = 0; i < COUNT_OF(keys); i++)
        assert_int_equal(*hub_table_find(&table, keys[i], sizes[i]), i);
}

static void
test_out_of_budget(void **state)
{
    struct unit *unit = *state;
    struct hub_table table = {.arena = &unit->arena};
    static char keys[1 << 16];
    uint64_t *number = NULL;
    size_t i, last = 0;
    bool added;

    unit->budget.limit_bytes = 200000;
    for (i = 0; i < COUNT_OF(keys); i++) {
        number = hub_table_add(&table, keys, i, &added);
        if (number == NULL)
            break;
        *number = last = i;
    }
    assert_null(number);
    assert_status(unit->report.status, CKPT_LIMIT);
    assert_int_equal(table.table.count, last + 1);
    for (i = 0; i <= last; i++)
        assert_int_equal(*hub_table_find(&table, keys, i), i);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        unit_case(test_empty),
        unit_case(test_many_keys),
        unit_case(test_keys_are_bytes),
        unit_case(test_out_of_budget),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
