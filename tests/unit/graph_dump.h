/* SPDX-License-Identifier: MIT
 *
 * A graph as text, so that two graphs can be compared: every value once, by
 * the order in which it is first met; every tensor with its view, its tie and
 * its bytes.
 */
#ifndef GRAPH_DUMP_H
#define GRAPH_DUMP_H

#include <inttypes.h>

#include "graph_unit.h"

#include "hub/graph/walk.h"
#include "hub/io/stream.h"

struct dump {
    struct hub_spool *spool; /* lives as long as the graph */
    FILE *out;
    uint64_t *seen;     /* of each value id: 1 + number */
    uint64_t *storages; /* of each storage id: 1 + number */
    uint64_t *begin;    /* of each storage id: first byte that is shown */
    uint64_t seen_count, storage_count;
};

static void dump_value(struct dump *dump, const struct ckpt_value *value);

/* FNV-1a over the contiguous bytes. */
static inline uint64_t
dump_digest(struct dump *dump, const struct ckpt_tensor *tensor)
{
    unsigned char buffer[4096];
    struct hub_stream stream;
    uint64_t hash = 14695981039346656037u;
    size_t i, filled;
    int status = hub_stream_tensor(&stream, dump->spool, tensor);

    assert_status(status, CKPT_OK);
    while ((status = hub_stream_fill(&stream, buffer, sizeof buffer,
                                     &filled)) == CKPT_OK)
        for (i = 0; i < filled; i++)
            hash = (hash ^ buffer[i]) * 1099511628211u;
    if (status != CKPT_END)
        fail_msg("a tensor cannot be read: %s",
                 dump->spool->budget->report->text);
    hub_stream_fini(&stream);
    return hash;
}

/* A storage may be cut to what its tensors show, so offsets count from the
 * first byte that one of them does. */
static inline void
dump_tensor(struct dump *dump, const struct ckpt_tensor *tensor)
{
    uint64_t id = tensor->storage->id, offset = 0;
    uint32_t i, width = ckpt_dtype_width_bits(tensor->dtype);

    if (dump->storages[id] == 0)
        dump->storages[id] = ++dump->storage_count;
    if (tensor->element_count > 0)
        offset = tensor->offset - dump->begin[id] * 8 / width;
    fprintf(dump->out, "tensor %s [", ckpt_dtype_name(tensor->dtype));
    for (i = 0; i < tensor->rank; i++)
        fprintf(dump->out, " %" PRIu64, tensor->shape[i]);
    fprintf(dump->out, " ] strides [");
    for (i = 0; i < tensor->rank; i++)
        fprintf(dump->out, " %" PRIu64, tensor->strides[i]);
    fprintf(dump->out, " ] + %" PRIu64 " of %" PRIu64 " on %s role %u%s",
            offset, dump->storages[id], tensor->storage->device, tensor->role,
            tensor->requires_grad ? " grad" : "");
    fprintf(dump->out, " = %016" PRIx64, dump_digest(dump, tensor));
}

static inline void
dump_text(struct dump *dump, const struct ckpt_text *text)
{
    size_t i;

    for (i = 0; i < text->size_bytes; i++)
        fprintf(dump->out, "%02x", (unsigned char)text->data[i]);
}

static inline void
dump_scalar(struct dump *dump, const struct ckpt_value *value)
{
    switch (value->kind) {
    case CKPT_KIND_BOOL:
        fprintf(dump->out, "%d", value->as.truth);
        return;
    case CKPT_KIND_FLOAT:
        fprintf(dump->out, "%a", value->as.real);
        return;
    case CKPT_KIND_COMPLEX:
        fprintf(dump->out, "%a %a", value->as.parts.re, value->as.parts.im);
        return;
    case CKPT_KIND_DTYPE:
        fprintf(dump->out, "%s", ckpt_dtype_name(value->as.dtype));
        return;
    case CKPT_KIND_INT:
        if (!value->wide) {
            fprintf(dump->out, "%" PRId64, value->as.integer);
            return;
        }
        /* fall through */
    case CKPT_KIND_STRING:
    case CKPT_KIND_BYTES:
    case CKPT_KIND_DEVICE:
        dump_text(dump, &value->as.text);
        return;
    }
}

static inline void
dump_children(struct dump *dump, const struct ckpt_value *value)
{
    struct hub_children children;
    struct hub_child child;

    fputs(" {", dump->out);
    hub_children_init(&children, value);
    while (hub_children_next(&children, &child)) {
        if (child.key != NULL)
            dump_value(dump, child.key);
        fprintf(dump->out, " %s: ", child.label != NULL ? child.label : "");
        dump_value(dump, child.value);
    }
    fputs(" }", dump->out);
}

static void
dump_value(struct dump *dump, const struct ckpt_value *value)
{
    const struct ckpt_object *object = value->as.object;

    fprintf(dump->out, "\n%u ", value->kind);
    if (value->kind < CKPT_KIND_SIZE) {
        dump_scalar(dump, value);
    } else if (dump->seen[value->id] != 0) {
        fprintf(dump->out, "again %" PRIu64, dump->seen[value->id]);
        return;
    } else {
        dump->seen[value->id] = ++dump->seen_count;
        fprintf(dump->out, "%s ", value->type_name ? value->type_name : "");
        if (value->kind == CKPT_KIND_TENSOR)
            dump_tensor(dump, value->as.tensor);
        if (value->kind == CKPT_KIND_OBJECT)
            fprintf(dump->out, "made %u %s %s", object->made,
                    object->module ? object->module : "",
                    object->name ? object->name : "");
    }
    dump_children(dump, value);
}

static inline void
dump_begins(struct dump *dump, const struct ckpt_graph *graph)
{
    const struct ckpt_tensor *tensor;
    uint64_t begin;
    size_t i;

    for (i = 0; i < graph->storage_count; i++)
        dump->begin[i] = UINT64_MAX;
    for (i = 0; i < graph->entry_count; i++) {
        tensor = graph->entries[i].value->as.tensor;
        begin = tensor->offset * ckpt_dtype_width_bits(tensor->dtype) / 8;
        if (tensor->element_count > 0 &&
            begin < dump->begin[tensor->storage->id])
            dump->begin[tensor->storage->id] = begin;
    }
}

/* The caller frees the text. */
static inline char *
dump_graph(struct hub_spool *spool, const struct ckpt_graph *graph)
{
    struct dump dump = {.spool = spool};
    const struct ckpt_attr *attr;
    char *text;
    size_t i, size;

    dump.out = open_memstream(&text, &size);
    dump.seen = calloc(graph->value_count + 1, sizeof *dump.seen);
    dump.storages = calloc(graph->storage_count + 1, sizeof *dump.storages);
    dump.begin = calloc(graph->storage_count + 1, sizeof *dump.begin);
    dump_begins(&dump, graph);
    dump_value(&dump, graph->root);
    for (attr = graph->attrs; attr != NULL; attr = attr->next) {
        fprintf(dump.out, "\nattribute %s", attr->name);
        dump_value(&dump, attr->value);
    }
    for (i = 0; i < graph->entry_count; i++) {
        fputs("\nname ", dump.out);
        dump_text(&dump, &graph->entries[i].name);
    }
    fclose(dump.out);
    free(dump.seen);
    free(dump.storages);
    free(dump.begin);
    return text;
}

#endif
