/* SPDX-License-Identifier: MIT
 *
 * The list of what was found in a model, and the text of its names.
 */
#ifndef ONNX_FOUND_H
#define ONNX_FOUND_H

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

#define ONNX_SCOPE_BYTES                                \
    4 /* its number stands before each name in the text \
       */

struct onnx_item {
    uint32_t kind;
    uint32_t scope;   /* index of the graph that it is in; 0: the model's */
    uint32_t depth;   /* of its message */
    bool initializer; /* of either kind, not of a node */
    bool placed;      /* its own name is that of its place, NODE/ATTRIBUTE */
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

/* What a graph says of quantised tensors, and of itself. */
struct onnx_note {
    uint32_t scope, depth;
    struct onnx_field field; /* quantization_annotation, metadata_props */
};

/* What has the look of weights, and is not read. */
struct onnx_unread {
    size_t count;
    size_t text_at; /* the place of the first, in the text, with a NUL */
    uint64_t byte;
};

struct onnx_found {
    struct onnx_item *items; /* in the order of the file */
    size_t item_count, item_capacity;
    struct onnx_scope *scopes;
    size_t scope_count, scope_capacity;
    struct sdk_buffer text;
    struct onnx_field graph_name, graph_doc; /* of the model's own graph */
    struct onnx_note *notes;
    size_t note_count, note_capacity;
    struct onnx_unread numbers, texts; /* lists in attributes */
};

/* Appends the content of a field to the text; it must be UTF-8. */
int onnx_found_text(struct onnx_found *found, const struct onnx_wire *wire,
                    const struct onnx_field *field);

/* Begins the name of an item; what is appended to the text from there on, up
 * to onnx_found_item, is its name. */
int onnx_found_begin(const struct ckpt_host *host, struct onnx_found *found,
                     uint32_t scope, size_t *text_at);
int onnx_found_item(const struct ckpt_host *host, struct onnx_found *found,
                    const struct onnx_item *like, size_t text_at);

/* Adds a scope, whose place is the end of the text from `text_at`. */
int onnx_found_scope(const struct ckpt_host *host, struct onnx_found *found,
                     uint32_t outer, size_t text_at, uint32_t *scope);

int onnx_found_note(const struct ckpt_host *host, struct onnx_found *found,
                    const struct onnx_note *note);

/* A name with the place of its scope before it, and `room` bytes behind it, in
 * memory of the host. */
int onnx_found_qualify(const struct ckpt_host *host,
                       const struct onnx_found *found, uint32_t scope,
                       const char *name, size_t name_bytes, size_t room,
                       char **made, size_t *made_bytes);

void onnx_found_fini(const struct ckpt_host *host, struct onnx_found *found);

#endif
