/* SPDX-License-Identifier: MIT
 *
 * The arena: alignment, zeroes, large pieces, and the budget's word.
 */
#include "unit.h"

static void
test_pieces_are_aligned_zeroed_and_apart(void **state)
{
    struct unit *unit = *state;
    unsigned char *piece, *before = NULL;
    size_t i, k;

    for (i = 1; i < 3000; i++) {
        piece = hub_arena_allocate(&unit->arena, i);
        assert_non_null(piece);
        assert_int_equal((uintptr_t)piece % 8, 0);
        for (k = 0; k < i; k++)
            assert_int_equal(piece[k], 0);
        memset(piece, 0xff, i);
        if (before != NULL)
            assert_int_equal(before[i - 2], 0xff);
        before = piece;
    }
}

static void
test_piece_larger_than_a_block(void **state)
{
    struct unit *unit = *state;
    char *small = hub_arena_allocate(&unit->arena, 1);
    char *large = hub_arena_allocate(&unit->arena, 1 << 20);

    assert_non_null(small);
    assert_non_null(large);
    large[(1 << 20) - 1] = 1;
    assert_true(unit->budget.used_bytes >= 1 << 20);
}

/* Three pieces grow by turns and keep what is theirs; one ends early. */
static void
test_large_pieces_grow(void **state)
{
    struct unit *unit = *state;
    unsigned char *pieces[3] = {NULL, NULL, NULL};
    size_t size, i, used = unit->budget.used_bytes;

    for (size = 1000; size <= 4096000; size *= 4)
        for (i = 0; i < 3; i++) {
            pieces[i] = hub_arena_large(&unit->arena, pieces[i], size);
            assert_non_null(pieces[i]);
            if (size > 1000)
                assert_int_equal(pieces[i][size / 4 - 1], i + 1);
            assert_int_equal(pieces[i][size - 1], 0);
            pieces[i][size - 1] = (unsigned char)(i + 1);
        }
    hub_arena_large_free(&unit->arena, pieces[1]);
    assert_true(unit->budget.used_bytes < used + 9000000);
    assert_null(hub_arena_large(&unit->arena, pieces[0], SIZE_MAX));
    hub_arena_fini(&unit->arena);
    assert_int_equal(unit->budget.used_bytes, used);
}

static void
test_text_is_copied_and_closed(void **state)
{
    struct unit *unit = *state;
    char bytes[] = {'a', '\0', 'b'};
    char *text = hub_arena_text(&unit->arena, bytes, sizeof bytes);

    assert_memory_equal(text, "a\0b", 4);
    assert_string_equal(hub_arena_text(&unit->arena, NULL, 0), "");
}

static void
test_budget_ends_it(void **state)
{
    struct unit *unit = *state;

    unit->budget.limit_bytes = 100000;
    assert_non_null(hub_arena_allocate(&unit->arena, 1));
    assert_null(hub_arena_allocate(&unit->arena, 90000));
    assert_status(unit->report.status, CKPT_LIMIT);
    assert_contains(unit->report.text, "the budget is 100000");
    assert_contains(unit->report.remedy, "--max-memory");
}

static void
test_absurd_size_is_refused(void **state)
{
    struct unit *unit = *state;

    assert_null(hub_arena_allocate(&unit->arena, SIZE_MAX - 3));
    assert_status(unit->report.status, CKPT_LIMIT);
}

static void
test_fini_gives_all_back(void **state)
{
    struct unit *unit = *state;
    int i;

    for (i = 0; i < 1000; i++)
        assert_non_null(hub_arena_allocate(&unit->arena, 1000));
    hub_arena_fini(&unit->arena);
    assert_int_equal(unit->budget.used_bytes, 0);
    assert_non_null(hub_arena_allocate(&unit->arena, 1));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        unit_case(test_pieces_are_aligned_zeroed_and_apart),
        unit_case(test_piece_larger_than_a_block),
        unit_case(test_large_pieces_grow),
        unit_case(test_text_is_copied_and_closed),
        unit_case(test_budget_ends_it),
        unit_case(test_absurd_size_is_refused),
        unit_case(test_fini_gives_all_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
