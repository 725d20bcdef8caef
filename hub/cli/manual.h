/* SPDX-License-Identifier: MIT
 *
 * The manual of a plugin, NAME.md beside NAME.so.
 */
#ifndef CLI_MANUAL_H
#define CLI_MANUAL_H

#include "out.h"

/* Prints its examples, the first lines that are set in; or, if `whole`, all of
 * it. Without a manual nothing is printed. */
void cli_manual(struct cli_out *out, const char *plugin_path, bool whole);

#endif
