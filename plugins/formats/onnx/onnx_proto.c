/* SPDX-License-Identifier: MIT
 *
 * The tables of messages. A field of a model or a graph may come again, since
 * one model behind another is, to protobuf, one model: fields of messages then
 * join, and the last of the others stands. Within a tensor, a sparse tensor,
 * an attribute or a pair that is no edit that anyone makes, and readers would
 * see different things.
 */
#include "onnx_proto.h"

#define B ONNX_BIT

const struct onnx_message onnx_model_message = {
    .name = "model",
    .varints = B(ONNX_MODEL_IR_VERSION) | B(ONNX_MODEL_VERSION),
    .bytes = B(ONNX_MODEL_PRODUCER_NAME) | B(ONNX_MODEL_PRODUCER_VERSION) |
             B(ONNX_MODEL_DOMAIN) | B(ONNX_MODEL_DOC) | B(ONNX_MODEL_GRAPH) |
             B(ONNX_MODEL_OPSET) | B(ONNX_MODEL_METADATA) |
             B(ONNX_MODEL_TRAINING) | B(ONNX_MODEL_FUNCTION) |
             B(ONNX_MODEL_CONFIGURATION),
};

const struct onnx_message onnx_graph_message = {
    .name = "graph",
    .bytes = B(ONNX_GRAPH_NODE) | B(ONNX_GRAPH_NAME) |
             B(ONNX_GRAPH_INITIALIZER) | B(ONNX_GRAPH_DOC) |
             B(ONNX_GRAPH_INPUT) | B(ONNX_GRAPH_OUTPUT) |
             B(ONNX_GRAPH_VALUE_INFO) | B(ONNX_GRAPH_QUANTIZATION) |
             B(ONNX_GRAPH_SPARSE) | B(ONNX_GRAPH_METADATA),
};

const struct onnx_message onnx_node_message = {
    .name = "node",
    .bytes = B(ONNX_NODE_INPUT) | B(ONNX_NODE_OUTPUT) | B(ONNX_NODE_NAME) |
             B(ONNX_NODE_OP_TYPE) | B(ONNX_NODE_ATTRIBUTE) | B(ONNX_NODE_DOC) |
             B(ONNX_NODE_DOMAIN) | B(ONNX_NODE_OVERLOAD) |
             B(ONNX_NODE_METADATA) | B(ONNX_NODE_DEVICE),
    .once = B(ONNX_NODE_NAME) | B(ONNX_NODE_OP_TYPE) | B(ONNX_NODE_DOMAIN),
};

const struct onnx_message onnx_attribute_message = {
    .name = "attribute",
    .varints =
        B(ONNX_ATTRIBUTE_I) | B(ONNX_ATTRIBUTE_INTS) | B(ONNX_ATTRIBUTE_TYPE),
    .bytes = B(ONNX_ATTRIBUTE_NAME) | B(ONNX_ATTRIBUTE_S) |
             B(ONNX_ATTRIBUTE_T) | B(ONNX_ATTRIBUTE_G) |
             B(ONNX_ATTRIBUTE_FLOATS) | B(ONNX_ATTRIBUTE_INTS) |
             B(ONNX_ATTRIBUTE_STRINGS) | B(ONNX_ATTRIBUTE_TENSORS) |
             B(ONNX_ATTRIBUTE_GRAPHS) | B(ONNX_ATTRIBUTE_DOC) |
             B(ONNX_ATTRIBUTE_TYPE_PROTO) | B(ONNX_ATTRIBUTE_TYPE_PROTOS) |
             B(ONNX_ATTRIBUTE_REFERENCE) | B(ONNX_ATTRIBUTE_SPARSE) |
             B(ONNX_ATTRIBUTE_SPARSES),
    .fixed32 = B(ONNX_ATTRIBUTE_F) | B(ONNX_ATTRIBUTE_FLOATS),
    .once = B(ONNX_ATTRIBUTE_NAME) | B(ONNX_ATTRIBUTE_F) | B(ONNX_ATTRIBUTE_I) |
            B(ONNX_ATTRIBUTE_S) | B(ONNX_ATTRIBUTE_T) | B(ONNX_ATTRIBUTE_G) |
            B(ONNX_ATTRIBUTE_TYPE) | B(ONNX_ATTRIBUTE_REFERENCE) |
            B(ONNX_ATTRIBUTE_SPARSE),
};

const struct onnx_message onnx_function_message = {
    .name = "function",
    .bytes = B(ONNX_FUNCTION_NAME) | B(ONNX_FUNCTION_NODE) |
             B(ONNX_FUNCTION_DOMAIN) | B(ONNX_FUNCTION_ATTRIBUTE) |
             B(ONNX_FUNCTION_OVERLOAD),
    .once = B(ONNX_FUNCTION_NAME) | B(ONNX_FUNCTION_DOMAIN) |
            B(ONNX_FUNCTION_OVERLOAD),
};

const struct onnx_message onnx_training_message = {
    .name = "training_info",
    .bytes = B(ONNX_TRAINING_INITIALIZATION) | B(ONNX_TRAINING_ALGORITHM),
};

const struct onnx_message onnx_tensor_message = {
    .name = "tensor",
    .varints = B(ONNX_TENSOR_DIMS) | B(ONNX_TENSOR_TYPE) |
               B(ONNX_TENSOR_INT32S) | B(ONNX_TENSOR_INT64S) |
               B(ONNX_TENSOR_UINT64S) | B(ONNX_TENSOR_LOCATION),
    .bytes = B(ONNX_TENSOR_DIMS) | B(ONNX_TENSOR_SEGMENT) |
             B(ONNX_TENSOR_FLOATS) | B(ONNX_TENSOR_INT32S) |
             B(ONNX_TENSOR_STRINGS) | B(ONNX_TENSOR_INT64S) |
             B(ONNX_TENSOR_NAME) | B(ONNX_TENSOR_RAW) | B(ONNX_TENSOR_DOUBLES) |
             B(ONNX_TENSOR_UINT64S) | B(ONNX_TENSOR_DOC) |
             B(ONNX_TENSOR_EXTERNAL) | B(ONNX_TENSOR_METADATA),
    .fixed32 = B(ONNX_TENSOR_FLOATS),
    .fixed64 = B(ONNX_TENSOR_DOUBLES),
    .once = B(ONNX_TENSOR_TYPE) | B(ONNX_TENSOR_SEGMENT) | B(ONNX_TENSOR_NAME) |
            B(ONNX_TENSOR_RAW) | B(ONNX_TENSOR_DOC) | B(ONNX_TENSOR_LOCATION),
};

const struct onnx_message onnx_sparse_message = {
    .name = "sparse tensor",
    .varints = B(ONNX_SPARSE_DIMS),
    .bytes =
        B(ONNX_SPARSE_VALUES) | B(ONNX_SPARSE_INDICES) | B(ONNX_SPARSE_DIMS),
    .once = B(ONNX_SPARSE_VALUES) | B(ONNX_SPARSE_INDICES),
};

const struct onnx_message onnx_pair_message = {
    .name = "pair",
    .bytes = B(ONNX_PAIR_KEY) | B(ONNX_PAIR_VALUE),
    .once = B(ONNX_PAIR_KEY) | B(ONNX_PAIR_VALUE),
};

const struct onnx_message onnx_annotation_message = {
    .name = "quantization_annotation",
    .bytes = B(ONNX_ANNOTATION_TENSOR) | B(ONNX_ANNOTATION_PAIR),
    .once = B(ONNX_ANNOTATION_TENSOR),
};

const struct onnx_message onnx_opset_message = {
    .name = "opset_import",
    .varints = B(ONNX_OPSET_VERSION),
    .bytes = B(ONNX_OPSET_DOMAIN),
    .once = B(ONNX_OPSET_DOMAIN) | B(ONNX_OPSET_VERSION),
};
