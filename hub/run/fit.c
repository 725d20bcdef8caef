/* SPDX-License-Identifier: MIT
 *
 * Fitting a graph to a writer. A writer that holds trees gets the graph as it
 * is; all others get one map of unique names, and the side record says what
 * that map cannot.
 */
#include "hub/run/fit.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "buffer.h"
#include "hub/graph/cover.h"
#include "hub/run/fit_flat.h"

static bool
fit_holds(const struct hub_fit *fit, uint64_t what)
{
    return (fit->holds & what) != 0;
}

static int
fit_init(struct hub_fit *fit, struct hub_host *host,
         const struct ckpt_graph *graph, const struct ckpt_writer *writer,
         void *self)
{
    memset(fit, 0, sizeof *fit);
    fit->report = host->report;
    fit->host = host;
    fit->graph = graph;
    fit->writer = writer;
    fit->self = self;
    fit->holds = writer->limits.holds;
    if (writer->holds != NULL)
        fit->holds &= writer->holds(&host->table, self);
    hub_graph_init(&fit->fitted, host->budget);
    /* The fitted tensors lie on the storages of the graph that was read. */
    fit->fitted.public.storage_count = graph->storage_count;
    return CKPT_OK;
}

void
hub_fit_fini(struct hub_fit *fit)
{
    if (fit->report != NULL)
        hub_graph_fini(&fit->fitted);
    fit->report = NULL;
}

/* The type that holds all numbers of another, for those that not all writers
 * have. */
static uint32_t
wider_of(uint32_t dtype)
{
    static const uint32_t wider[][2] = {
        {CKPT_INT4, CKPT_INT8},
        {CKPT_INT2, CKPT_INT8},
        {CKPT_UINT4, CKPT_UINT8},
        {CKPT_UINT2, CKPT_UINT8},
        {CKPT_FLOAT4_E2M1, CKPT_FLOAT32},
        {CKPT_UINT16, CKPT_INT32},
        {CKPT_UINT32, CKPT_INT64},
        {CKPT_BFLOAT16, CKPT_FLOAT32},
        {CKPT_FLOAT8_E4M3FN, CKPT_FLOAT32},
        {CKPT_FLOAT8_E5M2, CKPT_FLOAT32},
        {CKPT_FLOAT8_E4M3FNUZ, CKPT_FLOAT32},
        {CKPT_FLOAT8_E5M2FNUZ, CKPT_FLOAT32},
        {CKPT_FLOAT8_E8M0FNU, CKPT_FLOAT32},
        {CKPT_COMPLEX32, CKPT_COMPLEX64},
    };
    size_t i;

    for (i = 0; i < sizeof wider / sizeof *wider; i++)
        if (wider[i][0] == dtype)
            return wider[i][1];
    return CKPT_DTYPE_NONE;
}

static int
fit_refuse_dtype(const struct hub_fit *fit, const struct ckpt_entry *entry)
{
    uint32_t dtype = entry->value->as.tensor->dtype, wider = wider_of(dtype);
    size_t i, count = 0;

    for (i = 0; i < fit->graph->entry_count; i++)
        count += fit->graph->entries[i].value->as.tensor->dtype == dtype;
    if (wider != CKPT_DTYPE_NONE &&
        (fit->writer->limits.dtypes & CKPT_DTYPE_BIT(wider)) != 0)
        hub_remedy(fit->report, "%s is wider: -t cast:%s,only=%s",
                   ckpt_dtype_name(wider), ckpt_dtype_name(wider),
                   count > 1 ? "PATTERN" : entry->name.data);
    return hub_fail(fit->report, CKPT_UNSUPPORTED, entry->name.data,
                    CKPT_NOWHERE, "%s has no %s", fit->writer->id,
                    ckpt_dtype_name(dtype));
}

/* A tree is handed on as it is; only its tensors are looked at. */
static int
fit_tree(struct hub_fit *fit)
{
    const struct ckpt_limits *limits = &fit->writer->limits;
    const struct ckpt_tensor *tensor;
    bool absent;
    size_t i;

    for (i = 0; i < fit->graph->entry_count; i++) {
        tensor = fit->graph->entries[i].value->as.tensor;
        absent = tensor->storage->place == CKPT_PLACE_ABSENT;
        if ((absent && !fit_holds(fit, CKPT_HOLDS_ABSENT)) ||
            (tensor->flips != 0 && !fit_holds(fit, CKPT_HOLDS_FLIPS)))
            return hub_fail(fit->report, CKPT_UNSUPPORTED,
                            fit->graph->entries[i].name.data, CKPT_NOWHERE,
                            "%s has no %s", fit->writer->id,
                            absent ? "tensors without bytes"
                                   : "conjugate and negative views");
        /* Of a class of its own it is not a tensor of that type to all. */
        if (tensor->type_name == NULL &&
            (limits->dtypes & CKPT_DTYPE_BIT(tensor->dtype)) == 0)
            return fit_refuse_dtype(fit, &fit->graph->entries[i]);
        if (limits->rank_max != 0 && tensor->rank > limits->rank_max)
            return hub_fail(fit->report, CKPT_UNSUPPORTED,
                            fit->graph->entries[i].name.data, CKPT_NOWHERE,
                            "%s holds at most %u dimensions, not %u",
                            fit->writer->id, limits->rank_max, tensor->rank);
    }
    fit->fitted.public = *fit->graph;
    fit->fitted.public.attrs = NULL;
    return CKPT_OK;
}

bool
hub_fit_keeps(const struct hub_fit *fit, const struct ckpt_attr *attr)
{
    if (fit->writer->keeps != NULL)
        return fit->writer->keeps(&fit->host->table, fit->self, fit->graph,
                                  SIZE_MAX, attr);
    return fit_holds(fit, CKPT_HOLDS_STRINGS) &&
           attr->value->kind == CKPT_KIND_STRING;
}

/* The graph's attributes: those that the writer keeps go as they are, others
 * into the record. */
static int
fit_attr(struct hub_fit *fit, const struct ckpt_attr *attr)
{
    if (strcmp(attr->name, HUB_RECORD_NAME) == 0) {
        hub_note(fit->report, CKPT_MESSAGE_LOSS, NULL, CKPT_NOWHERE,
                 "a side record that does not fit its file is left out");
        return CKPT_OK;
    }
    if (hub_fit_keeps(fit, attr))
        return hub_attr_set(&fit->fitted, NULL, attr->name, attr->value);
    if (!fit_holds(fit, CKPT_HOLDS_STRINGS)) {
        hub_note(fit->report, CKPT_MESSAGE_LOSS, NULL, CKPT_NOWHERE,
                 "the attribute '%s' has no place in %s", attr->name,
                 fit->writer->id);
        return CKPT_OK;
    }
    fit->record = true;
    return CKPT_OK;
}

static int
fit_attrs(struct hub_fit *fit)
{
    const struct ckpt_attr *attr = fit->graph->attrs;
    int status = CKPT_OK;

    for (; attr != NULL && status == CKPT_OK; attr = attr->next)
        status = fit_attr(fit, attr);
    return status;
}

static int
fit_record(struct hub_fit *fit)
{
    struct sdk_buffer buffer = {0};
    struct ckpt_value *value;
    int status;

    if (!fit->record)
        return CKPT_OK;
    if (!fit_holds(fit, CKPT_HOLDS_STRINGS))
        return hub_fit_losses(fit);
    hub_note(fit->report, CKPT_MESSAGE_STEP, NULL, CKPT_NOWHERE,
             "what %s has no place for goes into the record '%s'",
             fit->writer->id, HUB_RECORD_NAME);
    status = hub_record_write(fit, &buffer);
    if (status == CKPT_OK)
        status = hub_string_new(&fit->fitted, (const char *)buffer.data,
                                buffer.size_bytes, &value);
    if (status == CKPT_OK)
        status = hub_attr_set(&fit->fitted, NULL, HUB_RECORD_NAME, value);
    sdk_buffer_fini(&fit->host->table, &buffer);
    if (status == CKPT_OK && !fit_holds(fit, CKPT_HOLDS_GRAD))
        status = hub_fit_frozen(fit);
    return status;
}

int
hub_fit(struct hub_fit *fit, struct hub_host *host,
        const struct ckpt_graph *graph, const struct ckpt_writer *writer,
        void *self)
{
    int status = fit_init(fit, host, graph, writer, self);

    if (status == CKPT_OK)
        status =
            fit_holds(fit, CKPT_HOLDS_TREE) ? fit_tree(fit) : hub_fit_flat(fit);
    if (status == CKPT_OK)
        status = fit_attrs(fit);
    if (status == CKPT_OK && !fit_holds(fit, CKPT_HOLDS_TREE))
        status = hub_fit_order(fit);
    if (status == CKPT_OK)
        status = fit_record(fit);
    return status;
}
