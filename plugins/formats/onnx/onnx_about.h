/* SPDX-License-Identifier: MIT
 *
 * What a model says of itself as a whole, apart from its graph.
 */
#ifndef ONNX_ABOUT_H
#define ONNX_ABOUT_H

#include "ckpt/reader.h"

struct onnx_about {
    uint64_t ir_version, opset; /* opset: of the default domain; 0: untold */
    char producer[48], producer_version[24]; /* printable; cut if long */
    bool has_graph;
    uint32_t unknown; /* fields of the model that ONNX does not have */
};

/* Reads it, for a probe: nothing is said of what is wrong. */
int onnx_about_read(const struct ckpt_host *host,
                    const struct ckpt_source *source, struct onnx_about *about);

/* "ONNX, IR 8, opset 17, from pytorch 1.13". */
void onnx_about_say(const struct onnx_about *about, char *how, size_t room);

#endif
