/* SPDX-License-Identifier: MIT
 *
 * Which globals a pickle of torch may name without a word. Nothing is ever
 * imported or called here; this is about what others would do with a file.
 */
#ifndef SDK_TORCH_SAFE_H
#define SDK_TORCH_SAFE_H

#include <stdint.h>

/* An unknown name is not known to be bad: the load imports its module and may
 * call it, and nobody here can tell what that does. */
enum sdk_torch_trust {
    SDK_TORCH_UNKNOWN,
    SDK_TORCH_HARMLESS, /* refused by weights_only, but only holds data */
    SDK_TORCH_ALLOWED   /* by weights_only of torch 2.13 */
};

/* The trust in a global by its names in Python 3. */
uint32_t sdk_torch_safe(const char *module, const char *name);

#endif
