/* SPDX-License-Identifier: MIT
 *
 * The places of a model at which weights are: initialisers, sparse ones,
 * tensors in attributes of nodes, the numbers of Constant nodes; in its graph,
 * in the graphs within nodes, in functions, and in what trains it.
 */
#ifndef ONNX_WALK_H
#define ONNX_WALK_H

#include "onnx_found.h"

/* Finds all of them. A zeroed struct is empty. */
int onnx_walk(const struct ckpt_host *host, const struct ckpt_source *source,
              struct onnx_found *found);

/* Gives each item the name by which it is known, as the manual has it. */
int onnx_names(const struct ckpt_host *host, struct onnx_found *found);

#endif
