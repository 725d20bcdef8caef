/* SPDX-License-Identifier: MIT
 *
 * Files that options name, beside the input itself.
 */
#ifndef HUB_RUN_NAMED_H
#define HUB_RUN_NAMED_H

#include "hub/run/user.h"

/* Opens what options of kind FILE name, as sources of the host, and enters
 * them in the values. */
int hub_named_files(struct hub_host *host, const struct ckpt_option *declared,
                    struct ckpt_option_value *values);

#endif
