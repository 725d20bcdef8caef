/* SPDX-License-Identifier: MIT
 *
 * The writer: a graph as the stream that torch.save of torch 2.13 makes of it
 * with _use_new_zipfile_serialization=False, but for the storages' keys, which
 * torch takes from its memory.
 */
#ifndef TORCH_LEGACY_PLAN_H
#define TORCH_LEGACY_PLAN_H

#include "ckpt/writer.h"

extern const struct ckpt_writer torch_legacy_writer;

#endif
