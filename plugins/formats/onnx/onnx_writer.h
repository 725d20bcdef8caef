/* SPDX-License-Identifier: MIT
 *
 * The writer of the plugin.
 */
#ifndef ONNX_WRITER_H
#define ONNX_WRITER_H

#include "ckpt/writer.h"

extern const struct ckpt_writer onnx_writer;

#endif
