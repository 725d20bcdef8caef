/* SPDX-License-Identifier: MIT
 *
 * UTF-8, by the rows of RFC 3629; the checks of views and storages are tried
 * through the graph's door in test_storage.c.
 */
#include "unit.h"

#include "hub/graph/validate.h"
#include "utf8.h"

static void
test_valid_texts(void **state)
{
    static const char *const texts[] = {
        "",
        "plain",
        "\x7f",
        "\xc2\x80",
        "\xdf\xbf",
        "\xe0\xa0\x80",
        "\xed\x9f\xbf",
        "\xee\x80\x80",
        "\xef\xbf\xbf",
        "\xf0\x90\x80\x80",
        "\xf4\x8f\xbf\xbf",
        "a\xe2\x82\xac"
        "b",
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(texts); i++)
        if (!sdk_utf8_valid(texts[i], strlen(texts[i])))
            fail_msg("row %zu was refused", i);
    assert_true(sdk_utf8_valid("a\0b", 3));
    assert_true(sdk_utf8_valid(NULL, 0));
}

static void
test_invalid_texts(void **state)
{
    static const char *const texts[] = {
        "\x80",             /* a continuation alone */
        "\xc0\x80",         /* overlong NUL */
        "\xc1\xbf",         /* overlong */
        "\xe0\x9f\xbf",     /* overlong */
        "\xf0\x8f\xbf\xbf", /* overlong */
        "\xed\xa0\x80",     /* surrogate */
        "\xed\xbf\xbf",     /* surrogate */
        "\xf4\x90\x80\x80", /* past the last code */
        "\xf5\x80\x80\x80", /* no such lead */
        "\xff",             /* no such lead */
        "\xc2",             /* cut off */
        "\xe2\x82",         /* cut off */
        "\xf0\x90\x80",     /* cut off */
        "\xc2"
        "a",              /* no continuation */
        "ok\xe2\x28\xa1", /* no continuation within */
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(texts); i++)
        if (sdk_utf8_valid(texts[i], strlen(texts[i])))
            fail_msg("row %zu was taken", i);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        unit_case(test_valid_texts),
        unit_case(test_invalid_texts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
