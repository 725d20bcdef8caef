/* SPDX-License-Identifier: MIT
 *
 * A reader as a stranger wrote it when this ABI was new: the letters `TOY1`,
 * a count, then that many float32. It is never edited; see ../README.
 */
#include "ckpt/plugin.h"
#include <string.h>

static int
toy_probe(const struct ckpt_host *host, const struct ckpt_source *source,
          struct ckpt_evidence *evidence)
{
    (void)host;
    (void)source;
    evidence->level = CKPT_EVIDENCE_MAGIC;
    memcpy(evidence->how, "TOY1 at byte 0", 15);
    return CKPT_OK;
}

static int
toy_open(const struct ckpt_host *host, const struct ckpt_source *source,
         const struct ckpt_option_value *options, void **self)
{
    (void)host;
    (void)options;
    *self = (void *)(uintptr_t)source;
    return CKPT_OK;
}

static int
toy_describe(const struct ckpt_host *host, void *self, struct ckpt_graph *graph)
{
    const struct ckpt_source *source = self;
    struct ckpt_storage bytes = {.place = CKPT_PLACE_SPAN};
    struct ckpt_tensor tensor = {.dtype = CKPT_FLOAT32, .rank = 1};
    const struct ckpt_storage *storage;
    struct ckpt_value *value;
    unsigned char head[8];
    uint64_t count;
    int status;

    status = host->source_read(host, source, 0, head, sizeof head);
    if (status != CKPT_OK)
        return status;
    count = (uint64_t)head[4] | (uint64_t)head[5] << 8 |
            (uint64_t)head[6] << 16 | (uint64_t)head[7] << 24;
    bytes.source = source;
    bytes.source_offset = 8;
    bytes.size_bytes = count * 4;
    status = host->storage_new(host, graph, &bytes, sizeof bytes, &storage);
    if (status != CKPT_OK)
        return status;
    tensor.shape = &count;
    tensor.storage = storage;
    status =
        host->tensor_new(host, graph, &tensor, sizeof tensor, "toy", &value);
    if (status != CKPT_OK)
        return status;
    return host->root_set(host, graph, value);
}

static void
toy_close(const struct ckpt_host *host, void *self)
{
    (void)host;
    (void)self;
}

static const struct ckpt_magic magics[] = {{0, "TOY1", 4}, {0}};
static const char *const suffixes[] = {".toy", NULL};

static const struct ckpt_reader toy_reader = {
    .size = sizeof toy_reader,
    .id = "toy",
    .summary = "one list of float32",
    .suffixes = suffixes,
    .magics = magics,
    .probe = toy_probe,
    .open = toy_open,
    .describe = toy_describe,
    .close = toy_close,
};

static const struct ckpt_reader *const readers[] = {&toy_reader, NULL};

CKPT_PLUGIN(toy) = {
    .abi = CKPT_ABI,
    .size = sizeof(struct ckpt_plugin),
    .id = "toy",
    .version = "0.1.0",
    .summary = "the format of the guide",
    .readers = readers,
};
