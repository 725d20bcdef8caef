/* SPDX-License-Identifier: MIT
 *
 * An open input, as the calls that are given one see it.
 */
#ifndef HUB_RUN_FILE_H
#define HUB_RUN_FILE_H

#include "hub/run/reading.h"

struct ckpt_file {
    struct hub_reading reading;
    struct hub_spool spool;
    struct ckpt_file_info info;
    char plugin[80];
};

#endif
