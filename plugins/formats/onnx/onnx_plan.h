/* SPDX-License-Identifier: MIT
 *
 * A model of weights and nothing else: each tensor is an initialiser, and an
 * output of the graph, so that a runtime that runs it gives them back.
 */
#ifndef ONNX_PLAN_H
#define ONNX_PLAN_H

#include "buffer.h"

/* Readers of messages take no more than this. */
#define ONNX_MESSAGE_MAX ((uint64_t)INT32_MAX)

/* Plans the model; `external` is the name of the file beside it that gets the
 * tensors' bytes, or NULL: one of that is made up if the model would be too
 * large. */
int onnx_plan(const struct ckpt_host *host, const char *external,
              const struct ckpt_graph *graph, struct ckpt_plan *plan);

#endif
