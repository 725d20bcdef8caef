/* SPDX-License-Identifier: MIT
 *
 * A check of a file against all that it says of itself: its structure, which
 * the reader minds; the checks that its format carries; and the hash that its
 * name may hold.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "hub/io/check.h"
#include "hub/run/judgement.h"
#include "hub/run/reading.h"
#include "hub/run/verify_bools.h"

#define DIGITS_MIN 8 /* what is shorter is a number, not a hash */
#define DIGITS_MAX 64

struct verification {
    struct ckpt_judgement *judgement;
    struct hub_reading reading;
};

/* ---- The hash in a name ---- */

/* The digits between the first `-` and `.` that have only digits of lower
 * case between them; NULL if there is no such place. */
static const char *
name_digits(const char *name, size_t *count)
{
    const char *dash = strchr(name, '-');

    for (; dash != NULL; dash = strchr(dash + 1, '-')) {
        size_t length = strspn(dash + 1, "0123456789abcdef");

        if (dash[1 + length] == '.') {
            *count = length;
            return dash + 1;
        }
    }
    return NULL;
}

static int
digest_source(struct ckpt *user, const struct ckpt_source *source,
              unsigned char digest[32])
{
    struct hub_check check;
    struct ckpt_span span;
    uint64_t at = 0;
    int status = hub_check_init(&check, &user->report, CKPT_CHECK_SHA256);

    while (status == CKPT_OK && at < source->size_bytes) {
        uint64_t left = source->size_bytes - at;
        size_t wanted =
            left < HUB_WINDOW_BYTES ? (size_t)left : HUB_WINDOW_BYTES;

        status = hub_source_peek(source, at, wanted, &span);
        if (status == CKPT_OK)
            hub_check_update(&check, span.data, wanted);
        at += wanted;
        if (user->settings.cancelled != NULL &&
            user->settings.cancelled(user->settings.user))
            status = hub_fail(&user->report, CKPT_CANCELLED, NULL, CKPT_NOWHERE,
                              "stopped");
    }
    if (status == CKPT_OK)
        hub_check_finish(&check, digest);
    hub_check_fini(&check);
    return status;
}

static bool
digest_starts(const unsigned char digest[32], const char *digits, size_t count)
{
    char text[DIGITS_MAX + 1];
    size_t i;

    for (i = 0; i < 32; i++)
        snprintf(text + 2 * i, 3, "%02x", digest[i]);
    return count <= DIGITS_MAX && memcmp(text, digits, count) == 0;
}

static int say_name(struct verification *self, uint32_t severity,
                    const char *name, const char *format, ...)
    CKPT_PRINTF(4, 5);

static int
say_name(struct verification *self, uint32_t severity, const char *name,
         const char *format, ...)
{
    struct ckpt_finding finding = {.severity = severity,
                                   .kind = "name-hash",
                                   .name = name,
                                   .byte = CKPT_NOWHERE};
    va_list arguments;
    char text[200];

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    finding.text = text;
    return hub_found_add(&self->judgement->found, &finding);
}

static int
verify_digits(struct verification *self, const struct ckpt_source *source,
              const char *digits, size_t count)
{
    struct ckpt_judgement_info *info = &self->judgement->info;
    unsigned char digest[32];
    bool same;
    int status = digest_source(self->judgement->user, source, digest);

    if (status != CKPT_OK)
        return status;
    same = digest_starts(digest, digits, count);
    if (info->name_hash != CKPT_NAME_HASH_MISMATCHED) {
        info->name_hash =
            same ? CKPT_NAME_HASH_MATCHED : CKPT_NAME_HASH_MISMATCHED;
        info->name_digits =
            hub_arena_text(&self->judgement->found.arena, digits, count);
        memcpy(info->sha256, digest, sizeof digest);
    }
    if (same)
        return say_name(self, CKPT_SEVERITY_NOTE, source->name,
                        "the file's SHA-256 begins with %.*s",
                        (int)(count < 80 ? count : 80), digits);
    return say_name(self, CKPT_SEVERITY_WRONG, source->name,
                    "the file's SHA-256 does not begin with %.*s",
                    (int)(count < 80 ? count : 80), digits);
}

static int
verify_name(struct verification *self, const struct ckpt_source *source)
{
    size_t count = 0;
    const char *digits = name_digits(source->name, &count);

    if (source->folder || source->unpacked || source->named)
        return CKPT_OK;
    if (digits == NULL)
        return say_name(self, CKPT_SEVERITY_NOTE, source->name,
                        "no hash in the name: not checked");
    if (count < DIGITS_MIN)
        return say_name(self, CKPT_SEVERITY_NOTE, source->name,
                        "'%.*s' in the name is too short for a hash, which "
                        "has eight digits or more: not checked",
                        (int)count, digits);
    return verify_digits(self, source, digits, count);
}

/* In the order in which they were opened; the list has the newest first. */
static int
verify_names(struct verification *self)
{
    size_t i, k, count = self->reading.host.source_count;
    int status = CKPT_OK;

    for (i = count; i-- > 0 && status == CKPT_OK;) {
        const struct ckpt_source *source = self->reading.host.sources;

        for (k = 0; k < i; k++)
            source = source->next;
        status = verify_name(self, source);
    }
    return status;
}

/* ---- The whole ---- */

static int
verify_checks(struct verification *self)
{
    struct hub_reading *reading = &self->reading;
    struct hub_report *report = &reading->user->report;
    int status;

    if (reading->format->reader.verify == NULL)
        return hub_judge(self->judgement, CKPT_SEVERITY_NOTE, "checksum",
                         "the format carries no checksums: not checked");
    report->plugin = reading->format->info.id;
    reading->host.found = &self->judgement->found;
    status =
        reading->format->reader.verify(&reading->host.table, reading->self);
    reading->host.found = NULL;
    if (status != CKPT_OK && report->status == CKPT_OK)
        status = hub_judgement_blame(report, status);
    report->plugin = NULL;
    return status;
}

static int
verify_warnings(struct verification *self)
{
    const struct hub_findings *warnings = &self->reading.findings;
    size_t i;
    int status = CKPT_OK;

    for (i = 0; i < warnings->count && status == CKPT_OK; i++)
        status = hub_judge(self->judgement, CKPT_SEVERITY_NOTE, "warning",
                           warnings->texts[i]);
    return status;
}

static int
verify_run(struct verification *self, struct ckpt *user,
           const struct ckpt_input *input)
{
    int status;

    self->reading.verifying = true;
    status = hub_reading_init(&self->reading, user, input);
    if (status != CKPT_OK)
        return status;
    self->judgement->info.format = self->reading.format->info.id;
    status = hub_judge(self->judgement, CKPT_SEVERITY_NOTE, "structure",
                       "the structure holds");
    if (status == CKPT_OK)
        status = verify_warnings(self);
    if (status == CKPT_OK)
        status = verify_checks(self);
    /* Behind a record that does not hold, bytes may not come at all. */
    if (status == CKPT_OK && self->judgement->found.worst < CKPT_SEVERITY_WRONG)
        status = hub_verify_bools(&self->reading, self->judgement);
    if (status == CKPT_OK)
        status = verify_names(self);
    if (status == CKPT_OK)
        status = hub_host_unchanged(&self->reading.host);
    return status;
}

int
ckpt_verify(struct ckpt *user, const struct ckpt_input *input,
            struct ckpt_judgement **judgement)
{
    struct verification self = {.judgement = hub_judgement_new(user, input)};
    int status;

    if (self.judgement == NULL)
        return user->report.status;
    status = verify_run(&self, user, input);
    hub_reading_fini(&self.reading);
    return hub_judgement_finish(self.judgement, status, judgement);
}
