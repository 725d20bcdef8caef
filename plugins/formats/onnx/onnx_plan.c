/* SPDX-License-Identifier: MIT
 *
 * The weights-only model. Its fields, in the order of their numbers:
 *
 *     1 ir_version    the lowest that has the element types
 *     2 producer_name
 *     7 graph         2 name, 5 initializer of each tensor, 12 output of each
 *     8 opset_import  the version that goes with ir_version
 *     14 metadata_props  of each attribute
 *
 * A runtime drops an initialiser that is no output. It takes no complex
 * output, so those are left out if others are there.
 *
 * All but the payload is written to one buffer; the plan cuts it where a
 * tensor's bytes stand.
 */
#include "onnx_plan.h"

#include <inttypes.h>
#include <string.h>

#include "checked.h"
#include "onnx_external_plan.h"
#include "onnx_proto.h"
#include "onnx_put.h"
#include "onnx_types.h"
#include "utf8.h"

/* A tensor's bytes stand in the model, before this byte of the rest. */
struct plan_cut {
    const struct ckpt_entry *entry;
    size_t at;
};

struct planner {
    const struct ckpt_host *host;
    const struct ckpt_graph *graph;
    struct ckpt_plan *plan;
    const char *external; /* NULL: all is in the model */
    struct onnx_put put;
    struct onnx_data data;
    struct plan_cut *cuts;
    size_t cut_count;
    uint64_t cut_bytes; /* of the tensors that stand in the model */
    uint32_t ir_version, opset;
    bool all_complex;
};

static bool
plan_is_complex(const struct ckpt_tensor *tensor)
{
    return tensor->dtype == CKPT_COMPLEX64 || tensor->dtype == CKPT_COMPLEX128;
}

static int
plan_refuse(const struct planner *p, const struct ckpt_entry *entry,
            const char *why)
{
    return p->host->fail(p->host, CKPT_UNSUPPORTED, entry->name.data,
                         CKPT_NOWHERE, "%s", why);
}

/* Checks one tensor against what the limits of the writer cannot say. */
static int
plan_check(struct planner *p, const struct ckpt_entry *entry)
{
    const struct ckpt_tensor *tensor = entry->value->as.tensor;
    const struct onnx_type *type = onnx_type_of_dtype(tensor->dtype);
    uint64_t last;

    if (entry->name.size_bytes == 0)
        return plan_refuse(p, entry, "onnx has no tensors without a name");
    if (!sdk_utf8_valid(entry->name.data, entry->name.size_bytes))
        return plan_refuse(p, entry, "a name that is not utf-8");
    if (type == NULL)
        return plan_refuse(p, entry, "a dtype that cannot be held");
    if (tensor->dtype == CKPT_FLOAT4_E2M1FN_X2) {
        if (tensor->rank == 0)
            return plan_refuse(p, entry,
                               "packed float4 needs a dimension to count in");
        if (!sdk_mul_u64(tensor->shape[tensor->rank - 1], 2, &last) ||
            last > INT64_MAX)
            return plan_refuse(p, entry, "a dimension that overflows");
    }
    if (type->ir_version > p->ir_version) {
        p->ir_version = type->ir_version;
        p->opset = type->opset;
    }
    if (!plan_is_complex(tensor))
        p->all_complex = false;
    return CKPT_OK;
}

static int
plan_check_all(struct planner *p)
{
    size_t i;
    int status = CKPT_OK;

    p->ir_version = ONNX_IR_VERSION;
    p->opset = ONNX_OPSET;
    p->all_complex = true;
    for (i = 0; i < p->graph->entry_count && status == CKPT_OK; i++)
        status = plan_check(p, &p->graph->entries[i]);
    return status;
}

/* The bytes of the tensor, in the model or beside it. */
static int
plan_payload(struct planner *p, const struct ckpt_entry *entry)
{
    const struct ckpt_tensor *tensor = entry->value->as.tensor;
    const struct onnx_piece piece = {.tensor = tensor,
                                     .size_bytes = tensor->size_bytes,
                                     .name = entry->name.data};
    uint64_t offset = 0;
    int status;

    if (tensor->size_bytes == 0)
        return CKPT_OK;
    if (p->external != NULL) {
        status = onnx_data_place(p->host, &p->data, &piece, &offset);
        if (status == CKPT_OK)
            onnx_put_place(&p->put, p->external, offset, tensor->size_bytes);
        return status;
    }
    onnx_put_head(&p->put, 9, tensor->size_bytes);
    p->cuts[p->cut_count].entry = entry;
    p->cuts[p->cut_count++].at = p->put.buffer.size_bytes;
    return sdk_add_u64(p->cut_bytes, tensor->size_bytes, &p->cut_bytes)
               ? CKPT_OK
               : plan_refuse(p, entry, "the data overflow 64 bits");
}

static int
plan_initializer(struct planner *p, const struct ckpt_entry *entry)
{
    const struct ckpt_tensor *tensor = entry->value->as.tensor;
    size_t cuts = p->cut_count, place = onnx_put_open(&p->put, 5), moved;
    uint32_t d;
    int status;

    for (d = 0; d < tensor->rank; d++)
        onnx_put_number(&p->put, 1, onnx_dim(tensor, d));
    onnx_put_number(&p->put, 2, onnx_type_of_dtype(tensor->dtype)->code);
    onnx_put_text(&p->put, 8, entry->name.data, entry->name.size_bytes);
    status = plan_payload(p, entry);
    moved = onnx_put_close(&p->put, place,
                           p->cut_count > cuts ? tensor->size_bytes : 0);
    if (p->cut_count > cuts)
        p->cuts[cuts].at += moved;
    return status;
}

static void
plan_output(struct planner *p, const struct ckpt_entry *entry)
{
    const struct ckpt_tensor *tensor = entry->value->as.tensor;
    struct onnx_put *put = &p->put;
    size_t info = onnx_put_open(put, 12), type, dense, shape, dim;
    uint32_t d;

    onnx_put_text(put, 1, entry->name.data, entry->name.size_bytes);
    type = onnx_put_open(put, 2);
    dense = onnx_put_open(put, 1);
    onnx_put_number(put, 1, onnx_type_of_dtype(tensor->dtype)->code);
    shape = onnx_put_open(put, 2);
    for (d = 0; d < tensor->rank; d++) {
        dim = onnx_put_open(put, 1);
        onnx_put_number(put, 1, onnx_dim(tensor, d));
        onnx_put_close(put, dim, 0);
    }
    onnx_put_close(put, shape, 0);
    onnx_put_close(put, dense, 0);
    onnx_put_close(put, type, 0);
    onnx_put_close(put, info, 0);
}

static int
plan_graph(struct planner *p)
{
    size_t place = onnx_put_open(&p->put, 7), moved, i;
    const struct ckpt_entry *entries = p->graph->entries;
    int status = CKPT_OK;

    onnx_put_text(&p->put, 2, "weights", strlen("weights"));
    for (i = 0; i < p->graph->entry_count && status == CKPT_OK; i++)
        status = plan_initializer(p, &entries[i]);
    for (i = 0; i < p->graph->entry_count && status == CKPT_OK; i++)
        if (p->all_complex || !plan_is_complex(entries[i].value->as.tensor))
            plan_output(p, &entries[i]);
    moved = onnx_put_close(&p->put, place, p->cut_bytes);
    for (i = 0; i < p->cut_count; i++)
        p->cuts[i].at += moved;
    return status;
}

static void
plan_attrs(struct planner *p)
{
    const struct ckpt_attr *attr = p->graph->attrs;

    for (; attr != NULL; attr = attr->next)
        if (attr->value->kind == CKPT_KIND_STRING)
            onnx_put_pair(&p->put, 14, attr->name, attr->value->as.text.data,
                          attr->value->as.text.size_bytes);
}

static int
plan_model(struct planner *p)
{
    size_t opset;
    int status;

    p->put.buffer.size_bytes = 0;
    p->cut_count = 0;
    p->cut_bytes = 0;
    onnx_put_number(&p->put, 1, p->ir_version);
    onnx_put_text(&p->put, 2, ONNX_PRODUCER, strlen(ONNX_PRODUCER));
    status = plan_graph(p);
    opset = onnx_put_open(&p->put, 8);
    onnx_put_number(&p->put, 2, p->opset);
    onnx_put_close(&p->put, opset, 0);
    plan_attrs(p);
    return status == CKPT_OK ? p->put.status : status;
}

static uint64_t
plan_model_bytes(const struct planner *p)
{
    uint64_t total = p->put.buffer.size_bytes;

    return sdk_add_u64(total, p->cut_bytes, &total) ? total : UINT64_MAX;
}

static int
plan_bytes(struct planner *p, size_t from, size_t to)
{
    const struct ckpt_segment segment = {
        .kind = CKPT_SEGMENT_BYTES,
        .data = p->put.buffer.data + from,
        .size_bytes = to - from,
    };

    return p->host->plan_add(p->host, p->plan, &segment, sizeof segment, NULL);
}

static int
plan_segments(struct planner *p)
{
    struct ckpt_segment segment = {.kind = CKPT_SEGMENT_TENSOR};
    size_t i, from = 0;
    int status = CKPT_OK;

    for (i = 0; i < p->cut_count && status == CKPT_OK; i++) {
        status = plan_bytes(p, from, p->cuts[i].at);
        from = p->cuts[i].at;
        segment.tensor = p->cuts[i].entry->value->as.tensor;
        segment.name = p->cuts[i].entry->name.data;
        if (status == CKPT_OK)
            status = p->host->plan_add(p->host, p->plan, &segment,
                                       sizeof segment, NULL);
    }
    return status == CKPT_OK ? plan_bytes(p, from, p->put.buffer.size_bytes)
                             : status;
}

/* Writes the model, and again with the tensors beside it if it is too
 * large. */
static int
plan_fit(struct planner *p, struct sdk_buffer *name)
{
    int status = plan_model(p);

    if (status == CKPT_OK && p->external == NULL &&
        plan_model_bytes(p) > ONNX_MESSAGE_MAX) {
        status = onnx_data_name(p->host, p->plan, name);
        if (status != CKPT_OK)
            return status;
        p->external = (const char *)name->data;
        p->host->warn(p->host, NULL, CKPT_NOWHERE,
                      "a model of %" PRIu64 " bytes, where readers take at "
                      "most %" PRIu64 ": its tensors go to %s",
                      plan_model_bytes(p), ONNX_MESSAGE_MAX, p->external);
        status = plan_model(p);
    }
    if (status == CKPT_OK && plan_model_bytes(p) > ONNX_MESSAGE_MAX)
        return p->host->fail(p->host, CKPT_UNSUPPORTED, NULL, CKPT_NOWHERE,
                             "the names and shapes alone are more than readers "
                             "of onnx take");
    return status;
}

/* A model that was read had a graph, of which nothing is here. */
static void
plan_warn(const struct planner *p)
{
    const struct ckpt_attr *attr = p->graph->attrs;

    for (; attr != NULL; attr = attr->next)
        if (strcmp(attr->name, "onnx.graph_name") == 0)
            p->host->warn(p->host, NULL, CKPT_NOWHERE,
                          "weights alone are written; --template MODEL keeps "
                          "the graph of a model");
}

int
onnx_plan(const struct ckpt_host *host, const char *external,
          const struct ckpt_graph *graph, struct ckpt_plan *plan)
{
    struct planner p = {.host = host,
                        .graph = graph,
                        .plan = plan,
                        .external = external,
                        .put.host = host};
    struct sdk_buffer name = {0};
    int status = CKPT_MEMORY;

    p.cuts = host->allocate(host, (graph->entry_count + 1) * sizeof *p.cuts);
    if (p.cuts != NULL)
        status = plan_check_all(&p);
    if (status == CKPT_OK)
        status = plan_fit(&p, &name);
    if (status == CKPT_OK && p.external != NULL)
        status = onnx_data_plan(host, &p.data, p.external, plan);
    if (status == CKPT_OK)
        status = plan_segments(&p);
    if (status == CKPT_OK)
        plan_warn(&p);
    onnx_data_fini(host, &p.data);
    sdk_buffer_fini(host, &p.put.buffer);
    sdk_buffer_fini(host, &name);
    host->release(host, p.cuts);
    return status;
}
