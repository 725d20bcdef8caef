/* SPDX-License-Identifier: MIT
 *
 * The plugin's own walk over the plain subset of HDF5: old and new headers,
 * symbol tables and compact links, contiguous and compact data, attributes in
 * headers. It is written for hostile bytes; every number is checked.
 */
#ifndef HDF5_WALK_H
#define HDF5_WALK_H

#include "hdf5_tree.h"

/* Places at which the signature may be, doubling from 512 after 0. */
#define HDF5_SIGNATURE "\x89HDF\r\n\x1a\n"
#define HDF5_SIGNATURE_BYTES 8

/* Finds the signature: its offset in the part, or CKPT_NOWHERE. */
int hdf5_find_signature(const struct ckpt_host *host,
                        const struct hdf5_part *part, uint64_t *offset);

/* Fills an initialised tree. CKPT_END: the file holds something beyond the
 * plain subset, and libhdf5 has to tell; the tree is then of no use but for
 * hdf5_tree_fini. CKPT_FORMAT: it is damaged. */
int hdf5_walk(struct hdf5_tree *tree);

#endif
