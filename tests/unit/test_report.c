/* SPDX-License-Identifier: MIT
 *
 * Reports: the first reason stands, messages have one form and bounded
 * length, findings are kept without their file.
 */
#include <errno.h>

#include "unit.h"

struct heard {
    int count;
    enum ckpt_message_level level;
    char text[4096];
};

static void
hear(void *user, enum ckpt_message_level level, const char *text)
{
    struct heard *heard = user;

    heard->count++;
    heard->level = level;
    snprintf(heard->text, sizeof heard->text, "%s", text);
}

static void
test_form_of_a_failure(void **state)
{
    struct hub_report *report = &((struct unit *)*state)->report;

    report->file = "a.bin";
    report->plugin = "tulip";
    assert_status(hub_fail(report, CKPT_FORMAT, "w.0", 12, "%d is odd", 3),
                  CKPT_FORMAT);
    assert_string_equal(report->text,
                        "a.bin: tulip: 3 is odd (tensor w.0, byte 12)");
    hub_report_clear(report);
    hub_fail(report, CKPT_IO, NULL, 0, "gone");
    assert_string_equal(report->text, "gone (byte 0)");
    hub_report_clear(report);
    hub_fail(report, CKPT_IO, "t", CKPT_NOWHERE, "gone");
    assert_string_equal(report->text, "gone (tensor t)");
}

static void
test_first_reason_stands(void **state)
{
    struct hub_report *report = &((struct unit *)*state)->report;

    hub_fail(report, CKPT_FORMAT, NULL, CKPT_NOWHERE, "first");
    assert_status(hub_fail(report, CKPT_IO, NULL, CKPT_NOWHERE, "second"),
                  CKPT_IO);
    assert_string_equal(report->text, "first");
    assert_status(report->status, CKPT_FORMAT);
    hub_remedy(report, "do %s", "this");
    hub_remedy(report, "do that");
    assert_string_equal(report->remedy, "do this");
    hub_report_clear(report);
    assert_string_equal(report->text, "");
    assert_string_equal(report->remedy, "");
}

static void
test_long_texts_are_bounded(void **state)
{
    struct hub_report *report = &((struct unit *)*state)->report;
    char *name = malloc(100001);

    memset(name, 'n', 100000);
    name[100000] = '\0';
    report->file = name;
    report->plugin = name;
    hub_fail(report, CKPT_FORMAT, name, UINT64_MAX - 1, "%s", name);
    assert_true(strlen(report->text) < sizeof report->text);
    hub_remedy(report, "%s", name);
    assert_true(strlen(report->remedy) < sizeof report->remedy);
    hub_note(report, CKPT_MESSAGE_WARNING, name, 5, "%s", name);
    free(name);
}

static void
test_errno(void **state)
{
    struct hub_report *report = &((struct unit *)*state)->report;

    assert_status(hub_fail_errno(report, ENOSPC, "cannot write"), CKPT_IO);
    assert_string_equal(report->text, "cannot write: No space left on device");
    assert_status(hub_fail_errno(report, ENOMEM, "x"), CKPT_MEMORY);
}

static void
test_messages_and_findings(void **state)
{
    struct hub_report *report = &((struct unit *)*state)->report;
    struct hub_findings findings = {0};
    struct heard heard = {0};

    report->message = hear;
    report->user = &heard;
    report->file = "a.bin";
    report->findings = &findings;
    hub_note(report, CKPT_MESSAGE_WARNING, "t", 3, "bent");
    assert_int_equal(heard.level, CKPT_MESSAGE_WARNING);
    assert_string_equal(heard.text, "a.bin: bent (tensor t, byte 3)");
    assert_int_equal(findings.count, 1);
    assert_string_equal(findings.texts[0], "bent (tensor t, byte 3)");
    assert_null(findings.texts[1]);
    hub_note(report, CKPT_MESSAGE_LOSS, "t", CKPT_NOWHERE, "lost");
    hub_note(report, CKPT_MESSAGE_STEP, NULL, CKPT_NOWHERE, "step");
    assert_int_equal(report->loss_count, 1);
    assert_int_equal(findings.count, 1);
    assert_int_equal(heard.count, 3);
    hub_findings_fini(&findings);
    assert_null(findings.texts);
}

static void
test_findings_without_end(void **state)
{
    struct hub_report *report = &((struct unit *)*state)->report;
    struct hub_findings findings = {0};
    int i;

    report->findings = &findings;
    for (i = 0; i < 5000; i++)
        hub_note(report, CKPT_MESSAGE_WARNING, NULL, CKPT_NOWHERE, "%d", i);
    assert_int_equal(findings.count, 1000);
    assert_null(findings.texts[findings.count]);
    hub_findings_fini(&findings);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        unit_case(test_form_of_a_failure),
        unit_case(test_first_reason_stands),
        unit_case(test_long_texts_are_bounded),
        unit_case(test_errno),
        unit_case(test_messages_and_findings),
        unit_case(test_findings_without_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
