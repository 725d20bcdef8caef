/* SPDX-License-Identifier: MIT
 *
 * What a scan and a check have in common: the findings, as the public sees
 * them.
 */
#ifndef HUB_RUN_JUDGEMENT_H
#define HUB_RUN_JUDGEMENT_H

#include "hub/core/found.h"
#include "hub/run/user.h"

struct ckpt_judgement {
    struct ckpt *user;
    struct hub_found found;
    struct ckpt_judgement_info info;
};

/* Begins the call; NULL: no memory, and why has been said. */
struct ckpt_judgement *hub_judgement_new(struct ckpt *user,
                                         const struct ckpt_input *input);

/* Ends the call: hands the judgement out, or frees it if `status` is a
 * failure, and returns the status. */
int hub_judgement_finish(struct ckpt_judgement *made, int status,
                         struct ckpt_judgement **judgement);

/* Gives the reason of a plugin that failed without one, and the status that
 * goes with it. */
int hub_judgement_blame(struct hub_report *report, int status);

/* Adds a finding of the hub's own. */
int hub_judge(struct ckpt_judgement *judgement, uint32_t severity,
              const char *kind, const char *text);

#endif
