/* SPDX-License-Identifier: MIT
 *
 * The scanner role: what would an unguarded loader import, call or run? That
 * is for the loader to choose and for whoever made the file to know, so every
 * scanner looks at every file, whatever reader claims it. A scanner executes
 * nothing of what it looks at.
 */
#ifndef CKPT_SCANNER_H
#define CKPT_SCANNER_H

#include "ckpt/host.h"

/* What a look begins with, and what came of it. */
struct ckpt_scanned {
    /* In: the file is packed as a whole, and what it holds is looked at by
     * itself. What else is it? */
    bool unpacked;

    /* Out: whether the scanner knows what the file is, and looked at all of it
     * that can be run or has said by a finding what it could not look at. A
     * file that no scanner knows is never passed as clean. */
    bool known;
};

struct ckpt_scanner {
    size_t size;         /* sizeof(struct ckpt_scanner) where it was built */
    const char *id;      /* [a-z0-9-]+ */
    const char *summary; /* one line, without full stop */

    /* Looks at one file and tells what it found by host->finding_add.
     * [serial, stateless] The source is borrowed for the call and is no
     * folder. What is broken in a file is a finding, so failure means that
     * the file could not be looked at: CKPT_IO, CKPT_MEMORY, CKPT_LIMIT,
     * CKPT_CANCELLED. */
    int (*scan)(const struct ckpt_host *host, const struct ckpt_source *source,
                struct ckpt_scanned *scanned);
};

#endif
