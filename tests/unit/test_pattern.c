/* SPDX-License-Identifier: MIT
 *
 * Patterns: what they meet, what they make of names, and that neither a wrong
 * one nor a costly one gets far.
 */
#include "false_host.h"
#include "unit.h"

#include "pattern.h"

static struct ckpt_text
text_of(const char *text)
{
    return (struct ckpt_text){text, strlen(text)};
}

static void
test_match(void **state)
{
    static const struct {
        const char *pattern, *name;
        bool matches;
    } rows[] = {
        {"fc.*", "fc.weight", true},
        {"fc.*", "fc2.weight", false},
        {"*.weight", "a.b/c.weight", true},
        {"layer[12].0", "layer2.0", true},
        {"layer[12].0", "layer3.0", false},
        {"fc", "fc.weight", false},
        {"re:^fc\\.", "fc.weight", true},
        {"re:weight$", "fc.weight", true},
        {"re:b.*s", "bias", true},
        {"re:(?i)BIAS", "fc.bias", true},
        {"re:^$", "x", false},
    };
    struct sdk_pattern *pattern;
    struct false_host host;
    struct ckpt_text name;
    bool matches;
    size_t i;

    (void)state;
    false_host_init(&host);
    for (i = 0; i < COUNT_OF(rows); i++) {
        name = text_of(rows[i].name);
        assert_status(sdk_pattern_new(&host.table, rows[i].pattern, &pattern),
                      CKPT_OK);
        assert_status(sdk_pattern_match(&host.table, pattern, &name, &matches),
                      CKPT_OK);
        if (matches != rows[i].matches)
            fail_msg("'%s' on '%s'", rows[i].pattern, rows[i].name);
        sdk_pattern_free(&host.table, pattern);
    }
    assert_int_equal(host.live_count, 0);
}

/* A glob sees the whole name; a NUL in it ends nothing. */
static void
test_match_nul(void **state)
{
    struct ckpt_text name = {"fc\0x", 4};
    struct sdk_pattern *pattern;
    struct false_host host;
    bool matches = true;

    (void)state;
    false_host_init(&host);
    assert_status(sdk_pattern_new(&host.table, "fc", &pattern), CKPT_OK);
    assert_status(sdk_pattern_match(&host.table, pattern, &name, &matches),
                  CKPT_OK);
    assert_false(matches);
    sdk_pattern_free(&host.table, pattern);
}

static void
test_wrong(void **state)
{
    static const struct {
        const char *pattern, *reason;
    } rows[] = {
        {"", "the pattern is empty"},
        {"re:(", "'(' is no regular expression: missing closing parenthesis"},
        {"re:a\\C", "is no regular expression"},
    };
    struct sdk_pattern *pattern;
    struct false_host host;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(rows); i++) {
        false_host_init(&host);
        assert_status(sdk_pattern_new(&host.table, rows[i].pattern, &pattern),
                      CKPT_OPTION);
        assert_contains(host.text, rows[i].reason);
        assert_int_equal(host.live_count, 0);
    }
}

static void
test_costly(void **state)
{
    struct ckpt_text name =
        text_of("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab");
    struct sdk_pattern *pattern;
    struct false_host host;
    bool matches;

    (void)state;
    false_host_init(&host);
    assert_status(sdk_pattern_new(&host.table, "re:^(a+)+$", &pattern),
                  CKPT_OK);
    assert_status(sdk_pattern_match(&host.table, pattern, &name, &matches),
                  CKPT_LIMIT);
    assert_contains(host.text, "too costly on a name: match limit exceeded");
    sdk_pattern_free(&host.table, pattern);
}

static void
test_substitute(void **state)
{
    static const struct {
        const char *text, *name, *renamed;
    } rows[] = {
        {"s/^module\\.//", "module.fc.weight", "fc.weight"},
        {"s/x/y/", "fc.weight", "fc.weight"},
        {"s/e/E/", "fc.weeight", "fc.wEeight"},
        {"s/e/E/g", "fc.weeight", "fc.wEEight"},
        {"s/FC/head/i", "fc.weight", "head.weight"},
        {"s/(\\w+)\\.(\\w+)/$2.${1}/", "fc.weight", "weight.fc"},
        {"s/(?<n>\\d+)/b${n}$$/", "l12", "lb12$"},
        {"s|a/b|c|", "a/b/kernel:0", "c/kernel:0"},
        {"s/a\\/b/c/", "a/b", "c"},
        {"s/.*//", "gone", ""},
    };
    struct sdk_substitution *substitution;
    struct ckpt_text name, renamed;
    struct false_host host;
    size_t i;

    (void)state;
    false_host_init(&host);
    for (i = 0; i < COUNT_OF(rows); i++) {
        name = text_of(rows[i].name);
        assert_status(
            sdk_substitution_new(&host.table, rows[i].text, &substitution),
            CKPT_OK);
        assert_status(
            sdk_substitution_apply(&host.table, substitution, &name, &renamed),
            CKPT_OK);
        assert_int_equal(renamed.size_bytes, strlen(rows[i].renamed));
        assert_memory_equal(renamed.data, rows[i].renamed, renamed.size_bytes);
        sdk_substitution_free(&host.table, substitution);
    }
    assert_int_equal(host.live_count, 0);
}

static void
test_substitution_wrong(void **state)
{
    static const struct {
        const char *text, *reason;
    } rows[] = {
        {"fc", "'fc' is not of the form s/PATTERN/TEMPLATE/flags"},
        {"s/a", "is not of the form"},
        {"s/a/b", "is not of the form"},
        {"s//b/", "is not of the form"},
        {"s/a/b/x", "the flag 'x' is neither g nor i"},
        {"s/(/b/", "is no regular expression"},
    };
    struct sdk_substitution *substitution;
    struct false_host host;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(rows); i++) {
        false_host_init(&host);
        assert_status(
            sdk_substitution_new(&host.table, rows[i].text, &substitution),
            CKPT_OPTION);
        assert_contains(host.text, rows[i].reason);
        assert_int_equal(host.live_count, 0);
    }
}

static void
test_template_wrong(void **state)
{
    struct ckpt_text name = text_of("fc"), renamed;
    struct sdk_substitution *substitution;
    struct false_host host;

    (void)state;
    false_host_init(&host);
    assert_status(sdk_substitution_new(&host.table, "s/fc/$3/", &substitution),
                  CKPT_OK);
    assert_status(
        sdk_substitution_apply(&host.table, substitution, &name, &renamed),
        CKPT_OPTION);
    assert_contains(host.text, "the template '$3' is wrong");
    sdk_substitution_free(&host.table, substitution);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_match),
        cmocka_unit_test(test_match_nul),
        cmocka_unit_test(test_wrong),
        cmocka_unit_test(test_costly),
        cmocka_unit_test(test_substitute),
        cmocka_unit_test(test_substitution_wrong),
        cmocka_unit_test(test_template_wrong),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
