/* SPDX-License-Identifier: MIT
 *
 * A model with other bytes in a few places. All else is copied as it is, but
 * for the lengths of the messages that grew or shrank.
 */
#ifndef ONNX_SPLICE_H
#define ONNX_SPLICE_H

#include "onnx_put.h"

/* Instead of a run of the model: some bytes, and a tensor's behind them. Runs
 * are whole fields, or contents of fields that are no messages and stay as
 * long as they are. */
struct onnx_edit {
    uint64_t offset, size_bytes;      /* the run */
    size_t text, text_bytes;          /* in the splice's buffer */
    const struct ckpt_tensor *tensor; /* or NULL */
    const char *name;                 /* for messages, or NULL */
    int64_t grown; /* by this edit and all before it; for the splice */
};

struct onnx_splice {
    const struct ckpt_source *source;
    struct onnx_put put;     /* new bytes are written here */
    struct sdk_buffer edits; /* struct onnx_edit */
    size_t edit_count;       /* those that were added */
    int64_t grown;           /* in all, once finished */
};

void onnx_splice_init(const struct ckpt_host *host,
                      const struct ckpt_source *source,
                      struct onnx_splice *splice);
void onnx_splice_fini(const struct ckpt_host *host, struct onnx_splice *splice);

/* Adds an edit, in any order. */
int onnx_splice_add(const struct ckpt_host *host, struct onnx_splice *splice,
                    const struct onnx_edit *edit);

/* Works out the lengths. */
int onnx_splice_finish(const struct ckpt_host *host,
                       struct onnx_splice *splice);

/* Plans the model. */
int onnx_splice_plan(const struct ckpt_host *host,
                     const struct onnx_splice *splice, struct ckpt_plan *plan);

#endif
