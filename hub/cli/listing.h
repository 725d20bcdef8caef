/* SPDX-License-Identifier: MIT
 *
 * What `ckpt ls` lists: the tensors that a pattern picks, with what has been
 * worked out about them.
 */
#ifndef CLI_LISTING_H
#define CLI_LISTING_H

#include "ckpt.h"

struct cli_row {
    const struct ckpt_entry *entry;
    uint64_t index;           /* among all entries */
    uint64_t parameter_index; /* of ckpt_file_numbers */
};

struct cli_listing {
    struct ckpt_file *file;
    const struct ckpt_file_info *info;
    const struct ckpt_graph *graph;
    struct cli_row *rows;
    size_t row_count;
    bool optimizers;              /* to be told too */
    unsigned char (*digests)[32]; /* of the rows; NULL: not asked for */
};

/* ---- ls_json.c ---- */

struct cli_out;
int cli_listing_json(struct cli_out *out, const struct cli_listing *listing);

/* ---- ls_modules.c ---- */

/* Rows have been given their numbers. */
int cli_listing_modules(struct cli_out *out, const struct cli_listing *listing,
                        bool sum);

#endif
