/* SPDX-License-Identifier: MIT
 *
 * Which tensor came from which file.
 */
#ifndef HUB_RUN_WAY_H
#define HUB_RUN_WAY_H

#include "hub/run/reading.h"

/* Calls `way` for each tensor of the reading's graph. */
int hub_ways(const struct hub_reading *reading,
             void (*way)(void *user, const struct ckpt_way *way), void *user);

#endif
