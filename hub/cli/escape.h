/* SPDX-License-Identifier: MIT
 *
 * Text from files, made harmless. Names come from strangers: they may hold
 * terminal commands, line breaks, or marks that turn the reading direction
 * round. All that a line shows of a file passes through here.
 */
#ifndef CLI_ESCAPE_H
#define CLI_ESCAPE_H

#include <stddef.h>
#include <stdint.h>

#include "out.h"

/* One line of valid, printable UTF-8 without tabs: \n \t \r \\ as in C,
 * \NNN (octal) for other control bytes and for bytes that are not UTF-8,
 * \uNNNN for invisible and direction-changing characters. Two different texts
 * never look the same. */
void cli_escape(struct cli_out *out, const char *data, size_t size_bytes);

void cli_escape_string(struct cli_out *out, const char *text);

/* The same for prose, in which a backslash is only that. */
void cli_escape_prose(struct cli_out *out, const char *data, size_t size_bytes);

/* A JSON string with its quotes. Bytes that are not UTF-8 become U+FFFD. */
void cli_escape_json(struct cli_out *out, const char *data, size_t size_bytes);

#endif
