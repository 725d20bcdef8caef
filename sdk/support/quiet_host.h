/* SPDX-License-Identifier: MIT
 *
 * A host that keeps a plugin's reason instead of passing it on: for looking
 * whether something can be read, where it is no failure if it cannot.
 */
#ifndef SDK_QUIET_HOST_H
#define SDK_QUIET_HOST_H

#include "ckpt/host.h"

struct sdk_quiet_host {
    struct ckpt_host table; /* first: it is handed on as the host */
    char reason[300];       /* the first since it was empty */
    uint64_t byte;          /* that went with it */
};

/* Does all that `host` does, but for `fail`. It lives no longer than that. */
void sdk_quiet_host_init(struct sdk_quiet_host *quiet,
                         const struct ckpt_host *host);

#endif
