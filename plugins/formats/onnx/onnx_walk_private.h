/* SPDX-License-Identifier: MIT
 *
 * What the two halves of the walk share: graphs and their nodes, and what is
 * in attributes.
 */
#ifndef ONNX_WALK_PRIVATE_H
#define ONNX_WALK_PRIVATE_H

#include "onnx_proto.h"
#include "onnx_walk.h"

struct walker {
    const struct ckpt_host *host;
    struct onnx_found *found;
    bool graph; /* whether the model has one */
};

/* Whose operators they are. */
enum domain { DOMAIN_STANDARD, DOMAIN_ML, DOMAIN_OTHER };

struct node {
    struct onnx_field name, op, output; /* the first output */
    enum domain domain;
    uint64_t index;
    uint32_t scope;
    bool constant; /* its value is its output: Constant, ConstantOfShape */
    bool within;   /* it has attributes */
};

/* onnx_walk.c: a graph, from where the wire is. */
int onnx_walk_graph(struct walker *w, struct onnx_wire *wire, uint32_t scope);

/* onnx_walk_attribute.c: what one attribute holds; `node` is NULL for the
 * defaults of a function. */
int onnx_walk_attribute(struct walker *w, const struct onnx_wire *wire,
                        const struct onnx_field *field, uint32_t scope,
                        const struct node *node);

#endif
