/* SPDX-License-Identifier: MIT
 *
 * Code in a process of its own: its bytes come back, its failures are said
 * here, and its crashes are failures.
 */
#include "file_unit.h"
#include "graph_unit.h"

#include <signal.h>

#include "hub/io/child.h"
#include "hub/run/confined.h"

/* What work gets. */
struct seen {
    int number;
    struct hub_report *report;
};

static int
work_well(void *context)
{
    ((struct seen *)context)->number = 7;
    return CKPT_OK;
}

static int
work_badly(void *context)
{
    return hub_fail(((struct seen *)context)->report, CKPT_FORMAT, NULL,
                    CKPT_NOWHERE, "it is no good");
}

static int
work_crashing(void *context)
{
    (void)context;
    return raise(SIGSEGV);
}

static int
work_ending(void *context)
{
    (void)context;
    _exit(0);
}

static int
work_hanging(void *context)
{
    (void)context;
    for (;;)
        pause();
    return CKPT_OK;
}

static void
test_try(void **state)
{
    static const struct {
        int (*work)(void *context);
        int status;
        const char *text;
    } rows[] = {
        {work_well, CKPT_OK, ""},
        {work_badly, CKPT_FORMAT, "it is no good"},
        {work_crashing, CKPT_CONTRACT, "it crashed on this file (SIGSEGV)"},
        {work_ending, CKPT_CONTRACT, "it ended the process"},
        {work_hanging, CKPT_CONTRACT, "it said nothing for 1 s"},
    };
    struct unit *unit = *state;
    struct seen seen = {3, &unit->report};
    size_t i;

    for (i = 0; i < COUNT_OF(rows); i++) {
        struct hub_child child = {.budget = &unit->budget, .patience_s = 1};

        hub_report_clear(&unit->report);
        assert_status(hub_child_try(&child, rows[i].work, &seen),
                      rows[i].status);
        assert_contains(unit->report.text, rows[i].text);
        assert_int_equal(child.process, 0);
    }
    assert_int_equal(seen.number, 3);
}

static bool
always(void *user)
{
    (void)user;
    return true;
}

static void
test_try_stopped(void **state)
{
    struct unit *unit = *state;
    struct hub_child child = {.budget = &unit->budget, .cancelled = always};

    assert_status(hub_child_try(&child, work_hanging, NULL), CKPT_CANCELLED);
}

/* A coder whose storages count up from their key, and whose keys above 100
 * are in trouble. */
struct counting {
    struct hub_coder coder;
    struct unit *unit;
    int opened; /* seen in the child alone */
};

struct count_cursor {
    uint64_t key;
    unsigned char bytes[4];
    int given;
};

static int
count_open(struct hub_coder *hub, const struct ckpt_storage *storage,
           void **cursor)
{
    struct counting *counting = (struct counting *)hub;
    struct count_cursor *made;

    counting->opened++;
    if (storage->cursor_key == 101)
        return hub_fail(&counting->unit->report, CKPT_UNSUPPORTED, "w", 9,
                        "filter %d", 32015);
    made = calloc(1, sizeof *made);
    made->key = storage->cursor_key;
    *cursor = made;
    return CKPT_OK;
}

static int
count_next(struct hub_coder *hub, void *cursor, struct ckpt_span *span)
{
    struct count_cursor *counter = cursor;

    (void)hub;
    if (counter->key == 102)
        raise(SIGSEGV);
    if (counter->given == 2)
        return CKPT_END;
    memset(counter->bytes, (int)counter->key + counter->given++, 4);
    span->data = counter->bytes;
    span->size_bytes = 4;
    return CKPT_OK;
}

static void
count_close(struct hub_coder *hub, void *cursor)
{
    (void)hub;
    free(cursor);
}

static void
counting_init(struct counting *counting, struct hub_confined *confined,
              struct unit *unit)
{
    struct hub_child child = {.budget = &unit->budget};

    memset(counting, 0, sizeof *counting);
    counting->coder.open = count_open;
    counting->coder.next = count_next;
    counting->coder.close = count_close;
    counting->unit = unit;
    hub_confined_init(confined, &counting->coder, &child);
}

static void
assert_span(const struct ckpt_span *span, int byte)
{
    const unsigned char wanted[4] = {(unsigned char)byte, (unsigned char)byte,
                                     (unsigned char)byte, (unsigned char)byte};

    assert_int_equal(span->size_bytes, 4);
    assert_memory_equal(span->data, wanted, 4);
}

/* Two cursors at once: neither overwrites what the other gave. */
static void
test_confined(void **state)
{
    struct ckpt_storage first = {.cursor_key = 10}, second = {.cursor_key = 20};
    struct hub_confined confined;
    struct counting counting;
    struct hub_coder *coder = &confined.coder;
    struct ckpt_span a, b;
    void *one, *two;

    counting_init(&counting, &confined, *state);
    assert_status(coder->open(coder, &first, &one), CKPT_OK);
    assert_status(coder->open(coder, &second, &two), CKPT_OK);
    assert_status(coder->next(coder, one, &a), CKPT_OK);
    assert_status(coder->next(coder, two, &b), CKPT_OK);
    assert_span(&a, 10);
    assert_span(&b, 20);
    assert_status(coder->next(coder, one, &a), CKPT_OK);
    assert_span(&a, 11);
    assert_status(coder->next(coder, one, &a), CKPT_END);
    coder->close(coder, one);
    assert_status(coder->next(coder, two, &b), CKPT_OK);
    assert_span(&b, 21);
    coder->close(coder, two);
    assert_int_equal(counting.opened, 0);
    hub_confined_fini(&confined);
}

static void
test_confined_failure(void **state)
{
    struct unit *unit = *state;
    struct ckpt_storage storage = {.cursor_key = 101};
    struct hub_confined confined;
    struct counting counting;
    struct hub_coder *coder = &confined.coder;
    void *cursor;

    counting_init(&counting, &confined, unit);
    assert_status(coder->open(coder, &storage, &cursor), CKPT_UNSUPPORTED);
    assert_int_equal(unit->report.status, CKPT_UNSUPPORTED);
    assert_string_equal(unit->report.text, "filter 32015 (tensor w, byte 9)");
    hub_confined_fini(&confined);
}

static void
test_confined_crash(void **state)
{
    struct unit *unit = *state;
    struct ckpt_storage storage = {.cursor_key = 102};
    struct hub_confined confined;
    struct counting counting;
    struct hub_coder *coder = &confined.coder;
    struct ckpt_span span;
    void *cursor;

    counting_init(&counting, &confined, unit);
    assert_status(coder->open(coder, &storage, &cursor), CKPT_OK);
    assert_status(coder->next(coder, cursor, &span), CKPT_CONTRACT);
    assert_contains(unit->report.text, "it crashed on this file (SIGSEGV)");
    assert_status(coder->next(coder, cursor, &span), CKPT_CONTRACT);
    coder->close(coder, cursor);
    hub_confined_fini(&confined);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        unit_case(test_try),
        unit_case(test_try_stopped),
        unit_case(test_confined),
        unit_case(test_confined_failure),
        unit_case(test_confined_crash),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
