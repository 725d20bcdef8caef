/* SPDX-License-Identifier: MIT
 *
 * The writer: a graph as the zip archive that torch.save of torch 2.13 makes
 * of it, byte for byte.
 */
#ifndef TORCH_ZIP_PLAN_H
#define TORCH_ZIP_PLAN_H

#include "ckpt/writer.h"

/* The record that keeps the attributes of the graph, as a JSON object. */
#define TORCH_ZIP_ATTRIBUTES ".data/ckpt.attributes"

extern const struct ckpt_writer torch_zip_writer;

#endif
