/* SPDX-License-Identifier: MIT
 *
 * What is known of a global by its name.
 */
#ifndef PICKLE_SCAN_NAMES_H
#define PICKLE_SCAN_NAMES_H

#include "ckpt/scanner.h"

/* The severity of importing it, and why: "runs programs". The names may be
 * those of Python 2. `script`: in an archive of TorchScript, whose own classes
 * have names too. */
uint32_t pickle_scan_judge(const char *module, const char *name, bool script,
                           const char **why);

/* Whether it is a layer of torch, by its full name. */
bool pickle_scan_is_layer(const char *module, const char *name);

/* Whether the text could be a module or a name: letters, digits, `_` and `.`,
 * and no digit first. */
bool pickle_scan_identifier(const char *text);

#endif
