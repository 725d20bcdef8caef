/* SPDX-License-Identifier: MIT
 *
 * The fuzz harness of every reader and scanner: the input is a source in
 * memory, and all that the hub would do with it is done, under a budget of 64
 * MiB: probe, open, describe, name every tensor, restore what a side record
 * tells, read the first bytes of payload, and plan what the plugin's writers
 * would write. Beyond crashes and sanitizers it minds the laws of the headers:
 * a failure has one reason in one line, close gives all memory back, a graph
 * that was taken holds nothing impossible. A plugin links its own tables in.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ckpt/plugin.h"
#include "hub/core/options.h"
#include "hub/io/stream.h"
#include "hub/load/host_table.h"
#include "hub/run/fit.h"
#include "hub/run/plan.h"
#include "hub/run/restore.h"

#define BUDGET_BYTES (UINT64_C(64) << 20)
#define PAYLOAD_BYTES ((uint64_t)1 << 20)

extern const struct ckpt_plugin FUZZ_PLUGIN;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

/* One reading of one input by one reader. */
struct fuzz {
    const struct ckpt_reader *reader;
    struct hub_report report;
    struct hub_budget budget;
    struct hub_host host;
    struct hub_arena arena; /* of the options */
    struct hub_graph graph, restored;
    struct hub_spool spool;
    uint64_t payload_left;
    void *self;
    unsigned char buffer[1 << 16];
};

struct fuzz_coder {
    struct hub_coder coder; /* first: a handle is both */
    struct fuzz *fuzz;
};

#define LAW(truth)                         \
    do {                                   \
        if (!(truth))                      \
            fuzz_broken(#truth, __LINE__); \
    } while (0)

static void
fuzz_broken(const char *law, int line)
{
    fprintf(stderr, "broken at line %d: %s\n", line, law);
    __builtin_trap();
}

static int
coder_open(struct hub_coder *coder, const struct ckpt_storage *storage,
           void **cursor)
{
    struct fuzz *fuzz = ((struct fuzz_coder *)coder)->fuzz;

    LAW(fuzz->reader->cursor_open != NULL);
    return fuzz->reader->cursor_open(&fuzz->host.table, fuzz->self, storage,
                                     cursor);
}

static int
coder_next(struct hub_coder *coder, void *cursor, struct ckpt_span *span)
{
    struct fuzz *fuzz = ((struct fuzz_coder *)coder)->fuzz;
    int status;

    status = fuzz->reader->cursor_next(&fuzz->host.table, cursor, span);
    if (status == CKPT_OK)
        LAW(span->size_bytes > 0 && span->size_bytes <= HUB_WINDOW_BYTES);
    return status;
}

static void
coder_close(struct hub_coder *coder, void *cursor)
{
    struct fuzz *fuzz = ((struct fuzz_coder *)coder)->fuzz;

    fuzz->reader->cursor_close(&fuzz->host.table, cursor);
}

/* What a status must come with. */
static int
fuzz_status(const struct fuzz *fuzz, int status)
{
    LAW(status <= CKPT_END && status >= CKPT_CANCELLED);
    LAW(status != CKPT_CONTRACT && status != CKPT_CANCELLED);
    LAW((status < 0) == (fuzz->report.status != CKPT_OK));
    LAW(status >= 0 || fuzz->report.text[0] != '\0');
    return status;
}

static void
fuzz_payload(struct fuzz *fuzz, const struct ckpt_tensor *tensor)
{
    struct hub_stream stream;
    size_t filled;
    int status = hub_stream_tensor(&stream, &fuzz->spool, tensor);

    while (status == CKPT_OK && fuzz->payload_left > 0) {
        status = hub_stream_fill(&stream, fuzz->buffer, sizeof fuzz->buffer,
                                 &filled);
        if (status == CKPT_OK && filled < fuzz->payload_left)
            fuzz->payload_left -= filled;
        else
            break;
    }
    hub_stream_fini(&stream);
    fuzz_status(fuzz, status);
}

/* The views of a graph, by the definition in graph.h, in wide numbers. */
static void
fuzz_tensor(const struct ckpt_tensor *tensor)
{
    unsigned __int128 last = tensor->offset, bits;
    uint32_t i;

    LAW(tensor->rank <= CKPT_MAX_RANK);
    LAW(ckpt_dtype_width_bits(tensor->dtype) > 0);
    LAW(tensor->storage != NULL);
    if (tensor->storage->place == CKPT_PLACE_ABSENT) {
        LAW(tensor->size_bytes == 0 && tensor->storage->size_bytes == 0);
        return;
    }
    if (tensor->element_count == 0)
        return;
    for (i = 0; i < tensor->rank; i++)
        last += (unsigned __int128)(tensor->shape[i] - 1) * tensor->strides[i];
    bits = (last + 1) * ckpt_dtype_width_bits(tensor->dtype);
    /* Shapes without bytes are of any size. */
    LAW(tensor->storage->place == CKPT_PLACE_ABSENT ||
        (bits + 7) / 8 <= tensor->storage->size_bytes);
}

/* What a writer would do, up to the plan. */
static void
fuzz_writer(struct fuzz *fuzz, const struct ckpt_writer *writer,
            const struct ckpt_graph *graph)
{
    struct ckpt_option_value *options;
    struct hub_fit fit = {0};
    struct ckpt_plan plan = {0};
    void *self;
    int status =
        hub_options_parse(&fuzz->arena, writer->options, NULL, &options);

    if (status == CKPT_OK)
        status = writer->open(&fuzz->host.table, options, &self);
    if (fuzz_status(fuzz, status) != CKPT_OK)
        return;
    status = hub_fit(&fit, &fuzz->host, graph, writer, self);
    hub_plan_init(&plan, &fuzz->budget, "output");
    fuzz->host.spool = &fuzz->spool;
    if (fuzz_status(fuzz, status) == CKPT_OK)
        status =
            writer->plan(&fuzz->host.table, self, &fit.fitted.public, &plan);
    fuzz_status(fuzz, status);
    hub_plan_fini(&plan);
    writer->close(&fuzz->host.table, self);
    hub_fit_fini(&fit);
}

static void
fuzz_writers(struct fuzz *fuzz, const struct ckpt_graph *graph)
{
    const struct ckpt_writer *const *writers = FUZZ_PLUGIN.writers;

    for (; writers != NULL && *writers != NULL; writers++) {
        hub_report_clear(&fuzz->report);
        fuzz_writer(fuzz, *writers, graph);
    }
}

static void
fuzz_graph(struct fuzz *fuzz, const struct ckpt_graph *graph)
{
    const struct ckpt_tensor *tensor;
    uint64_t total = 0;
    size_t i;

    for (i = 0; i < graph->entry_count; i++) {
        LAW(graph->entries[i].value->kind == CKPT_KIND_TENSOR);
        LAW(strlen(graph->entries[i].name.data) <=
            graph->entries[i].name.size_bytes);
        fuzz_tensor(graph->entries[i].value->as.tensor);
    }
    for (i = 0; i < graph->entry_count && i < 64; i++) {
        tensor = graph->entries[i].value->as.tensor;
        total += tensor->storage->size_bytes & 0xFFFFFFFF;
        /* A bomb is read to its first megabyte, unless it has to be spooled
         * first, and then not at all. */
        if (fuzz->report.status == CKPT_OK && fuzz->payload_left > 0 &&
            total < 64 * PAYLOAD_BYTES)
            fuzz_payload(fuzz, tensor);
    }
}

/* The graph of the record, if the input has one that fits. */
static int
fuzz_restore(struct fuzz *fuzz)
{
    const struct ckpt_graph *graph = &fuzz->graph.public;
    int status;

    hub_graph_init(&fuzz->restored, &fuzz->budget);
    fuzz->restored.walk_max = fuzz->graph.walk_max;
    fuzz->restored.coder = fuzz->graph.coder;
    status =
        hub_restore(&fuzz->host.table, &fuzz->graph, &fuzz->restored, &graph);
    LAW(status != CKPT_END && status != CKPT_FORMAT);
    if (fuzz_status(fuzz, status) == CKPT_OK) {
        LAW(graph->root != NULL);
        fuzz_graph(fuzz, graph);
        fuzz_writers(fuzz, graph);
    }
    hub_spool_fini(&fuzz->spool);
    hub_graph_fini(&fuzz->restored);
    return status;
}

/* What a file carries of checks. */
static void
fuzz_verify(struct fuzz *fuzz)
{
    struct hub_found found = {.arena = {.budget = &fuzz->budget}};

    if (fuzz->reader->verify == NULL)
        return;
    hub_report_clear(&fuzz->report);
    fuzz->host.found = &found;
    fuzz_status(fuzz, fuzz->reader->verify(&fuzz->host.table, fuzz->self));
    fuzz->host.found = NULL;
    hub_found_fini(&found);
}

static int
fuzz_describe(struct fuzz *fuzz)
{
    struct fuzz_coder coder = {{coder_open, coder_next, coder_close}, fuzz};
    int status;

    hub_graph_init(&fuzz->graph, &fuzz->budget);
    fuzz->graph.walk_max = 100000;
    fuzz->graph.coder = &coder.coder;
    status = fuzz->reader->describe(&fuzz->host.table, fuzz->self,
                                    &fuzz->graph.public);
    LAW(status != CKPT_END);
    if (fuzz_status(fuzz, status) == CKPT_OK) {
        LAW(fuzz->graph.public.root != NULL);
        status = fuzz_status(fuzz, hub_graph_finish(&fuzz->graph));
    }
    if (status == CKPT_OK)
        status = fuzz_restore(fuzz);
    if (fuzz->graph.public.root != NULL && fuzz->report.status == CKPT_OK)
        fuzz_verify(fuzz);
    hub_graph_fini(&fuzz->graph);
    return status;
}

static void
fuzz_read(struct fuzz *fuzz, const struct ckpt_source *source)
{
    struct ckpt_option_value *options;
    struct ckpt_evidence evidence = {0};
    uint64_t before;
    int status;

    status = fuzz->reader->probe(&fuzz->host.table, source, &evidence);
    fuzz_status(fuzz, status);
    LAW(memchr(evidence.how, '\0', sizeof evidence.how) != NULL);
    LAW(evidence.level <= CKPT_EVIDENCE_STRUCTURE);
    hub_report_clear(&fuzz->report);
    fuzz->arena.budget = &fuzz->budget;
    LAW(hub_options_parse(&fuzz->arena, fuzz->reader->options, NULL,
                          &options) == CKPT_OK);
    before = fuzz->budget.used_bytes;
    status =
        fuzz->reader->open(&fuzz->host.table, source, options, &fuzz->self);
    LAW(status != CKPT_END);
    if (fuzz_status(fuzz, status) == CKPT_OK) {
        fuzz_describe(fuzz);
        fuzz->reader->close(&fuzz->host.table, fuzz->self);
    }
    LAW(fuzz->budget.used_bytes == before);
}

/* A scanner finds what it finds; no input is too odd to be looked at, but
 * one may be too large. */
static void
fuzz_scan(struct fuzz *fuzz, const struct ckpt_scanner *scanner,
          const struct ckpt_source *source)
{
    struct hub_found found = {.arena = {.budget = &fuzz->budget}};
    struct ckpt_scanned scanned = {0};
    uint64_t before = fuzz->budget.used_bytes;
    int status;

    fuzz->host.found = &found;
    status = scanner->scan(&fuzz->host.table, source, &scanned);
    LAW(fuzz_status(fuzz, status) == CKPT_OK || status == CKPT_LIMIT ||
        status == CKPT_MEMORY);
    hub_found_fini(&found);
    fuzz->host.found = NULL;
    LAW(fuzz->budget.used_bytes == before);
}

static void
fuzz_one(const struct ckpt_reader *reader, const struct ckpt_scanner *scanner,
         const uint8_t *data, size_t size_bytes)
{
    static struct fuzz fuzz;
    struct ckpt_source *source;

    memset(&fuzz, 0, sizeof fuzz);
    fuzz.reader = reader;
    fuzz.payload_left = PAYLOAD_BYTES;
    fuzz.budget.limit_bytes = BUDGET_BYTES;
    fuzz.budget.report = &fuzz.report;
    fuzz.spool.budget = &fuzz.budget;
    fuzz.spool.folder = "/tmp";
    hub_host_init(&fuzz.host, &fuzz.budget);
    hub_plan_lend(&fuzz.host.table);
    LAW(hub_source_memory(&fuzz.budget, "input", data, size_bytes, &source) ==
        CKPT_OK);
    hub_host_adopt(&fuzz.host, source);
    if (reader != NULL)
        fuzz_read(&fuzz, source);
    else
        fuzz_scan(&fuzz, scanner, source);
    hub_arena_fini(&fuzz.arena);
    hub_host_fini(&fuzz.host);
    LAW(fuzz.budget.used_bytes == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    size_t i;

    for (i = 0; FUZZ_PLUGIN.readers != NULL && FUZZ_PLUGIN.readers[i]; i++)
        fuzz_one(FUZZ_PLUGIN.readers[i], NULL, data, size_bytes);
    for (i = 0; FUZZ_PLUGIN.scanners != NULL && FUZZ_PLUGIN.scanners[i]; i++)
        fuzz_one(NULL, FUZZ_PLUGIN.scanners[i], data, size_bytes);
    return 0;
}
