/* SPDX-License-Identifier: MIT
 *
 * Which tensors are parameters, and their numbers, as loops over them count:
 * from 0, in the order of the file, and a second name of one parameter has
 * that one's number. What an optimizer keeps is not counted.
 */
#ifndef CLI_NUMBERS_H
#define CLI_NUMBERS_H

#include "ckpt.h"

/* By its role; where roles are not told, those called running_mean,
 * running_var, moving_mean or moving_variance, and what is not floating or
 * complex, are buffers. */
bool cli_is_parameter(const struct ckpt_text *name,
                      const struct ckpt_tensor *tensor);

#define CLI_NUMBER_NONE UINT64_MAX       /* it is no parameter */
#define CLI_NUMBER_SLOT (UINT64_MAX - 1) /* it is of an optimizer */

/* A number for each entry, or one of the above; to be freed.
 * NULL: no memory. */
uint64_t *cli_numbers(const struct ckpt_graph *graph);

#endif
