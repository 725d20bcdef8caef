/* SPDX-License-Identifier: MIT
 *
 * ONNX models: the callbacks of the reader, and the tables.
 */
#include "ckpt/plugin.h"

#include <stdio.h>

#include "onnx_about.h"
#include "onnx_attributes.h"
#include "onnx_graph.h"
#include "onnx_verify.h"
#include "onnx_writer.h"

static int
onnx_probe(const struct ckpt_host *host, const struct ckpt_source *source,
           struct ckpt_evidence *evidence)
{
    struct onnx_about about;
    int status;

    if (host->source_is_folder(host, source))
        return CKPT_OK;
    status = onnx_about_read(host, source, &about);
    /* It may be a broken model: its reader says what is wrong. */
    if (status == CKPT_FORMAT)
        return CKPT_OK;
    if (status != CKPT_OK)
        return status;
    if (!about.has_graph) {
        snprintf(evidence->how, sizeof evidence->how,
                 "protobuf without the graph of an ONNX model");
        return CKPT_OK;
    }
    evidence->level =
        about.unknown > 0 ? CKPT_EVIDENCE_MAGIC : CKPT_EVIDENCE_STRUCTURE;
    onnx_about_say(&about, evidence->how, sizeof evidence->how);
    return CKPT_OK;
}

static int
onnx_open(const struct ckpt_host *host, const struct ckpt_source *source,
          const struct ckpt_option_value *options, void **self)
{
    struct onnx *made = host->allocate(host, sizeof *made);

    (void)options;
    if (made == NULL)
        return CKPT_MEMORY;
    made->source = source;
    *self = made;
    return CKPT_OK;
}

static int
onnx_describe(const struct ckpt_host *host, void *self,
              struct ckpt_graph *graph)
{
    struct onnx *onnx = self;
    int status = onnx_walk(host, onnx->source, &onnx->found);

    if (status == CKPT_OK)
        status = onnx_names(host, &onnx->found);
    if (status == CKPT_OK)
        status = onnx_graph_build(host, onnx, graph);
    return status == CKPT_OK
               ? onnx_attributes_set(host, onnx->source, &onnx->found, graph)
               : status;
}

static void
onnx_close(const struct ckpt_host *host, void *self)
{
    struct onnx *onnx = self;

    onnx_found_fini(host, &onnx->found);
    onnx_files_fini(host, &onnx->files);
    host->release(host, onnx->coded.all);
    host->release(host, onnx);
}

static int
onnx_cursor(const struct ckpt_host *host, void *self,
            const struct ckpt_storage *storage, void **cursor)
{
    const struct onnx *onnx = self;

    return onnx_cursor_open(host, onnx->source,
                            &onnx->coded.all[storage->cursor_key], cursor);
}

static int
onnx_verify_callback(const struct ckpt_host *host, void *self)
{
    return onnx_verify(host, self);
}

/* A model begins with its IR version, and after it comes its producer, its
 * domain, its version, its text, its graph, or an operator set. */
#define ONNX_MAGICS(ir)                                     \
    {0, "\x08" ir "\x12", 3}, {0, "\x08" ir "\x1a", 3},     \
        {0, "\x08" ir "\x22", 3}, {0, "\x08" ir "\x28", 3}, \
        {0, "\x08" ir "\x32", 3}, {0, "\x08" ir "\x3a", 3}, \
    {                                                       \
        0, "\x08" ir "\x42", 3                              \
    }

static const struct ckpt_magic onnx_magics[] = {
    ONNX_MAGICS("\x01"), ONNX_MAGICS("\x02"), ONNX_MAGICS("\x03"),
    ONNX_MAGICS("\x04"), ONNX_MAGICS("\x05"), ONNX_MAGICS("\x06"),
    ONNX_MAGICS("\x07"), ONNX_MAGICS("\x08"), ONNX_MAGICS("\x09"),
    ONNX_MAGICS("\x0a"), ONNX_MAGICS("\x0b"), ONNX_MAGICS("\x0c"),
    ONNX_MAGICS("\x0d"), ONNX_MAGICS("\x0e"), ONNX_MAGICS("\x0f"),
    {0, NULL, 0},
};

static const char *const onnx_suffixes[] = {".onnx", NULL};

static const struct ckpt_reader onnx_reader = {
    .size = sizeof onnx_reader,
    .id = "onnx",
    .summary = "weights of an ONNX model",
    .suffixes = onnx_suffixes,
    .magics = onnx_magics,
    .capabilities = CKPT_READS_INERT,
    .threads = CKPT_THREADS_INSTANCE,
    .probe = onnx_probe,
    .open = onnx_open,
    .describe = onnx_describe,
    .close = onnx_close,
    .cursor_open = onnx_cursor,
    .cursor_next = onnx_cursor_next,
    .cursor_close = onnx_cursor_close,
    .verify = onnx_verify_callback,
};

static const struct ckpt_reader *const readers[] = {&onnx_reader, NULL};

static const struct ckpt_writer *const writers[] = {&onnx_writer, NULL};

CKPT_PLUGIN(onnx) = {
    .abi = CKPT_ABI,
    .size = sizeof(struct ckpt_plugin),
    .id = "onnx",
    .version = "0.1.0",
    .summary = "ONNX models",
    .readers = readers,
    .writers = writers,
};
