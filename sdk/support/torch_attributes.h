/* SPDX-License-Identifier: MIT
 *
 * The attributes of a graph that are strings, as a JSON object. torch has no
 * place for them: the containers keep it in a part that torch does not read.
 */
#ifndef SDK_TORCH_ATTRIBUTES_H
#define SDK_TORCH_ATTRIBUTES_H

#include "buffer.h"

/* Sets the attributes that the text says. `what` names the part for messages,
 * `origin` is where it starts in the file, or CKPT_NOWHERE. */
int sdk_torch_attributes_read(const struct ckpt_host *host,
                              struct ckpt_graph *graph, const char *what,
                              const void *data, size_t size_bytes,
                              uint64_t origin);

/* Appends the object; nothing if there are no such attributes. */
int sdk_torch_attributes_write(const struct ckpt_host *host,
                               const struct ckpt_graph *graph,
                               struct sdk_buffer *json);

#endif
