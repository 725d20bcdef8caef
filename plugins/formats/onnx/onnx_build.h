/* SPDX-License-Identifier: MIT
 *
 * What the files share that build the graph.
 */
#ifndef ONNX_BUILD_H
#define ONNX_BUILD_H

#include "onnx_graph.h"

struct onnx_build {
    const struct ckpt_host *host;
    struct onnx *onnx;
    struct ckpt_graph *graph;
    struct onnx_wire wire; /* any of the source, to begin others with */
    struct ckpt_value *root;
};

int onnx_new_text(const struct onnx_build *b, const char *text,
                  size_t size_bytes, struct ckpt_value **value);
int onnx_new_integer(const struct onnx_build *b, uint64_t integer,
                     struct ckpt_value **value);
int onnx_put(const struct onnx_build *b, struct ckpt_value *map,
             const char *key, size_t key_bytes, const struct ckpt_value *value);

/* Bytes of the model itself. */
int onnx_span_storage(const struct onnx_build *b, uint32_t dtype,
                      uint64_t offset, uint64_t size_bytes,
                      const struct ckpt_storage **storage);

/* Numbers that the cursor makes. */
int onnx_coded_storage(const struct onnx_build *b,
                       const struct onnx_coded *coded, uint32_t dtype,
                       const struct ckpt_storage **storage);

/* Whether numbers lie there as they are: of a fixed size, in one run. */
bool onnx_lies_there(const struct onnx_numbers *numbers,
                     const struct onnx_typed *typed);

/* The bytes of a TensorProto, wherever they are, and the tensor on them. */
int onnx_tensor_storage(const struct onnx_build *b,
                        const struct onnx_tensor *tensor,
                        const struct ckpt_storage **storage);
int onnx_new_tensor(const struct onnx_build *b,
                    const struct onnx_tensor *tensor,
                    struct ckpt_value **value);

/* The value of an item that is a sparse tensor, or numbers. */
int onnx_build_sparse(const struct onnx_build *b, const struct onnx_item *item,
                      struct ckpt_value **value);
int onnx_build_numbers(const struct onnx_build *b, const struct onnx_item *item,
                       struct ckpt_value **value);

#endif
