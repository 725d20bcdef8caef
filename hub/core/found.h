/* SPDX-License-Identifier: MIT
 *
 * What a scan or a check of one file found, in order.
 */
#ifndef HUB_CORE_FOUND_H
#define HUB_CORE_FOUND_H

#include "ckpt/finding.h"
#include "hub/core/arena.h"

/* `arena.budget` is set by the owner; all else starts zero. */
struct hub_found {
    struct hub_arena arena;
    const char *part; /* of a folder: the file looked at, borrowed; or NULL */
    struct ckpt_finding *findings;
    size_t count, capacity;
    uint64_t dropped; /* those that were too many to keep */
    uint32_t worst;   /* severity, of the dropped ones too */
};

/* Keeps a copy. CKPT_LIMIT, CKPT_MEMORY. */
int hub_found_add(struct hub_found *found, const struct ckpt_finding *finding);

/* Tells how many were dropped, as a last finding. */
int hub_found_finish(struct hub_found *found);

void hub_found_fini(struct hub_found *found);

#endif
