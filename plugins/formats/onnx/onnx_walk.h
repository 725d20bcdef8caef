/* SPDX-License-Identifier: MIT
 *
 * The places of a model at which weights are: initialisers, sparse ones,
 * tensors in attributes of nodes, the numbers of Constant nodes; in its graph,
 * in the graphs within nodes, in functions, and in what trains it.
 */
#ifndef ONNX_WALK_H
#define ONNX_WALK_H

#include "buffer.h"
#include "onnx_wire.h"

enum onnx_item_kind {
    ONNX_ITEM_TENSOR = 1, /* a TensorProto */
    ONNX_ITEM_SPARSE,     /* a SparseTensorProto */
    ONNX_ITEM_FLOAT,      /* of an attribute: `f`, and so on */
    ONNX_ITEM_INT,
    ONNX_ITEM_FLOATS,
    ONNX_ITEM_INTS,
    ONNX_ITEM_STRINGS /* one or several */
};

#define ONNX_SCOPE_BYTES 4 /* its number stands before each name in the text \
                            */

struct onnx_item {
    uint32_t kind;
    uint32_t scope;   /* index of the graph that it is in; 0: the model's */
    uint32_t depth;   /* of its message */
    bool initializer; /* of either kind, not of a node */
    uint64_t offset;  /* of its message; that of its attribute for a number */
    uint64_t size_bytes;
    size_t text_at;    /* its own name, in the text, with a NUL */
    size_t text_bytes; /* without it */
    const char *name;  /* the name that it gets, once onnx_names is done */
    size_t name_bytes;
    char *own; /* memory of that name, where it is not the item's own name */
    uint64_t again; /* how many more were to have that name */
};

/* A graph, and where it is: the node and its attribute. */
struct onnx_scope {
    uint32_t outer; /* index of the scope around it; itself for scope 0 */
    uint64_t node_count;
    size_t text_at, text_bytes;
};

struct onnx_found {
    struct onnx_item *items; /* in the order of the file */
    size_t item_count, item_capacity;
    struct onnx_scope *scopes;
    size_t scope_count, scope_capacity;
    struct sdk_buffer text;
    struct onnx_field graph_name, graph_doc; /* of the model's own graph */
};

/* Finds all of them. A zeroed struct is empty. */
int onnx_walk(const struct ckpt_host *host, const struct ckpt_source *source,
              struct onnx_found *found);

/* Gives each item the name by which it is known, as the manual has it. */
int onnx_names(const struct ckpt_host *host, struct onnx_found *found);

void onnx_found_fini(const struct ckpt_host *host, struct onnx_found *found);

#endif
