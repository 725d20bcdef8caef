/* SPDX-License-Identifier: MIT
 *
 * Builds the graph of a tree.
 */
#include "hdf5_graph.h"

int
hdf5_graph_build(struct hdf5_tree *tree, struct ckpt_graph *graph)
{
    (void)graph;
    return tree->host->fail(tree->host, CKPT_UNSUPPORTED, NULL, CKPT_NOWHERE,
                            "not built yet");
}
