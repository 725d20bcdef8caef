/* SPDX-License-Identifier: MIT
 *
 * What a scanner, or a reader that verifies, finds in a file. Findings do not
 * stop the job: they are its result.
 */
#ifndef CKPT_FINDING_H
#define CKPT_FINDING_H

#include <stddef.h>
#include <stdint.h>

enum ckpt_severity {
    CKPT_SEVERITY_NOTE = 0,   /* looked at, and in order */
    CKPT_SEVERITY_WRONG,      /* a check does not hold; of verify alone */
    CKPT_SEVERITY_SUSPICIOUS, /* nobody here can say that it is harmless */
    CKPT_SEVERITY_DANGEROUS   /* known as a way to do harm */
};

/* All texts are borrowed for the call, NUL-terminated, and may be NULL where
 * that is said. */
struct ckpt_finding {
    uint32_t severity; /* enum ckpt_severity */
    const char *kind;  /* one word: "import", "call", "checksum", ... */
    const char *name;  /* what is imported, called, ...; or NULL */
    const char *place; /* the part of the file: "m/data.pkl"; NULL: itself */
    uint64_t byte;     /* in the file, or CKPT_NOWHERE */
    uint64_t count;    /* how often; 0 is once */
    const char *text;  /* one line, lower case, without full stop; or NULL */
};

#endif
