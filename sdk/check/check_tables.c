/* SPDX-License-Identifier: MIT
 *
 * The tables: whole, well named, and of one word with the manual.
 */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check_plugin.h"

static bool
is_id(const char *text)
{
    return text != NULL && text[0] != '\0' &&
           strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-") ==
               strlen(text);
}

/* One line without full stop, and there. */
static bool
is_line(const char *text)
{
    size_t length = text != NULL ? strlen(text) : 0;

    return length > 0 && text[length - 1] != '.' && strchr(text, '\n') == NULL;
}

static void
check_option(struct check *check, const char *id,
             const struct ckpt_option *option)
{
    if (!is_id(option->name))
        check_broken(check, id, "an option without a plain name");
    else if (!is_line(option->help))
        check_broken(check, id, "option %s: help is one line, no full stop",
                     option->name);
    else if (option->kind > CKPT_OPTION_GRAPH)
        check_broken(check, id, "option %s: no such kind", option->name);
    else if (option->kind >= CKPT_OPTION_FILE && option->fallback != NULL)
        check_broken(check, id, "option %s: a file has no default",
                     option->name);
    else if (option->kind == CKPT_OPTION_CHOICE && option->choices == NULL)
        check_broken(check, id, "option %s: no choices", option->name);
}

static void
check_format(struct check *check, const char *id, const char *summary,
             const char *const *suffixes, const struct ckpt_option *options)
{
    size_t i;

    if (!is_id(id))
        check_broken(check, check->file, "a format without a plain id");
    if (!is_line(summary))
        check_broken(check, id, "the summary is one line without full stop");
    for (i = 0; suffixes != NULL && suffixes[i] != NULL; i++)
        if (suffixes[i][0] != '.')
            check_broken(check, id, "suffix '%s' does not begin with a dot",
                         suffixes[i]);
    for (i = 0; options != NULL && options[i].kind != CKPT_OPTION_END; i++)
        check_option(check, id, &options[i]);
}

static void
check_reader(struct check *check, const struct ckpt_reader *reader)
{
    size_t i;

    check_format(check, reader->id, reader->summary, reader->suffixes,
                 reader->options);
    if (reader->size > sizeof *reader || reader->probe == NULL ||
        reader->open == NULL || reader->describe == NULL ||
        reader->close == NULL)
        check_broken(check, reader->id, "the reader's table is not whole");
    if ((reader->cursor_open == NULL) != (reader->cursor_next == NULL) ||
        (reader->cursor_open == NULL) != (reader->cursor_close == NULL))
        check_broken(check, reader->id, "a cursor is three callbacks or none");
    for (i = 0; reader->magics != NULL && reader->magics[i].bytes; i++)
        if (reader->magics[i].size_bytes == 0 ||
            reader->magics[i].size_bytes > 32)
            check_broken(check, reader->id, "a magic has 1 to 32 bytes");
}

static void
check_writer(struct check *check, const struct ckpt_writer *writer)
{
    uint64_t known = CKPT_DTYPE_BIT(CKPT_DTYPE_COUNT) - 2;

    check_format(check, writer->id, writer->summary, writer->suffixes,
                 writer->options);
    if (writer->size > sizeof *writer || writer->open == NULL ||
        writer->plan == NULL || writer->close == NULL ||
        writer->suffixes == NULL)
        check_broken(check, writer->id, "the writer's table is not whole");
    if (writer->limits.dtypes == 0 || (writer->limits.dtypes & ~known) != 0)
        check_broken(check, writer->id, "dtypes that it cannot hold");
}

/* No more graphs can be named than the transform takes. */
static void
transform_inputs(struct check *check, const struct ckpt_transform *transform)
{
    const struct ckpt_option *option = transform->options;
    uint32_t named = 1;

    for (; option != NULL && option->kind != CKPT_OPTION_END; option++)
        named += option->kind == CKPT_OPTION_GRAPH;
    if (transform->size > offsetof(struct ckpt_transform, argument_kind))
        named += transform->argument_kind == CKPT_OPTION_GRAPH;
    if (named > (transform->inputs_max > 0 ? transform->inputs_max : 1))
        check_broken(check, transform->id, "it can be given %u graphs", named);
}

static void
transform_table(struct check *check, const struct ckpt_transform *transform)
{
    check_format(check, transform->id, transform->summary, NULL,
                 transform->options);
    if (transform->size > sizeof *transform || transform->open == NULL ||
        transform->apply == NULL || transform->close == NULL)
        check_broken(check, transform->id,
                     "the transform's table is not whole");
    if (transform->argument != NULL &&
        (transform->argument[0] == '\0' ||
         strpbrk(transform->argument, "\"\\\n") != NULL))
        check_broken(check, transform->id,
                     "the argument is one line without quotes");
    if (transform->size > offsetof(struct ckpt_transform, cursor_close) &&
        ((transform->cursor_open != NULL) != (transform->cursor_next != NULL) ||
         (transform->cursor_open != NULL) != (transform->cursor_close != NULL)))
        check_broken(check, transform->id,
                     "a cursor is three callbacks or none");
    if (transform->size > offsetof(struct ckpt_transform, argument_kind) &&
        transform->argument_kind != CKPT_OPTION_END &&
        (transform->argument == NULL ||
         transform->argument_kind < CKPT_OPTION_FILE ||
         transform->argument_kind > CKPT_OPTION_GRAPH))
        check_broken(check, transform->id,
                     "an argument is text, a FILE or a GRAPH");
    transform_inputs(check, transform);
    if (transform->inputs_max != 0 &&
        transform->inputs_max < transform->inputs_min)
        check_broken(check, transform->id,
                     "fewer inputs at most than at least");
}

static void
check_scanner(struct check *check, const struct ckpt_scanner *scanner)
{
    if (!is_id(scanner->id))
        check_broken(check, check->file, "a scanner without a plain id");
    if (!is_line(scanner->summary))
        check_broken(check, scanner->id,
                     "the summary is one line without full stop");
    if (scanner->size > sizeof *scanner || scanner->scan == NULL)
        check_broken(check, scanner->id, "the scanner's table is not whole");
}

/* Whether the manual's tables have a row "| `name=". */
static bool
manual_has(const char *manual, const char *name)
{
    char row[100];

    snprintf(row, sizeof row, "\n| `%s=", name);
    return strstr(manual, row) != NULL;
}

static size_t
manual_options(struct check *check, const char *manual, const char *id,
               const struct ckpt_option *options)
{
    size_t i;

    for (i = 0; options != NULL && options[i].kind != CKPT_OPTION_END; i++)
        if (!manual_has(manual, options[i].name))
            check_broken(check, id, "the manual has no row for option %s",
                         options[i].name);
    return i;
}

/* As many rows as options, so that the manual has none of its own. */
static void
check_manual(struct check *check, const char *manual)
{
    const struct ckpt_plugin *tables = check->tables;
    size_t i, declared = 0, rows = 0;
    const char *row = manual, *end;

    for (i = 0; tables->readers != NULL && tables->readers[i]; i++)
        declared += manual_options(check, manual, tables->readers[i]->id,
                                   tables->readers[i]->options);
    for (i = 0; tables->writers != NULL && tables->writers[i]; i++)
        declared += manual_options(check, manual, tables->writers[i]->id,
                                   tables->writers[i]->options);
    for (i = 0; check->transforms[i] != NULL; i++)
        declared += manual_options(check, manual, check->transforms[i]->id,
                                   check->transforms[i]->options);
    while ((row = strstr(row, "\n| `")) != NULL) {
        row += 4;
        end = row + strspn(row, "abcdefghijklmnopqrstuvwxyz0123456789-");
        rows += end > row && *end == '=';
    }
    if (rows > declared)
        check_broken(check, check->manual,
                     "%zu options, but the plugin declares %zu", rows,
                     declared);
}

void
check_tables(struct check *check)
{
    const struct ckpt_plugin *tables = check->tables;
    unsigned char *manual = NULL;
    size_t i, size_bytes;

    if (tables->abi != CKPT_ABI || tables->size > sizeof *tables)
        check_broken(check, check->file, "built for ABI %u", tables->abi);
    if (!is_id(tables->id) || !is_line(tables->version) ||
        !is_line(tables->summary))
        check_broken(check, check->file, "no plain id, version and summary");
    for (i = 0; tables->readers != NULL && tables->readers[i]; i++)
        check_reader(check, tables->readers[i]);
    for (i = 0; tables->writers != NULL && tables->writers[i]; i++)
        check_writer(check, tables->writers[i]);
    for (i = 0; check->transforms[i] != NULL; i++)
        transform_table(check, check->transforms[i]);
    if (tables->size > offsetof(struct ckpt_plugin, scanners))
        for (i = 0; tables->scanners != NULL && tables->scanners[i]; i++)
            check_scanner(check, tables->scanners[i]);
    if (check->manual == NULL)
        return;
    if (check_file(check->manual, &manual, &size_bytes))
        check_manual(check, (const char *)manual);
    else
        check_broken(check, check->manual, "there is no manual");
    free(manual);
}
