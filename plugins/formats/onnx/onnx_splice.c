/* SPDX-License-Identifier: MIT
 *
 * Splicing. A message that holds an edit is entered; when its end is known to
 * have moved, the length in front of it becomes one more edit. Only messages
 * on the way to an edit are entered, so the cost is that of passing over the
 * others.
 */
#include "onnx_splice.h"

#include <stdlib.h>
#include <string.h>

#include "onnx_proto.h"

struct splicer {
    const struct ckpt_host *host;
    struct onnx_splice *splice;
};

void
onnx_splice_init(const struct ckpt_host *host, const struct ckpt_source *source,
                 struct onnx_splice *splice)
{
    memset(splice, 0, sizeof *splice);
    splice->source = source;
    splice->put.host = host;
}

void
onnx_splice_fini(const struct ckpt_host *host, struct onnx_splice *splice)
{
    sdk_buffer_fini(host, &splice->put.buffer);
    sdk_buffer_fini(host, &splice->edits);
}

int
onnx_splice_add(const struct ckpt_host *host, struct onnx_splice *splice,
                const struct onnx_edit *edit)
{
    return sdk_buffer_append(host, &splice->edits, edit, sizeof *edit);
}

static struct onnx_edit *
splice_edits(const struct onnx_splice *splice)
{
    return (struct onnx_edit *)(void *)splice->edits.data;
}

static size_t
splice_count(const struct onnx_splice *splice)
{
    return splice->edits.size_bytes / sizeof(struct onnx_edit);
}

static int
splice_compare(const void *left, const void *right)
{
    const struct onnx_edit *a = left, *b = right;

    return (a->offset > b->offset) - (a->offset < b->offset);
}

static int64_t
edit_grows(const struct onnx_edit *edit)
{
    uint64_t tensor_bytes = edit->tensor != NULL ? edit->tensor->size_bytes : 0;

    return (int64_t)(edit->text_bytes + tensor_bytes - edit->size_bytes);
}

/* Sorts what was added, and sums it up. The runs do not overlap: each is in a
 * message of its own. */
static void
splice_sort(struct onnx_splice *splice)
{
    struct onnx_edit *edits = splice_edits(splice);
    size_t count = splice_count(splice), i;

    if (count > 0)
        qsort(edits, count, sizeof *edits, splice_compare);
    for (i = 0; i < count; i++) {
        splice->grown += edit_grows(&edits[i]);
        edits[i].grown = splice->grown;
    }
    splice->edit_count = count;
}

/* How many of the edits that were added begin before a byte. */
static size_t
splice_before(const struct onnx_splice *splice, uint64_t offset)
{
    const struct onnx_edit *edits = splice_edits(splice);
    size_t low = 0, high = splice->edit_count, middle;

    while (low < high) {
        middle = low + (high - low) / 2;
        if (edits[middle].offset < offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* By how much the first so many edits make the model longer. */
static int64_t
splice_grown(const struct onnx_splice *splice, size_t count)
{
    return count > 0 ? splice_edits(splice)[count - 1].grown : 0;
}

struct splice_child {
    const struct onnx_message *outer;
    uint32_t number;
    const struct onnx_message *inner;
};

/* The messages in which a tensor may be. */
static const struct onnx_message *
splice_inner(const struct onnx_message *outer, uint32_t number)
{
    static const struct splice_child children[] = {
        {&onnx_model_message, ONNX_MODEL_GRAPH, &onnx_graph_message},
        {&onnx_model_message, ONNX_MODEL_TRAINING, &onnx_training_message},
        {&onnx_model_message, ONNX_MODEL_FUNCTION, &onnx_function_message},
        {&onnx_training_message, ONNX_TRAINING_INITIALIZATION,
         &onnx_graph_message},
        {&onnx_training_message, ONNX_TRAINING_ALGORITHM, &onnx_graph_message},
        {&onnx_function_message, ONNX_FUNCTION_NODE, &onnx_node_message},
        {&onnx_function_message, ONNX_FUNCTION_ATTRIBUTE,
         &onnx_attribute_message},
        {&onnx_graph_message, ONNX_GRAPH_NODE, &onnx_node_message},
        {&onnx_graph_message, ONNX_GRAPH_INITIALIZER, &onnx_tensor_message},
        {&onnx_graph_message, ONNX_GRAPH_SPARSE, &onnx_sparse_message},
        {&onnx_node_message, ONNX_NODE_ATTRIBUTE, &onnx_attribute_message},
        {&onnx_attribute_message, ONNX_ATTRIBUTE_T, &onnx_tensor_message},
        {&onnx_attribute_message, ONNX_ATTRIBUTE_TENSORS, &onnx_tensor_message},
        {&onnx_attribute_message, ONNX_ATTRIBUTE_G, &onnx_graph_message},
        {&onnx_attribute_message, ONNX_ATTRIBUTE_GRAPHS, &onnx_graph_message},
        {&onnx_attribute_message, ONNX_ATTRIBUTE_SPARSE, &onnx_sparse_message},
        {&onnx_attribute_message, ONNX_ATTRIBUTE_SPARSES, &onnx_sparse_message},
        {&onnx_sparse_message, ONNX_SPARSE_VALUES, &onnx_tensor_message},
        {&onnx_sparse_message, ONNX_SPARSE_INDICES, &onnx_tensor_message},
    };
    size_t i;

    for (i = 0; i < sizeof children / sizeof *children; i++)
        if (children[i].outer == outer && children[i].number == number)
            return children[i].inner;
    return NULL;
}

/* The length in front of a field's content becomes another. */
static int
splice_length(const struct splicer *s, const struct onnx_wire *wire,
              const struct onnx_field *field, uint64_t size_bytes,
              int64_t *grown)
{
    struct onnx_edit edit = {.text = s->splice->put.buffer.size_bytes};
    unsigned char bytes[ONNX_VARINT_MAX];
    uint64_t tag;
    int status;

    edit.offset = field->tag_offset;
    status = onnx_wire_varint(wire, &edit.offset, field->offset, 5, &tag);
    if (status != CKPT_OK)
        return status;
    edit.size_bytes = field->offset - edit.offset;
    edit.text_bytes = onnx_varint_store(bytes, size_bytes);
    onnx_put_raw(&s->splice->put, bytes, edit.text_bytes);
    *grown += edit_grows(&edit);
    return s->splice->put.status == CKPT_OK
               ? onnx_splice_add(s->host, s->splice, &edit)
               : s->splice->put.status;
}

/* Corrects the lengths in a message that holds edits; `*grown` is by how much
 * they alone make it longer. */
static int
splice_message(const struct splicer *s, struct onnx_wire *wire, int64_t *grown)
{
    const struct onnx_message *message;
    struct onnx_field field;
    struct onnx_wire inner;
    int64_t lengths, by;
    size_t first, last;
    int status;

    while ((status = onnx_wire_next(wire, &field)) == CKPT_OK) {
        message = field.type == ONNX_BYTES
                      ? splice_inner(wire->message, field.number)
                      : NULL;
        first = splice_before(s->splice, field.offset);
        last = splice_before(s->splice, field.offset + field.size_bytes);
        if (message == NULL || first == last)
            continue;
        lengths = 0;
        status = onnx_wire_enter(wire, &field, message, &inner);
        if (status == CKPT_OK)
            status = splice_message(s, &inner, &lengths);
        by = splice_grown(s->splice, last) - splice_grown(s->splice, first) +
             lengths;
        *grown += lengths;
        if (status == CKPT_OK && by != 0)
            status = splice_length(s, wire, &field,
                                   field.size_bytes + (uint64_t)by, grown);
        if (status != CKPT_OK)
            return status;
    }
    return status == CKPT_END ? CKPT_OK : status;
}

int
onnx_splice_finish(const struct ckpt_host *host, struct onnx_splice *splice)
{
    const struct splicer s = {.host = host, .splice = splice};
    struct onnx_wire wire;
    int64_t grown = 0;
    int status;

    splice_sort(splice);
    onnx_wire_open(host, splice->source, &onnx_model_message, &wire);
    status = splice_message(&s, &wire, &grown);
    if (status != CKPT_OK)
        return status;
    splice->grown += grown;
    if (splice_count(splice) > 0)
        qsort(splice_edits(splice), splice_count(splice),
              sizeof(struct onnx_edit), splice_compare);
    return CKPT_OK;
}

static int
splice_add(const struct ckpt_host *host, struct ckpt_plan *plan,
           struct ckpt_segment *segment, uint32_t kind)
{
    segment->kind = kind;
    if (kind != CKPT_SEGMENT_TENSOR && segment->size_bytes == 0)
        return CKPT_OK;
    return host->plan_add(host, plan, segment, sizeof *segment, NULL);
}

int
onnx_splice_plan(const struct ckpt_host *host, const struct onnx_splice *splice,
                 struct ckpt_plan *plan)
{
    const struct onnx_edit *edits = splice_edits(splice);
    struct ckpt_segment segment = {.source = splice->source};
    size_t i, count = splice_count(splice);
    int status = CKPT_OK;

    for (i = 0; i < count && status == CKPT_OK; i++) {
        segment.name = edits[i].name;
        segment.size_bytes = edits[i].offset - segment.offset;
        status = splice_add(host, plan, &segment, CKPT_SEGMENT_SOURCE);
        segment.offset = edits[i].offset + edits[i].size_bytes;
        segment.data = splice->put.buffer.data + edits[i].text;
        segment.size_bytes = edits[i].text_bytes;
        if (status == CKPT_OK)
            status = splice_add(host, plan, &segment, CKPT_SEGMENT_BYTES);
        segment.tensor = edits[i].tensor;
        if (status == CKPT_OK && segment.tensor != NULL)
            status = splice_add(host, plan, &segment, CKPT_SEGMENT_TENSOR);
    }
    segment.name = NULL;
    segment.size_bytes =
        host->source_size(host, splice->source) - segment.offset;
    return status == CKPT_OK
               ? splice_add(host, plan, &segment, CKPT_SEGMENT_SOURCE)
               : status;
}
