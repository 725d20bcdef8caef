/* SPDX-License-Identifier: MIT
 *
 * Memory that is counted against a declared limit, so that a hostile file
 * ends in a clear error.
 */
#ifndef HUB_CORE_BUDGET_H
#define HUB_CORE_BUDGET_H

#include "hub/core/report.h"

#define HUB_BUDGET_DEFAULT (UINT64_C(512) << 20)

struct hub_budget {
    uint64_t limit_bytes;
    uint64_t used_bytes;
    struct hub_report *report;
};

/* Zeroed memory, or NULL after saying why: CKPT_LIMIT or CKPT_MEMORY. */
void *hub_allocate(struct hub_budget *budget, size_t size_bytes);

/* Grows or shrinks; what is new is zeroed. `memory` may be NULL. On failure
 * the old memory stays. */
void *hub_reallocate(struct hub_budget *budget, void *memory,
                     size_t size_bytes);

/* `memory` may be NULL. */
void hub_release(struct hub_budget *budget, void *memory);

#endif
