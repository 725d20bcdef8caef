/* SPDX-License-Identifier: MIT
 *
 * The HDF5 plugin: Keras files and plain trees of data sets. The tables are
 * at the foot.
 */
#include <stdio.h>

#include "ckpt/plugin.h"
#include "hdf5_fill.h"
#include "hdf5_graph.h"
#include "hdf5_walk.h"

struct hdf5_reader {
    struct hdf5_part part;
    struct hdf5_tree tree;
};

static struct hdf5_part
hdf5_whole(const struct ckpt_host *host, const struct ckpt_source *source)
{
    struct hdf5_part part = {source, 0, host->source_size(host, source)};

    return part;
}

static int
hdf5_probe(const struct ckpt_host *host, const struct ckpt_source *source,
           struct ckpt_evidence *evidence)
{
    struct hdf5_part part = hdf5_whole(host, source);
    uint64_t at;
    int status;

    if (host->source_is_folder(host, source))
        return CKPT_OK;
    status = hdf5_find_signature(host, &part, &at);
    if (status != CKPT_OK || at == CKPT_NOWHERE)
        return status;
    evidence->level = CKPT_EVIDENCE_MAGIC;
    snprintf(evidence->how, sizeof evidence->how, "HDF5 signature at byte %llu",
             (unsigned long long)at);
    return CKPT_OK;
}

static int
hdf5_open(const struct ckpt_host *host, const struct ckpt_source *source,
          const struct ckpt_option_value *options, void **self)
{
    struct hdf5_reader *reader = host->allocate(host, sizeof *reader);

    (void)options;
    if (reader == NULL)
        return CKPT_MEMORY;
    reader->part = hdf5_whole(host, source);
    *self = reader;
    return CKPT_OK;
}

/* Fills the tree by the plugin's own walk, or else by libhdf5's. */
static int
hdf5_fill(const struct ckpt_host *host, struct hdf5_reader *reader)
{
    int status;

    hdf5_tree_init(host, &reader->part, &reader->tree);
    status = hdf5_walk(&reader->tree);
    if (status != CKPT_END) {
        host->debug(host, "the plugin's own walk read the structures");
        return status;
    }
    hdf5_tree_fini(&reader->tree);
    hdf5_tree_init(host, &reader->part, &reader->tree);
    return host->fail(host, CKPT_UNSUPPORTED, NULL, CKPT_NOWHERE,
                      "the file needs libhdf5, which is not built in yet");
}

static int
hdf5_describe(const struct ckpt_host *host, void *self,
              struct ckpt_graph *graph)
{
    struct hdf5_reader *reader = self;
    int status = hdf5_fill(host, reader);

    if (status == CKPT_OK)
        status = hdf5_graph_build(&reader->tree, graph);
    return status;
}

static void
hdf5_close(const struct ckpt_host *host, void *self)
{
    struct hdf5_reader *reader = self;

    hdf5_tree_fini(&reader->tree);
    host->release(host, reader);
}

static int
hdf5_cursor_open(const struct ckpt_host *host, void *self,
                 const struct ckpt_storage *storage, void **cursor)
{
    const struct hdf5_reader *reader = self;

    return hdf5_fill_open(host, reader->tree.objects[storage->cursor_key],
                          cursor);
}

/* The signature is at 0, 512, 1024, 2048, ...; what is before it is the
 * user's. User blocks past 1 MiB are told by --from alone. */
#define HDF5_MAGIC(at)                           \
    {                                            \
        at, HDF5_SIGNATURE, HDF5_SIGNATURE_BYTES \
    }

static const struct ckpt_magic hdf5_magics[] = {
    HDF5_MAGIC(0),       HDF5_MAGIC(512),    HDF5_MAGIC(1024),
    HDF5_MAGIC(2048),    HDF5_MAGIC(4096),   HDF5_MAGIC(8192),
    HDF5_MAGIC(16384),   HDF5_MAGIC(32768),  HDF5_MAGIC(65536),
    HDF5_MAGIC(131072),  HDF5_MAGIC(262144), HDF5_MAGIC(524288),
    HDF5_MAGIC(1048576), {0, NULL, 0},
};

static const char *const hdf5_suffixes[] = {".h5", ".hdf5", NULL};

static const struct ckpt_reader hdf5_reader = {
    .size = sizeof(struct ckpt_reader),
    .id = "hdf5",
    .summary = "HDF5: Keras weights and models, plain trees of data sets",
    .suffixes = hdf5_suffixes,
    .magics = hdf5_magics,
    .capabilities = CKPT_READS_INERT,
    .threads = CKPT_THREADS_SERIAL,
    .probe = hdf5_probe,
    .open = hdf5_open,
    .describe = hdf5_describe,
    .close = hdf5_close,
    .cursor_open = hdf5_cursor_open,
    .cursor_next = hdf5_fill_next,
    .cursor_close = hdf5_fill_close,
};

static const struct ckpt_reader *const hdf5_readers[] = {&hdf5_reader, NULL};

CKPT_PLUGIN(hdf5) = {
    .abi = CKPT_ABI,
    .size = sizeof(struct ckpt_plugin),
    .id = "hdf5",
    .version = "0.1.0",
    .summary = "HDF5 files: Keras, and plain trees of data sets",
    .readers = hdf5_readers,
};
