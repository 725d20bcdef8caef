/* SPDX-License-Identifier: MIT
 *
 * What went wrong and what was found: one report per user of the library.
 */
#ifndef HUB_CORE_REPORT_H
#define HUB_CORE_REPORT_H

#include <stdarg.h>
#include <stdint.h>

#include "ckpt.h"
#include "ckpt/host.h"

/* Texts found in a file by its reader, in order. */
struct hub_findings {
    char **texts; /* NULL-ended once there is one */
    size_t count;
};

struct hub_report {
    int status; /* of the first failure; CKPT_OK before */
    char text[2048];
    char remedy[256];
    const char *file;   /* put before messages; borrowed; may be NULL */
    const char *plugin; /* likewise */
    const char *tensor; /* of failures that name none; likewise */
    struct hub_findings *findings; /* where warnings are kept, or NULL */
    size_t loss_count;
    void *user;
    void (*message)(void *user, enum ckpt_message_level level,
                    const char *text);
    const char *transform; /* that is at work, as it was asked for; or NULL */
    void *listener;        /* who hears what transforms tell; or NULL */
    void (*told)(void *listener, const struct ckpt_told *told);
};

/* Forgets the last failure; the callbacks stay. */
void hub_report_clear(struct hub_report *report);

/* Says why, once, and returns `status`. See ckpt_host.fail. */
int hub_fail(struct hub_report *report, int status, const char *tensor,
             uint64_t byte, const char *format, ...) CKPT_PRINTF(5, 6);
int hub_fail_list(struct hub_report *report, int status, const char *tensor,
                  uint64_t byte, const char *format, va_list arguments)
    CKPT_PRINTF(5, 0);

/* "what: strerror(errno)" as CKPT_IO, CKPT_MEMORY for ENOMEM. */
int hub_fail_errno(struct hub_report *report, int error, const char *what);

/* What a plugin's callback came to: `status`, or why it failed. One that fails
 * without a word broke the rules, but for one that was asked to stop. */
int hub_blame(struct hub_report *report, int status);

/* What the user can do about the failure that was just said. */
void hub_remedy(struct hub_report *report, const char *format, ...)
    CKPT_PRINTF(2, 3);
void hub_remedy_list(struct hub_report *report, const char *format,
                     va_list arguments);

/* Passes a message on; a warning is also kept among the findings, a loss is
 * counted. */
void hub_note(struct hub_report *report, enum ckpt_message_level level,
              const char *tensor, uint64_t byte, const char *format, ...)
    CKPT_PRINTF(5, 6);
void hub_note_list(struct hub_report *report, enum ckpt_message_level level,
                   const char *tensor, uint64_t byte, const char *format,
                   va_list arguments) CKPT_PRINTF(5, 0);

void hub_findings_fini(struct hub_findings *findings);

#endif
