/* SPDX-License-Identifier: MIT
 *
 * What kind of module keeps such tensors: a guess from their keys and shapes,
 * in the words of the framework whose keys they are.
 */
#ifndef CLI_MODULE_KIND_H
#define CLI_MODULE_KIND_H

#include "ckpt.h"
#include "out.h"

/* A tensor under its key in the module: "weight". */
struct cli_part {
    struct ckpt_text key;
    const struct ckpt_tensor *tensor;
};

/* Writes "Conv2d", or "-" if nothing is like it. `path` is the module's. */
void cli_module_kind(struct cli_out *out, const struct ckpt_text *path,
                     const struct cli_part *parts, size_t part_count);

#endif
