/* SPDX-License-Identifier: MIT
 *
 * What a model and its tensors say of themselves, as attributes of the graph.
 */
#ifndef ONNX_ATTRIBUTES_H
#define ONNX_ATTRIBUTES_H

#include "hash_table.h"
#include "onnx_walk.h"

/* The attributes of the graph: each pair of metadata_props under its key, and
 * the model's own fields under names that begin with `onnx.`. [describe] */
int onnx_attributes_set(const struct ckpt_host *host,
                        const struct ckpt_source *source,
                        const struct onnx_found *found,
                        struct ckpt_graph *graph);

/* An attribute of a value, or of the graph if `owner` is NULL, from the text
 * of a field. */
int onnx_text_attribute(const struct onnx_wire *wire,
                        const struct onnx_field *field,
                        struct ckpt_graph *graph, struct ckpt_value *owner,
                        const char *name);

/* The text of a field, as a value. */
int onnx_text_value(const struct onnx_wire *wire,
                    const struct onnx_field *field, struct ckpt_graph *graph,
                    struct ckpt_value **value);

/* The fields 1 and 2 of a message; what is not there is left as it is. */
int onnx_pair_read(const struct onnx_wire *wire, const struct onnx_field *field,
                   const struct onnx_message *message, struct onnx_field *first,
                   struct onnx_field *second);

/* The keys of one owner. A zeroed struct is empty. */
struct onnx_keys {
    char **names;
    size_t count, capacity;
    struct sdk_table table;
};

/* The same from a pair of metadata_props; of one key the last stands, with a
 * warning. `label` is for messages and may be NULL. */
int onnx_pair_attribute(const struct onnx_wire *wire,
                        const struct onnx_field *field,
                        struct ckpt_graph *graph, struct ckpt_value *owner,
                        const char *label, struct onnx_keys *keys);

void onnx_keys_fini(const struct ckpt_host *host, struct onnx_keys *keys);

#endif
