/* SPDX-License-Identifier: MIT
 *
 * The safetensors plugin: a reader of single files, a reader of sharded
 * checkpoints, and a writer of both. The tables are at the foot.
 */
#include <stdio.h>
#include <string.h>

#include "ckpt/plugin.h"
#include "endian.h"
#include "safetensors_graph.h"
#include "safetensors_plan.h"
#include "safetensors_shards.h"
#include "safetensors_types.h"

/* A length beyond this is no header at all, not one that is too long. */
#define SAFETENSORS_LENGTH_MAX (UINT64_C(1) << 40)

struct safetensors_reader {
    const struct ckpt_source *source;
};

struct safetensors_writer {
    uint64_t shard_bytes; /* 0: one file */
};

/* Whether the header, of which some bytes are at hand, begins like one. */
static bool
safetensors_begins(const unsigned char *head, size_t size_bytes)
{
    size_t at = 0;

    while (at < size_bytes && head[at] != 0 &&
           strchr(" \t\r\n", head[at]) != NULL)
        at++;
    if (at == size_bytes || head[at++] != '{')
        return false;
    return at == size_bytes ||
           (head[at] != 0 && strchr("\"} \t\r\n", head[at]) != NULL);
}

static int
safetensors_probe(const struct ckpt_host *host,
                  const struct ckpt_source *source,
                  struct ckpt_evidence *evidence)
{
    uint64_t size = host->source_size(host, source), header_bytes;
    struct ckpt_span head;
    int status;

    if (host->source_is_folder(host, source) || size < 9)
        return CKPT_OK;
    status = host->source_peek(host, source, 0, size < 72 ? size : 72, &head);
    if (status != CKPT_OK)
        return status;
    header_bytes = sdk_load_le64(head.data);
    if (header_bytes < 2 || header_bytes > SAFETENSORS_LENGTH_MAX ||
        !safetensors_begins(head.data + 8, size < 72 ? size - 8 : 64))
        return CKPT_OK;
    evidence->level =
        header_bytes > SAFETENSORS_HEADER_MAX || header_bytes > size - 8
            ? CKPT_EVIDENCE_MAGIC
            : CKPT_EVIDENCE_STRUCTURE;
    snprintf(evidence->how, sizeof evidence->how,
             "json header of %llu bytes at byte 8",
             (unsigned long long)header_bytes);
    return CKPT_OK;
}

static int
safetensors_open(const struct ckpt_host *host, const struct ckpt_source *source,
                 const struct ckpt_option_value *options, void **self)
{
    struct safetensors_reader *reader = host->allocate(host, sizeof *reader);

    (void)options;
    if (reader == NULL)
        return CKPT_MEMORY;
    reader->source = source;
    *self = reader;
    return CKPT_OK;
}

static int
safetensors_describe(const struct ckpt_host *host, void *self,
                     struct ckpt_graph *graph)
{
    const struct safetensors_reader *reader = self;
    struct safetensors_set set = {0};
    struct sdk_table names = {0};
    int status = safetensors_parse(host, reader->source, &set);
    bool may_tie = safetensors_may_tie(&set);

    if (status == CKPT_OK && may_tie)
        status = safetensors_collect(host, &set, &names);
    if (status == CKPT_OK)
        status = safetensors_build(host, &set, may_tie ? &names : NULL, graph);
    sdk_table_fini(host, &names);
    safetensors_set_fini(host, &set);
    return status;
}

static int
safetensors_describe_shards(const struct ckpt_host *host, void *self,
                            struct ckpt_graph *graph)
{
    const struct safetensors_reader *reader = self;

    return safetensors_shards_describe(host, reader->source, graph);
}

static void
safetensors_close(const struct ckpt_host *host, void *self)
{
    host->release(host, self);
}

static int
safetensors_open_writer(const struct ckpt_host *host,
                        const struct ckpt_option_value *options, void **self)
{
    struct safetensors_writer *writer;

    if (options[0].given && options[0].integer <= 0)
        return host->fail(host, CKPT_OPTION, NULL, CKPT_NOWHERE,
                          "shard-size must be more than 0");
    writer = host->allocate(host, sizeof *writer);
    if (writer == NULL)
        return CKPT_MEMORY;
    if (options[0].given)
        writer->shard_bytes = (uint64_t)options[0].integer;
    *self = writer;
    return CKPT_OK;
}

static int
safetensors_arrange_writer(const struct ckpt_host *host, void *self,
                           const struct ckpt_graph *graph, uint32_t *order)
{
    const struct safetensors_writer *writer = self;

    return safetensors_arrange(host, writer->shard_bytes, graph, order);
}

static int
safetensors_plan_writer(const struct ckpt_host *host, void *self,
                        const struct ckpt_graph *graph, struct ckpt_plan *plan)
{
    const struct safetensors_writer *writer = self;

    return safetensors_plan(host, writer->shard_bytes, graph, plan);
}

/* A header may begin with blanks, though hardly any does. */
static const struct ckpt_magic safetensors_magics[] = {
    {8, "{", 1},  {8, " ", 1},  {8, "\n", 1},
    {8, "\t", 1}, {8, "\r", 1}, {0, NULL, 0},
};

static const struct ckpt_magic safetensors_index_magics[] = {
    {0, "{", 1},  {0, " ", 1},  {0, "\n", 1},
    {0, "\t", 1}, {0, "\r", 1}, {0, NULL, 0},
};

static const char *const safetensors_suffixes[] = {SAFETENSORS_SUFFIX, NULL};

static const char *const safetensors_index_suffixes[] = {
    SAFETENSORS_INDEX_SUFFIX, NULL};

static const struct ckpt_option safetensors_writer_options[] = {
    {
        .name = "shard-size",
        .kind = CKPT_OPTION_SIZE,
        .help = "split into files of at most so many bytes of tensors, with "
                "an index",
    },
    {.kind = CKPT_OPTION_END},
};

static const struct ckpt_reader safetensors_reader = {
    .size = sizeof(struct ckpt_reader),
    .id = "safetensors",
    .summary = "one safetensors file",
    .suffixes = safetensors_suffixes,
    .magics = safetensors_magics,
    .capabilities = CKPT_READS_INERT,
    .threads = CKPT_THREADS_CURSORS,
    .probe = safetensors_probe,
    .open = safetensors_open,
    .describe = safetensors_describe,
    .close = safetensors_close,
};

static const struct ckpt_reader safetensors_shards_reader = {
    .size = sizeof(struct ckpt_reader),
    .id = "safetensors-shards",
    .summary = "several safetensors files, by their index or folder",
    .suffixes = safetensors_index_suffixes,
    .magics = safetensors_index_magics,
    .capabilities = CKPT_READS_FOLDERS | CKPT_READS_INERT,
    .threads = CKPT_THREADS_CURSORS,
    .probe = safetensors_shards_probe,
    .open = safetensors_open,
    .describe = safetensors_describe_shards,
    .close = safetensors_close,
};

static const struct ckpt_writer safetensors_writer = {
    .size = sizeof(struct ckpt_writer),
    .id = "safetensors",
    .summary = "one safetensors file, or shards with an index",
    .suffixes = safetensors_suffixes,
    .options = safetensors_writer_options,
    .limits =
        {
            .holds = CKPT_HOLDS_STRINGS | CKPT_HOLDS_TIE_NAMES,
            .dtypes = SAFETENSORS_DTYPES,
        },
    .open = safetensors_open_writer,
    .arrange = safetensors_arrange_writer,
    .plan = safetensors_plan_writer,
    .close = safetensors_close,
};

static const struct ckpt_reader *const safetensors_readers[] = {
    &safetensors_reader, &safetensors_shards_reader, NULL};

static const struct ckpt_writer *const safetensors_writers[] = {
    &safetensors_writer, NULL};

CKPT_PLUGIN(safetensors) = {
    .abi = CKPT_ABI,
    .size = sizeof(struct ckpt_plugin),
    .id = "safetensors",
    .version = "0.1.0",
    .summary = "safetensors files, single and sharded",
    .readers = safetensors_readers,
    .writers = safetensors_writers,
};
