/* SPDX-License-Identifier: MIT
 *
 * The pickle machine: what each opcode makes, what each failure says, and
 * that no truncation and no lack of memory does harm. Nodes are compared by a
 * rendering of them as text.
 */
#include "unit.h"

#include <inttypes.h>

#include "false_host.h"
#include "pickle_read.h"

#define BYTES(text) (text), sizeof(text) - 1
#define RENDER_DEPTH_MAX 6

struct text {
    char data[2000];
    size_t size;
};

static void add(struct text *text, const char *format, ...) CKPT_PRINTF(2, 3);

static void
add(struct text *text, const char *format, ...)
{
    size_t left = sizeof text->data - text->size;
    va_list arguments;
    int length;

    va_start(arguments, format);
    length = vsnprintf(text->data + text->size, left, format, arguments);
    va_end(arguments);
    if (length > 0 && (size_t)length < left)
        text->size += (size_t)length;
}

static void render(struct text *text, const struct sdk_pickled *p, uint32_t ref,
                   int depth);

static void
render_list(struct text *text, const struct sdk_pickled *p,
            struct sdk_pickled_list list, const char *marks, int depth)
{
    uint32_t i;

    add(text, "%c", marks[0]);
    for (i = 0; i < list.count; i++) {
        if (i > 0)
            add(text, " ");
        render(text, p, list.refs[i], depth);
    }
    add(text, "%c", marks[1]);
}

static void
render_text(struct text *text, const struct sdk_pickled *p, uint32_t ref,
            const char *prefix)
{
    struct ckpt_text found = sdk_pickled_text(p, ref);
    size_t i;

    add(text, "%s'", prefix);
    for (i = 0; i < found.size_bytes; i++) {
        unsigned char c = (unsigned char)found.data[i];

        add(text, c >= 32 && c < 127 ? "%c" : "\\x%02x", c);
    }
    add(text, "'");
}

static void
render_call(struct text *text, const struct sdk_pickled *p, uint32_t ref,
            const char *prefix, int depth)
{
    struct sdk_pickled_call call = sdk_pickled_call(p, ref);

    add(text, "%s ", prefix);
    render(text, p, call.callee, depth);
    render(text, p, call.args, depth);
    if (call.kwargs != SDK_PICKLED_NOTHING)
        render(text, p, call.kwargs, depth);
    if (call.items.count > 0)
        render_list(text, p, call.items, "[]", depth);
    if (call.pairs.count > 0)
        render_list(text, p, call.pairs, "{}", depth);
    if (call.state != SDK_PICKLED_NOTHING) {
        add(text, "|");
        render(text, p, call.state, depth);
    }
}

static void
render(struct text *text, const struct sdk_pickled *p, uint32_t ref, int depth)
{
    const struct sdk_pickled_node *node = sdk_pickled_at(p, ref);
    static const char *const prefixes[] = {[SDK_PICKLED_WIDE] = "w",
                                           [SDK_PICKLED_TEXT] = "",
                                           [SDK_PICKLED_STR] = "s",
                                           [SDK_PICKLED_BYTES] = "b",
                                           [SDK_PICKLED_BYTEARRAY] = "a"};
    static const char *const marks[] = {[SDK_PICKLED_TUPLE] = "()",
                                        [SDK_PICKLED_LIST] = "[]",
                                        [SDK_PICKLED_SET] = "<>",
                                        [SDK_PICKLED_FROZENSET] = "^^",
                                        [SDK_PICKLED_DICT] = "{}"};

    if (depth == RENDER_DEPTH_MAX) {
        add(text, "...");
        return;
    }
    switch (node->kind) {
    case SDK_PICKLED_NONE:
        add(text, "None");
        break;
    case SDK_PICKLED_BOOL:
        add(text, node->as.truth ? "True" : "False");
        break;
    case SDK_PICKLED_INT:
        add(text, "%" PRId64, node->as.integer);
        break;
    case SDK_PICKLED_FLOAT:
        add(text, "%g", node->as.real);
        break;
    case SDK_PICKLED_WIDE:
    case SDK_PICKLED_TEXT:
    case SDK_PICKLED_STR:
    case SDK_PICKLED_BYTES:
    case SDK_PICKLED_BYTEARRAY:
        render_text(text, p, ref, prefixes[node->kind]);
        break;
    case SDK_PICKLED_GLOBAL:
        add(text, "%s.%s", sdk_pickled_module(p, ref),
            sdk_pickled_name(p, ref));
        break;
    case SDK_PICKLED_CALL:
        render_call(text, p, ref, "call", depth + 1);
        break;
    case SDK_PICKLED_NEW:
        render_call(text, p, ref, "new", depth + 1);
        break;
    case SDK_PICKLED_PERSISTENT:
        add(text, "pid ");
        render(text, p, sdk_pickled_pid(p, ref), depth + 1);
        break;
    default:
        render_list(text, p, sdk_pickled_list(p, ref), marks[node->kind],
                    depth + 1);
    }
}

static int
parse(struct false_host *host, const void *data, size_t size,
      struct sdk_pickled *pickled)
{
    struct sdk_pickled_input input = {
        .data = data, .size_bytes = size, .origin = 1000};

    return sdk_pickled_parse(&host->table, &input, pickled);
}

static void
expect(const char *data, size_t size, const char *wanted)
{
    struct false_host host;
    struct sdk_pickled pickled = {0};
    struct text text = {{0}, 0};
    int status;

    false_host_init(&host);
    status = parse(&host, data, size, &pickled);
    if (status != CKPT_OK)
        fail_msg("wanted %s, got '%s'", wanted, host.text);
    assert_int_equal(pickled.end_bytes, size);
    render(&text, &pickled, pickled.root, 0);
    assert_string_equal(text.data, wanted);
    sdk_pickled_fini(&host.table, &pickled);
    assert_int_equal(host.live_count, 0);
}

static void
expect_failure(const char *data, size_t size, int wanted, size_t byte,
               const char *part)
{
    struct false_host host;
    struct sdk_pickled pickled = {0};

    false_host_init(&host);
    assert_status(parse(&host, data, size, &pickled), wanted);
    assert_contains(host.text, part);
    assert_int_equal(host.byte, 1000 + byte);
    assert_int_equal(host.failure_count, 1);
    assert_int_equal(host.live_count, 0);
    assert_null(pickled.nodes);
}

#define gives(data, wanted) expect(BYTES(data), wanted)
#define refuses(data, status, byte, part) \
    expect_failure(BYTES(data), status, byte, part)

static void
test_scalars(void **state)
{
    (void)state;
    gives("\x80\x02N.", "None");
    gives("\x88.", "True");
    gives("\x89.", "False");
    gives("K\xff.", "255");
    gives("M\x34\x12.", "4660");
    gives("J\xff\xff\xff\xff.", "-1");
    gives("J\x00\x00\x00\x80.", "-2147483648");
    gives("G\x3f\xf8\0\0\0\0\0\0.", "1.5");
    gives("X\2\0\0\0hi.", "'hi'");
    gives("\x8c\2hi.", "'hi'");
    gives("\x8d\2\0\0\0\0\0\0\0hi.", "'hi'");
    gives("U\2hi.", "s'hi'");
    gives("T\2\0\0\0hi.", "s'hi'");
    gives("C\2\0\xff.", "b'\\x00\\xff'");
    gives("B\1\0\0\0z.", "b'z'");
    gives("\x8e\1\0\0\0\0\0\0\0z.", "b'z'");
    gives("\x96\1\0\0\0\0\0\0\0z.", "a'z'");
}

static void
test_longs(void **state)
{
    (void)state;
    gives("\x8a\0.", "0");
    gives("\x8a\1\xff.", "-1");
    gives("\x8a\2\xff\0.", "255");
    gives("\x8a\x08\0\0\0\0\0\0\0\x80.", "-9223372036854775808");
    gives("\x8b\5\0\0\0\0\0\0\0\1.", "4294967296");
    /* Eight bytes too many of sign are no reason to be wide. */
    gives("\x8a\x0b\1\0\0\0\0\0\0\0\0\0\0.", "1");
    gives("\x8a\x09\0\0\0\0\0\0\0\x80\0.",
          "w'\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x80\\x00'");
}

static void
test_text_forms(void **state)
{
    (void)state;
    gives("I01\n.", "True");
    gives("I00\n.", "False");
    gives("I-12\n.", "-12");
    gives("L12L\n.", "12");
    gives("L-9223372036854775808L\n.", "-9223372036854775808");
    gives("L18446744073709551616L\n.",
          "w'\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x01'");
    gives("L-18446744073709551616L\n.",
          "w'\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\xff'");
    gives("F-1.5e2\n.", "-150");
    gives("S'a\\n\\x41\\101\\'q\\\\'\n.", "s'a\\x0aAA'q\\'");
    gives("S\"\"\n.", "s''");
    gives("Va\\u00e9\\U0001F600b\n.", "'a\\xc3\\xa9\\xf0\\x9f\\x98\\x80b'");
    gives("V\xe9\n.", "'\\xc3\\xa9'");
    gives("V\n.", "''");
}

static void
test_containers(void **state)
{
    (void)state;
    gives(").", "()");
    gives("K\1\x85.", "(1)");
    gives("K\1K\2\x86.", "(1 2)");
    gives("K\1K\2K\3\x87.", "(1 2 3)");
    gives("(K\1K\2K\3K\4t.", "(1 2 3 4)");
    gives("(t.", "()");
    gives("].", "[]");
    gives("]K\1a.", "[1]");
    gives("](K\1K\2e.", "[1 2]");
    gives("(K\1K\2l.", "[1 2]");
    gives("}.", "{}");
    gives("}K\1K\2s.", "{1 2}");
    gives("}(K\1K\2K\3K\4u.", "{1 2 3 4}");
    gives("(K\1K\2d.", "{1 2}");
    gives("\x8f(K\1\x90.", "<1>");
    gives("(K\1\x91.", "^1^");
}

/* Lists that grow by turns move, and keep what they hold. */
static void
test_growth(void **state)
{
    (void)state;
    gives("(]q\0]q\1h\0K\1a0h\1K\2a0h\0K\3a0h\1K\4a0h\0(K\5K\6K\7e0h\1K\x08"
          "a0t.",
          "([1 3 5 6 7] [2 4 8])");
}

static void
test_stack_and_memo(void **state)
{
    (void)state;
    gives("K\1K\2"
          "0.",
          "1");
    gives("K\1(K\2K\3"
          "1.",
          "1");
    gives("K\1(0.", "1");
    gives("K\1"
          "2\x86.",
          "(1 1)");
    gives("]q\0h\0a.", "[[[[[[...]]]]]]");
    gives("]\x94h\0a.", "[[[[[[...]]]]]]");
    gives("]p0\ng0\na.", "[[[[[[...]]]]]]");
    gives("]r\5\0\0\0j\5\0\0\0a.", "[[[[[[...]]]]]]");
    /* A recursive tuple, as CPython writes it. */
    gives("(]q\0(h\0tq\1"
          "0h\0h\1a0h\1"
          "1h\1.",
          "([([([...])])])");
}

static void
test_objects(void **state)
{
    (void)state;
    gives("ca.b\nC\n.", "a.b.C");
    gives("\x8c\1m\x8c\1n\x93.", "m.n");
    gives("cm\nf\nK\1\x85R.", "call m.f(1)");
    gives("cm\nC\n)\x81.", "new m.C()");
    gives("cm\nC\n)}\x8c\1kK\2s\x92.", "new m.C(){'k' 2}");
    gives("cm\nC\n)\x81}K\1K\2sb.", "new m.C()|{1 2}");
}

static void
test_more_objects(void **state)
{
    (void)state;
    gives("cm\nC\n)R(K\1K\2u(K\3e.", "call m.C()[3]{1 2}");
    gives("(K\1im\nC\n.", "call m.C(1)");
    gives("(cm\nC\nK\1o.", "call m.C(1)");
    gives("(cm\nC\no.", "call m.C()");
    gives("cm\nf\n)R)R.", "call call m.f()()");
    gives("K\7Q.", "pid 7");
    gives("P12\n.", "pid '12'");
    gives("\x80\4\x95\2\0\0\0\0\0\0\0N.", "None");
}

static void
test_ends_early(void **state)
{
    static const char sample[] =
        "\x80\2}q\0(X\1\0\0\0aq\1K\1M\1\1J\1\1\1\1G\0\0\0\0\0\0\0\0\x8a\1\1"
        "\x86"
        "cm\nf\n(U\1xC\1yt\x81N\x87]q\2(X\1\0\0\0bh\1eu.";
    struct sdk_pickled pickled = {0};
    size_t size;

    (void)state;
    gives(sample, "{'a' 1 257 16843009 ((0 1) new m.f(s'x' b'y') None) "
                  "['b' 'a']}");
    for (size = 0; size < sizeof sample - 1; size++) {
        struct sdk_pickled_input input = {
            .data = sample, .size_bytes = size, .origin = 0, .partial = true};
        struct false_host host;

        false_host_init(&host);
        assert_status(parse(&host, sample, size, &pickled), CKPT_FORMAT);
        assert_contains(host.text, "ends early");
        false_host_clear(&host);
        assert_status(sdk_pickled_parse(&host.table, &input, &pickled),
                      CKPT_END);
        assert_int_equal(host.failure_count, 0);
        assert_int_equal(host.live_count, 0);
    }
}

static void
test_refusals(void **state)
{
    (void)state;
    refuses("\x80\x06N.", CKPT_UNSUPPORTED, 0, "unknown protocol");
    refuses("N\x82\1.", CKPT_UNSUPPORTED, 1, "extension code");
    refuses("\x97.", CKPT_UNSUPPORTED, 0, "out-of-band");
    refuses("\xff", CKPT_FORMAT, 0, "unknown opcode");
    refuses(".", CKPT_FORMAT, 0, "no value");
    refuses("(.", CKPT_FORMAT, 1, "no value");
    refuses("", CKPT_FORMAT, 0, "before STOP");
    refuses("N", CKPT_FORMAT, 1, "before STOP");
    refuses("0", CKPT_FORMAT, 0, "nothing to pop");
    refuses("t", CKPT_FORMAT, 0, "no mark");
    refuses("1", CKPT_FORMAT, 0, "no mark");
    refuses("2", CKPT_FORMAT, 0, "nothing to double");
    refuses("K\1\x86", CKPT_FORMAT, 2, "absent values");
    refuses("K\1(\x85", CKPT_FORMAT, 3, "absent values");
    refuses("h\0", CKPT_FORMAT, 0, "without a value");
    refuses("q\0", CKPT_FORMAT, 0, "nothing to memoise");
    refuses("Nr\xff\xff\xff\xff", CKPT_LIMIT, 1, "absurd memo number");
    refuses("Np99999999999\n", CKPT_FORMAT, 1, "strange length");
    refuses("gx\n", CKPT_FORMAT, 0, "without digits");
    refuses("X\xff\xff\xff\xffhi.", CKPT_FORMAT, 0, "ends early");
    refuses("\x8e\xff\xff\xff\xff\xff\xff\xff\xffhi.", CKPT_FORMAT, 0,
            "ends early");
    refuses("\x95\xff\0\0\0\0\0\0\0N.", CKPT_FORMAT, 0, "ends early");
    refuses("\x8b\xff\xff\xff\xffN.", CKPT_FORMAT, 0, "ends early");
}

static void
test_refused_targets(void **state)
{
    (void)state;
    refuses("NK\1a.", CKPT_FORMAT, 3, "what is no list");
    refuses("}K\1a.", CKPT_FORMAT, 3, "what is no list");
    refuses(")(K\1e.", CKPT_FORMAT, 4, "what is no list");
    refuses("]K\1K\2s.", CKPT_FORMAT, 5, "what is no dict");
    refuses("K\5K\1K\2s.", CKPT_FORMAT, 6, "what is no dict");
    refuses("}(K\1u.", CKPT_FORMAT, 4, "without a value");
    refuses("(K\1d.", CKPT_FORMAT, 3, "without a value");
    refuses("(K\1u.", CKPT_FORMAT, 3, "no container below");
    refuses("K\1(K\1"
            "a.",
            CKPT_FORMAT, 5, "absent values");
}

static void
test_refused_objects(void **state)
{
    (void)state;
    refuses("]}b.", CKPT_FORMAT, 2, "no object");
    refuses("b", CKPT_FORMAT, 0, "absent values");
    refuses("cm\nC\n)\x81NbNb.", CKPT_UNSUPPORTED, 10, "second state");
    refuses("N)R.", CKPT_FORMAT, 2, "no name");
    refuses("cm\nf\nNR.", CKPT_FORMAT, 6, "no tuple");
    refuses("cm\nf\n)N\x92.", CKPT_FORMAT, 7, "no dict");
    refuses("R", CKPT_FORMAT, 0, "absent values");
    refuses("K\1\x8c\1m\x93.", CKPT_FORMAT, 5, "no text");
    refuses("cm\0\nf\n.", CKPT_FORMAT, 0, "zero byte");
    refuses("(o", CKPT_FORMAT, 1, "without a class");
    refuses("Q", CKPT_FORMAT, 0, "absent");
    refuses("Ix\n.", CKPT_FORMAT, 0, "no number");
    refuses("I\n.", CKPT_FORMAT, 0, "without digits");
    refuses("Fx\n.", CKPT_FORMAT, 0, "no number");
    refuses("Sx\n.", CKPT_FORMAT, 0, "without quotes");
    refuses("V\\u12\n.", CKPT_FORMAT, 0, "broken escape");
}

static void
test_many_digits(void **state)
{
    static char digits[5003] = "L";
    size_t i;

    (void)state;
    for (i = 1; i < 4301; i++)
        digits[i] = '9';
    memcpy(digits + 4301, "\n.", 2);
    {
        struct false_host host;
        struct sdk_pickled pickled = {0};

        false_host_init(&host);
        assert_status(parse(&host, digits, 4303, &pickled), CKPT_OK);
        assert_int_equal(sdk_pickled_text(&pickled, pickled.root).size_bytes,
                         1786);
        sdk_pickled_fini(&host.table, &pickled);
    }
    for (; i < 5001; i++)
        digits[i] = '9';
    memcpy(digits + 5001, "\n.", 2);
    expect_failure(digits, 5003, CKPT_LIMIT, 0, "too many digits");
}

/* A pickle whose nodes outgrow the budget, and each allocation failing. */
static void
test_memory(void **state)
{
    static char tuples[40000];
    struct sdk_pickled pickled = {0};
    struct false_host host;
    size_t at;

    (void)state;
    memset(tuples, '}', sizeof tuples - 1);
    tuples[sizeof tuples - 1] = '.';
    false_host_init(&host);
    host.budget_bytes = 100000;
    assert_status(parse(&host, tuples, sizeof tuples, &pickled), CKPT_MEMORY);
    assert_status(host.status, CKPT_LIMIT);
    assert_int_equal(host.live_count, 0);
    for (at = 1;; at++) {
        int status;

        false_host_init(&host);
        host.fail_at = at;
        status = parse(&host, BYTES("cm\nC\n(K\1K\2t\x81q\0}(X\1\0\0\0kh\0ub."),
                       &pickled);
        if (status == CKPT_OK)
            break;
        assert_status(status, CKPT_MEMORY);
        assert_int_equal(host.live_count, 0);
    }
    assert_true(at > 5);
    sdk_pickled_fini(&host.table, &pickled);
    assert_int_equal(host.live_count, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scalars),
        cmocka_unit_test(test_longs),
        cmocka_unit_test(test_text_forms),
        cmocka_unit_test(test_containers),
        cmocka_unit_test(test_growth),
        cmocka_unit_test(test_stack_and_memo),
        cmocka_unit_test(test_objects),
        cmocka_unit_test(test_more_objects),
        cmocka_unit_test(test_ends_early),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_refused_targets),
        cmocka_unit_test(test_refused_objects),
        cmocka_unit_test(test_many_digits),
        cmocka_unit_test(test_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
