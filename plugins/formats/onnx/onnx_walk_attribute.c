/* SPDX-License-Identifier: MIT
 *
 * The walk through attributes: tensors, graphs and lists of numbers. They are
 * gone through twice: once for their name, which may come last, and once for
 * what is in them.
 */
#include <string.h>

#include "onnx_walk_private.h"

struct attribute {
    struct onnx_field self; /* its message */
    struct onnx_field name, tensor, sparse, f, i;
    uint64_t seen;
};

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

/* ---- What is in it ---- */

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

    item->placed =
        node == NULL || !node->constant || node->output.size_bytes == 0;
    if (status == CKPT_OK)
        status = item->placed
                     ? append_place(w, inner, node, attribute, list, nth)
                     : onnx_found_text(w->found, inner, &node->output);
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

/* One more list that is not read; the first is told by its place. */
static int
note_unread(struct walker *w, const struct onnx_wire *inner,
            const struct node *node, const struct attribute *attribute,
            struct onnx_unread *unread)
{
    int status;

    if (unread->count++ > 0)
        return CKPT_OK;
    unread->text_at = w->found->text.size_bytes;
    unread->byte = attribute->self.offset;
    status = append_place(w, inner, node, attribute, false, 0);
    return status == CKPT_OK
               ? sdk_buffer_append(w->host, &w->found->text, "", 1)
               : status;
}

/* Lists of numbers and texts in attributes. Those of the operators for trees,
 * linear models and the like are what these have learnt; those of the standard
 * ones are settings; of all others nobody here can say. */
static int
walk_lists(struct walker *w, const struct onnx_wire *inner, uint32_t scope,
           const struct node *node, const struct attribute *attribute)
{
    bool floats = (attribute->seen & ONNX_BIT(ONNX_ATTRIBUTE_FLOATS)) != 0;
    bool ints = (attribute->seen & ONNX_BIT(ONNX_ATTRIBUTE_INTS)) != 0;
    bool texts = (attribute->seen & ONNX_BIT(ONNX_ATTRIBUTE_STRINGS)) != 0;
    struct onnx_item item = {.kind = floats ? ONNX_ITEM_FLOATS : ONNX_ITEM_INTS,
                             .scope = scope,
                             .depth = inner->depth,
                             .offset = attribute->self.offset,
                             .size_bytes = attribute->self.size_bytes};

    if (node->domain == DOMAIN_ML && (floats || ints))
        return add_value(w, inner, node, attribute, &item, false, 0);
    if (node->domain == DOMAIN_ML && texts)
        return note_unread(w, inner, node, attribute, &w->found->texts);
    if (node->domain == DOMAIN_OTHER && floats)
        return note_unread(w, inner, node, attribute, &w->found->numbers);
    return CKPT_OK;
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
    return status == CKPT_OK ? onnx_walk_graph(w, &graph, scope) : status;
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

int
onnx_walk_attribute(struct walker *w, const struct onnx_wire *wire,
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
    if (node == NULL)
        return CKPT_OK;
    return node->constant ? walk_numbers(w, &inner, scope, node, &attribute)
                          : walk_lists(w, &inner, scope, node, &attribute);
}
