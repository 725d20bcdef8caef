/* SPDX-License-Identifier: MIT
 *
 * Which part of a checkpoint is the state dict, and what wrappers of modules
 * have put before its keys.
 */
#ifndef SDK_STATE_DICT_H
#define SDK_STATE_DICT_H

#include "ckpt/host.h"

/* A map that has tensors under its own keys: the value itself; or what is under
 * one of the usual names, or in that; or the only one among the values of the
 * map. NULL: it cannot be told. */
const struct ckpt_value *sdk_state_dict_find(const struct ckpt_value *value);

/* The bytes at the front of a name that are wrappers': `module.` of
 * DataParallel, `_orig_mod.` of torch.compile, and those of FSDP and of
 * checkpointing, one in the other. */
size_t sdk_wrapped_bytes(const struct ckpt_text *name);

/* As many of the first `bytes`, which are wrappers, as a name has too. */
size_t sdk_wrapped_common(const char *wrappers, size_t bytes,
                          const struct ckpt_text *name);

/* The wrappers that all keys of a map begin with: their bytes, or 0. They are
 * borrowed from the map. */
size_t sdk_wrapper_of(const struct ckpt_value *map, const char **wrapper);

#endif
