/* SPDX-License-Identifier: MIT
 *
 * The writer: a graph as the tar archive that torch.save of 0.1 made. The
 * bytes are as torch_tar_parse.h and torch_tar_walk.h say; the archive is
 * ustar, with a PAX record for a member of 8 GiB or more.
 */
#ifndef TORCH_TAR_PLAN_H
#define TORCH_TAR_PLAN_H

#include "ckpt/writer.h"

extern const struct ckpt_writer torch_tar_writer;

#endif
