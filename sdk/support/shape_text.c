/* SPDX-License-Identifier: MIT
 *
 * Shapes for messages: see the header.
 */
#include "shape_text.h"

#include <inttypes.h>
#include <stdio.h>

const char *
sdk_shape_text(const struct ckpt_tensor *tensor, char text[SDK_SHAPE_ROOM])
{
    size_t used = 1;
    uint32_t d;

    text[0] = '[';
    for (d = 0; d < tensor->rank && used < 80; d++)
        used +=
            (size_t)snprintf(text + used, SDK_SHAPE_ROOM - used, "%s%" PRIu64,
                             d > 0 ? ", " : "", tensor->shape[d]);
    snprintf(text + used, SDK_SHAPE_ROOM - used,
             d < tensor->rank ? ", ...]" : "]");
    return text;
}
