/* SPDX-License-Identifier: MIT
 *
 * The writers of this plugin, NULL-ended: hdf5, keras2, keras3.
 */
#ifndef HDF5_WRITERS_H
#define HDF5_WRITERS_H

#include "ckpt/writer.h"

extern const struct ckpt_writer *const hdf5_writers[];

#endif
