/* SPDX-License-Identifier: MIT
 *
 * What a check tells of bool tensors.
 */
#ifndef HUB_RUN_VERIFY_BOOLS_H
#define HUB_RUN_VERIFY_BOOLS_H

#include "hub/run/judgement.h"
#include "hub/run/reading.h"

/* Adds a note for each storage of bools that has other bytes than 0 and 1.
 * Failure means that the bytes could not be read. */
int hub_verify_bools(struct hub_reading *reading,
                     struct ckpt_judgement *judgement);

#endif
