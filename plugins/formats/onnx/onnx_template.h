/* SPDX-License-Identifier: MIT
 *
 * Another model with new tensors: its graph stays, byte for byte, and the
 * tensors that have a namesake in the graph get its values.
 */
#ifndef ONNX_TEMPLATE_H
#define ONNX_TEMPLATE_H

#include "ckpt/host.h"

/* Plans the model. Names are those by which the reader knows the template's
 * tensors. `external` is the name of the file for tensors that are outside of
 * the model, NULL for the usual one; if it is given, large initialisers go
 * there that were in the template. */
int onnx_template_plan(const struct ckpt_host *host,
                       const struct ckpt_source *source, const char *external,
                       const struct ckpt_graph *graph, struct ckpt_plan *plan);

#endif
