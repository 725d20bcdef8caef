/* SPDX-License-Identifier: MIT
 *
 * A look at the root of a file, for probe: no memory, no failure, and never
 * more than the first few structures. What is not seen is a plain tree.
 */
#ifndef HDF5_PROBE_H
#define HDF5_PROBE_H

#include "hdf5_keras.h"

/* The family of the file whose signature is at an offset of the part. */
enum hdf5_family hdf5_probe_family(const struct ckpt_host *host,
                                   const struct hdf5_part *part,
                                   uint64_t signature);

#endif
