/* SPDX-License-Identifier: MIT
 *
 * Tables. libsmartcols aligns; tabs need nobody.
 */
#include "table_out.h"

#include <errno.h>
#include <libsmartcols.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "ckpt.h"

void
cli_table_begin(struct cli_table *table, struct cli_out *out,
                const struct cli_column *columns, size_t column_count)
{
    size_t i;

    memset(table, 0, sizeof *table);
    table->out = out;
    if (!out->terminal)
        return;
    setlocale(LC_CTYPE, ""); /* for the width of characters */
    cli_out_init(&table->cell, -1);
    table->aligned = scols_new_table();
    if (table->aligned == NULL) {
        table->error = ENOMEM;
        return;
    }
    for (i = 0; i < column_count; i++)
        if (scols_table_new_column(table->aligned, columns[i].title, 0,
                                   columns[i].right ? SCOLS_FL_RIGHT : 0) ==
            NULL)
            table->error = ENOMEM;
}

static void
table_cell_end(struct cli_table *table)
{
    if (table->line == NULL || table->column == 0)
        return;
    if (scols_line_set_data(table->line, table->column - 1,
                            cli_out_text(&table->cell)) != 0)
        table->error = ENOMEM;
    cli_out_clear(&table->cell);
}

struct cli_out *
cli_table_cell(struct cli_table *table)
{
    if (!table->out->terminal) {
        if (table->column++ > 0)
            cli_out_char(table->out, '\t');
        return table->out;
    }
    if (table->column == 0 && table->aligned != NULL)
        table->line = scols_table_new_line(table->aligned, NULL);
    if (table->line == NULL)
        table->error = ENOMEM;
    table_cell_end(table);
    table->column++;
    return &table->cell;
}

void
cli_table_row_end(struct cli_table *table)
{
    if (!table->out->terminal)
        cli_out_char(table->out, '\n');
    table_cell_end(table);
    table->line = NULL;
    table->column = 0;
}

int
cli_table_end(struct cli_table *table)
{
    char *text = NULL;

    if (table->aligned != NULL && table->error == 0) {
        if (scols_print_table_to_string(table->aligned, &text) != 0)
            table->error = ENOMEM;
        else if (text != NULL && text[0] != '\0') {
            cli_out_string(table->out, text);
            cli_out_char(table->out, '\n');
        }
    }
    free(text);
    scols_unref_table(table->aligned);
    if (table->out->terminal)
        cli_out_fini(&table->cell);
    return table->error == 0 ? CKPT_OK : CKPT_MEMORY;
}
