/* SPDX-License-Identifier: MIT
 *
 * Where in a text the argument ends and an option begins.
 */
#include "hub/run/transform_text.h"

#include <string.h>

/* Whether an option that is declared begins here. One that is yes or no may
 * stand alone. */
static bool
option_begins(const struct ckpt_option *declared, const char *text)
{
    size_t length;

    for (; declared != NULL && declared->kind != CKPT_OPTION_END; declared++) {
        length = strlen(declared->name);
        if (strncmp(declared->name, text, length) != 0)
            continue;
        if (text[length] == '=' ||
            (declared->kind == CKPT_OPTION_BOOL &&
             (text[length] == ',' || text[length] == '\0')))
            return true;
    }
    return false;
}

/* What stands behind the colon, in place. */
static int
text_cut(struct hub_arena *arena, const struct ckpt_option *declared,
         char *text, struct hub_wanted *wanted)
{
    size_t count = 0, room = 2;
    const char **list;
    char *at;

    for (at = text; *at != '\0'; at++)
        room += *at == ',';
    list = hub_arena_allocate(arena, room * sizeof *list);
    if (list == NULL)
        return arena->budget->report->status;
    wanted->argument = option_begins(declared, text) ? NULL : text;
    if (wanted->argument == NULL)
        list[count++] = text;
    for (at = text; (at = strchr(at, ',')) != NULL; at++) {
        if (!option_begins(declared, at + 1))
            continue;
        *at = '\0';
        list[count++] = at + 1;
    }
    wanted->given = list;
    return CKPT_OK;
}

/* A list that ends where the argument is plain text: its kind is zero. */
static int
wanted_declare(struct hub_arena *arena, const struct ckpt_transform *table,
               struct hub_wanted *wanted)
{
    struct ckpt_option *declared;
    size_t count = 0;

    while (table->options != NULL &&
           table->options[count].kind != CKPT_OPTION_END)
        count++;
    declared = hub_arena_allocate(arena, (count + 2) * sizeof *declared);
    if (declared == NULL)
        return arena->budget->report->status;
    if (count > 0)
        memcpy(declared, table->options, count * sizeof *declared);
    declared[count].name = table->argument;
    if (table->argument_kind == CKPT_OPTION_FILE ||
        table->argument_kind == CKPT_OPTION_GRAPH)
        declared[count].kind = table->argument_kind;
    wanted->declared = declared;
    wanted->option_count = count;
    return CKPT_OK;
}

int
hub_wanted_cut(struct hub_arena *arena, const struct ckpt_transform *table,
               const char *text, struct hub_wanted *wanted)
{
    const char *colon = strchr(text, ':');
    char *copy;
    int status;

    memset(wanted, 0, sizeof *wanted);
    status = wanted_declare(arena, table, wanted);
    if (colon == NULL || status != CKPT_OK)
        return status;
    copy = hub_arena_text(arena, colon + 1, strlen(colon + 1));
    if (copy == NULL)
        return arena->budget->report->status;
    return text_cut(arena, table->options, copy, wanted);
}
