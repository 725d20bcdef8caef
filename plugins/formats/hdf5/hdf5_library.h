/* SPDX-License-Identifier: MIT
 *
 * All that calls libhdf5, as a table: libhdf5 and what it brings, some 35
 * libraries, take longer to be loaded than a small file to be read, so that
 * part of the plugin is loaded when a file is beyond the plugin's own walk, or
 * is to be written; see module.h.
 */
#ifndef HDF5_LIBRARY_H
#define HDF5_LIBRARY_H

#include "hdf5_lib.h"
#include "hdf5_plan.h"
#include "module.h"

struct hdf5_library {
    size_t size;

    /* ---- hdf5_lib.h ---- */

    int (*open)(const struct ckpt_host *host, const struct hdf5_part *part,
                struct hdf5_lib **lib);
    void (*close)(struct hdf5_lib *lib);
    int (*walk)(struct hdf5_lib *lib, struct hdf5_tree *tree);
    int (*rehearse)(const struct ckpt_host *host, const struct hdf5_part *part);
    int (*cursor_open)(struct hdf5_lib *lib, struct hdf5_tree *tree,
                       struct hdf5_object *object, void **cursor);
    int (*cursor_next)(const struct ckpt_host *host, void *cursor,
                       struct ckpt_span *span);
    void (*cursor_close)(const struct ckpt_host *host, void *cursor);

    /* ---- hdf5_plan.h, hdf5_write_chunks.h ---- */

    int (*plan)(const struct ckpt_host *host, enum hdf5_layout layout,
                const struct ckpt_graph *graph, struct ckpt_plan *plan);
    int (*write_chunks)(const struct ckpt_host *host, enum hdf5_layout layout,
                        int gzip_level, const struct ckpt_graph *graph,
                        struct ckpt_sink *sink);
};

extern SDK_LATER_EXPORT const struct hdf5_library SDK_LATER(hdf5);

#endif
