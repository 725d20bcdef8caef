/* SPDX-License-Identifier: MIT
 *
 * State dicts in several files: pytorch_model-00001-of-00002.bin and so on,
 * and the index beside them. The reader is of its own.
 */
#ifndef TORCH_ZIP_SHARDS_H
#define TORCH_ZIP_SHARDS_H

#include "ckpt/reader.h"

extern const struct ckpt_reader torch_zip_shards_reader;

#endif
