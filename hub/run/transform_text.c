/* SPDX-License-Identifier: MIT
 *
 * Where in a text the argument ends and an option begins.
 */
#include "hub/run/transform_text.h"

#include <string.h>

/* Whether a text gives this option. One that is yes or no may stand alone. */
static bool
option_is(const struct ckpt_option *option, const char *text)
{
    size_t length = strlen(option->name);

    if (strncmp(option->name, text, length) != 0)
        return false;
    return text[length] == '=' ||
           (option->kind == CKPT_OPTION_BOOL &&
            (text[length] == ',' || text[length] == '\0'));
}

/* Whether an option that is declared begins here. */
static bool
option_begins(const struct ckpt_option *declared, const char *text)
{
    for (; declared != NULL && declared->kind != CKPT_OPTION_END; declared++)
        if (option_is(declared, text))
            return true;
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

/* The option of kind GRAPH that a text gives, or NULL. */
static const struct ckpt_option *
graph_given(const struct ckpt_option *declared, const char *given)
{
    for (; declared != NULL && declared->kind != CKPT_OPTION_END; declared++)
        if (declared->kind == CKPT_OPTION_GRAPH && option_is(declared, given))
            return declared;
    return NULL;
}

/* Enters each text that gives a graph once more later on. */
static void
wanted_repeat(const struct ckpt_transform *table, struct hub_wanted *wanted,
              struct ckpt_option *declared, const char **again)
{
    const char *const *given, *const *later;
    const struct ckpt_option *option;

    for (given = wanted->given; given != NULL && *given != NULL; given++) {
        option = graph_given(table->options, *given);
        for (later = given + 1; option != NULL && *later != NULL; later++)
            if (graph_given(table->options, *later) == option)
                break;
        if (option == NULL || *later == NULL)
            continue;
        declared[wanted->again_count] = *option;
        again[wanted->again_count++] = *given + strlen(option->name) + 1;
    }
}

static int
wanted_declare(struct hub_arena *arena, const struct ckpt_transform *table,
               struct hub_wanted *wanted)
{
    const char *const *given = wanted->given;
    struct ckpt_option *declared;
    size_t count = 0, room = 2;
    const char **again;

    while (table->options != NULL &&
           table->options[count].kind != CKPT_OPTION_END)
        count++;
    for (; given != NULL && *given != NULL; given++)
        room++;
    declared = hub_arena_allocate(arena, (count + room) * sizeof *declared);
    again = hub_arena_allocate(arena, room * sizeof *again);
    if (declared == NULL || again == NULL)
        return arena->budget->report->status;
    if (count > 0)
        memcpy(declared, table->options, count * sizeof *declared);
    declared[count].name = table->argument;
    declared[count].kind = table->argument_kind == CKPT_OPTION_FILE ||
                                   table->argument_kind == CKPT_OPTION_GRAPH
                               ? table->argument_kind
                               : CKPT_OPTION_STRING;
    wanted->declared = declared;
    wanted->option_count = count;
    wanted->again = again;
    wanted_repeat(table, wanted, declared + count + 1, again);
    return CKPT_OK;
}

int
hub_wanted_cut(struct hub_arena *arena, const struct ckpt_transform *table,
               const char *text, struct hub_wanted *wanted)
{
    const char *colon = strchr(text, ':');
    int status = CKPT_OK;
    char *copy;

    memset(wanted, 0, sizeof *wanted);
    if (colon != NULL) {
        copy = hub_arena_text(arena, colon + 1, strlen(colon + 1));
        if (copy == NULL)
            return arena->budget->report->status;
        status = text_cut(arena, table->options, copy, wanted);
    }
    return status == CKPT_OK ? wanted_declare(arena, table, wanted) : status;
}
