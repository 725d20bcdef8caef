/* SPDX-License-Identifier: MIT
 *
 * Tensors whose bytes are in other files: which file, whether it may be
 * followed, and which of them share bytes.
 */
#ifndef ONNX_EXTERNAL_H
#define ONNX_EXTERNAL_H

#include "hash_table.h"
#include "onnx_tensor.h"

/* One run of bytes of a file. Runs are equal, or they do not touch. */
struct onnx_range {
    struct {
        uint64_t file, offset, size_bytes; /* file: of onnx_files */
    } key;
    const struct ckpt_storage *storage;
    const char *label; /* of the first tensor there */
    uint64_t byte;     /* where the model says so */
    struct onnx_range *next;
};

/* A checksum that the model gives for a file. */
struct onnx_checksum {
    uint64_t file;
    char digits[ONNX_SHA1_DIGITS + 1];
    uint64_t byte;
};

struct onnx_files {
    const struct ckpt_source **sources;
    size_t count, capacity;
    struct onnx_checksum *checksums;
    size_t checksum_count, checksum_capacity;
    struct onnx_range *ranges;
    size_t range_count;
    struct sdk_table table; /* of the keys of the ranges */
};

/* The file that a tensor's bytes are in, where they are wholly within it; they
 * begin at external.offset. CKPT_FORMAT: a place outside the model's folder, or
 * beyond the end of the file. [describe, plan] */
int onnx_external_find(const struct ckpt_host *host,
                       const struct ckpt_source *model,
                       const struct onnx_tensor *tensor,
                       const struct ckpt_source **source);

/* The storage of a tensor in another file: a new one, or that of a tensor with
 * the same bytes. CKPT_FORMAT: a place outside the model's folder, or beyond
 * the end of the file. [describe] */
int onnx_external_storage(const struct ckpt_host *host,
                          const struct ckpt_source *model,
                          struct ckpt_graph *graph,
                          const struct onnx_tensor *tensor,
                          struct onnx_files *files,
                          const struct ckpt_storage **storage);

/* Refuses ranges that share a part of their bytes. */
int onnx_external_check(const struct ckpt_host *host,
                        const struct onnx_files *files);

void onnx_files_fini(const struct ckpt_host *host, struct onnx_files *files);

#endif
