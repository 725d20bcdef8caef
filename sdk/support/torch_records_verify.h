/* SPDX-License-Identifier: MIT
 *
 * The checks that a torch zip carries: a CRC-32 and two sizes for each
 * record, and the sizes that the pickle wants its storages to have.
 */
#ifndef SDK_TORCH_RECORDS_VERIFY_H
#define SDK_TORCH_RECORDS_VERIFY_H

#include "torch_records.h"

/* Tells what does not hold, and what was compared. [after describe] `place`
 * names the file among several, or is NULL. */
int sdk_torch_records_verify(const struct ckpt_host *host,
                             struct sdk_torch_records *records,
                             const char *place);

#endif
