/* SPDX-License-Identifier: MIT
 *
 * The way of each tensor, as --dry-run shows it: a line each, old name, new
 * name, what happens; or one JSON document.
 */
#ifndef CLI_WAYS_H
#define CLI_WAYS_H

#include "cli.h"
#include "json_out.h"
#include "table_out.h"

struct cli_ways {
    struct cli *cli;
    bool begun; /* something is printed */
    struct cli_table table;
    struct cli_json json, told;
    struct cli_out json_text, told_text; /* until all has gone well */
    uint64_t kept, changed, added, dropped;
    const char *hash_name; /* of the file that was written, or NULL */
};

void cli_ways_init(struct cli_ways *ways, struct cli *cli);

/* Of ckpt_conversion.way; `context` are the ways. */
void cli_ways_take(void *context, const struct ckpt_way *way);

/* Of ckpt_conversion.told; likewise. For JSON alone. */
void cli_ways_told(void *context, const struct ckpt_told *told);

/* Prints what is left; after a failure nothing, if nothing was told, and no
 * JSON. CKPT_OK or CKPT_MEMORY. */
int cli_ways_end(struct cli_ways *ways, bool failed);

/* "3 kept, 1 changed, 2 dropped". */
void cli_ways_counts(const struct cli_ways *ways, struct cli_out *out);

#endif
