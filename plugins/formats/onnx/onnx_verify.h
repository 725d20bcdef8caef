/* SPDX-License-Identifier: MIT
 *
 * The checks that a model carries.
 */
#ifndef ONNX_VERIFY_H
#define ONNX_VERIFY_H

#include "onnx_graph.h"

/* See ckpt_reader.verify. */
int onnx_verify(const struct ckpt_host *host, const struct onnx *onnx);

#endif
