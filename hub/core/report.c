/* SPDX-License-Identifier: MIT
 *
 * Failures and findings as text. The place of a failure is written here and
 * nowhere else, so all messages have one form.
 */
#include "hub/core/report.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A hostile file may warn without end; the rest is counted, not kept. */
#define FINDINGS_MAX 1000

void
hub_report_clear(struct hub_report *report)
{
    report->status = CKPT_OK;
    report->text[0] = '\0';
    report->remedy[0] = '\0';
    report->file = NULL;
    report->plugin = NULL;
    report->tensor = NULL;
    report->findings = NULL;
    report->loss_count = 0;
}

/* Appends at `used`; returns the new length, never past the end. */
static size_t report_append(char *text, size_t size, size_t used,
                            const char *format, ...) CKPT_PRINTF(4, 5);

static size_t
report_append(char *text, size_t size, size_t used, const char *format, ...)
{
    va_list arguments;
    int length;

    va_start(arguments, format);
    length = vsnprintf(text + used, size - used, format, arguments);
    va_end(arguments);
    if (length < 0)
        return used;
    return (size_t)length < size - used ? used + (size_t)length : size - 1;
}

static size_t
report_place(char *text, size_t size, size_t used, const char *tensor,
             uint64_t byte)
{
    if (tensor != NULL && byte != CKPT_NOWHERE)
        return report_append(text, size, used, " (tensor %.200s, byte %llu)",
                             tensor, (unsigned long long)byte);
    if (tensor != NULL)
        return report_append(text, size, used, " (tensor %.200s)", tensor);
    if (byte != CKPT_NOWHERE)
        return report_append(text, size, used, " (byte %llu)",
                             (unsigned long long)byte);
    return used;
}

static size_t
report_head(const struct hub_report *report, char *text, size_t size)
{
    size_t used = 0;

    text[0] = '\0';
    if (report->file != NULL)
        used = report_append(text, size, used, "%.600s: ", report->file);
    if (report->plugin != NULL)
        used = report_append(text, size, used, "%.60s: ", report->plugin);
    return used;
}

static void report_compose(const struct hub_report *report, char *text,
                           size_t size, const char *tensor, uint64_t byte,
                           const char *format, va_list arguments)
    CKPT_PRINTF(6, 0);

static void
report_compose(const struct hub_report *report, char *text, size_t size,
               const char *tensor, uint64_t byte, const char *format,
               va_list arguments)
{
    size_t used = report_head(report, text, size);
    int length = vsnprintf(text + used, size - used, format, arguments);

    if (length > 0)
        used = (size_t)length < size - used ? used + (size_t)length : size - 1;
    report_place(text, size, used, tensor, byte);
}

int
hub_fail_list(struct hub_report *report, int status, const char *tensor,
              uint64_t byte, const char *format, va_list arguments)
{
    if (report->status == CKPT_OK) {
        report->status = status;
        if (tensor == NULL)
            tensor = report->tensor;
        report_compose(report, report->text, sizeof report->text, tensor, byte,
                       format, arguments);
    }
    return status;
}

int
hub_fail(struct hub_report *report, int status, const char *tensor,
         uint64_t byte, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    hub_fail_list(report, status, tensor, byte, format, arguments);
    va_end(arguments);
    return status;
}

int
hub_fail_errno(struct hub_report *report, int error, const char *what)
{
    return hub_fail(report, error == ENOMEM ? CKPT_MEMORY : CKPT_IO, NULL,
                    CKPT_NOWHERE, "%s: %s", what, strerror(error));
}

int
hub_blame(struct hub_report *report, int status)
{
    if (status >= 0)
        return status;
    if (status == CKPT_CANCELLED && report->status == CKPT_OK)
        return hub_fail(report, CKPT_CANCELLED, NULL, CKPT_NOWHERE, "stopped");
    if (report->status == CKPT_OK)
        return hub_fail(report, CKPT_CONTRACT, NULL, CKPT_NOWHERE,
                        "it failed with status %d, no reason", status);
    return report->status;
}

void
hub_remedy_list(struct hub_report *report, const char *format,
                va_list arguments)
{
    if (report->remedy[0] == '\0')
        vsnprintf(report->remedy, sizeof report->remedy, format, arguments);
}

void
hub_remedy(struct hub_report *report, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    hub_remedy_list(report, format, arguments);
    va_end(arguments);
}

static void
report_keep(struct hub_findings *findings, const char *text)
{
    char **texts;

    if (findings == NULL || findings->count >= FINDINGS_MAX)
        return;
    texts = realloc(findings->texts, (findings->count + 2) * sizeof *texts);
    if (texts == NULL)
        return;
    findings->texts = texts;
    texts[findings->count] = strdup(text);
    if (texts[findings->count] != NULL)
        texts[++findings->count] = NULL;
}

void
hub_note_list(struct hub_report *report, enum ckpt_message_level level,
              const char *tensor, uint64_t byte, const char *format,
              va_list arguments)
{
    struct hub_report bare = {0};
    char text[2048];
    size_t head;

    if (level == CKPT_MESSAGE_LOSS)
        report->loss_count++;
    if (level == CKPT_MESSAGE_WARNING)
        bare.file = report->file;
    head = report_head(&bare, text, sizeof text);
    report_compose(&bare, text, sizeof text, tensor, byte, format, arguments);
    if (level == CKPT_MESSAGE_WARNING)
        report_keep(report->findings, text + head);
    if (report->message != NULL)
        report->message(report->user, level, text);
}

void
hub_note(struct hub_report *report, enum ckpt_message_level level,
         const char *tensor, uint64_t byte, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    hub_note_list(report, level, tensor, byte, format, arguments);
    va_end(arguments);
}

void
hub_findings_fini(struct hub_findings *findings)
{
    size_t i;

    for (i = 0; i < findings->count; i++)
        free(findings->texts[i]);
    free(findings->texts);
    memset(findings, 0, sizeof *findings);
}
