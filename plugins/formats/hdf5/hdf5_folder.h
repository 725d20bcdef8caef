/* SPDX-License-Identifier: MIT
 *
 * The archive of Keras 3 as a folder: config.json, metadata.json and
 * model.weights.h5 lie in it as files. Model hubs keep models so.
 */
#ifndef HDF5_FOLDER_H
#define HDF5_FOLDER_H

#include "ckpt/reader.h"
#include "hdf5_tree.h"

/* As ckpt_reader.probe, of a folder. */
int hdf5_folder_probe(const struct ckpt_host *host,
                      const struct ckpt_source *folder,
                      struct ckpt_evidence *evidence);

/* Tells where the HDF5 file is. */
int hdf5_folder_open(const struct ckpt_host *host,
                     const struct ckpt_source *folder, struct hdf5_part *part);

/* Adds the texts to the graph, as attributes under their names. */
int hdf5_folder_describe(const struct ckpt_host *host,
                         const struct ckpt_source *folder,
                         struct ckpt_graph *graph);

#endif
