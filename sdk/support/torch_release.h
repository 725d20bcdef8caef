/* SPDX-License-Identifier: MIT
 *
 * What a release of torch reads in its safest mode: weights_only=True where
 * it has that, else the one mode that it has.
 *
 * Sources: torch/_weights_only_unpickler.py of 1.13 and 2.0, the list of
 * torch_safe.h for 2.13, torch/_utils.py and torch/__init__.py of 1.5; 0.1
 * reads plain tensors of eight classes.
 */
#ifndef SDK_TORCH_RELEASE_H
#define SDK_TORCH_RELEASE_H

#include "ckpt/option.h"
#include "torch_write.h"

/* In the order of sdk_torch_releases. */
enum sdk_torch_release {
    SDK_TORCH_0_1,
    SDK_TORCH_1_5,
    SDK_TORCH_1_13,
    SDK_TORCH_2_0,
    SDK_TORCH_2_13
};

/* "0.1", "1.5", "1.13", "2.0", "2.13"; NULL-ended. */
extern const char *const sdk_torch_releases[];

/* CKPT_UNSUPPORTED: something that was written stands against the release:
 * a tensor's dtype, a class or function, a float; by its name. */
int sdk_torch_release_check(const struct ckpt_host *host,
                            const struct ckpt_graph *graph,
                            const struct sdk_torch_pickle *written,
                            uint32_t release);

#endif
