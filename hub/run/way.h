/* SPDX-License-Identifier: MIT
 *
 * The way of each tensor from the input to the output.
 */
#ifndef HUB_RUN_WAY_H
#define HUB_RUN_WAY_H

#include "hub/run/fit.h"
#include "hub/run/reading.h"

/* Tells all ways; see ckpt_conversion.way. The hub knows what became of what
 * by the identity of values and their places, so no transform has to say it.
 * Where a transform built its values anew, what they have in common with the
 * old ones decides: the name, then the storage. */
int hub_ways(struct hub_reading *reading, const struct hub_fit *fit,
             void (*tell)(void *context, const struct ckpt_way *way),
             void *context);

#endif
