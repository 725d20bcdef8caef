/* SPDX-License-Identifier: MIT
 *
 * The walk through graphs and nodes. Nodes are gone through twice: once for
 * what they are called, which may come last, and once for what is in them. That
 * is no more than twice for all of them, since the first time passes over all
 * that is within.
 */
#include "onnx_walk_private.h"

#include <string.h>

/* ---- Initialisers ---- */

/* Finds the name in a TensorProto, going through all of it. */
static int
find_name(const struct onnx_wire *wire, const struct onnx_field *field,
          struct onnx_field *name)
{
    struct onnx_field part;
    struct onnx_wire inner;
    int status = onnx_wire_enter(wire, field, &onnx_tensor_message, &inner);

    while (status == CKPT_OK &&
           (status = onnx_wire_next(&inner, &part)) == CKPT_OK)
        if (part.number == ONNX_TENSOR_NAME)
            *name = part;
    return status == CKPT_END ? CKPT_OK : status;
}

/* The same for a SparseTensorProto: it is that of its values. */
static int
find_sparse_name(const struct onnx_wire *wire, const struct onnx_field *field,
                 struct onnx_field *name)
{
    struct onnx_field part;
    struct onnx_wire inner;
    int status = onnx_wire_enter(wire, field, &onnx_sparse_message, &inner);

    while (status == CKPT_OK &&
           (status = onnx_wire_next(&inner, &part)) == CKPT_OK)
        if (part.number == ONNX_SPARSE_VALUES)
            status = find_name(&inner, &part, name);
    return status == CKPT_END ? CKPT_OK : status;
}

static int
walk_initializer(struct walker *w, const struct onnx_wire *wire,
                 const struct onnx_field *field, uint32_t scope)
{
    bool sparse = field->number == ONNX_GRAPH_SPARSE;
    struct onnx_item item = {.kind =
                                 sparse ? ONNX_ITEM_SPARSE : ONNX_ITEM_TENSOR,
                             .scope = scope,
                             .depth = wire->depth + 1,
                             .initializer = true,
                             .offset = field->offset,
                             .size_bytes = field->size_bytes};
    struct onnx_field name = {.size_bytes = 0};
    size_t text_at;
    int status = sparse ? find_sparse_name(wire, field, &name)
                        : find_name(wire, field, &name);

    if (status == CKPT_OK && name.size_bytes == 0)
        return onnx_wire_fail(wire, CKPT_FORMAT, field->tag_offset,
                              "an initializer without a name");
    if (status == CKPT_OK)
        status = onnx_found_begin(w->host, w->found, scope, &text_at);
    if (status == CKPT_OK)
        status = onnx_found_text(w->found, wire, &name);
    return status == CKPT_OK
               ? onnx_found_item(w->host, w->found, &item, text_at)
               : status;
}

/* ---- Nodes ---- */

/* Whether the content of a field is `text`. */
static int
field_is(const struct onnx_wire *wire, const struct onnx_field *field,
         const char *text, bool *is)
{
    size_t size = strlen(text);
    char copy[20];
    int status;

    *is = false;
    if (field->size_bytes != size || size > sizeof copy)
        return CKPT_OK;
    status = onnx_wire_copy(wire, field->offset, copy, size);
    *is = status == CKPT_OK && memcmp(copy, text, size) == 0;
    return status;
}

/* What the operator of a node is, and whose. */
static int
read_operator(const struct onnx_wire *inner, const struct onnx_field *domain,
              struct node *node)
{
    bool shape = false, standard = domain->size_bytes == 0, ml = false;
    int status = field_is(inner, &node->op, "Constant", &node->constant);

    if (status == CKPT_OK)
        status = field_is(inner, &node->op, "ConstantOfShape", &shape);
    if (status == CKPT_OK && !standard)
        status = field_is(inner, domain, "ai.onnx", &standard);
    if (status == CKPT_OK && !standard)
        status = field_is(inner, domain, "ai.onnx.ml", &ml);
    node->constant = node->constant || shape;
    node->domain = standard ? DOMAIN_STANDARD : ml ? DOMAIN_ML : DOMAIN_OTHER;
    return status;
}

static int
read_node(struct onnx_wire *inner, struct node *node)
{
    struct onnx_field part, domain = {.size_bytes = 0};
    int status;

    while ((status = onnx_wire_next(inner, &part)) == CKPT_OK) {
        if (part.number == ONNX_NODE_NAME)
            node->name = part;
        else if (part.number == ONNX_NODE_OP_TYPE)
            node->op = part;
        else if (part.number == ONNX_NODE_DOMAIN)
            domain = part;
        else if (part.number == ONNX_NODE_OUTPUT && node->output.number == 0)
            node->output = part;
        else if (part.number == ONNX_NODE_ATTRIBUTE)
            node->within = true;
    }
    if (status == CKPT_END && node->within)
        status = read_operator(inner, &domain, node);
    return status == CKPT_END ? CKPT_OK : status;
}

static int
walk_node(struct walker *w, const struct onnx_wire *wire,
          const struct onnx_field *field, uint32_t scope)
{
    struct node node = {.scope = scope,
                        .index = w->found->scopes[scope].node_count++};
    struct onnx_field part;
    struct onnx_wire inner;
    int status = onnx_wire_enter(wire, field, &onnx_node_message, &inner);

    if (status == CKPT_OK)
        status = read_node(&inner, &node);
    if (status != CKPT_OK || !node.within)
        return status;
    onnx_wire_again(wire, field->offset, field->size_bytes, wire->depth + 1,
                    &onnx_node_message, &inner);
    while (status == CKPT_OK &&
           (status = onnx_wire_next(&inner, &part)) == CKPT_OK)
        if (part.number == ONNX_NODE_ATTRIBUTE)
            status = onnx_walk_attribute(w, &inner, &part, scope, &node);
    return status == CKPT_END ? CKPT_OK : status;
}

int
onnx_walk_graph(struct walker *w, struct onnx_wire *wire, uint32_t scope)
{
    struct onnx_field part;
    int status = CKPT_OK;

    while (status == CKPT_OK &&
           (status = onnx_wire_next(wire, &part)) == CKPT_OK) {
        if (part.number == ONNX_GRAPH_NODE)
            status = walk_node(w, wire, &part, scope);
        else if (part.number == ONNX_GRAPH_INITIALIZER ||
                 part.number == ONNX_GRAPH_SPARSE)
            status = walk_initializer(w, wire, &part, scope);
        else if (part.number == ONNX_GRAPH_QUANTIZATION ||
                 (part.number == ONNX_GRAPH_METADATA && scope == 0))
            status = onnx_found_note(w->host, w->found,
                                     &(struct onnx_note){.scope = scope,
                                                         .depth = wire->depth,
                                                         .field = part});
        else if (part.number == ONNX_GRAPH_NAME && scope == 0)
            w->found->graph_name = part;
        else if (part.number == ONNX_GRAPH_DOC && scope == 0)
            w->found->graph_doc = part;
    }
    return status == CKPT_END ? CKPT_OK : status;
}

/* ---- Functions and training ---- */

/* DOMAIN::NAME:OVERLOAD, each but the name only where it is. */
static int
add_function(struct walker *w, struct onnx_wire *inner, uint32_t *scope)
{
    struct onnx_field parts[3] = {{.size_bytes = 0}}, part;
    static const char *const marks[3] = {"", "", ":"};
    size_t text_at = w->found->text.size_bytes, i;
    int status;

    while ((status = onnx_wire_next(inner, &part)) == CKPT_OK) {
        if (part.number == ONNX_FUNCTION_DOMAIN)
            parts[0] = part;
        else if (part.number == ONNX_FUNCTION_NAME)
            parts[1] = part;
        else if (part.number == ONNX_FUNCTION_OVERLOAD)
            parts[2] = part;
    }
    for (i = 0; i < 3 && status >= CKPT_OK; i++) {
        if (parts[i].size_bytes == 0)
            continue;
        status = sdk_buffer_append(w->host, &w->found->text, marks[i],
                                   strlen(marks[i]));
        if (status == CKPT_OK)
            status = onnx_found_text(w->found, inner, &parts[i]);
        if (status == CKPT_OK && i == 0)
            status = sdk_buffer_append(w->host, &w->found->text, "::", 2);
    }
    return status >= CKPT_OK
               ? onnx_found_scope(w->host, w->found, 0, text_at, scope)
               : status;
}

static int
walk_function(struct walker *w, const struct onnx_wire *wire,
              const struct onnx_field *field)
{
    struct onnx_field part;
    struct onnx_wire inner;
    uint32_t scope = 0;
    int status = onnx_wire_enter(wire, field, &onnx_function_message, &inner);

    if (status == CKPT_OK)
        status = add_function(w, &inner, &scope);
    if (status != CKPT_OK)
        return status;
    onnx_wire_again(wire, field->offset, field->size_bytes, wire->depth + 1,
                    &onnx_function_message, &inner);
    while (status == CKPT_OK &&
           (status = onnx_wire_next(&inner, &part)) == CKPT_OK) {
        if (part.number == ONNX_FUNCTION_NODE)
            status = walk_node(w, &inner, &part, scope);
        else if (part.number == ONNX_FUNCTION_ATTRIBUTE)
            status = onnx_walk_attribute(w, &inner, &part, scope, NULL);
    }
    return status == CKPT_END ? CKPT_OK : status;
}

static int
walk_training(struct walker *w, const struct onnx_wire *wire,
              const struct onnx_field *field, uint64_t nth)
{
    struct onnx_wire inner, graph;
    struct onnx_field part;
    uint32_t scope;
    int status = onnx_wire_enter(wire, field, &onnx_training_message, &inner);

    while (status == CKPT_OK &&
           (status = onnx_wire_next(&inner, &part)) == CKPT_OK) {
        size_t text_at = w->found->text.size_bytes;

        if (part.number != ONNX_TRAINING_INITIALIZATION &&
            part.number != ONNX_TRAINING_ALGORITHM)
            continue;
        status = sdk_buffer_printf(
            w->host, &w->found->text, "training_info_%llu/%s",
            (unsigned long long)nth,
            part.number == ONNX_TRAINING_ALGORITHM ? "algorithm"
                                                   : "initialization");
        if (status == CKPT_OK)
            status = onnx_found_scope(w->host, w->found, 0, text_at, &scope);
        if (status == CKPT_OK)
            status =
                onnx_wire_enter(&inner, &part, &onnx_graph_message, &graph);
        if (status == CKPT_OK)
            status = onnx_walk_graph(w, &graph, scope);
    }
    return status == CKPT_END ? CKPT_OK : status;
}

static int
walk_model(struct walker *w, struct onnx_wire *wire)
{
    struct onnx_field part;
    struct onnx_wire graph;
    uint64_t training = 0;
    int status;

    while ((status = onnx_wire_next(wire, &part)) == CKPT_OK) {
        if (part.number == ONNX_MODEL_GRAPH) {
            w->graph = true;
            status = onnx_wire_enter(wire, &part, &onnx_graph_message, &graph);
            if (status == CKPT_OK)
                status = onnx_walk_graph(w, &graph, 0);
        } else if (part.number == ONNX_MODEL_TRAINING) {
            status = walk_training(w, wire, &part, training++);
        } else if (part.number == ONNX_MODEL_FUNCTION) {
            status = walk_function(w, wire, &part);
        }
        if (status != CKPT_OK)
            return status;
    }
    if (status == CKPT_END && !w->graph)
        return onnx_wire_fail(wire, CKPT_FORMAT, CKPT_NOWHERE,
                              "there is no graph in it");
    return status == CKPT_END ? CKPT_OK : status;
}

int
onnx_walk(const struct ckpt_host *host, const struct ckpt_source *source,
          struct onnx_found *found)
{
    struct walker w = {.host = host, .found = found};
    struct onnx_wire wire;
    uint32_t scope;
    int status = onnx_found_scope(host, found, 0, 0, &scope);

    onnx_wire_open(host, source, &onnx_model_message, &wire);
    return status == CKPT_OK ? walk_model(&w, &wire) : status;
}
