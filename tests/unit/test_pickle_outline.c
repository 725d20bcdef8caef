/* SPDX-License-Identifier: MIT
 *
 * Outlines of pickles: what is left in the file, and that all else has its
 * own place there. Every cut of a pickle is outlined too.
 */
#include "unit.h"

#include <string.h>

#include "false_host.h"
#include "pickle_outline.h"

#define LONG 70000

/* A protocol 4 pickle of [b'ab', LONG bytes, 'x' * LONG, 7], in a frame. */
struct sample {
    unsigned char bytes[2 * LONG + 100];
    size_t size, bytes_at, text_at, seven_at;
};

static void
put(struct sample *s, const void *bytes, size_t size)
{
    memcpy(s->bytes + s->size, bytes, size);
    s->size += size;
}

static void
make(struct sample *s)
{
    s->size = 0;
    put(s, "\x80\4\x95\x20\0\0\0\0\0\0\0](C\2ab", 17);
    put(s, "\x8e\x70\x11\1\0\0\0\0\0", 9);
    s->bytes_at = s->size;
    memset(s->bytes + s->size, 0x95, LONG);
    s->size += LONG;
    put(s, "X\x70\x11\1\0", 5);
    s->text_at = s->size;
    memset(s->bytes + s->size, 'x', LONG);
    s->size += LONG;
    s->seven_at = s->size;
    put(s, "M\1\1e.", 5);
}

static int
outline(struct false_host *host, const struct sample *s, uint64_t offset,
        size_t size, struct sdk_pickle_outline *out)
{
    struct ckpt_source source = {.data = s->bytes, .size_bytes = size};

    memset(out, 0, sizeof *out);
    return sdk_pickle_outline_read(&host->table, &source, offset, size, out);
}

static int
parse(struct false_host *host, const struct sdk_pickle_outline *out,
      struct sdk_pickled *pickled)
{
    struct sdk_pickled_input input = {.data = out->data.data,
                                      .size_bytes = out->data.size_bytes,
                                      .gaps = out->gaps,
                                      .gap_count = out->gap_count,
                                      .outlined = true};

    memset(pickled, 0, sizeof *pickled);
    return sdk_pickled_parse(&host->table, &input, pickled);
}

static void
long_strings_are_left(void **state)
{
    struct sdk_pickle_outline out;
    struct sdk_pickled pickled;
    struct sdk_pickled_list list;
    struct false_host host;
    struct sample *s = *state;
    uint64_t offset = 0, size = 0;

    false_host_init(&host);
    assert_status(outline(&host, s, 0, s->size, &out), CKPT_OK);
    assert_int_equal(out.end, s->size);
    assert_true(out.data.size_bytes < 100);
    assert_status(parse(&host, &out, &pickled), CKPT_OK);
    list = sdk_pickled_list(&pickled, pickled.root);
    assert_int_equal(list.count, 4);
    assert_false(sdk_pickled_left(&pickled, list.refs[0], &offset, &size));
    assert_int_equal(sdk_pickled_text_place(&pickled, list.refs[0]), 15);
    assert_true(sdk_pickled_left(&pickled, list.refs[1], &offset, &size));
    assert_int_equal(sdk_pickled_kind(&pickled, list.refs[1]),
                     SDK_PICKLED_BYTES);
    assert_int_equal(offset, s->bytes_at);
    assert_int_equal(size, LONG);
    assert_true(sdk_pickled_left(&pickled, list.refs[2], &offset, &size));
    assert_int_equal(offset, s->text_at);
    assert_int_equal(
        sdk_pickled_place(&pickled,
                          sdk_pickled_at(&pickled, list.refs[3])->byte),
        s->seven_at);
    sdk_pickled_fini(&host.table, &pickled);
    sdk_pickle_outline_fini(&host.table, &out);
    assert_int_equal(host.live_count, 0);
}

/* What is cut off is for the parser to miss, at a place in the file. */
static void
cuts_are_told(void **state)
{
    struct sdk_pickle_outline out;
    struct sdk_pickled pickled;
    struct false_host host;
    struct sample *s = *state;
    size_t size;

    for (size = 0; size < s->size; size += size < 40 ? 1 : 997) {
        false_host_init(&host);
        assert_status(outline(&host, s, 0, size, &out), CKPT_OK);
        assert_int_equal(host.failure_count, 0);
        assert_status(parse(&host, &out, &pickled), CKPT_FORMAT);
        assert_true(host.byte <= size);
        sdk_pickle_outline_fini(&host.table, &out);
        assert_int_equal(host.live_count, 0);
    }
}

/* The opcode by which outlines tell what was left is none of a file's. */
static void
own_opcode_is_refused(void **state)
{
    struct sdk_pickle_outline out;
    struct sdk_pickled pickled;
    struct false_host host;
    struct sample *s = *state;

    false_host_init(&host);
    memset(s->bytes, 0, 32);
    memcpy(s->bytes, "\x80\2\xf0\7", 4);
    assert_status(outline(&host, s, 0, 32, &out), CKPT_OK);
    assert_status(parse(&host, &out, &pickled), CKPT_FORMAT);
    assert_contains(host.text, "an unknown opcode");
    assert_int_equal(host.byte, 2);
    sdk_pickle_outline_fini(&host.table, &out);
}

/* A plain input may not say it either. */
static void
plain_input_has_none(void **state)
{
    static const unsigned char bytes[] = "\x80\2\xf0\7\0\0\0\0\0\0\0\0"
                                         "\0\0\0\0\0\0\0\0.";
    struct sdk_pickled_input input = {.data = bytes,
                                      .size_bytes = sizeof bytes - 1};
    struct sdk_pickled pickled = {0};
    struct false_host host;

    (void)state;
    false_host_init(&host);
    assert_status(sdk_pickled_parse(&host.table, &input, &pickled),
                  CKPT_FORMAT);
    assert_contains(host.text, "an unknown opcode");
}

static int
setup(void **state)
{
    static struct sample sample;

    make(&sample);
    *state = &sample;
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(long_strings_are_left, setup),
        cmocka_unit_test_setup(cuts_are_told, setup),
        cmocka_unit_test_setup(own_opcode_is_refused, setup),
        cmocka_unit_test(plain_input_has_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
