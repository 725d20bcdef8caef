/* SPDX-License-Identifier: MIT
 *
 * A plugin to copy: a reader and a writer of a small format, in the shape
 * that all plugins have. README.md has the steps; the numbers are its.
 */
#include "ckpt/plugin.h"
#include "template_parse.h"

/* ---- The reader ---- */

/* Step 5: probe looks whether a file is of this format. The hub has compared
 * the magic already; a magic that other formats share needs a closer look. */
static int
template_probe(const struct ckpt_host *host, const struct ckpt_source *source,
               struct ckpt_evidence *evidence)
{
    static const char how[] = "TEMPLATE at byte 0";
    size_t i;

    (void)host;
    (void)source;
    evidence->level = CKPT_EVIDENCE_MAGIC;
    for (i = 0; i < sizeof how; i++)
        evidence->how[i] = how[i];
    return CKPT_OK;
}

/* What a reader needs to remember between its calls; never static. */
static int
template_open(const struct ckpt_host *host, const struct ckpt_source *source,
              const struct ckpt_option_value *options, void **self)
{
    (void)host;
    (void)options;
    *self = (void *)(uintptr_t)source;
    return CKPT_OK;
}

/* Step 7: a storage says where bytes are, a tensor how they are seen. */
static int
template_tensor(const struct ckpt_host *host, struct ckpt_graph *graph,
                const struct ckpt_source *source,
                const struct template_entry *entry, struct ckpt_value **value)
{
    struct ckpt_storage place = {.place = CKPT_PLACE_SPAN, .word_bytes = 4};
    struct ckpt_tensor tensor = {.dtype = CKPT_FLOAT32, .rank = 1};
    int status;

    place.source = source;
    place.source_offset = entry->data_offset;
    place.size_bytes = entry->element_count * 4;
    status =
        host->storage_new(host, graph, &place, sizeof place, &tensor.storage);
    if (status != CKPT_OK)
        return status;
    tensor.shape = &entry->element_count;
    return host->tensor_new(host, graph, &tensor, sizeof tensor, entry->name,
                            value);
}

/* Stores one tensor in the map under its name. */
static int
template_add(const struct ckpt_host *host, struct ckpt_graph *graph,
             const struct ckpt_source *source,
             const struct template_entry *entry, struct ckpt_value *map)
{
    struct ckpt_value like = {.kind = CKPT_KIND_STRING}, *key, *value;
    size_t before = map->as.map.count;
    int status;

    like.as.text.data = entry->name;
    while (entry->name[like.as.text.size_bytes] != '\0')
        like.as.text.size_bytes++;
    status = host->value_new(host, graph, &like, sizeof like, &key);
    if (status == CKPT_OK)
        status = template_tensor(host, graph, source, entry, &value);
    if (status == CKPT_OK)
        status = host->map_set(host, graph, map, key, value);
    if (status == CKPT_OK && map->as.map.count == before)
        return host->fail(host, CKPT_FORMAT, entry->name, CKPT_NOWHERE,
                          "two tensors of one name");
    return status;
}

static int
template_describe(const struct ckpt_host *host, void *self,
                  struct ckpt_graph *graph)
{
    const struct ckpt_source *source = self;
    struct ckpt_value like = {.kind = CKPT_KIND_MAP}, *map;
    struct template_entry entry;
    uint64_t i, count, at;
    int status = template_head_read(host, source, &count);

    if (status != CKPT_OK)
        return status;
    status = host->value_new(host, graph, &like, sizeof like, &map);
    at = TEMPLATE_HEAD_BYTES + count * TEMPLATE_ENTRY_BYTES;
    for (i = 0; i < count && status == CKPT_OK; i++) {
        status = template_entry_read(host, source, i, at, &entry);
        if (status == CKPT_OK)
            status = template_add(host, graph, source, &entry, map);
        if (status == CKPT_OK)
            at += entry.element_count * 4;
    }
    if (status == CKPT_OK && at != host->source_size(host, source))
        return host->fail(host, CKPT_FORMAT, NULL, at,
                          "bytes behind the last tensor");
    return status == CKPT_OK ? host->root_set(host, graph, map) : status;
}

static void
template_close(const struct ckpt_host *host, void *self)
{
    (void)host;
    (void)self;
}

/* ---- The writer ---- */

static int
template_create(const struct ckpt_host *host,
                const struct ckpt_option_value *options, void **self)
{
    (void)host;
    (void)options;
    *self = NULL;
    return CKPT_OK;
}

static int
template_plan_bytes(const struct ckpt_host *host, struct ckpt_plan *plan,
                    const void *bytes, size_t size_bytes)
{
    struct ckpt_segment segment = {.kind = CKPT_SEGMENT_BYTES};

    segment.data = bytes;
    segment.size_bytes = size_bytes;
    return host->plan_add(host, plan, &segment, sizeof segment, NULL);
}

static int
template_plan_data(const struct ckpt_host *host, struct ckpt_plan *plan,
                   const struct ckpt_entry *entry)
{
    struct ckpt_segment segment = {.kind = CKPT_SEGMENT_TENSOR};

    segment.tensor = entry->value->as.tensor;
    segment.name = entry->name.data;
    return host->plan_add(host, plan, &segment, sizeof segment, NULL);
}

/* Step 8: the plan lists the output's parts in order; the hub moves them. It
 * has fitted the graph to the limits below, so nothing else can come. */
static int
template_plan(const struct ckpt_host *host, void *self,
              const struct ckpt_graph *graph, struct ckpt_plan *plan)
{
    unsigned char head[TEMPLATE_HEAD_BYTES], row[TEMPLATE_ENTRY_BYTES];
    const struct ckpt_entry *entry;
    size_t i;
    int status;

    (void)self;
    template_head_write(graph->entry_count, head);
    status = template_plan_bytes(host, plan, head, sizeof head);
    for (i = 0; i < graph->entry_count && status == CKPT_OK; i++) {
        entry = &graph->entries[i];
        template_entry_write(&entry->name,
                             entry->value->as.tensor->element_count, row);
        status = template_plan_bytes(host, plan, row, sizeof row);
    }
    for (i = 0; i < graph->entry_count && status == CKPT_OK; i++)
        status = template_plan_data(host, plan, &graph->entries[i]);
    return status;
}

/* ---- The tables ---- */

static const struct ckpt_magic magics[] = {{0, TEMPLATE_MAGIC, 8}, {0}};
static const char *const suffixes[] = {".template", NULL};

static const struct ckpt_reader template_reader = {
    .size = sizeof template_reader,
    .id = "template",
    .summary = "named lists of float32",
    .suffixes = suffixes,
    .magics = magics,
    .threads = CKPT_THREADS_CURSORS,
    .probe = template_probe,
    .open = template_open,
    .describe = template_describe,
    .close = template_close,
};

/* Step 9: what the format can hold; what it cannot, the hub tells its user. */
static const struct ckpt_writer template_writer = {
    .size = sizeof template_writer,
    .id = "template",
    .summary = "named lists of float32",
    .suffixes = suffixes,
    .limits =
        {
            .dtypes = CKPT_DTYPE_BIT(CKPT_FLOAT32),
            .rank_max = 1,
            .name_bytes_max = TEMPLATE_NAME_BYTES,
        },
    .open = template_create,
    .plan = template_plan,
    .close = template_close,
};

static const struct ckpt_reader *const readers[] = {&template_reader, NULL};
static const struct ckpt_writer *const writers[] = {&template_writer, NULL};

/* Step 10: one constant, readable without running any of the code above. */
CKPT_PLUGIN(template) = {
    .abi = CKPT_ABI,
    .size = sizeof(struct ckpt_plugin),
    .id = "template",
    .version = "0.1.0",
    .summary = "the plugin to copy",
    .readers = readers,
    .writers = writers,
};
