/* SPDX-License-Identifier: MIT
 *
 * An output with compressed data sets, driven by libhdf5.
 */
#ifndef HDF5_WRITE_CHUNKS_H
#define HDF5_WRITE_CHUNKS_H

#include "hdf5_names.h"

int hdf5_write_chunks(const struct ckpt_host *host, enum hdf5_layout layout,
                      int gzip_level, const struct ckpt_graph *graph,
                      struct ckpt_sink *sink);

#endif
