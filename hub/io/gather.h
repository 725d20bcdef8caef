/* SPDX-License-Identifier: MIT
 *
 * The contiguous bytes of a strided view, in order, with bounded memory.
 */
#ifndef HUB_IO_GATHER_H
#define HUB_IO_GATHER_H

#include "ckpt/graph.h"
#include "hub/io/source.h"

struct hub_gather;

/* What one gathers into, where there is no other. */
#define HUB_BOX_BYTES ((size_t)32 << 20)

/* The tensor has at least one element. The storage's bytes are those of
 * `source` from `offset`, or of `memory` if that is not NULL. All is borrowed
 * until free. `box_bytes` is the memory that it may gather into: the larger,
 * the fewer and longer are the runs that are read. CKPT_UNSUPPORTED for types
 * below a byte. */
int hub_gather_new(struct hub_budget *budget, size_t box_bytes,
                   const struct ckpt_tensor *tensor,
                   const struct ckpt_source *source, uint64_t offset,
                   const void *memory, struct hub_gather **gather);
void hub_gather_free(struct hub_gather *gather);

/* The next bytes; they live until the next call. CKPT_END after the last. */
int hub_gather_next(struct hub_gather *gather, struct ckpt_span *span);

#endif
