/* SPDX-License-Identifier: MIT
 *
 * The numbers of parameters, as loops over them count: from 0, in the order
 * of the file, and a second name of one parameter has that one's number.
 */
#ifndef CLI_NUMBERS_H
#define CLI_NUMBERS_H

#include "ckpt.h"

/* A number for each entry, UINT64_MAX for what is no parameter; to be freed.
 * NULL: no memory. */
uint64_t *cli_numbers(const struct ckpt_graph *graph);

#endif
