/* SPDX-License-Identifier: MIT
 *
 * What `ckpt info` tells about one file.
 */
#ifndef CLI_INFO_H
#define CLI_INFO_H

#include "count.h"
#include "json_out.h"

struct cli_about {
    struct ckpt_file *file;
    const struct ckpt_file_info *about;
    const struct ckpt_graph *graph;
    struct cli_counts counts;
};

/* The members of the file's object. CKPT_MEMORY if there is none. */
int cli_about_json(struct cli_json *json, const struct cli_about *info);

#endif
