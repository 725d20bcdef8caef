/* SPDX-License-Identifier: MIT
 *
 * The HDF5 plugin: Keras files and plain trees of data sets. The tables are
 * at the foot.
 */
#include <stdio.h>

#include "ckpt/plugin.h"
#include "hdf5_archive.h"
#include "hdf5_fill.h"
#include "hdf5_graph.h"
#include "hdf5_lib.h"
#include "hdf5_probe.h"
#include "hdf5_walk.h"
#include "hdf5_writers.h"

struct hdf5_reader {
    struct hdf5_archive archive; /* around the part; zeroes if there is none */
    struct hdf5_part part;
    struct hdf5_tree tree;
    struct hdf5_lib *lib; /* once libhdf5 is needed; else NULL */
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

    if (status != CKPT_OK || host->source_is_folder(host, source))
        return status;
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
    reader->part = hdf5_whole(host, source);
    status = hdf5_archive_is(host, source, &is_zip);
    if (status == CKPT_OK && is_zip)
        status =
            hdf5_archive_open(host, source, &reader->archive, &reader->part);
    if (status != CKPT_OK) {
        hdf5_archive_close(host, &reader->archive);
        host->release(host, reader);
        return status;
    }
    *self = reader;
    return CKPT_OK;
}

/* Has libhdf5 open the file, once. */
static int
hdf5_need_lib(const struct ckpt_host *host, struct hdf5_reader *reader)
{
    if (reader->lib != NULL)
        return CKPT_OK;
    return hdf5_lib_open(host, &reader->part, &reader->lib);
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
#ifdef HDF5_FUZZED
    return host->fail(host, CKPT_UNSUPPORTED, NULL, CKPT_NOWHERE,
                      "libhdf5 is not fuzzed here");
#endif
    hdf5_tree_fini(&reader->tree);
    hdf5_tree_init(host, &reader->part, &reader->tree);
    status = hdf5_lib_rehearse(host, &reader->part);
    if (status == CKPT_OK)
        status = hdf5_need_lib(host, reader);
    return status == CKPT_OK ? hdf5_lib_walk(reader->lib, &reader->tree)
                             : status;
}

static int
hdf5_describe(const struct ckpt_host *host, void *self,
              struct ckpt_graph *graph)
{
    struct hdf5_reader *reader = self;
    int status = hdf5_fill(host, reader);

    if (status == CKPT_OK)
        status = hdf5_graph_build(&reader->tree, graph);
    if (status == CKPT_OK)
        status = hdf5_archive_describe(host, &reader->archive, graph);
    return status;
}

static void
hdf5_close(const struct ckpt_host *host, void *self)
{
    struct hdf5_reader *reader = self;

    hdf5_lib_close(reader->lib);
    hdf5_tree_fini(&reader->tree);
    hdf5_archive_close(host, &reader->archive);
    host->release(host, reader);
}

/* A cursor of libhdf5, or one over a fill value. */
struct hdf5_cursor {
    bool by_lib;
    void *inner;
};

static int
hdf5_cursor_open(const struct ckpt_host *host, void *self,
                 const struct ckpt_storage *storage, void **cursor)
{
    struct hdf5_reader *reader = self;
    struct hdf5_object *object = reader->tree.objects[storage->cursor_key];
    struct hdf5_cursor *made = host->allocate(host, sizeof *made);
    int status = CKPT_OK;

    if (made == NULL)
        return CKPT_MEMORY;
    made->by_lib = object->data.place == HDF5_CODED;
    if (!made->by_lib)
        status = hdf5_fill_open(host, object, &made->inner);
    else
        status = hdf5_need_lib(host, reader);
    if (status == CKPT_OK && made->by_lib)
        status = hdf5_lib_cursor_open(reader->lib, &reader->tree, object,
                                      &made->inner);
    if (status == CKPT_OK)
        *cursor = made;
    else
        host->release(host, made);
    return status;
}

static int
hdf5_cursor_next(const struct ckpt_host *host, void *self,
                 struct ckpt_span *span)
{
    struct hdf5_cursor *cursor = self;

    return cursor->by_lib ? hdf5_lib_cursor_next(host, cursor->inner, span)
                          : hdf5_fill_next(host, cursor->inner, span);
}

static void
hdf5_cursor_close(const struct ckpt_host *host, void *self)
{
    struct hdf5_cursor *cursor = self;

    if (cursor->by_lib)
        hdf5_lib_cursor_close(host, cursor->inner);
    else
        hdf5_fill_close(host, cursor->inner);
    host->release(host, cursor);
}

/* The signature is at 0, 512, 1024, 2048, ...; what is before it is the
 * user's. User blocks past 1 MiB are told by --from alone. */
#define HDF5_MAGIC(at)                           \
    {                                            \
        at, HDF5_SIGNATURE, HDF5_SIGNATURE_BYTES \
    }

/* The name of the first member of a zip, so that no other zip is looked at:
 * loading libhdf5 takes its time. */
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
    .capabilities = CKPT_READS_INERT | CKPT_READS_FRAGILE,
    .threads = CKPT_THREADS_SERIAL,
    .probe = hdf5_probe,
    .open = hdf5_open,
    .describe = hdf5_describe,
    .close = hdf5_close,
    .cursor_open = hdf5_cursor_open,
    .cursor_next = hdf5_cursor_next,
    .cursor_close = hdf5_cursor_close,
};

static const struct ckpt_reader *const hdf5_readers[] = {&hdf5_reader, NULL};

CKPT_PLUGIN(hdf5) = {
    .abi = CKPT_ABI,
    .size = sizeof(struct ckpt_plugin),
    .id = "hdf5",
    .version = "0.1.0",
    .summary = "HDF5 files: Keras, and plain trees of data sets",
    .readers = hdf5_readers,
    .writers = hdf5_writers,
};
