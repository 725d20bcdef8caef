/* SPDX-License-Identifier: MIT
 *
 * Shapes for messages.
 */
#ifndef SDK_SHAPE_TEXT_H
#define SDK_SHAPE_TEXT_H

#include "ckpt/graph.h"

#define SDK_SHAPE_ROOM 120

/* "[3, 4]", cut where it is long. Returns `text`. */
const char *sdk_shape_text(const struct ckpt_tensor *tensor,
                           char text[SDK_SHAPE_ROOM]);

#endif
