/* SPDX-License-Identifier: MIT
 *
 * The walk through graphs, nodes and attributes. Nodes and attributes are gone
 * through twice: once for what they are called, which may come last, and once
 * for what is in them. That is no more than twice for all of them, since the
 * first time passes over all that is within.
 */
#include "onnx_walk.h"

#include <string.h>

#include "onnx_proto.h"

struct walker {
    const struct ckpt_host *host;
    struct onnx_found *found;
    bool graph; /* whether the model has one */
};

struct node {
    struct onnx_field name, op, output; /* the first output */
    uint64_t index;
    uint32_t scope;
    bool constant; /* its value is its output: Constant, ConstantOfShape */
    bool within;   /* it has attributes */
};

struct attribute {
    struct onnx_field self; /* its message */
    struct onnx_field name, tensor, sparse, f, i;
    uint64_t seen;
};

static int walk_graph(struct walker *w, struct onnx_wire *wire, uint32_t scope);

/* ---- Texts ---- */

/* The name of a node, or its operator and its index. */
static int
append_node(struct walker *w, const struct onnx_wire *wire,
            const struct node *node)
{
    int status;

    if (node->name.size_bytes > 0)
        return onnx_found_text(w->found, wire, &node->name);
    status = onnx_found_text(w->found, wire, &node->op);
    return status == CKPT_OK
               ? sdk_buffer_printf(w->host, &w->found->text, "_%llu",
                                   (unsigned long long)node->index)
               : status;
}

/* NODE/ATTRIBUTE, or NODE/ATTRIBUTE/NTH; without a node the rest. */
static int
append_place(struct walker *w, const struct onnx_wire *wire,
             const struct node *node, const struct attribute *attribute,
             bool list, uint64_t nth)
{
    struct sdk_buffer *text = &w->found->text;
    int status = CKPT_OK;

    if (node != NULL) {
        status = append_node(w, wire, node);
        if (status == CKPT_OK)
            status = sdk_buffer_append(w->host, text, "/", 1);
    }
    if (status == CKPT_OK)
        status = onnx_found_text(w->found, wire, &attribute->name);
    if (status == CKPT_OK && list)
        status =
            sdk_buffer_printf(w->host, text, "/%llu", (unsigned long long)nth);
    return status;
}

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

/* ---- Attributes ---- */

static int
read_attribute(struct onnx_wire *inner, struct attribute *attribute)
{
    struct onnx_field part;
    int status;

    while ((status = onnx_wire_next(inner, &part)) == CKPT_OK) {
        switch (part.number) {
        case ONNX_ATTRIBUTE_NAME:
            attribute->name = part;
            break;
        case ONNX_ATTRIBUTE_F:
            attribute->f = part;
            break;
        case ONNX_ATTRIBUTE_I:
            attribute->i = part;
            break;
        case ONNX_ATTRIBUTE_T:
            attribute->tensor = part;
            break;
        case ONNX_ATTRIBUTE_SPARSE:
            attribute->sparse = part;
            break;
        default:
            break;
        }
    }
    attribute->seen = inner->seen;
    return status == CKPT_END ? CKPT_OK : status;
}

/* The name of what is in an attribute: the output of a constant, or the place
 * of the attribute. */
static int
add_value(struct walker *w, const struct onnx_wire *inner,
          const struct node *node, const struct attribute *attribute,
          struct onnx_item *item, bool list, uint64_t nth)
{
    size_t text_at;
    int status = onnx_found_begin(w->host, w->found, item->scope, &text_at);

    if (status == CKPT_OK)
        status = node != NULL && node->constant && node->output.size_bytes > 0
                     ? onnx_found_text(w->found, inner, &node->output)
                     : append_place(w, inner, node, attribute, list, nth);
    return status == CKPT_OK ? onnx_found_item(w->host, w->found, item, text_at)
                             : status;
}

static int
add_message(struct walker *w, const struct onnx_wire *inner, uint32_t scope,
            const struct node *node, const struct attribute *attribute,
            const struct onnx_field *field, bool list, uint64_t nth)
{
    bool sparse = field->number == ONNX_ATTRIBUTE_SPARSE ||
                  field->number == ONNX_ATTRIBUTE_SPARSES;
    struct onnx_item item = {.kind =
                                 sparse ? ONNX_ITEM_SPARSE : ONNX_ITEM_TENSOR,
                             .scope = scope,
                             .depth = inner->depth + 1,
                             .offset = field->offset,
                             .size_bytes = field->size_bytes};

    return add_value(w, inner, node, attribute, &item, list, nth);
}

/* The numbers that a Constant node may have instead of a tensor. One that is
 * zero, or none, may have been left out. */
static int
walk_numbers(struct walker *w, const struct onnx_wire *inner, uint32_t scope,
             const struct node *node, const struct attribute *attribute)
{
    static const struct {
        const char *name;
        uint32_t kind;
    } names[] = {{"value_float", ONNX_ITEM_FLOAT},
                 {"value_int", ONNX_ITEM_INT},
                 {"value_floats", ONNX_ITEM_FLOATS},
                 {"value_ints", ONNX_ITEM_INTS},
                 {"value_string", ONNX_ITEM_STRINGS},
                 {"value_strings", ONNX_ITEM_STRINGS}};
    struct onnx_item item = {.scope = scope,
                             .depth = inner->depth,
                             .offset = attribute->self.offset,
                             .size_bytes = attribute->self.size_bytes};
    char name[16] = "";
    size_t i;
    int status;

    if (attribute->name.size_bytes >= sizeof name ||
        (attribute->seen & ONNX_BIT(ONNX_ATTRIBUTE_REFERENCE)) != 0)
        return CKPT_OK;
    status = onnx_wire_copy(inner, attribute->name.offset, name,
                            (size_t)attribute->name.size_bytes);
    for (i = 0; i < sizeof names / sizeof *names && status == CKPT_OK; i++) {
        if (strcmp(name, names[i].name) != 0)
            continue;
        item.kind = names[i].kind;
        status = add_value(w, inner, node, attribute, &item, false, 0);
    }
    return status;
}

static int
walk_subgraph(struct walker *w, const struct onnx_wire *inner, uint32_t outer,
              const struct node *node, const struct attribute *attribute,
              const struct onnx_field *field, uint64_t nth)
{
    size_t text_at = w->found->text.size_bytes;
    struct onnx_wire graph;
    uint32_t scope;
    int status = onnx_wire_enter(inner, field, &onnx_graph_message, &graph);

    if (status == CKPT_OK)
        status = append_place(w, inner, node, attribute,
                              field->number == ONNX_ATTRIBUTE_GRAPHS, nth);
    if (status == CKPT_OK)
        status = onnx_found_scope(w->host, w->found, outer, text_at, &scope);
    return status == CKPT_OK ? walk_graph(w, &graph, scope) : status;
}

/* The messages that an attribute holds. */
static int
walk_parts(struct walker *w, struct onnx_wire *inner, uint32_t scope,
           const struct node *node, const struct attribute *attribute)
{
    uint64_t counts[64] = {0};
    struct onnx_field part;
    int status;

    while ((status = onnx_wire_next(inner, &part)) == CKPT_OK) {
        bool list = part.number == ONNX_ATTRIBUTE_TENSORS ||
                    part.number == ONNX_ATTRIBUTE_SPARSES;
        uint64_t nth = part.number < 64 ? counts[part.number]++ : 0;

        if (part.number == ONNX_ATTRIBUTE_G ||
            part.number == ONNX_ATTRIBUTE_GRAPHS)
            status =
                walk_subgraph(w, inner, scope, node, attribute, &part, nth);
        else if (list || part.number == ONNX_ATTRIBUTE_T ||
                 part.number == ONNX_ATTRIBUTE_SPARSE)
            status =
                add_message(w, inner, scope, node, attribute, &part, list, nth);
        if (status != CKPT_OK)
            return status;
    }
    return status == CKPT_END ? CKPT_OK : status;
}

static int
walk_attribute(struct walker *w, const struct onnx_wire *wire,
               const struct onnx_field *field, uint32_t scope,
               const struct node *node)
{
    static const uint64_t within =
        ONNX_BIT(ONNX_ATTRIBUTE_T) | ONNX_BIT(ONNX_ATTRIBUTE_G) |
        ONNX_BIT(ONNX_ATTRIBUTE_TENSORS) | ONNX_BIT(ONNX_ATTRIBUTE_GRAPHS) |
        ONNX_BIT(ONNX_ATTRIBUTE_SPARSE) | ONNX_BIT(ONNX_ATTRIBUTE_SPARSES);
    struct attribute attribute = {.self = *field};
    struct onnx_wire inner;
    int status = onnx_wire_enter(wire, field, &onnx_attribute_message, &inner);

    if (status == CKPT_OK)
        status = read_attribute(&inner, &attribute);
    if (status != CKPT_OK)
        return status;
    onnx_wire_again(wire, field->offset, field->size_bytes, wire->depth + 1,
                    &onnx_attribute_message, &inner);
    if ((attribute.seen & within) != 0)
        return walk_parts(w, &inner, scope, node, &attribute);
    return node != NULL && node->constant
               ? walk_numbers(w, &inner, scope, node, &attribute)
               : CKPT_OK;
}

/* ---- Nodes ---- */

static int
read_node(struct onnx_wire *inner, struct node *node)
{
    struct onnx_field part;
    char op[20] = "";
    int status;

    while ((status = onnx_wire_next(inner, &part)) == CKPT_OK) {
        if (part.number == ONNX_NODE_NAME)
            node->name = part;
        else if (part.number == ONNX_NODE_OP_TYPE)
            node->op = part;
        else if (part.number == ONNX_NODE_OUTPUT && node->output.number == 0)
            node->output = part;
        else if (part.number == ONNX_NODE_ATTRIBUTE)
            node->within = true;
    }
    if (status == CKPT_END && node->within && node->op.size_bytes < sizeof op) {
        status = onnx_wire_copy(inner, node->op.offset, op,
                                (size_t)node->op.size_bytes);
        if (status != CKPT_OK)
            return status;
        node->constant =
            strcmp(op, "Constant") == 0 || strcmp(op, "ConstantOfShape") == 0;
    }
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
            status = walk_attribute(w, &inner, &part, scope, &node);
    return status == CKPT_END ? CKPT_OK : status;
}

static int
walk_graph(struct walker *w, struct onnx_wire *wire, uint32_t scope)
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
            status = walk_attribute(w, &inner, &part, scope, NULL);
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
            status = walk_graph(w, &graph, scope);
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
                status = walk_graph(w, &graph, 0);
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
