/* SPDX-License-Identifier: MIT
 *
 * One HDF5 file that is read: its tree, by whichever walk can, and cursors
 * over its data.
 */
#ifndef HDF5_FILE_H
#define HDF5_FILE_H

#include "hdf5_library.h"

struct hdf5_file {
    struct hdf5_part part;
    struct hdf5_tree tree;
    /* Both once libhdf5 is needed; else NULL. */
    const struct hdf5_library *library;
    struct hdf5_lib *lib;
};

/* Of a zeroed file whose part is set: fills its tree. */
int hdf5_file_read(const struct ckpt_host *host, struct hdf5_file *file);

/* After a failure too; a zeroed struct is fine. */
void hdf5_file_close(struct hdf5_file *file);

/* A cursor over the object of this index in the tree. */
int hdf5_file_cursor_open(const struct ckpt_host *host, struct hdf5_file *file,
                          size_t index, void **cursor);
int hdf5_file_cursor_next(const struct ckpt_host *host, void *cursor,
                          struct ckpt_span *span);
void hdf5_file_cursor_close(const struct ckpt_host *host, void *cursor);

#endif
