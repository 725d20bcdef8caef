/* SPDX-License-Identifier: MIT
 *
 * The element types of ONNX, as far as a writer must know them.
 */
#ifndef ONNX_TYPES_H
#define ONNX_TYPES_H

#include <stdint.h>

#include "ckpt/graph.h"

struct onnx_type {
    uint32_t code; /* TensorProto.DataType */
    uint32_t
        dtype; /* enum ckpt_dtype; of float4 the one that counts elements */
    uint32_t ir_version, opset; /* the first that have it */
};

/* Of a type that there has always been. */
#define ONNX_IR_VERSION 4 /* the first whose initialisers are no inputs */
#define ONNX_OPSET 9

/* The type that holds a dtype, or NULL. */
const struct onnx_type *onnx_type_of_dtype(uint32_t dtype);

/* A dimension as ONNX counts it: elements, not bytes of two. */
uint64_t onnx_dim(const struct ckpt_tensor *tensor, uint32_t d);

#endif
