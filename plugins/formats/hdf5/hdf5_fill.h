/* SPDX-License-Identifier: MIT
 *
 * Cursors over data sets that were never written: the fill value, over and
 * over.
 */
#ifndef HDF5_FILL_H
#define HDF5_FILL_H

#include "hdf5_tree.h"

/* A cursor over an object of place HDF5_FILL. */
int hdf5_fill_open(const struct ckpt_host *host,
                   const struct hdf5_object *object, void **cursor);
int hdf5_fill_next(const struct ckpt_host *host, void *cursor,
                   struct ckpt_span *span);
void hdf5_fill_close(const struct ckpt_host *host, void *cursor);

#endif
