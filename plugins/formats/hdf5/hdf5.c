/* SPDX-License-Identifier: MIT
 *
 * The HDF5 plugin: Keras files and plain trees of data sets. The tables are
 * at the foot.
 */
#include <stdio.h>

#include "ckpt/plugin.h"
#include "hdf5_archive.h"
#include "hdf5_file.h"
#include "hdf5_folder.h"
#include "hdf5_graph.h"
#include "hdf5_probe.h"
#include "hdf5_shards.h"
#include "hdf5_walk.h"
#include "hdf5_writers.h"

struct hdf5_reader {
    /* What is around the part, if anything: else zeroes and NULL. */
    struct hdf5_archive archive;
    const struct ckpt_source *folder;
    struct hdf5_file file;
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
    enum hdf5_family family;
    uint64_t at;
    bool is_zip;
    int status = hdf5_archive_is(host, source, &is_zip);

    if (status != CKPT_OK)
        return status;
    if (host->source_is_folder(host, source))
        return hdf5_folder_probe(host, source, evidence);
    if (is_zip)
        return hdf5_archive_probe(host, source, evidence);
    status = hdf5_find_signature(host, &part, &at);
    if (status != CKPT_OK || at == CKPT_NOWHERE)
        return status;
    family = hdf5_probe_family(host, &part, at);
    evidence->level = CKPT_EVIDENCE_MAGIC;
    snprintf(evidence->how, sizeof evidence->how,
             "HDF5 signature at byte %llu, %s", (unsigned long long)at,
             hdf5_family_name(family));
    return CKPT_OK;
}

static int
hdf5_open(const struct ckpt_host *host, const struct ckpt_source *source,
          const struct ckpt_option_value *options, void **self)
{
    struct hdf5_reader *reader = host->allocate(host, sizeof *reader);
    bool is_zip;
    int status;

    (void)options;
    if (reader == NULL)
        return CKPT_MEMORY;
    reader->file.part = hdf5_whole(host, source);
    status = hdf5_archive_is(host, source, &is_zip);
    if (host->source_is_folder(host, source)) {
        reader->folder = source;
        status = hdf5_folder_open(host, source, &reader->file.part);
    }
    if (status == CKPT_OK && is_zip)
        status = hdf5_archive_open(host, source, &reader->archive,
                                   &reader->file.part);
    if (status != CKPT_OK) {
        hdf5_archive_close(host, &reader->archive);
        host->release(host, reader);
        return status;
    }
    *self = reader;
    return CKPT_OK;
}

static int
hdf5_describe(const struct ckpt_host *host, void *self,
              struct ckpt_graph *graph)
{
    struct hdf5_reader *reader = self;
    int status = hdf5_file_read(host, &reader->file);

    if (status == CKPT_OK)
        status = hdf5_graph_build(&reader->file.tree, graph);
    if (status == CKPT_OK)
        status = hdf5_archive_describe(host, &reader->archive, graph);
    if (status == CKPT_OK && reader->folder != NULL)
        status = hdf5_folder_describe(host, reader->folder, graph);
    return status;
}

static void
hdf5_close(const struct ckpt_host *host, void *self)
{
    struct hdf5_reader *reader = self;

    hdf5_file_close(&reader->file);
    hdf5_archive_close(host, &reader->archive);
    host->release(host, reader);
}

static int
hdf5_verify(const struct ckpt_host *host, void *self)
{
    const struct hdf5_reader *reader = self;

    return hdf5_archive_verify(host, &reader->archive);
}

static int
hdf5_cursor_open(const struct ckpt_host *host, void *self,
                 const struct ckpt_storage *storage, void **cursor)
{
    struct hdf5_reader *reader = self;

    return hdf5_file_cursor_open(host, &reader->file, storage->cursor_key,
                                 cursor);
}

/* The signature is at 0, 512, 1024, 2048, ...; what is before it is the
 * user's. User blocks past 1 MiB are told by --from alone. */
#define HDF5_MAGIC(at)                           \
    {                                            \
        at, HDF5_SIGNATURE, HDF5_SIGNATURE_BYTES \
    }

/* The name of the first member of a zip, so that no other zip is looked at. */
#define HDF5_FIRST(name)                             \
    {                                                \
        HDF5_ARCHIVE_NAME_AT, name, sizeof(name) - 1 \
    }

static const struct ckpt_magic hdf5_magics[] = {
    HDF5_MAGIC(0),
    HDF5_MAGIC(512),
    HDF5_MAGIC(1024),
    HDF5_MAGIC(2048),
    HDF5_MAGIC(4096),
    HDF5_MAGIC(8192),
    HDF5_MAGIC(16384),
    HDF5_MAGIC(32768),
    HDF5_MAGIC(65536),
    HDF5_MAGIC(131072),
    HDF5_MAGIC(262144),
    HDF5_MAGIC(524288),
    HDF5_MAGIC(1048576),
    HDF5_FIRST(HDF5_ARCHIVE_METADATA),
    HDF5_FIRST(HDF5_ARCHIVE_CONFIG),
    HDF5_FIRST(HDF5_ARCHIVE_WEIGHTS),
    HDF5_FIRST(HDF5_ARCHIVE_ARRAYS),
    {0, NULL, 0},
};

static const char *const hdf5_suffixes[] = {".h5", ".hdf5", ".keras", NULL};

static const struct ckpt_reader hdf5_reader = {
    .size = sizeof(struct ckpt_reader),
    .id = "hdf5",
    .summary = "HDF5: Keras weights and models, plain trees of data sets",
    .suffixes = hdf5_suffixes,
    .magics = hdf5_magics,
    .capabilities = CKPT_READS_FOLDERS | CKPT_READS_INERT | CKPT_READS_FRAGILE,
    .threads = CKPT_THREADS_SERIAL,
    .probe = hdf5_probe,
    .open = hdf5_open,
    .describe = hdf5_describe,
    .close = hdf5_close,
    .cursor_open = hdf5_cursor_open,
    .cursor_next = hdf5_file_cursor_next,
    .cursor_close = hdf5_file_cursor_close,
    .verify = hdf5_verify,
};

static const struct ckpt_reader *const hdf5_readers[] = {
    &hdf5_reader, &hdf5_shards_reader, NULL};

CKPT_PLUGIN(hdf5) = {
    .abi = CKPT_ABI,
    .size = sizeof(struct ckpt_plugin),
    .id = "hdf5",
    .version = "0.1.0",
    .summary = "HDF5 files: Keras, and plain trees of data sets",
    .readers = hdf5_readers,
    .writers = hdf5_writers,
};
