/* SPDX-License-Identifier: MIT
 *
 * The writer's layout. In a file, tensors are sorted by type, the widest
 * first, then by name; so each is aligned to its type without padding. Over
 * shards they are dealt out in the order of the graph.
 *
 * Metadata go into the index where there is one, so that each shard alone is
 * an ordinary file. Two pairs are repeated in the shards instead: `format`,
 * which readers ask of every file, and `total_size`, which in an index means
 * something else.
 */
#include "safetensors_plan.h"

#include <stdlib.h>
#include <string.h>

#include "checked.h"
#include "endian.h"
#include "json.h"
#include "safetensors_parse.h"
#include "safetensors_shards.h"
#include "safetensors_types.h"
#include "shard_index.h"
#include "utf8.h"

struct plan_item {
    const struct ckpt_entry *entry;
    uint32_t shard;
    uint32_t type; /* in safetensors_types */
};

struct planner {
    const struct ckpt_host *host;
    const struct ckpt_graph *graph;
    struct ckpt_plan *plan;
    struct plan_item *items;        /* as they will lie in the files */
    const struct ckpt_attr **attrs; /* strings, by name */
    size_t attr_count;
    uint32_t shard_count;
    struct ckpt_text stem; /* the output's name without suffix */
    struct sdk_buffer name, text;
};

static int
plan_deal(struct planner *p, uint64_t shard_bytes)
{
    size_t count = p->graph->entry_count, i;
    struct sdk_shard_item *items =
        p->host->allocate(p->host, (count + 1) * sizeof *items);
    int status;

    if (items == NULL)
        return CKPT_MEMORY;
    for (i = 0; i < count; i++)
        items[i].size_bytes = p->items[i].entry->value->as.tensor->size_bytes;
    status =
        sdk_shard_deal(p->host, items, count, shard_bytes, &p->shard_count);
    for (i = 0; status == CKPT_OK && i < count; i++)
        p->items[i].shard = items[i].shard;
    p->host->release(p->host, items);
    return status;
}

static int
plan_compare_text(const struct ckpt_text *a, const struct ckpt_text *b)
{
    size_t least =
        a->size_bytes < b->size_bytes ? a->size_bytes : b->size_bytes;
    int order = least > 0 ? memcmp(a->data, b->data, least) : 0;

    if (order != 0)
        return order;
    return (a->size_bytes > b->size_bytes) - (a->size_bytes < b->size_bytes);
}

static int
plan_compare(const void *left, const void *right)
{
    const struct plan_item *a = left, *b = right;

    if (a->shard != b->shard)
        return a->shard < b->shard ? -1 : 1;
    if (a->type != b->type)
        return a->type > b->type ? -1 : 1;
    return plan_compare_text(&a->entry->name, &b->entry->name);
}

/* Checks one tensor against what the limits of the writer cannot say. */
static int
plan_check(const struct planner *p, const struct plan_item *item)
{
    const struct ckpt_text *name = &item->entry->name;
    const struct ckpt_tensor *tensor = item->entry->value->as.tensor;

    if (name->size_bytes == strlen("__metadata__") &&
        memcmp(name->data, "__metadata__", name->size_bytes) == 0)
        return p->host->fail(p->host, CKPT_UNSUPPORTED, name->data,
                             CKPT_NOWHERE,
                             "the format keeps this name for itself");
    if (!sdk_utf8_valid(name->data, name->size_bytes))
        return p->host->fail(p->host, CKPT_UNSUPPORTED, name->data,
                             CKPT_NOWHERE, "a name that is not utf-8");
    if (item->type == SAFETENSORS_TYPE_COUNT)
        return p->host->fail(p->host, CKPT_UNSUPPORTED, name->data,
                             CKPT_NOWHERE, "a dtype that cannot be held");
    if (tensor->dtype == CKPT_FLOAT4_E2M1FN_X2 && tensor->rank == 0)
        return p->host->fail(p->host, CKPT_UNSUPPORTED, name->data,
                             CKPT_NOWHERE,
                             "packed float4 needs a dimension to count in");
    if (tensor->element_count * ckpt_dtype_width_bits(tensor->dtype) % 8 != 0)
        return p->host->fail(p->host, CKPT_UNSUPPORTED, name->data,
                             CKPT_NOWHERE,
                             "a shape that does not fill whole bytes");
    return CKPT_OK;
}

/* Fills p->items and p->shard_count. */
static int
plan_layout(struct planner *p, uint64_t shard_bytes)
{
    size_t count = p->graph->entry_count, i;
    int status;

    p->items = p->host->allocate(p->host, (count + 1) * sizeof *p->items);
    if (p->items == NULL)
        return CKPT_MEMORY;
    for (i = 0; i < count; i++) {
        p->items[i].entry = &p->graph->entries[i];
        p->items[i].type =
            safetensors_type_of(p->items[i].entry->value->as.tensor->dtype);
        status = plan_check(p, &p->items[i]);
        if (status != CKPT_OK)
            return status;
    }
    status = plan_deal(p, shard_bytes);
    if (status == CKPT_OK)
        qsort(p->items, count, sizeof *p->items, plan_compare);
    return status;
}

int
safetensors_arrange(const struct ckpt_host *host, uint64_t shard_bytes,
                    const struct ckpt_graph *graph, uint32_t *order)
{
    struct planner p = {.host = host, .graph = graph};
    int status = plan_layout(&p, shard_bytes);
    size_t i;

    for (i = 0; status == CKPT_OK && i < graph->entry_count; i++)
        order[i] = (uint32_t)(p.items[i].entry - graph->entries);
    host->release(host, p.items);
    return status;
}

static int
plan_compare_attrs(const void *left, const void *right)
{
    const struct ckpt_attr *const *a = left, *const *b = right;

    return strcmp((*a)->name, (*b)->name);
}

/* Gathers the string attributes of the graph, by name. */
static int
plan_attrs(struct planner *p)
{
    const struct ckpt_attr *attr;
    size_t count = 0;

    for (attr = p->graph->attrs; attr != NULL; attr = attr->next)
        count++;
    p->attrs = p->host->allocate(p->host, (count + 1) * sizeof *p->attrs);
    if (p->attrs == NULL)
        return CKPT_MEMORY;
    for (attr = p->graph->attrs; attr != NULL; attr = attr->next)
        if (attr->value->kind == CKPT_KIND_STRING)
            p->attrs[p->attr_count++] = attr;
    qsort(p->attrs, p->attr_count, sizeof *p->attrs, plan_compare_attrs);
    return CKPT_OK;
}

static int
plan_raw(struct planner *p, const char *text)
{
    return sdk_json_write_raw(p->host, &p->text, text);
}

static int
plan_string(struct planner *p, const struct ckpt_text *text)
{
    return sdk_json_write_string(p->host, &p->text, text->data,
                                 text->size_bytes);
}

static int
plan_number(struct planner *p, uint64_t number)
{
    return sdk_json_write_u64(p->host, &p->text, number);
}

/* Whether an attribute of a sharded output is in its index, not in each
 * shard. */
static bool
plan_is_indexed(const struct ckpt_attr *attr)
{
    return strcmp(attr->name, "format") != 0 &&
           strcmp(attr->name, "total_size") != 0;
}

static int
plan_attr(struct planner *p, const struct ckpt_attr *attr)
{
    const struct ckpt_text name = {attr->name, strlen(attr->name)};
    int status = plan_string(p, &name);

    if (status == CKPT_OK)
        status = plan_raw(p, ":");
    if (status == CKPT_OK)
        status = plan_string(p, &attr->value->as.text);
    return status;
}

/* Writes "__metadata__" as far as the file has any. */
static int
plan_metadata(struct planner *p)
{
    size_t i, written = 0;
    int status = CKPT_OK;

    for (i = 0; i < p->attr_count && status == CKPT_OK; i++) {
        if (p->shard_count > 1 && plan_is_indexed(p->attrs[i]))
            continue;
        status = plan_raw(p, written++ > 0 ? "," : "\"__metadata__\":{");
        if (status == CKPT_OK)
            status = plan_attr(p, p->attrs[i]);
    }
    return status == CKPT_OK && written > 0 ? plan_raw(p, "},") : status;
}

static int
plan_shape(struct planner *p, const struct ckpt_tensor *tensor)
{
    uint64_t dim;
    uint32_t i;
    int status = CKPT_OK;

    for (i = 0; i < tensor->rank && status == CKPT_OK; i++) {
        dim = tensor->shape[i];
        if (tensor->dtype == CKPT_FLOAT4_E2M1FN_X2 && i == tensor->rank - 1 &&
            !sdk_mul_u64(dim, 2, &dim))
            return p->host->fail(p->host, CKPT_UNSUPPORTED, NULL, CKPT_NOWHERE,
                                 "a dimension that overflows 64 bits");
        if (i > 0)
            status = plan_raw(p, ",");
        if (status == CKPT_OK)
            status = plan_number(p, dim);
    }
    return status;
}

/* Writes one tensor's entry, and moves `position` to its end. */
static int
plan_entry(struct planner *p, const struct plan_item *item, uint64_t *position)
{
    const struct ckpt_tensor *tensor = item->entry->value->as.tensor;
    uint64_t begin = *position;
    int status;

    if (!sdk_add_u64(begin, tensor->size_bytes, position))
        return p->host->fail(p->host, CKPT_UNSUPPORTED, item->entry->name.data,
                             CKPT_NOWHERE, "the data overflow 64 bits");
    status = plan_string(p, &item->entry->name);
    if (status == CKPT_OK)
        status = plan_raw(p, ":{\"dtype\":\"");
    if (status == CKPT_OK)
        status = plan_raw(p, safetensors_types[item->type].name);
    if (status == CKPT_OK)
        status = plan_raw(p, "\",\"shape\":[");
    if (status == CKPT_OK)
        status = plan_shape(p, tensor);
    if (status == CKPT_OK)
        status = plan_raw(p, "],\"data_offsets\":[");
    if (status == CKPT_OK)
        status = plan_number(p, begin);
    if (status == CKPT_OK)
        status = plan_raw(p, ",");
    if (status == CKPT_OK)
        status = plan_number(p, *position);
    return status == CKPT_OK ? plan_raw(p, "]},") : status;
}

static int
plan_check_size(const struct planner *p, const char *what, uint64_t size_bytes)
{
    if (size_bytes > SAFETENSORS_HEADER_MAX)
        return p->host->fail(p->host, CKPT_UNSUPPORTED, NULL, CKPT_NOWHERE,
                             "%s of %llu bytes; readers take at most %llu",
                             what, (unsigned long long)size_bytes,
                             (unsigned long long)SAFETENSORS_HEADER_MAX);
    return CKPT_OK;
}

/* Writes the length and the header of the items [first, last) to p->text. */
static int
plan_header(struct planner *p, size_t first, size_t last)
{
    static const unsigned char length[8];
    uint64_t position = 0, header_bytes;
    size_t i;
    int status;

    p->text.size_bytes = 0;
    status = sdk_buffer_append(p->host, &p->text, length, sizeof length);
    if (status == CKPT_OK)
        status = plan_raw(p, "{");
    if (status == CKPT_OK)
        status = plan_metadata(p);
    for (i = first; i < last && status == CKPT_OK; i++)
        status = plan_entry(p, &p->items[i], &position);
    if (status != CKPT_OK)
        return status;
    /* Each member has left a comma behind it. */
    if (p->text.data[p->text.size_bytes - 1] == ',')
        p->text.size_bytes--;
    status = plan_raw(p, "}");
    while (status == CKPT_OK && p->text.size_bytes % sizeof length != 0)
        status = plan_raw(p, " ");
    if (status != CKPT_OK)
        return status;
    header_bytes = p->text.size_bytes - sizeof length;
    sdk_store_le64(p->text.data, header_bytes);
    return plan_check_size(p, "a header", header_bytes);
}

/* Adds p->text to the plan. */
static int
plan_bytes(struct planner *p)
{
    const struct ckpt_segment segment = {
        .kind = CKPT_SEGMENT_BYTES,
        .data = p->text.data,
        .size_bytes = p->text.size_bytes,
    };

    return p->host->plan_add(p->host, p->plan, &segment, sizeof segment, NULL);
}

/* Plans one file of the items [first, last). */
static int
plan_items(struct planner *p, size_t first, size_t last)
{
    struct ckpt_segment segment = {.kind = CKPT_SEGMENT_TENSOR};
    const struct ckpt_entry *entry;
    size_t i;
    int status;

    status = plan_header(p, first, last);
    if (status == CKPT_OK)
        status = plan_bytes(p);
    for (i = first; i < last && status == CKPT_OK; i++) {
        entry = p->items[i].entry;
        segment.tensor = entry->value->as.tensor;
        segment.name = entry->name.data;
        status =
            p->host->plan_add(p->host, p->plan, &segment, sizeof segment, NULL);
    }
    return status;
}

static int
plan_shard_name(struct planner *p, uint32_t shard)
{
    return sdk_shard_name(p->host, &p->name, &p->stem, shard, p->shard_count,
                          SAFETENSORS_SUFFIX);
}

static int
plan_index_name(struct planner *p)
{
    static const char suffix[] = SAFETENSORS_INDEX_SUFFIX;
    int status;

    p->name.size_bytes = 0;
    status =
        sdk_buffer_append(p->host, &p->name, p->stem.data, p->stem.size_bytes);
    return status == CKPT_OK
               ? sdk_buffer_append(p->host, &p->name, suffix, sizeof suffix)
               : status;
}

/* Begins the file of p->name. */
static int
plan_file(struct planner *p)
{
    return p->host->plan_file(p->host, p->plan, (const char *)p->name.data);
}

static int
plan_compare_names(const void *left, const void *right)
{
    const struct plan_item *a = left, *b = right;

    return plan_compare_text(&a->entry->name, &b->entry->name);
}

static int
plan_index_metadata(struct planner *p)
{
    uint64_t total = 0;
    size_t i;
    int status;

    for (i = 0; i < p->graph->entry_count; i++)
        if (!sdk_add_u64(total, p->items[i].entry->value->as.tensor->size_bytes,
                         &total))
            return p->host->fail(p->host, CKPT_UNSUPPORTED, NULL, CKPT_NOWHERE,
                                 "the data overflow 64 bits");
    status = sdk_shard_index_begin(p->host, &p->text, total);
    for (i = 0; i < p->attr_count && status == CKPT_OK; i++)
        if (plan_is_indexed(p->attrs[i]))
            status = sdk_shard_index_pair(p->host, &p->text, p->attrs[i]->name,
                                          &p->attrs[i]->value->as.text);
    return status == CKPT_OK ? sdk_shard_index_map(p->host, &p->text) : status;
}

/* Writes where each tensor is; turns the items into the order of their
 * names. */
static int
plan_weight_map(struct planner *p)
{
    size_t count = p->graph->entry_count, i;
    int status = CKPT_OK;

    qsort(p->items, count, sizeof *p->items, plan_compare_names);
    for (i = 0; i < count && status == CKPT_OK; i++) {
        status = plan_shard_name(p, p->items[i].shard);
        if (status == CKPT_OK)
            status = sdk_shard_index_tensor(p->host, &p->text, i == 0,
                                            &p->items[i].entry->name,
                                            (const char *)p->name.data);
    }
    return status == CKPT_OK ? sdk_shard_index_end(p->host, &p->text) : status;
}

static int
plan_index(struct planner *p)
{
    int status;

    p->text.size_bytes = 0;
    status = plan_index_metadata(p);
    if (status == CKPT_OK)
        status = plan_weight_map(p);
    if (status == CKPT_OK)
        status = plan_check_size(p, "an index", p->text.size_bytes);
    if (status == CKPT_OK)
        status = plan_index_name(p);
    if (status == CKPT_OK)
        status = plan_file(p);
    return status == CKPT_OK ? plan_bytes(p) : status;
}

/* Finds the output's name without suffix. */
static void
plan_stem(struct planner *p)
{
    const char *name = p->host->plan_name(p->host, p->plan);
    size_t length = strlen(name), suffix = strlen(SAFETENSORS_SUFFIX);

    if (length > suffix &&
        strcmp(name + length - suffix, SAFETENSORS_SUFFIX) == 0)
        length -= suffix;
    p->stem.data = name;
    p->stem.size_bytes = length;
}

static int
plan_shards(struct planner *p)
{
    size_t count = p->graph->entry_count, first = 0, last;
    uint32_t shard;
    int status = CKPT_OK;

    plan_stem(p);
    for (shard = 0; shard < p->shard_count && status == CKPT_OK; shard++) {
        for (last = first; last < count; last++)
            if (p->items[last].shard != shard)
                break;
        status = plan_shard_name(p, shard);
        if (status == CKPT_OK)
            status = plan_file(p);
        if (status == CKPT_OK)
            status = plan_items(p, first, last);
        first = last;
    }
    return status == CKPT_OK ? plan_index(p) : status;
}

int
safetensors_plan(const struct ckpt_host *host, uint64_t shard_bytes,
                 const struct ckpt_graph *graph, struct ckpt_plan *plan)
{
    struct planner p = {.host = host, .graph = graph, .plan = plan};
    int status = plan_layout(&p, shard_bytes);

    if (status == CKPT_OK)
        status = plan_attrs(&p);
    if (status == CKPT_OK && p.shard_count > 1)
        status = plan_shards(&p);
    else if (status == CKPT_OK)
        status = plan_items(&p, 0, graph->entry_count);
    host->release(host, p.items);
    host->release(host, p.attrs);
    sdk_buffer_fini(host, &p.name);
    sdk_buffer_fini(host, &p.text);
    return status;
}
