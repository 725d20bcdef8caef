/* SPDX-License-Identifier: MIT
 *
 * From the tree of a file to a graph: names, order, ties, attributes.
 */
#ifndef HDF5_GRAPH_H
#define HDF5_GRAPH_H

#include "hdf5_tree.h"

/* Builds the graph: one map of path to tensor or value. The cursor key of a
 * storage that is CODED is the index of its object in the tree. */
int hdf5_graph_build(struct hdf5_tree *tree, struct ckpt_graph *graph);

#endif
