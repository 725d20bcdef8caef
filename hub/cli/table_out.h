/* SPDX-License-Identifier: MIT
 *
 * A table: aligned and with a header on a terminal, else one line a row with
 * tabs between the cells, for scripts and for speed.
 */
#ifndef CLI_TABLE_OUT_H
#define CLI_TABLE_OUT_H

#include "out.h"

struct cli_column {
    const char *title;
    bool right; /* aligned to the right */
};

struct libscols_table;
struct libscols_line;

struct cli_table {
    struct cli_out *out;
    struct cli_out cell;            /* on a terminal: the open cell */
    struct libscols_table *aligned; /* NULL: tabs */
    struct libscols_line *line;
    size_t column; /* cells begun in this row */
    int error;     /* errno */
};

void cli_table_begin(struct cli_table *table, struct cli_out *out,
                     const struct cli_column *columns, size_t column_count);

/* Where to write the next cell of the row: one line, escaped already. */
struct cli_out *cli_table_cell(struct cli_table *table);
void cli_table_row_end(struct cli_table *table);

/* Prints what has not been printed yet, and frees. CKPT_OK or CKPT_MEMORY. */
int cli_table_end(struct cli_table *table);

#endif
