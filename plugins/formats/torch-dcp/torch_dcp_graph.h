/* SPDX-License-Identifier: MIT
 *
 * From the metadata of a distributed checkpoint and its files to the graph.
 */
#ifndef TORCH_DCP_GRAPH_H
#define TORCH_DCP_GRAPH_H

#include "buffer.h"
#include "torch_dcp_pieces.h"

/* An archive in a file that was read. */
struct torch_dcp_archive {
    const struct ckpt_source *file;
    uint64_t offset, size_bytes;
};

struct torch_dcp {
    const struct ckpt_source *source; /* the folder, or .metadata in it */
    struct sdk_buffer archives;       /* struct torch_dcp_archive */
    struct torch_dcp_pieces **pieces; /* by cursor key */
    size_t count, capacity;
};

int torch_dcp_describe(const struct ckpt_host *host, struct torch_dcp *self,
                       struct ckpt_graph *graph);

/* Compares the records of all items with their CRC-32. [after describe] */
int torch_dcp_verify(const struct ckpt_host *host,
                     const struct torch_dcp *self);

#endif
