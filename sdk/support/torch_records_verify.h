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

/* The same for one archive of many, in two parts: the checks, and at the end
 * how many records were checked in all. */
struct sdk_torch_checked {
    uint64_t held_count, absent_count; /* absent: no CRC-32 was taken */
};

int sdk_torch_records_check(const struct ckpt_host *host,
                            struct sdk_torch_records *records,
                            const char *place,
                            struct sdk_torch_checked *checked);
int sdk_torch_checked_say(const struct ckpt_host *host,
                          const struct sdk_torch_checked *checked,
                          const char *place);

#endif
