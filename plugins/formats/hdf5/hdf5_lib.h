/* SPDX-License-Identifier: MIT
 *
 * What libhdf5 reads: files beyond the plain subset of hdf5_walk.h, and the
 * bytes of all data sets that are not one run of the file. It reads through
 * hdf5_driver.h and opens no file; nothing is followed out of the one that it
 * is given. Both ways to read a file give the same tree.
 *
 * libhdf5 is not hardened against hostile bytes: a file goes through
 * hdf5_lib_rehearse first, and cursors run in a process of their own.
 */
#ifndef HDF5_LIB_H
#define HDF5_LIB_H

#include "hdf5_tree.h"

struct hdf5_lib; /* a file that libhdf5 has open */

/* CKPT_FORMAT: libhdf5 cannot open it. */
int hdf5_lib_open(const struct ckpt_host *host, const struct hdf5_part *part,
                  struct hdf5_lib **lib);

/* NULL is fine. All cursors are closed before. */
void hdf5_lib_close(struct hdf5_lib *lib);

/* Fills an initialised tree. CKPT_FORMAT: damaged; CKPT_LIMIT: a size that is
 * claimed is not backed, or beyond what is read at once. */
int hdf5_lib_walk(struct hdf5_lib *lib, struct hdf5_tree *tree);

/* Opens, walks and closes in a process of its own, to see whether libhdf5
 * survives that. CKPT_CONTRACT: it does not. */
int hdf5_lib_rehearse(const struct ckpt_host *host,
                      const struct hdf5_part *part);

/* ---- Data of place CODED, from first to last element ---- */

/* A tree of either walk; it lives until the cursor is closed.
 * CKPT_UNSUPPORTED: a filter that libhdf5 does not have. */
int hdf5_lib_cursor_open(struct hdf5_lib *lib, struct hdf5_tree *tree,
                         struct hdf5_object *object, void **cursor);

/* As ckpt_reader.cursor_next and cursor_close. */
int hdf5_lib_cursor_next(const struct ckpt_host *host, void *cursor,
                         struct ckpt_span *span);
void hdf5_lib_cursor_close(const struct ckpt_host *host, void *cursor);

#endif
