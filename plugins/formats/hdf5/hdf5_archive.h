/* SPDX-License-Identifier: MIT
 *
 * The archives of Keras 3, `.keras`: a zip with config.json, metadata.json and
 * model.weights.h5. The HDF5 file is read where it lies in the zip.
 */
#ifndef HDF5_ARCHIVE_H
#define HDF5_ARCHIVE_H

#include "ckpt/reader.h"
#include "hdf5_tree.h"
#include "zip_inflate.h"

/* Names that the first member of such an archive has, at byte 30. */
#define HDF5_ARCHIVE_NAME_AT 30
#define HDF5_ARCHIVE_CONFIG "config.json"
#define HDF5_ARCHIVE_METADATA "metadata.json"
#define HDF5_ARCHIVE_WEIGHTS "model.weights.h5"
#define HDF5_ARCHIVE_ARRAYS "model.weights.npz"

struct hdf5_archive {
    const struct ckpt_source *source;
    struct sdk_zip zip;
};

/* Whether the source begins as a zip. */
int hdf5_archive_is(const struct ckpt_host *host,
                    const struct ckpt_source *source, bool *is_zip);

/* As ckpt_reader.probe, of a zip. */
int hdf5_archive_probe(const struct ckpt_host *host,
                       const struct ckpt_source *source,
                       struct ckpt_evidence *evidence);

/* Opens a zeroed archive and tells where in the source the HDF5 file is.
 * CKPT_UNSUPPORTED: it is deflated, or the weights are in an .npz.
 * hdf5_archive_close frees it, after a failure too. */
int hdf5_archive_open(const struct ckpt_host *host,
                      const struct ckpt_source *source,
                      struct hdf5_archive *archive, struct hdf5_part *part);

/* Makes config.json and metadata.json attributes of the graph; reports
 * members that have no place in one. */
int hdf5_archive_describe(const struct ckpt_host *host,
                          struct hdf5_archive *archive,
                          struct ckpt_graph *graph);

/* Compares each member with its CRC-32, as ckpt_reader.verify does. */
int hdf5_archive_verify(const struct ckpt_host *host,
                        const struct hdf5_archive *archive);

/* A zeroed struct is fine. */
void hdf5_archive_close(const struct ckpt_host *host,
                        struct hdf5_archive *archive);

#endif
