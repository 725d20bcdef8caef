/* SPDX-License-Identifier: MIT
 *
 * From what a model holds to the graph.
 */
#ifndef ONNX_GRAPH_H
#define ONNX_GRAPH_H

#include "onnx_external.h"
#include "onnx_numbers.h"
#include "onnx_walk.h"

/* An open model. */
struct onnx {
    const struct ckpt_source *source;
    struct onnx_found found; /* its names are the labels of the rest */
    struct onnx_coded_list coded;
    struct onnx_files files;
};

/* Adds the root, with every tensor under its name. [describe] */
int onnx_graph_build(const struct ckpt_host *host, struct onnx *onnx,
                     struct ckpt_graph *graph);

#endif
