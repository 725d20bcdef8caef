/* SPDX-License-Identifier: MIT
 *
 * The JSON scanner: what it takes, what it refuses and where, numbers to the
 * last bit, and that what is written reads back.
 */
#include <locale.h>

#include "hub/load/host_table.h"
#include "json.h"
#include "unit.h"

/* One letter per event, in their order. */
static const char json_letters[] = "!.{}[]ksntfz";

/* The events of a text as letters. Each is scanned in memory of just its
 * size, so that the sanitizer sees a step too far. */
static void
json_trace(struct sdk_json *json, const char *text, size_t size_bytes,
           char *letters, size_t room)
{
    char *copy = malloc(size_bytes + (size_bytes == 0));
    size_t count = 0;

    assert_non_null(copy);
    memcpy(copy, text, size_bytes);
    sdk_json_init(json, copy, size_bytes);
    do {
        assert_true(count + 1 < room);
        letters[count++] = json_letters[sdk_json_next(json)];
    } while (json->event != SDK_JSON_ERROR && json->event != SDK_JSON_END);
    letters[count] = '\0';
    assert_int_equal(json_letters[sdk_json_next(json)], letters[count - 1]);
    free(copy);
}

static void
json_assert_trace(const char *text, const char *wanted)
{
    struct sdk_json json;
    char letters[64];

    json_trace(&json, text, strlen(text), letters, sizeof letters);
    assert_string_equal(letters, wanted);
}

static void
json_assert_error(const char *text, size_t size_bytes, size_t at,
                  const char *error)
{
    struct sdk_json json;
    char letters[400];

    json_trace(&json, text, size_bytes, letters, sizeof letters);
    if (json.event != SDK_JSON_ERROR)
        fail_msg("'%s' was taken: %s", text, letters);
    assert_string_equal(json.error, error);
    assert_int_equal(json.at, at);
}

static void
test_events_of_whole_texts(void **state)
{
    (void)state;
    json_assert_trace("null", "z.");
    json_assert_trace(" \t\r\n true \n", "t.");
    json_assert_trace("\"\"", "s.");
    json_assert_trace("[]", "[].");
    json_assert_trace("{}", "{}.");
    json_assert_trace("[1,-0,2.5e+3,0E0]", "[nnnn].");
    json_assert_trace("{\"a\":{\"b\":[{}]},\"c\":false}", "{k{k[{}]}kf}.");
    json_assert_trace("[[],[[]] , \"x\"]", "[[][[]]s].");
    json_assert_trace("\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\\ud83d\\ude00\"",
                      "s.");
}

static void
test_errors_and_their_places(void **state)
{
    static const struct {
        const char *text;
        size_t at;
        const char *error;
    } cases[] = {
        {"", 0, "the text ends where a value was expected"},
        {"[1,", 3, "the text ends where a value was expected"},
        {"[1", 2, "the text ends within a list or object"},
        {"{", 1, "a key was expected"},
        {"{1:2}", 1, "a key was expected"},
        {"{\"a\" 1}", 5, "a colon was expected"},
        {"{\"a\":}", 5, "a value was expected"},
        {"{\"a\":1,}", 7, "a key was expected"},
        {"[1,]", 3, "a value was expected"},
        {"[1 2]", 3, "a comma was expected"},
        {"[1}", 2, "a comma was expected"},
        {"{\"a\":1]", 6, "a comma was expected"},
        {"1 2", 2, "text after the value"},
        {"{}x", 2, "text after the value"},
        {"\xEF\xBB\xBF{}", 0, "a value was expected"},
        {"nul", 0, "a value was expected"},
        {"NaN", 0, "a value was expected"},
        {"'a'", 0, "a value was expected"},
        {"+1", 0, "a value was expected"},
        {"-", 1, "a number without digits"},
        {"1.", 2, "a number without digits"},
        {"1e", 2, "a number without digits"},
        {"1e+", 3, "a number without digits"},
        {"01", 1, "text after the value"},
        {"\"abc", 4, "the text ends within a string"},
        {"\"abcdefghij", 11, "the text ends within a string"},
        {"\"a\nb\"", 2, "a control character in a string"},
        {"\"abcdefghij\x1F\"", 11, "a control character in a string"},
        {"\"a\\x\"", 2, "an unknown escape in a string"},
        {"\"a\\u12g4\"", 2, "an unknown escape in a string"},
        {"\"a\\u12", 2, "an unknown escape in a string"},
        {"\"a\\", 2, "an unknown escape in a string"},
        {"\"\\ud800\"", 1, "a lone surrogate in a string"},
        {"\"\\ud800\\u0041\"", 1, "a lone surrogate in a string"},
        {"\"\\udc00\\ud800\"", 1, "a lone surrogate in a string"},
        {"\"\\ud83d\\ude0", 1, "a lone surrogate in a string"},
        {"\"\x80\"", 1, "a string that is not utf-8"},
        {"\"\xC0\x80\"", 1, "a string that is not utf-8"},
        {"\"\xED\xA0\x80\"", 1, "a string that is not utf-8"},
        {"\"\xF4\x90\x80\x80\"", 1, "a string that is not utf-8"},
        {"\"abcdefgh\xE2\x82\"", 9, "a string that is not utf-8"},
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(cases); i++)
        json_assert_error(cases[i].text, strlen(cases[i].text), cases[i].at,
                          cases[i].error);
    json_assert_error("{}\0\0", 4, 2, "text after the value");
    json_assert_error("\"a\0b\"", 5, 2, "a control character in a string");
    json_assert_error("\"\\\0\"", 4, 1, "an unknown escape in a string");
}

static void
test_nesting_has_a_floor(void **state)
{
    char text[300];
    struct sdk_json json;
    char letters[300];

    (void)state;
    memset(text, '[', 128);
    memset(text + 128, ']', 128);
    json_trace(&json, text, 256, letters, sizeof letters);
    assert_int_equal(json.event, SDK_JSON_END);
    memset(text, '[', 129);
    json_assert_error(text, 129, 128, "nesting is too deep");
}

static void
test_every_truncation_is_refused(void **state)
{
    static const char text[] =
        "{\"a\\n\xC3\xA9\":[1,2.5,-3e2],\"b\":{\"c\":null,"
        "\"d\":\"\\ud83d\\ude00\"},\"e\":[true,false]}";
    struct sdk_json json;
    char letters[64];
    size_t size;

    (void)state;
    for (size = 0; size < sizeof text - 1; size++) {
        json_trace(&json, text, size, letters, sizeof letters);
        assert_int_equal(json.event, SDK_JSON_ERROR);
    }
    json_trace(&json, text, size, letters, sizeof letters);
    assert_string_equal(letters, "{k[nnn]k{kzks}k[tf]}.");
}

static void
test_skip_passes_one_value(void **state)
{
    static const char text[] = "{\"a\":{\"x\":[1,{}]},\"b\":[2,[3,4],5]}";
    struct sdk_json json;
    uint64_t value = 0;

    (void)state;
    sdk_json_init(&json, text, strlen(text));
    assert_int_equal(sdk_json_next(&json), SDK_JSON_OBJECT_BEGIN);
    assert_int_equal(sdk_json_next(&json), SDK_JSON_KEY);
    assert_true(sdk_json_skip(&json));
    assert_int_equal(sdk_json_next(&json), SDK_JSON_KEY);
    assert_true(sdk_json_is(&json, "b"));
    assert_int_equal(sdk_json_next(&json), SDK_JSON_ARRAY_BEGIN);
    assert_int_equal(sdk_json_next(&json), SDK_JSON_NUMBER);
    assert_true(sdk_json_skip(&json));
    assert_int_equal(sdk_json_next(&json), SDK_JSON_ARRAY_BEGIN);
    assert_true(sdk_json_skip(&json));
    assert_int_equal(sdk_json_next(&json), SDK_JSON_NUMBER);
    assert_true(sdk_json_u64(&json, &value));
    assert_int_equal(value, 5);
    sdk_json_init(&json, "{\"a\":[1", 7);
    sdk_json_next(&json);
    sdk_json_next(&json);
    assert_false(sdk_json_skip(&json));
    assert_int_equal(json.at, 7);
}

static void
test_refusal_of_the_caller(void **state)
{
    struct sdk_json json;

    (void)state;
    sdk_json_init(&json, " [1]", 4);
    sdk_json_next(&json);
    assert_int_equal(sdk_json_refuse(&json, "not wanted"), SDK_JSON_ERROR);
    assert_string_equal(json.error, "not wanted");
    assert_int_equal(json.at, 1);
    assert_int_equal(sdk_json_next(&json), SDK_JSON_ERROR);
    sdk_json_refuse(&json, "another");
    assert_string_equal(json.error, "not wanted");
}

static struct sdk_json
json_scalar(const char *text)
{
    struct sdk_json json;

    sdk_json_init(&json, text, strlen(text));
    sdk_json_next(&json);
    return json;
}

static void
json_assert_u64(const char *text, bool good, uint64_t wanted)
{
    struct sdk_json json = json_scalar(text);
    uint64_t value = 77;

    assert_int_equal(sdk_json_u64(&json, &value), good);
    assert_int_equal(value, good ? wanted : 77);
}

static void
json_assert_i64(const char *text, bool good, int64_t wanted)
{
    struct sdk_json json = json_scalar(text);
    int64_t value = 77;

    assert_int_equal(sdk_json_i64(&json, &value), good);
    assert_int_equal(value, good ? wanted : 77);
}

static void
test_integers_are_exact(void **state)
{
    (void)state;
    json_assert_u64("0", true, 0);
    json_assert_u64("9007199254740993", true, UINT64_C(9007199254740993));
    json_assert_u64("18446744073709551615", true, UINT64_MAX);
    json_assert_u64("18446744073709551616", false, 0);
    json_assert_u64("184467440737095516150", false, 0);
    json_assert_u64("-1", false, 0);
    json_assert_u64("-0", false, 0);
    json_assert_u64("1.0", false, 0);
    json_assert_u64("1e3", false, 0);
    json_assert_u64("\"1\"", false, 0);
    json_assert_u64("null", false, 0);
    json_assert_i64("-9223372036854775808", true, INT64_MIN);
    json_assert_i64("-9223372036854775809", false, 0);
    json_assert_i64("9223372036854775807", true, INT64_MAX);
    json_assert_i64("9223372036854775808", false, 0);
    json_assert_i64("-1", true, -1);
    json_assert_i64("-0", false, 0);
}

static void
json_assert_double(const char *text, bool good, double wanted)
{
    struct sdk_json json = json_scalar(text);
    double value = 77;

    assert_int_equal(sdk_json_double(&json, &value), good);
    if (!good)
        wanted = 77;
    if (memcmp(&value, &wanted, sizeof value) != 0)
        fail_msg("%s gave %.17g, not %.17g", text, value, wanted);
}

static void
test_doubles_are_nearest(void **state)
{
    char longest[1100];

    (void)state;
    json_assert_double("0.1", true, 0.1);
    json_assert_double("-0", true, -0.0);
    json_assert_double("1E400", false, 0);
    json_assert_double("1e-400", true, 0.0);
    json_assert_double("9007199254740993", true, 9007199254740992.0);
    json_assert_double("2.2250738585072014e-308", true,
                       2.2250738585072014e-308);
    json_assert_double("true", false, 0);
    memset(longest, '1', sizeof longest);
    memcpy(longest, "0.", 2);
    longest[1000] = '\0';
    json_assert_double(longest, true, 0.1111111111111111);
    longest[1000] = '1';
    longest[1001] = '\0';
    json_assert_double(longest, false, 0);
}

struct json_state {
    struct hub_report report;
    struct hub_budget budget;
    struct hub_host host;
    struct sdk_buffer buffer;
};

static int
json_setup(void **state)
{
    struct json_state *s = calloc(1, sizeof *s);

    if (s == NULL)
        return -1;
    s->budget.limit_bytes = 1 << 20;
    s->budget.report = &s->report;
    hub_host_init(&s->host, &s->budget);
    *state = s;
    return 0;
}

static int
json_teardown(void **state)
{
    struct json_state *s = *state;
    uint64_t left;

    sdk_buffer_fini(&s->host.table, &s->buffer);
    hub_host_fini(&s->host);
    left = s->budget.used_bytes;
    free(s);
    return left == 0 ? 0 : -1;
}

static void
test_text_without_escapes(void **state)
{
    struct json_state *s = *state;
    struct sdk_json json = json_scalar("\"plain \xC3\xA9\"");
    struct ckpt_text text;

    assert_status(sdk_json_text(&s->host.table, &json, &s->buffer, &text),
                  CKPT_OK);
    assert_ptr_equal(text.data, json.text);
    assert_int_equal(text.size_bytes, 8);
    assert_int_equal(s->buffer.size_bytes, 0);
    json = json_scalar("\"a\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\\u00e9\\u20AC"
                       "\\ud83d\\ude00\\u0000z\"");
    assert_true(json.escaped);
    assert_status(sdk_json_text(&s->host.table, &json, &s->buffer, &text),
                  CKPT_OK);
    assert_int_equal(text.size_bytes, 21);
    assert_memory_equal(text.data,
                        "a\"\\/\b\f\n\r\tA\xC3\xA9\xE2\x82\xAC"
                        "\xF0\x9F\x98\x80\0z",
                        21);
    assert_status(sdk_json_copy(&s->host.table, &json, &s->buffer), CKPT_OK);
    assert_int_equal(s->buffer.size_bytes, 42);
}

static void
test_text_is_compared_by_meaning(void **state)
{
    struct sdk_json json = json_scalar("\"d\\u0074ype\"");

    (void)state;
    assert_true(sdk_json_is(&json, "dtype"));
    assert_false(sdk_json_is(&json, "dtyp"));
    assert_false(sdk_json_is(&json, "dtypes"));
    json = json_scalar("\"dtype\"");
    assert_true(sdk_json_is(&json, "dtype"));
    assert_false(sdk_json_is(&json, "shape"));
}

static void
json_assert_written(struct json_state *s, const char *wanted)
{
    assert_status(sdk_json_write_raw(&s->host.table, &s->buffer, ""), CKPT_OK);
    assert_status(sdk_buffer_append(&s->host.table, &s->buffer, "", 1),
                  CKPT_OK);
    assert_string_equal((const char *)s->buffer.data, wanted);
    s->buffer.size_bytes = 0;
}

static void
test_strings_are_written_with_least_escapes(void **state)
{
    struct json_state *s = *state;
    const struct ckpt_host *host = &s->host.table;

    assert_status(sdk_json_write_string(host, &s->buffer,
                                        "a\"\\/\b\f\n\r\t\x01\x1F\x7F\xC3\xA9",
                                        14),
                  CKPT_OK);
    json_assert_written(s, "\"a\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\x7F"
                           "\xC3\xA9\"");
    assert_status(sdk_json_write_string(host, &s->buffer, "a\0b", 3), CKPT_OK);
    json_assert_written(s, "\"a\\u0000b\"");
    assert_status(sdk_json_write_string(host, &s->buffer, "", 0), CKPT_OK);
    json_assert_written(s, "\"\"");
    assert_status(sdk_json_write_string(host, &s->buffer, "\xFF", 1),
                  CKPT_FORMAT);
    assert_contains(s->report.text, "not utf-8");
}

static void
test_numbers_are_written(void **state)
{
    struct json_state *s = *state;
    const struct ckpt_host *host = &s->host.table;

    assert_status(sdk_json_write_u64(host, &s->buffer, UINT64_MAX), CKPT_OK);
    json_assert_written(s, "18446744073709551615");
    assert_status(sdk_json_write_u64(host, &s->buffer, 0), CKPT_OK);
    json_assert_written(s, "0");
    assert_status(sdk_json_write_i64(host, &s->buffer, INT64_MIN), CKPT_OK);
    json_assert_written(s, "-9223372036854775808");
    assert_status(sdk_json_write_double(host, &s->buffer, 0.1), CKPT_OK);
    json_assert_written(s, "0.1");
    assert_status(sdk_json_write_double(host, &s->buffer, -0.0), CKPT_OK);
    json_assert_written(s, "-0.0");
    assert_status(sdk_json_write_double(host, &s->buffer, 1e300), CKPT_OK);
    json_assert_written(s, "1e+300");
    assert_status(sdk_json_write_double(host, &s->buffer, 1.0 / 3), CKPT_OK);
    json_assert_written(s, "0.3333333333333333");
    assert_status(sdk_json_write_double(host, &s->buffer, 0x1p-1074 * 3),
                  CKPT_OK);
    json_assert_written(s, "1.48219693752374e-323");
}

static void
test_infinity_is_not_written(void **state)
{
    struct json_state *s = *state;

    assert_status(sdk_json_write_double(&s->host.table, &s->buffer, 1e308 * 10),
                  CKPT_UNSUPPORTED);
    assert_contains(s->report.text, "json has no infinity");
}

/* Where the point is a comma, JSON's stays a point. */
static void
test_locale_is_of_no_matter(void **state)
{
    struct json_state *s = *state;

    if (setlocale(LC_NUMERIC, "de_DE.UTF-8") == NULL)
        skip();
    json_assert_double("2.5", true, 2.5);
    assert_status(sdk_json_write_double(&s->host.table, &s->buffer, 2.5),
                  CKPT_OK);
    setlocale(LC_NUMERIC, "C");
    json_assert_written(s, "2.5");
}

#define json_case(function) \
    cmocka_unit_test_setup_teardown(function, json_setup, json_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_events_of_whole_texts),
        cmocka_unit_test(test_errors_and_their_places),
        cmocka_unit_test(test_nesting_has_a_floor),
        cmocka_unit_test(test_every_truncation_is_refused),
        cmocka_unit_test(test_skip_passes_one_value),
        cmocka_unit_test(test_refusal_of_the_caller),
        cmocka_unit_test(test_integers_are_exact),
        cmocka_unit_test(test_doubles_are_nearest),
        json_case(test_text_without_escapes),
        cmocka_unit_test(test_text_is_compared_by_meaning),
        json_case(test_strings_are_written_with_least_escapes),
        json_case(test_numbers_are_written),
        json_case(test_infinity_is_not_written),
        json_case(test_locale_is_of_no_matter),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
