/* SPDX-License-Identifier: MIT
 *
 * What every unit test has at hand: cmocka, and a budget with its report and
 * arena, which a test finds clean and which must be empty when it ends.
 */
#ifndef UNIT_H
#define UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hub/core/arena.h"
#include "hub/core/budget.h"
#include "hub/core/report.h"

/* A status is an int and negative; cmocka compares unsigned. */
#define assert_status(got, wanted) assert_int_equal((got), (wanted))

#define assert_contains(text, part)                                 \
    do {                                                            \
        if (strstr((text), (part)) == NULL)                         \
            fail_msg("'%s' does not contain '%s'", (text), (part)); \
    } while (0)

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

struct unit {
    struct hub_report report;
    struct hub_budget budget;
    struct hub_arena arena;
};

static inline int
unit_setup(void **state)
{
    struct unit *unit = calloc(1, sizeof *unit);

    if (unit == NULL)
        return -1;
    unit->budget.limit_bytes = UINT64_C(64) << 20;
    unit->budget.report = &unit->report;
    unit->arena.budget = &unit->budget;
    *state = unit;
    return 0;
}

static inline int
unit_teardown(void **state)
{
    struct unit *unit = *state;
    uint64_t left;

    hub_arena_fini(&unit->arena);
    left = unit->budget.used_bytes;
    if (left != 0)
        fprintf(stderr, "%llu bytes were not released\n",
                (unsigned long long)left);
    free(unit);
    return left == 0 ? 0 : -1;
}

#define unit_case(function) \
    cmocka_unit_test_setup_teardown(function, unit_setup, unit_teardown)

#endif
