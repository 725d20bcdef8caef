/* SPDX-License-Identifier: MIT
 *
 * Counted memory: every byte is counted once, and the limit holds.
 */
#include "unit.h"

static void
test_used_bytes_follow(void **state)
{
    struct hub_budget *budget = &((struct unit *)*state)->budget;
    char *a = hub_allocate(budget, 100), *b = hub_allocate(budget, 0);

    assert_non_null(a);
    assert_non_null(b);
    assert_int_equal(budget->used_bytes, 100);
    a = hub_reallocate(budget, a, 300);
    assert_int_equal(budget->used_bytes, 300);
    a = hub_reallocate(budget, a, 50);
    assert_int_equal(budget->used_bytes, 50);
    b = hub_reallocate(budget, b, 7);
    assert_int_equal(budget->used_bytes, 57);
    hub_release(budget, a);
    hub_release(budget, b);
    hub_release(budget, NULL);
    assert_int_equal(budget->used_bytes, 0);
}

static void
test_what_is_new_is_zeroed(void **state)
{
    struct hub_budget *budget = &((struct unit *)*state)->budget;
    char *memory = hub_reallocate(budget, NULL, 10);
    int i;

    for (i = 0; i < 10; i++)
        assert_int_equal(memory[i], 0);
    memset(memory, 1, 10);
    memory = hub_reallocate(budget, memory, 5000);
    for (i = 0; i < 5000; i++)
        assert_int_equal(memory[i], i < 10 ? 1 : 0);
    hub_release(budget, memory);
}

static void
test_limit_is_exact(void **state)
{
    struct unit *unit = *state;
    char *memory;

    unit->budget.limit_bytes = 1000;
    assert_null(hub_allocate(&unit->budget, 1001));
    assert_status(unit->report.status, CKPT_LIMIT);
    memory = hub_allocate(&unit->budget, 1000);
    assert_non_null(memory);
    assert_null(hub_allocate(&unit->budget, 1));
    memory = hub_reallocate(&unit->budget, memory, 1000);
    assert_non_null(memory);
    assert_null(hub_reallocate(&unit->budget, memory, 1001));
    assert_int_equal(unit->budget.used_bytes, 1000);
    hub_release(&unit->budget, memory);
}

static void
test_absurd_sizes(void **state)
{
    struct unit *unit = *state;

    assert_null(hub_allocate(&unit->budget, SIZE_MAX));
    assert_null(hub_allocate(&unit->budget, SIZE_MAX - 8));
    assert_null(hub_reallocate(&unit->budget, NULL, SIZE_MAX));
    assert_int_equal(unit->budget.used_bytes, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        unit_case(test_used_bytes_follow),
        unit_case(test_what_is_new_is_zeroed),
        unit_case(test_limit_is_exact),
        unit_case(test_absurd_sizes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
