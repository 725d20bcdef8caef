/* SPDX-License-Identifier: MIT
 *
 * The messages of ONNX and the numbers of their fields, as far as something
 * here looks at them or must not take them for another. See onnx.proto of the
 * format's repository.
 */
#ifndef ONNX_PROTO_H
#define ONNX_PROTO_H

#include "onnx_wire.h"

/* Who made the models that are written here, as they say themselves. */
#define ONNX_PRODUCER "ckpt"

enum onnx_model_field {
    ONNX_MODEL_IR_VERSION = 1,
    ONNX_MODEL_PRODUCER_NAME = 2,
    ONNX_MODEL_PRODUCER_VERSION = 3,
    ONNX_MODEL_DOMAIN = 4,
    ONNX_MODEL_VERSION = 5,
    ONNX_MODEL_DOC = 6,
    ONNX_MODEL_GRAPH = 7,
    ONNX_MODEL_OPSET = 8,
    ONNX_MODEL_METADATA = 14,
    ONNX_MODEL_TRAINING = 20,
    ONNX_MODEL_FUNCTION = 25,
    ONNX_MODEL_CONFIGURATION = 26
};

enum onnx_graph_field {
    ONNX_GRAPH_NODE = 1,
    ONNX_GRAPH_NAME = 2,
    ONNX_GRAPH_INITIALIZER = 5,
    ONNX_GRAPH_DOC = 10,
    ONNX_GRAPH_INPUT = 11,
    ONNX_GRAPH_OUTPUT = 12,
    ONNX_GRAPH_VALUE_INFO = 13,
    ONNX_GRAPH_QUANTIZATION = 14,
    ONNX_GRAPH_SPARSE = 15,
    ONNX_GRAPH_METADATA = 16
};

enum onnx_node_field {
    ONNX_NODE_INPUT = 1,
    ONNX_NODE_OUTPUT = 2,
    ONNX_NODE_NAME = 3,
    ONNX_NODE_OP_TYPE = 4,
    ONNX_NODE_ATTRIBUTE = 5,
    ONNX_NODE_DOC = 6,
    ONNX_NODE_DOMAIN = 7,
    ONNX_NODE_OVERLOAD = 8,
    ONNX_NODE_METADATA = 9,
    ONNX_NODE_DEVICE = 10
};

enum onnx_attribute_field {
    ONNX_ATTRIBUTE_NAME = 1,
    ONNX_ATTRIBUTE_F = 2,
    ONNX_ATTRIBUTE_I = 3,
    ONNX_ATTRIBUTE_S = 4,
    ONNX_ATTRIBUTE_T = 5,
    ONNX_ATTRIBUTE_G = 6,
    ONNX_ATTRIBUTE_FLOATS = 7,
    ONNX_ATTRIBUTE_INTS = 8,
    ONNX_ATTRIBUTE_STRINGS = 9,
    ONNX_ATTRIBUTE_TENSORS = 10,
    ONNX_ATTRIBUTE_GRAPHS = 11,
    ONNX_ATTRIBUTE_DOC = 13,
    ONNX_ATTRIBUTE_TYPE_PROTO = 14,
    ONNX_ATTRIBUTE_TYPE_PROTOS = 15,
    ONNX_ATTRIBUTE_TYPE = 20,
    ONNX_ATTRIBUTE_REFERENCE = 21,
    ONNX_ATTRIBUTE_SPARSE = 22,
    ONNX_ATTRIBUTE_SPARSES = 23
};

enum onnx_function_field {
    ONNX_FUNCTION_NAME = 1,
    ONNX_FUNCTION_NODE = 7,
    ONNX_FUNCTION_DOMAIN = 10,
    ONNX_FUNCTION_ATTRIBUTE = 11, /* defaults of its attributes */
    ONNX_FUNCTION_OVERLOAD = 13
};

enum onnx_training_field {
    ONNX_TRAINING_INITIALIZATION = 1,
    ONNX_TRAINING_ALGORITHM = 2
};

enum onnx_tensor_field {
    ONNX_TENSOR_DIMS = 1,
    ONNX_TENSOR_TYPE = 2,
    ONNX_TENSOR_SEGMENT = 3,
    ONNX_TENSOR_FLOATS = 4,
    ONNX_TENSOR_INT32S = 5,
    ONNX_TENSOR_STRINGS = 6,
    ONNX_TENSOR_INT64S = 7,
    ONNX_TENSOR_NAME = 8,
    ONNX_TENSOR_RAW = 9,
    ONNX_TENSOR_DOUBLES = 10,
    ONNX_TENSOR_UINT64S = 11,
    ONNX_TENSOR_DOC = 12,
    ONNX_TENSOR_EXTERNAL = 13,
    ONNX_TENSOR_LOCATION = 14,
    ONNX_TENSOR_METADATA = 16
};

enum onnx_sparse_field {
    ONNX_SPARSE_VALUES = 1,
    ONNX_SPARSE_INDICES = 2,
    ONNX_SPARSE_DIMS = 3
};

enum onnx_pair_field { ONNX_PAIR_KEY = 1, ONNX_PAIR_VALUE = 2 };

enum onnx_annotation_field {
    ONNX_ANNOTATION_TENSOR = 1,
    ONNX_ANNOTATION_PAIR = 2
};

enum onnx_opset_field { ONNX_OPSET_DOMAIN = 1, ONNX_OPSET_VERSION = 2 };

extern const struct onnx_message onnx_model_message, onnx_graph_message,
    onnx_node_message, onnx_attribute_message, onnx_function_message,
    onnx_training_message, onnx_tensor_message, onnx_sparse_message,
    onnx_pair_message, onnx_annotation_message, onnx_opset_message;

#endif
