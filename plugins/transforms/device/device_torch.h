/* SPDX-License-Identifier: MIT
 *
 * The calls in a pickle of torch that name a device beside the storages. What
 * map_location does to them is what torch 2 does:
 *
 *   1. _rebuild_device_tensor_from_numpy, its kin from_cpu_tensor, and
 *      _rebuild_xla_tensor have the label as a string: both forms apply;
 *   2. _rebuild_wrapper_subclass has a torch.device: one label for all
 *      applies, pairs of strings never match it.
 *
 * Any other torch.device in a file is a value like others and stays.
 */
#ifndef DEVICE_TORCH_H
#define DEVICE_TORCH_H

#include "ckpt/host.h"

/* Whether the object is such a call; then the tuple and the index of the
 * item that names the device. */
bool device_torch_place(const struct ckpt_object *object,
                        const struct ckpt_value **tuple, size_t *index);

#endif
