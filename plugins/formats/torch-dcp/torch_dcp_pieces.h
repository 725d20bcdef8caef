/* SPDX-License-Identifier: MIT
 *
 * Tensors of several chunks: boxes that fill a tensor without overlap. A
 * cursor hands out the bytes of the whole, row by row, and holds a window.
 */
#ifndef TORCH_DCP_PIECES_H
#define TORCH_DCP_PIECES_H

#include "ckpt/reader.h"

struct torch_dcp_chunk {
    uint64_t offset[CKPT_MAX_RANK], size[CKPT_MAX_RANK];
    const struct ckpt_source *source;
    uint64_t data_offset; /* in the source */
};

struct torch_dcp_pieces {
    uint64_t shape[CKPT_MAX_RANK];
    uint32_t rank;
    uint64_t item_bytes, size_bytes;
    struct torch_dcp_chunk *chunks;
    size_t count;
};

/* Sorts the chunks, and checks that each is within the tensor, that no two
 * overlap, and that together they are all of it. */
int torch_dcp_pieces_check(const struct ckpt_host *host,
                           struct torch_dcp_pieces *pieces, const char *name);

int torch_dcp_cursor_open(const struct ckpt_host *host,
                          const struct torch_dcp_pieces *pieces, void **cursor);
int torch_dcp_cursor_next(const struct ckpt_host *host, void *cursor,
                          struct ckpt_span *span);
void torch_dcp_cursor_close(const struct ckpt_host *host, void *cursor);

#endif
