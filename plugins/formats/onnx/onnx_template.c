/* SPDX-License-Identifier: MIT
 *
 * From a template to a plan: names are matched, every tensor of the template
 * that changes becomes an edit, and what has no match is told.
 */
#include "onnx_template.h"

#include <inttypes.h>
#include <string.h>

#include "onnx_plan.h"
#include "onnx_proto.h"
#include "onnx_template_private.h"

int
onnx_template_blame(struct onnx_templating *t, int status, const char *name)
{
    if (status >= 0 || t->quiet.reason[0] == '\0')
        return status;
    return t->host->fail(t->host, status, name, t->quiet.byte,
                         "in the template: %s", t->quiet.reason);
}

/* ---- Names ---- */

/* Under a name an entry is looked for, and put into a place. */
static int
template_name(struct onnx_templating *t, const char *name, size_t name_bytes,
              const struct ckpt_entry **place)
{
    bool added;
    uint64_t *number =
        sdk_table_add(t->host, &t->names, name, name_bytes, &added);

    if (number == NULL)
        return CKPT_MEMORY;
    *number = (uint64_t)(uintptr_t)place;
    return CKPT_OK;
}

/* The name of a part of a sparse tensor, as the reader's graph has it. */
static int
template_part(struct onnx_templating *t, const struct onnx_item *item,
              const char *part, const struct ckpt_entry **place)
{
    size_t part_bytes = strlen(part);
    char *name = t->host->allocate(t->host, item->name_bytes + part_bytes + 1);
    int status;

    if (name == NULL)
        return CKPT_MEMORY;
    status = sdk_buffer_append(t->host, &t->parts, &name, sizeof name);
    if (status != CKPT_OK) {
        t->host->release(t->host, name);
        return status;
    }
    memcpy(name, item->name, item->name_bytes);
    memcpy(name + item->name_bytes, part, part_bytes);
    return template_name(t, name, item->name_bytes + part_bytes, place);
}

static int
template_names(struct onnx_templating *t)
{
    const struct onnx_item *item = t->found.items;
    struct onnx_given *given = t->given;
    size_t i;
    int status = CKPT_OK;

    for (i = 0; i < t->found.item_count && status == CKPT_OK; i++) {
        if (item[i].kind != ONNX_ITEM_SPARSE) {
            status = template_name(t, item[i].name, item[i].name_bytes,
                                   &given[i].entry);
            continue;
        }
        status = template_part(t, &item[i], ".values", &given[i].entry);
        if (status == CKPT_OK)
            status = template_part(t, &item[i], ".indices", &given[i].indices);
    }
    return status;
}

static int
template_read(struct onnx_templating *t)
{
    int status = onnx_walk(&t->quiet.table, t->source, &t->found);

    if (status == CKPT_OK)
        status = onnx_names(&t->quiet.table, &t->found);
    if (status != CKPT_OK)
        return onnx_template_blame(t, status, NULL);
    t->given = t->host->allocate(t->host,
                                 (t->found.item_count + 1) * sizeof *t->given);
    return t->given != NULL ? template_names(t) : CKPT_MEMORY;
}

/* How much of a name, up to a dot, would have to go for the template to have
 * it; 0: that does not help. */
static size_t
template_prefix(const struct onnx_templating *t, const struct ckpt_text *name)
{
    size_t i;

    for (i = 1; i < name->size_bytes; i++)
        if (name->data[i - 1] == '.' &&
            sdk_table_find(&t->names, name->data + i, name->size_bytes - i) !=
                NULL)
            return i;
    return 0;
}

static void
template_miss(const struct onnx_templating *t, const struct ckpt_entry *entry)
{
    size_t prefix = template_prefix(t, &entry->name);

    if (prefix > 0)
        t->host->plan_lose(t->host, t->plan, entry->name.data,
                           "the template has no tensor of this name, but '%s': "
                           "-t strip-prefix:%.*s takes off what is before it, "
                           "-t root:auto a map around it",
                           entry->name.data + prefix, (int)prefix,
                           entry->name.data);
    else
        t->host->plan_lose(t->host, t->plan, entry->name.data,
                           "the template has no tensor of this name");
}

/* Finds the item of each entry, and tells those that have none. */
static int
template_match(struct onnx_templating *t)
{
    const struct ckpt_graph *graph = t->graph;
    const struct ckpt_entry **place;
    const uint64_t *number;
    size_t i, count = 0;

    for (i = 0; i < graph->entry_count; i++) {
        number = sdk_table_find(&t->names, graph->entries[i].name.data,
                                graph->entries[i].name.size_bytes);
        if (number == NULL) {
            template_miss(t, &graph->entries[i]);
            continue;
        }
        place = (const struct ckpt_entry **)(uintptr_t)*number;
        *place = &graph->entries[i];
        count++;
    }
    if (count == 0 && graph->entry_count > 0)
        return t->host->fail(t->host, CKPT_UNSUPPORTED, NULL, CKPT_NOWHERE,
                             "the template has none of the tensors");
    return CKPT_OK;
}

/* ---- Edits ---- */

static int
template_item(struct onnx_templating *t, size_t index)
{
    const struct onnx_item *item = &t->found.items[index];
    const struct onnx_given *given = &t->given[index];

    switch (item->kind) {
    case ONNX_ITEM_TENSOR:
        return onnx_template_tensor(t, item, item->offset, item->size_bytes,
                                    item->depth, given->entry);
    case ONNX_ITEM_SPARSE:
        return onnx_template_sparse(t, item, given);
    default:
        return onnx_template_numbers(t, item, given->entry);
    }
}

static bool
template_keeps(const struct onnx_templating *t, size_t index)
{
    return t->given[index].entry == NULL ||
           (t->found.items[index].kind == ONNX_ITEM_SPARSE &&
            t->given[index].indices == NULL);
}

/* Tells what keeps its values: each initialiser, and how many constants. Those
 * that are no weights, such as shapes, always do. */
static void
template_kept(const struct onnx_templating *t)
{
    size_t i;

    for (i = 0; i < t->found.item_count; i++)
        if (t->found.items[i].initializer && template_keeps(t, i))
            t->host->plan_lose(t->host, t->plan, t->found.items[i].name,
                               "the template's tensor gets no new values");
    if (t->kept_count > 0)
        t->host->warn(t->host, t->kept, CKPT_NOWHERE,
                      "constants in the nodes of the template that get no new "
                      "values: %zu",
                      t->kept_count);
}

static int
template_edit(struct onnx_templating *t)
{
    size_t i;
    int status = CKPT_OK;

    for (i = 0; i < t->found.item_count && status == CKPT_OK; i++)
        status = template_item(t, i);
    if (status == CKPT_OK)
        status = t->splice.put.status;
    if (status == CKPT_OK)
        status = onnx_splice_finish(t->host, &t->splice);
    return status;
}

static int
template_fits(const struct onnx_templating *t)
{
    uint64_t size_bytes =
        t->host->source_size(t->host, t->source) + (uint64_t)t->splice.grown;

    if (size_bytes <= ONNX_MESSAGE_MAX)
        return CKPT_OK;
    return t->host->fail(t->host, CKPT_UNSUPPORTED, NULL, CKPT_NOWHERE,
                         "a model of %" PRIu64 " bytes, where readers take at "
                         "most %" PRIu64,
                         size_bytes, ONNX_MESSAGE_MAX);
}

static int
template_plan(struct onnx_templating *t)
{
    int status = template_fits(t);

    if (status == CKPT_OK && t->outside != NULL)
        status = onnx_data_plan(t->host, &t->data, t->outside, t->plan);
    if (status == CKPT_OK)
        status = onnx_splice_plan(t->host, &t->splice, t->plan);
    return status;
}

static void
template_parts_fini(struct onnx_templating *t)
{
    void **names = (void **)(void *)t->parts.data;
    size_t i;

    for (i = 0; i < t->parts.size_bytes / sizeof *names; i++)
        t->host->release(t->host, names[i]);
    sdk_buffer_fini(t->host, &t->parts);
}

int
onnx_template_plan(const struct ckpt_host *host,
                   const struct ckpt_source *source, const char *external,
                   const struct ckpt_graph *graph, struct ckpt_plan *plan)
{
    struct onnx_templating t = {.host = host,
                                .source = source,
                                .graph = graph,
                                .plan = plan,
                                .external = external};
    int status;

    sdk_quiet_host_init(&t.quiet, host);
    onnx_wire_open(&t.quiet.table, source, &onnx_model_message, &t.wire);
    onnx_splice_init(host, source, &t.splice);
    status = template_read(&t);
    if (status == CKPT_OK)
        status = template_match(&t);
    if (status == CKPT_OK)
        status = template_edit(&t);
    if (status == CKPT_OK)
        status = template_plan(&t);
    if (status == CKPT_OK)
        template_kept(&t);
    onnx_splice_fini(host, &t.splice);
    onnx_data_fini(host, &t.data);
    sdk_buffer_fini(host, &t.outside_text);
    sdk_table_fini(host, &t.names);
    template_parts_fini(&t);
    host->release(host, t.given);
    onnx_found_fini(host, &t.found);
    return status;
}
