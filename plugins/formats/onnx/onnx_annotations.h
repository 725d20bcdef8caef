/* SPDX-License-Identifier: MIT
 *
 * What graphs say beside their weights: which tensors are scales and zero
 * points of which, and metadata of the graph; and what of a model is not read.
 */
#ifndef ONNX_ANNOTATIONS_H
#define ONNX_ANNOTATIONS_H

#include "onnx_walk.h"

/* The attributes `onnx.quantization_annotation`, a map from the name of a
 * tensor to pairs, and `onnx.graph_metadata_props`; and warnings. [describe] */
int onnx_annotations_set(const struct ckpt_host *host,
                         const struct ckpt_source *source,
                         const struct onnx_found *found,
                         struct ckpt_graph *graph);

#endif
