/* SPDX-License-Identifier: MIT
 *
 * The emitter of pickles: opcodes, memo and words, as CPython writes them.
 * The expected bytes are those of pickle.dumps(..., 2).
 */
#include "unit.h"

#include "false_host.h"
#include "pickle_write.h"

#define assert_bytes(data, size, text)                         \
    do {                                                       \
        assert_int_equal((size), sizeof(text) - 1);            \
        assert_memory_equal((data), (text), sizeof(text) - 1); \
    } while (0)

struct emitted {
    struct false_host host;
    struct sdk_pickler pickler;
};

static void
emit_begin(struct emitted *e)
{
    false_host_init(&e->host);
    sdk_pickler_init(&e->pickler, &e->host.table);
    e->pickler.out.size_bytes = 0; /* without PROTO */
}

static void
emit_end(struct emitted *e)
{
    sdk_pickler_fini(&e->pickler);
    assert_int_equal(e->host.live_count, 0);
}

#define assert_emitted(e, text)                                          \
    do {                                                                 \
        assert_status((e)->pickler.status, CKPT_OK);                     \
        assert_bytes((e)->pickler.out.data, (e)->pickler.out.size_bytes, \
                     text);                                              \
        (e)->pickler.out.size_bytes = 0;                                 \
    } while (0)

static void
test_ints_take_the_shortest_form(void **state)
{
    struct emitted e;

    (void)state;
    emit_begin(&e);
    sdk_pickler_int(&e.pickler, 0);
    assert_emitted(&e, "K\x00");
    sdk_pickler_int(&e.pickler, 255);
    assert_emitted(&e, "K\xff");
    sdk_pickler_int(&e.pickler, 256);
    assert_emitted(&e, "M\x00\x01");
    sdk_pickler_int(&e.pickler, 65536);
    assert_emitted(&e, "J\x00\x00\x01\x00");
    sdk_pickler_int(&e.pickler, -1);
    assert_emitted(&e, "J\xff\xff\xff\xff");
    sdk_pickler_int(&e.pickler, INT64_C(1) << 31);
    assert_emitted(&e, "\x8a\x05\x00\x00\x00\x80\x00");
    sdk_pickler_int(&e.pickler, -(INT64_C(1) << 31) - 1);
    assert_emitted(&e, "\x8a\x05\xff\xff\xff\x7f\xff");
    sdk_pickler_int(&e.pickler, INT64_MIN);
    assert_emitted(&e, "\x8a\x08\x00\x00\x00\x00\x00\x00\x00\x80");
    emit_end(&e);
}

static void
test_wide_ints_are_trimmed(void **state)
{
    static const unsigned char wide[300] = {[9] = 1};
    unsigned char bytes[300];
    struct emitted e;

    (void)state;
    emit_begin(&e);
    sdk_pickler_wide(&e.pickler, wide, sizeof wide);
    assert_emitted(&e, "\x8a\x0a\0\0\0\0\0\0\0\0\0\x01");
    sdk_pickler_wide(&e.pickler, "\x80\xff\xff", 3);
    assert_emitted(&e, "\x8a\x01\x80");
    sdk_pickler_wide(&e.pickler, "\x00\x00", 2);
    assert_emitted(&e, "\x8a\x00");
    sdk_pickler_wide(&e.pickler, "", 0);
    assert_emitted(&e, "\x8a\x00");
    memset(bytes, 1, sizeof bytes);
    sdk_pickler_wide(&e.pickler, bytes, sizeof bytes);
    assert_memory_equal(e.pickler.out.data, "\x8b\x2c\x01\x00\x00\x01", 6);
    emit_end(&e);
}

static void
test_text_and_bytes(void **state)
{
    struct emitted e;

    (void)state;
    emit_begin(&e);
    sdk_pickler_text(&e.pickler, "ab", 2);
    assert_emitted(&e, "X\x02\0\0\0ab");
    sdk_pickler_text(&e.pickler, NULL, 0);
    assert_emitted(&e, "X\0\0\0\0");
    sdk_pickler_latin1(&e.pickler, "a\x80\xff", 3);
    assert_emitted(&e, "X\x05\0\0\0a\xc2\x80\xc3\xbf");
    sdk_pickler_real(&e.pickler, 1.5);
    assert_emitted(&e, "G\x3f\xf8\0\0\0\0\0\0");
    emit_end(&e);
}

static void
test_words_are_written_once(void **state)
{
    struct emitted e;
    int i;

    (void)state;
    emit_begin(&e);
    sdk_pickler_global(&e.pickler, "torch", "float32");
    assert_emitted(&e, "ctorch\nfloat32\nq\x00");
    sdk_pickler_string(&e.pickler, "torch");
    assert_emitted(&e, "X\x05\0\0\0torchq\x01");
    sdk_pickler_global(&e.pickler, "torch", "float32");
    sdk_pickler_string(&e.pickler, "torch");
    assert_emitted(&e, "h\x00h\x01");
    assert_int_equal(sdk_pickler_find_string(&e.pickler, "torch", 5), 1);
    assert_int_equal(sdk_pickler_find_string(&e.pickler, "other", 5),
                     UINT32_MAX);
    assert_int_equal(
        sdk_pickler_find_string(&e.pickler, "torch\nfloat32\n", 14),
        UINT32_MAX);
    for (i = 0; i < 254; i++)
        sdk_pickler_put(&e.pickler);
    e.pickler.out.size_bytes = 0;
    sdk_pickler_string(&e.pickler, "late");
    sdk_pickler_string(&e.pickler, "late");
    assert_emitted(&e, "X\x04\0\0\0later\x00\x01\0\0j\x00\x01\0\0");
    emit_end(&e);
}

static void
test_many_words(void **state)
{
    static char names[1000][8];
    struct emitted e;
    uint32_t i;

    (void)state;
    emit_begin(&e);
    for (i = 0; i < 1000; i++) {
        snprintf(names[i], sizeof names[i], "w%u", i);
        assert_int_equal(
            sdk_pickler_string_word(&e.pickler, names[i], strlen(names[i])), i);
    }
    for (i = 0; i < 1000; i++)
        assert_int_equal(
            sdk_pickler_find_string(&e.pickler, names[i], strlen(names[i])), i);
    emit_end(&e);
}

static void
test_names_of_python_2(void **state)
{
    struct emitted e;

    (void)state;
    emit_begin(&e);
    sdk_pickler_global(&e.pickler, "builtins", "set");
    assert_emitted(&e, "c__builtin__\nset\nq\x00");
    sdk_pickler_global(&e.pickler, "builtins", "range");
    assert_emitted(&e, "c__builtin__\nxrange\nq\x01");
    sdk_pickler_global(&e.pickler, "__builtin__", "xrange");
    assert_emitted(&e, "h\x01");
    emit_end(&e);
}

static void
test_names_that_protocol_2_cannot_say(void **state)
{
    static const char *const names[] = {"", "a\nb", "\xc3\xa9"};
    struct emitted e;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(names); i++) {
        emit_begin(&e);
        sdk_pickler_global(&e.pickler, "torch", names[i]);
        assert_status(e.pickler.status, CKPT_UNSUPPORTED);
        assert_contains(e.host.text, "protocol 2 cannot name");
        sdk_pickler_int(&e.pickler, 1);
        assert_int_equal(e.pickler.out.size_bytes, 0);
        assert_int_equal(e.host.failure_count, 1);
        emit_end(&e);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        unit_case(test_ints_take_the_shortest_form),
        unit_case(test_wide_ints_are_trimmed),
        unit_case(test_text_and_bytes),
        unit_case(test_words_are_written_once),
        unit_case(test_many_words),
        unit_case(test_names_of_python_2),
        unit_case(test_names_that_protocol_2_cannot_say)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
