/* SPDX-License-Identifier: MIT
 *
 * The functions of the host table that read payload; see ckpt/host.h.
 */
#ifndef HUB_LOAD_HOST_TENSOR_H
#define HUB_LOAD_HOST_TENSOR_H

#include "hub/load/host_table.h"

int hub_host_tensor_read(const struct ckpt_host *table,
                         const struct ckpt_tensor *tensor, void *buffer);
int hub_host_tensor_open(const struct ckpt_host *table,
                         const struct ckpt_tensor *tensor,
                         struct ckpt_stream **stream);
int hub_host_tensor_next(const struct ckpt_host *table,
                         struct ckpt_stream *stream, struct ckpt_span *span);
void hub_host_tensor_close(const struct ckpt_host *table,
                           struct ckpt_stream *stream);

#endif
