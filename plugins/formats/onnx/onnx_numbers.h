/* SPDX-License-Identifier: MIT
 *
 * Numbers in typed fields: as a span where they lie in a row, else by a cursor
 * that goes through their message again.
 */
#ifndef ONNX_NUMBERS_H
#define ONNX_NUMBERS_H

#include "onnx_tensor.h"
#include "onnx_types.h"

/* Where to find them, by cursor key. */
struct onnx_coded {
    uint64_t offset, message_bytes; /* of the message with the field */
    uint32_t depth;
    bool attribute; /* an AttributeProto, else a TensorProto */
    struct onnx_typed typed;
    uint64_t count, data_bytes; /* of numbers; that they become */
    const char *label;
};

struct onnx_coded_list {
    struct onnx_coded *all;
    size_t count, capacity;
};

/* Remembers one; `*key` is its index. */
int onnx_coded_add(const struct ckpt_host *host, struct onnx_coded_list *list,
                   const struct onnx_coded *like, uint64_t *key);

/* See reader.h; one for each. */
int onnx_cursor_open(const struct ckpt_host *host,
                     const struct ckpt_source *source,
                     const struct onnx_coded *coded, void **cursor);
int onnx_cursor_next(const struct ckpt_host *host, void *cursor,
                     struct ckpt_span *span);
void onnx_cursor_close(const struct ckpt_host *host, void *cursor);

#endif
