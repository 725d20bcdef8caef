/* SPDX-License-Identifier: MIT
 *
 * What of this plugin is loaded later.
 */
#include "hdf5_library.h"

#include "hdf5_write_chunks.h"

const struct hdf5_library SDK_LATER(hdf5) = {
    .size = sizeof(struct hdf5_library),
    .open = hdf5_lib_open,
    .close = hdf5_lib_close,
    .walk = hdf5_lib_walk,
    .rehearse = hdf5_lib_rehearse,
    .cursor_open = hdf5_lib_cursor_open,
    .cursor_next = hdf5_lib_cursor_next,
    .cursor_close = hdf5_lib_cursor_close,
    .plan = hdf5_plan,
    .write_chunks = hdf5_write_chunks,
};
