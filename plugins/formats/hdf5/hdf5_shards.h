/* SPDX-License-Identifier: MIT
 *
 * Weights of Keras 3 in several files, by the index beside them:
 *
 *     {"metadata": {"total_size": BYTES},
 *      "weight_map": {"/layers/dense/vars": ["m_00000.weights.h5"], ...}}
 *
 * A group may be in several files, each with some of its variables.
 */
#ifndef HDF5_SHARDS_H
#define HDF5_SHARDS_H

#include "ckpt/reader.h"

extern const struct ckpt_reader hdf5_shards_reader;

#endif
