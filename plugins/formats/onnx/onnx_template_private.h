/* SPDX-License-Identifier: MIT
 *
 * What the parts of the template's plan share.
 */
#ifndef ONNX_TEMPLATE_PRIVATE_H
#define ONNX_TEMPLATE_PRIVATE_H

#include "hash_table.h"
#include "onnx_external_plan.h"
#include "onnx_proto.h"
#include "onnx_splice.h"
#include "onnx_tensor.h"
#include "onnx_walk.h"
#include "quiet_host.h"

/* What an item gets. */
struct onnx_given {
    const struct ckpt_entry *entry;   /* of a sparse tensor its values */
    const struct ckpt_entry *indices; /* of a sparse tensor */
};

/* The fields of a TensorProto that hold its values, or say where they are. */
static const uint64_t onnx_value_fields =
    ONNX_BIT(ONNX_TENSOR_FLOATS) | ONNX_BIT(ONNX_TENSOR_INT32S) |
    ONNX_BIT(ONNX_TENSOR_INT64S) | ONNX_BIT(ONNX_TENSOR_RAW) |
    ONNX_BIT(ONNX_TENSOR_DOUBLES) | ONNX_BIT(ONNX_TENSOR_UINT64S) |
    ONNX_BIT(ONNX_TENSOR_EXTERNAL) | ONNX_BIT(ONNX_TENSOR_LOCATION);

struct onnx_templating {
    const struct ckpt_host *host;
    struct sdk_quiet_host quiet; /* for reading the template */
    struct onnx_wire wire;       /* of it, by that host */
    const struct ckpt_source *source;
    const struct ckpt_graph *graph;
    struct ckpt_plan *plan;
    struct onnx_found found;
    /* Of the items, and of the parts of sparse ones: places in `given`, as
     * pointers to its members. */
    struct sdk_table names;
    struct sdk_buffer parts;  /* names of parts, one allocation each */
    struct onnx_given *given; /* of each item */
    struct onnx_splice splice;
    struct onnx_data data;
    const char *external; /* as asked for, or NULL */
    const char *outside;  /* the name of the data file, once there is one */
    struct sdk_buffer outside_text;
    const char *kept; /* the first constant that keeps what may be weights */
    size_t kept_count;
};

/* Passes on, as being about the template, why reading it failed. */
int onnx_template_blame(struct onnx_templating *t, int status,
                        const char *name);

/* CKPT_UNSUPPORTED, with both, if the entry has not that type and shape. */
int onnx_template_compare(const struct onnx_templating *t,
                          const struct ckpt_entry *entry, uint32_t dtype,
                          uint32_t rank, const uint64_t *shape);

/* Edits that replace the fields of a message whose bits are in `fields`: the
 * first of them becomes what was written to the splice's buffer since `text`,
 * and the bytes of `tensor` if that is not NULL. */
int onnx_template_replace(struct onnx_templating *t, struct onnx_wire *message,
                          uint64_t fields, size_t text,
                          const struct ckpt_tensor *tensor, const char *name);

/* Edits for one item, whether it gets new values or not. */
int onnx_template_tensor(struct onnx_templating *t,
                         const struct onnx_item *item, uint64_t offset,
                         uint64_t size_bytes, uint32_t depth,
                         const struct ckpt_entry *entry);
int onnx_template_sparse(struct onnx_templating *t,
                         const struct onnx_item *item,
                         const struct onnx_given *given);
int onnx_template_numbers(struct onnx_templating *t,
                          const struct onnx_item *item,
                          const struct ckpt_entry *entry);

#endif
