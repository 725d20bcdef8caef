/* SPDX-License-Identifier: MIT
 *
 * Reading tensors that have several parts.
 */
#ifndef SDK_TORCH_READ_LAYOUT_H
#define SDK_TORCH_READ_LAYOUT_H

#include "torch_layout.h"
#include "torch_read_state.h"

/* What a call to rebuild a sparse or nested tensor gives; NULL: it has not
 * the arguments of one. */
const struct sdk_torch_layout *sdk_torch_parts(struct torch_reader *r,
                                               uint32_t ref,
                                               struct sdk_pickled_list *parts);

/* Whether the node says how a tensor is quantised, and the attribute that
 * keeps it. */
bool sdk_torch_is_quantiser(struct torch_reader *r, uint32_t ref);
int sdk_torch_quantiser_set(struct torch_reader *r, uint32_t ref,
                            struct ckpt_value *owner);

/* Whether the dict `state` of attributes, or NOTHING, has one of that name. */
bool sdk_torch_has_attr(struct torch_reader *r, uint32_t state,
                        const char *name);

/* Copies a node's text, if it can be a device. */
bool sdk_torch_device_label(struct torch_reader *r, uint32_t ref, char *label,
                            size_t room);

#endif
