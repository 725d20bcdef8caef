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

/* The same in two steps, for several trees in one graph: the map, which is to
 * be made the root, and what a tree adds to it. `cursor_base` is added to the
 * cursor keys. CKPT_FORMAT: a path that is there already. */
int hdf5_graph_begin(const struct ckpt_host *host, struct ckpt_graph *graph,
                     struct ckpt_value **root);
int hdf5_graph_add(struct hdf5_tree *tree, struct ckpt_graph *graph,
                   struct ckpt_value *root, uint64_t cursor_base);

#endif
