/* SPDX-License-Identifier: MIT
 *
 * One TensorProto: what it says of itself, checked, and where its bytes are.
 */
#ifndef ONNX_TENSOR_H
#define ONNX_TENSOR_H

#include "ckpt/graph.h"
#include "onnx_wire.h"

#define ONNX_LOCATION_BYTES_MAX 4096
#define ONNX_SHA1_DIGITS 40

/* Numbers that are fields of a message, one by one or packed into runs. */
struct onnx_numbers {
    uint32_t field;      /* which; 0: none */
    uint32_t runs;       /* how many such fields there are */
    uint64_t offset;     /* content of the first */
    uint64_t data_bytes; /* of all of them */
};

struct onnx_external {
    uint64_t byte; /* of the entry that says where, or CKPT_NOWHERE */
    uint64_t offset, size_bytes;
    bool sized;
    char location[ONNX_LOCATION_BYTES_MAX];
    char checksum[ONNX_SHA1_DIGITS + 1]; /* or empty */
};

struct onnx_tensor {
    const char *label; /* its name, for messages */
    uint64_t offset, size_bytes;
    uint32_t depth;

    uint32_t dtype; /* of enum ckpt_dtype */
    uint32_t rank;
    uint64_t shape[CKPT_MAX_RANK];
    uint64_t element_count, data_bytes;
    bool raw, outside; /* raw_data; data_location is external */
    uint64_t raw_offset, raw_bytes;
    struct onnx_numbers numbers;
    struct onnx_external external;
    struct onnx_field doc; /* size_bytes 0: none */
    bool metadata;         /* it has metadata_props */
};

/* Reads the message. CKPT_FORMAT, CKPT_UNSUPPORTED: strings, and types that
 * are not known. `wire` is any of the same source. */
int onnx_tensor_read(const struct onnx_wire *wire, const char *label,
                     uint64_t offset, uint64_t size_bytes, uint32_t depth,
                     struct onnx_tensor *tensor);

/* How many numbers its typed field must have. */
uint64_t onnx_tensor_numbers(const struct onnx_tensor *tensor);

/* One more field of numbers. */
void onnx_numbers_add(struct onnx_numbers *numbers,
                      const struct onnx_field *field);

#endif
