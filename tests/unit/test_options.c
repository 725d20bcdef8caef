/* SPDX-License-Identifier: MIT
 *
 * Options: every kind, its edges, and what is said of a wrong text.
 */
#include "unit.h"

#include "hub/core/options.h"

static const char *const test_colours[] = {"red", "green", NULL};
static const struct ckpt_option test_declared[] = {
    {"flag", CKPT_OPTION_BOOL, "no", "a flag", NULL},
    {"count", CKPT_OPTION_INT, "-3", "a count", NULL},
    {"limit", CKPT_OPTION_SIZE, "5GB", "a size", NULL},
    {"title", CKPT_OPTION_STRING, NULL, "a title", NULL},
    {"colour", CKPT_OPTION_CHOICE, "green", "a colour", test_colours},
    {0},
};

static int
parse_one(struct unit *unit, const char *text,
          struct ckpt_option_value **values)
{
    const char *given[] = {text, NULL};

    hub_report_clear(&unit->report);
    return hub_options_parse(&unit->arena, test_declared, given, values);
}

static void
test_fallbacks(void **state)
{
    struct unit *unit = *state;
    struct ckpt_option_value *values;

    assert_status(hub_options_parse(&unit->arena, test_declared, NULL, &values),
                  CKPT_OK);
    assert_false(values[0].given);
    assert_int_equal(values[0].integer, 0);
    assert_int_equal(values[1].integer, -3);
    assert_int_equal(values[2].integer, 5000000000);
    assert_null(values[3].text);
    assert_int_equal(values[4].integer, 1);
}

static void
test_given_values(void **state)
{
    struct unit *unit = *state;
    struct ckpt_option_value *values;
    const char *given[] = {"flag",       "count=9223372036854775807",
                           "limit=3MiB", "title=a=b",
                           "colour=red", NULL};

    assert_status(
        hub_options_parse(&unit->arena, test_declared, given, &values),
        CKPT_OK);
    assert_true(values[0].given);
    assert_int_equal(values[0].integer, 1);
    assert_int_equal(values[1].integer, INT64_MAX);
    assert_int_equal(values[2].integer, 3 << 20);
    assert_string_equal(values[3].text, "a=b");
    assert_int_equal(values[4].integer, 0);
}

static void
test_no_options_at_all(void **state)
{
    struct unit *unit = *state;
    struct ckpt_option_value *values;
    const char *given[] = {"a=b", NULL};

    assert_status(hub_options_parse(&unit->arena, NULL, NULL, &values),
                  CKPT_OK);
    assert_status(hub_options_parse(&unit->arena, NULL, given, &values),
                  CKPT_OPTION);
    assert_contains(unit->report.remedy, "it has no options");
}

static void
test_unknown_option_names_the_known(void **state)
{
    struct unit *unit = *state;
    struct ckpt_option_value *values;

    assert_status(parse_one(unit, "flagg=yes", &values), CKPT_OPTION);
    assert_string_equal(unit->report.text, "unknown option 'flagg=yes'");
    assert_contains(unit->report.remedy, "flag, count, limit, title, colour");
    assert_status(parse_one(unit, "fla", &values), CKPT_OPTION);
    assert_status(parse_one(unit, "", &values), CKPT_OPTION);
    assert_status(parse_one(unit, "=x", &values), CKPT_OPTION);
}

static void
test_wrong_values(void **state)
{
    static const char *const wrong[] = {
        "flag=maybe",   "flag=",          "count=",
        "count=1x",     "count= ",        "count=9223372036854775808",
        "limit=",       "limit=-1",       "limit=5XB",
        "limit=5 ",     "limit=5GiBs",    "limit=99999999999999999999",
        "limit=10000P", "limit=16383PiB", "colour=blue",
        "colour=",
    };
    struct unit *unit = *state;
    struct ckpt_option_value *values;
    size_t i;

    for (i = 0; i < COUNT_OF(wrong); i++) {
        if (parse_one(unit, wrong[i], &values) != CKPT_OPTION)
            fail_msg("'%s' was taken", wrong[i]);
        assert_contains(unit->report.text, "cannot be '");
        assert_contains(unit->report.remedy, ": a ");
    }
}

static void
test_wrong_fallback_is_the_plugins_fault(void **state)
{
    static const struct ckpt_option declared[] = {
        {"n", CKPT_OPTION_INT, "many", "a number", NULL},
        {0},
    };
    struct unit *unit = *state;
    struct ckpt_option_value *values;

    assert_status(hub_options_parse(&unit->arena, declared, NULL, &values),
                  CKPT_CONTRACT);
}

static void
test_sizes(void **state)
{
    static const struct {
        const char *text;
        uint64_t size_bytes;
    } sizes[] = {
        {"0", 0},
        {"123", 123},
        {"123B", 123},
        {"1K", 1000},
        {"1k", 1000},
        {"1KB", 1000},
        {"1KiB", 1024},
        {"1Ki", 1024},
        {"64MiB", 64 << 20},
        {"2GiB", 1u << 31},
        {"5TB", 5000000000000},
        {"18446744073709551615", UINT64_MAX},
    };
    uint64_t got;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(sizes); i++) {
        got = 77;
        if (!hub_size_parse(sizes[i].text, &got))
            fail_msg("'%s' was refused", sizes[i].text);
        assert_int_equal(got, sizes[i].size_bytes);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        unit_case(test_fallbacks),
        unit_case(test_given_values),
        unit_case(test_no_options_at_all),
        unit_case(test_unknown_option_names_the_known),
        unit_case(test_wrong_values),
        unit_case(test_wrong_fallback_is_the_plugins_fault),
        unit_case(test_sizes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
