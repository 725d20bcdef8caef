/* SPDX-License-Identifier: MIT
 *
 * One user of the library.
 */
#ifndef HUB_RUN_USER_H
#define HUB_RUN_USER_H

#include "hub/load/host_table.h"
#include "hub/load/registry.h"

struct ckpt {
    struct ckpt_settings settings;
    struct hub_report report;
    struct hub_budget budget;          /* what files may cost */
    struct hub_budget registry_budget; /* the plugins' part is our own */
    struct hub_registry registry;
};

/* Begins a call: forgets the last failure. */
void hub_user_begin(struct ckpt *user);

#endif
