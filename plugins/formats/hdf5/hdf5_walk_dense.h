/* SPDX-License-Identifier: MIT
 *
 * Many links, or many attributes, of one object: they lie in a fractal heap,
 * and a B-tree of version 2 tells where.
 */
#ifndef HDF5_WALK_DENSE_H
#define HDF5_WALK_DENSE_H

#include "hdf5_walk_file.h"

/* A heap that was read. A zeroed struct is an empty one. */
struct hdf5_dense {
    struct sdk_buffer bytes;    /* of all direct blocks, one after the other */
    struct sdk_buffer segments; /* struct dense_segment: where they belong */
    struct sdk_buffer records;  /* of the B-tree, in its order */
    size_t record_bytes;
    unsigned offset_bytes, length_bytes; /* in the id of an object */
    unsigned id_bytes;
};

/* Kinds of B-trees, by what their records are about. */
enum hdf5_tree_kind { HDF5_TREE_LINKS = 5, HDF5_TREE_ATTRS = 8 };

/* Reads a heap and the B-tree over it. CKPT_END: filters, huge objects, and
 * what else is not plain. */
int hdf5_dense_read(struct hdf5_walk *walk, uint64_t heap, uint64_t tree,
                    enum hdf5_tree_kind kind, struct hdf5_dense *dense);
void hdf5_dense_fini(struct hdf5_walk *walk, struct hdf5_dense *dense);

size_t hdf5_dense_count(const struct hdf5_dense *dense);

/* The object of a record, from its id at a byte of the record. */
int hdf5_dense_object(struct hdf5_walk *walk, const struct hdf5_dense *dense,
                      size_t index, size_t id_at, struct hdf5_run *run);

/* The records of a B-tree alone; used by hdf5_dense_read. */
int hdf5_dense_records(struct hdf5_walk *walk, uint64_t tree,
                       enum hdf5_tree_kind kind, struct hdf5_dense *dense);

#endif
