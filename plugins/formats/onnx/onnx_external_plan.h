/* SPDX-License-Identifier: MIT
 *
 * The data file beside a model: which tensor lies where, and its bytes.
 * Tensors that are one view of one storage lie at one place, which is how
 * ONNX ties them.
 */
#ifndef ONNX_EXTERNAL_PLAN_H
#define ONNX_EXTERNAL_PLAN_H

#include "hash_table.h"
#include "onnx_put.h"

/* A tensor of the graph, or a run of the template's own data. */
struct onnx_piece {
    const struct ckpt_tensor *tensor; /* or NULL */
    const struct ckpt_source *source;
    uint64_t source_offset;
    uint64_t size_bytes;
    const char *name;
};

struct onnx_data {
    struct sdk_table places;  /* of the pieces: their offsets and 1 */
    struct sdk_buffer keys;   /* void *, of the table */
    struct sdk_buffer pieces; /* struct onnx_piece with its place, in order */
    uint64_t end;
};

/* Gives a piece its place in the file. CKPT_LIMIT: the file would be larger
 * than any. */
int onnx_data_place(const struct ckpt_host *host, struct onnx_data *data,
                    const struct onnx_piece *piece, uint64_t *offset);

/* Puts the fields of a TensorProto that say where its bytes are. */
void onnx_put_place(struct onnx_put *put, const char *location, uint64_t offset,
                    uint64_t size_bytes);

/* The name of a data file that was not named: the output's, and ".data". */
int onnx_data_name(const struct ckpt_host *host, const struct ckpt_plan *plan,
                   struct sdk_buffer *name);

/* Plans the file under its name, if there is anything in it. */
int onnx_data_plan(const struct ckpt_host *host, const struct onnx_data *data,
                   const char *name, struct ckpt_plan *plan);

void onnx_data_fini(const struct ckpt_host *host, struct onnx_data *data);

#endif
