/* SPDX-License-Identifier: MIT
 *
 * An open input, as the calls that are given one see it.
 */
#ifndef HUB_RUN_FILE_H
#define HUB_RUN_FILE_H

#include "hub/run/reading.h"
#include "optimizer_slots.h"

struct ckpt_file {
    struct hub_reading reading;
    struct hub_spool spool;
    struct ckpt_file_info info;
    char plugin[80];
    /* What ckpt_file_optimizers found. */
    struct sdk_optimizers found;
    struct ckpt_optimizer *optimizers; /* NULL: not looked for */
    uint64_t *numbers;                 /* of ckpt_file_numbers; or NULL */
};

/* Forgets what was found, and the numbers. */
void hub_file_optimizers_fini(struct ckpt_file *file);

#endif
