/* SPDX-License-Identifier: MIT
 *
 * Small messages of protobuf, written one field after the other. Lengths are
 * minimal; that fields come in ascending order is the caller's part.
 */
#ifndef ONNX_PUT_H
#define ONNX_PUT_H

#include "buffer.h"

/* What is being written. Set the host, leave the rest zeroed, release the
 * buffer with sdk_buffer_fini whatever comes. After a failure nothing more is
 * written, and `status` is for the end. */
struct onnx_put {
    const struct ckpt_host *host;
    struct sdk_buffer buffer;
    int status;
};

/* Writes a number to at most ONNX_VARINT_MAX bytes; returns how many. */
#define ONNX_VARINT_MAX 10
size_t onnx_varint_store(unsigned char *bytes, uint64_t number);

/* Bytes as they are. */
void onnx_put_raw(struct onnx_put *put, const void *bytes, size_t size_bytes);

/* A field that is a number. */
void onnx_put_number(struct onnx_put *put, uint32_t field, uint64_t number);

/* A field of four bytes. */
void onnx_put_fixed32(struct onnx_put *put, uint32_t field,
                      const unsigned char *bytes);

/* A field of bytes. */
void onnx_put_text(struct onnx_put *put, uint32_t field, const char *data,
                   size_t size_bytes);

/* Tag and length of a field whose bytes follow elsewhere. */
void onnx_put_head(struct onnx_put *put, uint32_t field, uint64_t size_bytes);

/* Begins a message within the message; gives a place for its end. */
size_t onnx_put_open(struct onnx_put *put, uint32_t field);

/* Ends it: puts its length in front, which is what was written since and
 * `more` bytes that follow elsewhere. All after the place moves by the bytes
 * of the length, which are returned. */
size_t onnx_put_close(struct onnx_put *put, size_t place, uint64_t more);

/* A message of two texts: key and value. */
void onnx_put_pair(struct onnx_put *put, uint32_t field, const char *key,
                   const char *value, size_t value_bytes);

#endif
