/* SPDX-License-Identifier: MIT
 *
 * The element types of ONNX, and what each is here.
 */
#ifndef ONNX_TYPES_H
#define ONNX_TYPES_H

#include <stdint.h>

#include "ckpt/graph.h"

/* How a type is kept in typed fields: in which one, each number as how many
 * bytes, and between which bounds; both 0 for those of a fixed size. */
struct onnx_typed {
    uint32_t field; /* enum onnx_tensor_field */
    uint32_t item_bytes;
    int64_t least, most;
    uint32_t bits; /* of each, where they are packed after that; else 0 */
};

struct onnx_type {
    uint32_t code;              /* TensorProto.DataType */
    uint32_t dtype;             /* of float4 the one that counts elements */
    uint32_t ir_version, opset; /* the first that have it */
    struct onnx_typed typed;
};

/* Of a type that there has always been. */
#define ONNX_IR_VERSION 4 /* the first whose initialisers are no inputs */
#define ONNX_OPSET 9

/* The type of a code, or NULL: strings, and what is not known. */
const struct onnx_type *onnx_type_of_code(uint64_t code);

/* The type that holds a dtype, or NULL; pairs of float4 are float4. */
const struct onnx_type *onnx_type_of_dtype(uint32_t dtype);

/* A dimension as ONNX counts it: elements, not bytes of two. */
uint64_t onnx_dim(const struct ckpt_tensor *tensor, uint32_t d);

#endif
