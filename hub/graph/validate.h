/* SPDX-License-Identifier: MIT
 *
 * What may enter a graph.
 */
#ifndef HUB_GRAPH_VALIDATE_H
#define HUB_GRAPH_VALIDATE_H

#include "ckpt/graph.h"
#include "hub/core/report.h"

/* Whether a tensor whose element_count is set is row-major without gaps. */
bool hub_tensor_contiguous(const struct ckpt_tensor *tensor);

/* Fills element_count, size_bytes and contiguous of a tensor whose other
 * members are set, or refuses it. `name` is for the message, may be NULL. */
int hub_tensor_check(struct hub_report *report, struct ckpt_tensor *tensor,
                     const char *name);

/* Refuses a storage that cannot be; `source_size` is that of its source. */
int hub_storage_check(struct hub_report *report,
                      const struct ckpt_storage *storage, uint64_t source_size);

#endif
