/* SPDX-License-Identifier: MIT
 *
 * Whether the flags of tensors tell which parameters are trained. torch saves a
 * state dict without: then no tensor asks for gradients, and that says nothing.
 */
#ifndef SDK_TRAINED_H
#define SDK_TRAINED_H

#include "ckpt/host.h"

struct sdk_trained {
    bool grads; /* a tensor in it asks for gradients */
    bool roles; /* one is a parameter by its role */
    bool model; /* it was a whole model, whose flags are not kept */
};

/* Looks at a value and, if it is a map, list or tuple, at the tensors in it. */
void sdk_trained_look(struct sdk_trained *trained,
                      const struct ckpt_value *value);

/* Whether a parameter in it that asks for no gradients is frozen. */
static inline bool
sdk_trained_speak(const struct sdk_trained *trained)
{
    return trained->grads || (trained->roles && !trained->model);
}

#endif
