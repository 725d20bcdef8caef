/* SPDX-License-Identifier: MIT
 *
 * From the metadata of a distributed checkpoint and its files to the graph.
 */
#ifndef TORCH_DCP_GRAPH_H
#define TORCH_DCP_GRAPH_H

#include "torch_dcp_pieces.h"

struct torch_dcp {
    const struct ckpt_source *source; /* the folder, or .metadata in it */
    struct torch_dcp_pieces **pieces; /* by cursor key */
    size_t count, capacity;
};

int torch_dcp_describe(const struct ckpt_host *host, struct torch_dcp *self,
                       struct ckpt_graph *graph);

#endif
