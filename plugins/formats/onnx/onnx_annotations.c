/* SPDX-License-Identifier: MIT
 *
 * The notes of graphs, to attributes; see the header. A tensor that is told of
 * twice, or a key that comes twice, keeps what comes last.
 */
#include "onnx_annotations.h"

#include "onnx_attributes.h"
#include "onnx_proto.h"

struct annotating {
    const struct ckpt_host *host;
    const struct onnx_found *found;
    struct ckpt_graph *graph;
    struct onnx_wire wire;
    struct ckpt_value *tensors;  /* NULL: none yet */
    struct ckpt_value *metadata; /* likewise */
};

static int
map_new(const struct annotating *a, struct ckpt_value **map)
{
    const struct ckpt_value like = {.kind = CKPT_KIND_MAP};

    return a->host->value_new(a->host, a->graph, &like, sizeof like, map);
}

/* Sets a pair of texts in a map. */
static int
pair_set(const struct annotating *a, const struct onnx_wire *wire,
         const struct onnx_field *field, struct ckpt_value *map)
{
    struct onnx_field key = {.offset = field->offset}, value = key;
    struct ckpt_value *name, *text;
    int status = onnx_pair_read(wire, field, &onnx_pair_message, &key, &value);

    if (status == CKPT_OK)
        status = onnx_text_value(wire, &key, a->graph, &name);
    if (status == CKPT_OK)
        status = onnx_text_value(wire, &value, a->graph, &text);
    return status == CKPT_OK
               ? a->host->map_set(a->host, a->graph, map, name, text)
               : status;
}

/* The name of the tensor, with the place of an inner graph before it. */
static int
tensor_name(const struct annotating *a, const struct onnx_note *note,
            const struct onnx_wire *wire, const struct onnx_field *field,
            struct ckpt_value **name)
{
    struct ckpt_value like = {.kind = CKPT_KIND_STRING};
    size_t bytes;
    char *made;
    int status = onnx_text_value(wire, field, a->graph, name);

    if (status != CKPT_OK || note->scope == 0)
        return status;
    status = onnx_found_qualify(a->host, a->found, note->scope,
                                (*name)->as.text.data,
                                (*name)->as.text.size_bytes, 0, &made, &bytes);
    if (status != CKPT_OK)
        return status;
    like.as.text.data = made;
    like.as.text.size_bytes = bytes;
    status = a->host->value_new(a->host, a->graph, &like, sizeof like, name);
    a->host->release(a->host, made);
    return status;
}

static int
tensor_set(struct annotating *a, const struct onnx_note *note)
{
    struct onnx_field part, name = {.offset = note->field.offset};
    struct ckpt_value *key, *pairs;
    struct onnx_wire wire;
    int status = map_new(a, &pairs);

    onnx_wire_again(&a->wire, note->field.offset, note->field.size_bytes,
                    note->depth, &onnx_annotation_message, &wire);
    while (status == CKPT_OK &&
           (status = onnx_wire_next(&wire, &part)) == CKPT_OK) {
        if (part.number == ONNX_ANNOTATION_TENSOR)
            name = part;
        else if (part.number == ONNX_ANNOTATION_PAIR)
            status = pair_set(a, &wire, &part, pairs);
    }
    if (status == CKPT_END)
        status = tensor_name(a, note, &wire, &name, &key);
    if (status == CKPT_OK && a->tensors == NULL)
        status = map_new(a, &a->tensors);
    return status == CKPT_OK
               ? a->host->map_set(a->host, a->graph, a->tensors, key, pairs)
               : status;
}

static int
metadata_set(struct annotating *a, const struct onnx_note *note)
{
    struct onnx_wire wire = a->wire;
    int status = CKPT_OK;

    wire.depth = note->depth - 1;
    if (a->metadata == NULL)
        status = map_new(a, &a->metadata);
    return status == CKPT_OK ? pair_set(a, &wire, &note->field, a->metadata)
                             : status;
}

static int
attribute_set(const struct annotating *a, const char *name,
              const struct ckpt_value *value)
{
    return value == NULL
               ? CKPT_OK
               : a->host->attr_set(a->host, a->graph, NULL, name, value);
}

/* By host->warn or host->lose. */
typedef void unread_teller(const struct ckpt_host *host, const char *tensor,
                           uint64_t byte, const char *format, ...)
    CKPT_PRINTF(4, 5);

static void
unread_tell(unread_teller *tell, const struct annotating *a,
            const struct onnx_unread *unread, const char *what)
{
    if (unread->count > 0)
        tell(a->host, (const char *)a->found->text.data + unread->text_at,
             unread->byte, "%s are not read: %zu", what, unread->count);
}

int
onnx_annotations_set(const struct ckpt_host *host,
                     const struct ckpt_source *source,
                     const struct onnx_found *found, struct ckpt_graph *graph)
{
    struct annotating a = {.host = host, .found = found, .graph = graph};
    int status = CKPT_OK;
    size_t i;

    onnx_wire_open(host, source, &onnx_model_message, &a.wire);
    for (i = 0; i < found->note_count && status == CKPT_OK; i++)
        status = found->notes[i].field.number == ONNX_GRAPH_QUANTIZATION
                     ? tensor_set(&a, &found->notes[i])
                     : metadata_set(&a, &found->notes[i]);
    if (status == CKPT_OK)
        status = attribute_set(&a, "onnx.quantization_annotation", a.tensors);
    if (status == CKPT_OK)
        status = attribute_set(&a, "onnx.graph_metadata_props", a.metadata);
    if (status != CKPT_OK)
        return status;
    unread_tell(host->warn, &a, &found->numbers,
                "lists of numbers of operators that are not known");
    unread_tell(host->lose, &a, &found->texts,
                "texts of operators of ai.onnx.ml");
    return CKPT_OK;
}
