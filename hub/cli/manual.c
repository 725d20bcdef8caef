/* SPDX-License-Identifier: MIT
 *
 * Finding the manual and its examples.
 */
#include "manual.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "escape.h"

#define MANUAL_MAX_BYTES ((size_t)1 << 20)
#define SET_IN "    "

static bool
line_is_example(const char *line)
{
    return strncmp(line, SET_IN, sizeof SET_IN - 1) == 0;
}

static void
line_print(struct cli_out *out, const char *line, size_t length)
{
    cli_escape_prose(out, line, length);
    cli_out_char(out, '\n');
}

static void
manual_print(struct cli_out *out, const char *text, bool whole)
{
    bool begun = false;
    size_t length;

    for (; *text != '\0'; text += length + (text[length] == '\n')) {
        length = strcspn(text, "\n");
        if (!whole && begun && !line_is_example(text))
            return;
        if (!whole && !line_is_example(text))
            continue;
        if (!begun)
            cli_out_string(out, whole ? "\nmanual\n\n" : "\nexamples\n");
        begun = true;
        line_print(out, text, length);
    }
}

void
cli_manual(struct cli_out *out, const char *plugin_path, bool whole)
{
    int stem = (int)strlen(plugin_path) - 3;
    char path[PATH_MAX], *text;
    FILE *file;

    if (stem < 1 || snprintf(path, sizeof path, "%.*s.md", stem, plugin_path) >=
                        (int)sizeof path)
        return;
    file = fopen(path, "rbe");
    if (file == NULL)
        return;
    text = calloc(MANUAL_MAX_BYTES + 1, 1);
    if (text != NULL && fread(text, 1, MANUAL_MAX_BYTES, file) > 0)
        manual_print(out, text, whole);
    free(text);
    fclose(file);
}
