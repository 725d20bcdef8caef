/* SPDX-License-Identifier: MIT
 *
 * The checks that a torch zip carries: a CRC-32 and two sizes for each
 * record, and the sizes that the pickle wants its storages to have.
 */
#ifndef TORCH_ZIP_VERIFY_H
#define TORCH_ZIP_VERIFY_H

#include "torch_zip_parse.h"

/* Tells what does not hold, and what was compared. [after describe] */
int torch_zip_verify_records(const struct ckpt_host *host,
                             struct torch_zip_records *records);

#endif
