/* SPDX-License-Identifier: MIT
 *
 * The parts of the plugin for tests.
 */
#ifndef INPUTS_H
#define INPUTS_H

#include "ckpt/plugin.h"

#define INPUTS_LABEL_BYTES 100

/* The text of a small file. */
int inputs_label(const struct ckpt_host *host, const struct ckpt_source *source,
                 char label[INPUTS_LABEL_BYTES]);

/* Renames the first tensor to what a file says. */
extern const struct ckpt_transform inputs_named;

/* Change the bytes of every tensor, or their order. */
extern const struct ckpt_transform inputs_xor, inputs_xor_bare, inputs_turn;

/* Adds what other files have. */
extern const struct ckpt_transform inputs_graft;

#endif
