/* SPDX-License-Identifier: MIT
 *
 * Reading a recipe, event by event: what is not a list of short texts is
 * refused where it stands, and nothing is ever expanded.
 */
#include "recipe.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#define STEPS_MAX 10000

struct recipe {
    struct cli *cli;
    const char *path;
    yaml_parser_t parser;
    yaml_event_t event;
    bool has_event;
    int exit_status; /* of the first failure */
    struct cli_list *steps;
};

static void
recipe_place(struct recipe *recipe, struct cli_out *text, size_t line)
{
    cli_out_string(text, recipe->path);
    cli_out_string(text, ": ");
    if (line == 0)
        return;
    cli_out_string(text, "line ");
    cli_out_u64(text, line);
    cli_out_string(text, ": ");
}

/* Says what is wrong, once. `line` counts from 1; 0 is the whole file. */
static bool
recipe_fail(struct recipe *recipe, int exit_status, size_t line,
            const char *what)
{
    struct cli_out text;

    if (recipe->exit_status != CLI_DONE)
        return false;
    recipe->exit_status = exit_status;
    cli_out_init(&text, -1);
    recipe_place(recipe, &text, line);
    cli_out_string(&text, what);
    cli_say(recipe->cli, NULL, cli_out_text(&text));
    cli_out_fini(&text);
    return false;
}

static bool
recipe_wrong(struct recipe *recipe, const char *what)
{
    return recipe_fail(recipe, CLI_USAGE, recipe->event.start_mark.line + 1,
                       what);
}

static bool
recipe_next(struct recipe *recipe)
{
    const char *problem;

    if (recipe->has_event)
        yaml_event_delete(&recipe->event);
    recipe->has_event = yaml_parser_parse(&recipe->parser, &recipe->event) != 0;
    if (recipe->has_event && recipe->event.type == YAML_ALIAS_EVENT)
        return recipe_wrong(recipe, "aliases are not taken");
    if (recipe->has_event)
        return true;
    if (recipe->parser.error == YAML_MEMORY_ERROR)
        return recipe_fail(recipe, CLI_IO, 0, "out of memory");
    problem = recipe->parser.problem;
    return recipe_fail(recipe, CLI_USAGE, recipe->parser.problem_mark.line + 1,
                       problem != NULL ? problem : "it cannot be read");
}

/* Reads the next event, which must be of this type. */
static bool
recipe_expect(struct recipe *recipe, yaml_event_type_t type, const char *what)
{
    if (!recipe_next(recipe))
        return false;
    return recipe->event.type == type || recipe_wrong(recipe, what);
}

/* Appends the scalar at hand to `text`. */
static bool
recipe_scalar(struct recipe *recipe, struct cli_out *text)
{
    const yaml_char_t *value = recipe->event.data.scalar.value;
    size_t length = recipe->event.data.scalar.length;

    if (recipe->event.data.scalar.anchor != NULL ||
        recipe->event.data.scalar.tag != NULL)
        return recipe_wrong(recipe, "anchors and tags are not taken");
    if (strlen((const char *)value) != length)
        return recipe_wrong(recipe, "a text has a zero byte in it");
    cli_out_bytes(text, value, length);
    return true;
}

static bool
recipe_pair(struct recipe *recipe, struct cli_out *text)
{
    static const char wanted[] = "a step is NAME, 'NAME:ARGUMENT' or "
                                 "NAME: ARGUMENT";

    if (!recipe_expect(recipe, YAML_SCALAR_EVENT, wanted) ||
        !recipe_scalar(recipe, text))
        return false;
    cli_out_char(text, ':');
    return recipe_expect(recipe, YAML_SCALAR_EVENT, wanted) &&
           recipe_scalar(recipe, text) &&
           recipe_expect(recipe, YAML_MAPPING_END_EVENT,
                         "a step has one NAME: each step is an item, '- '");
}

static bool
recipe_step(struct recipe *recipe)
{
    struct cli_out text;
    bool taken = false;
    char *copy;

    cli_out_init(&text, -1);
    if (recipe->event.type == YAML_SCALAR_EVENT)
        taken = recipe_scalar(recipe, &text);
    else if (recipe->event.type == YAML_MAPPING_START_EVENT)
        taken = recipe_pair(recipe, &text);
    else
        recipe_wrong(recipe, "a step is no list");
    if (taken && recipe->steps->count == STEPS_MAX)
        taken = recipe_wrong(recipe, "there are more steps than 10000");
    copy = taken ? strdup(cli_out_text(&text)) : NULL;
    if (taken && (copy == NULL || cli_list_add(recipe->steps, copy) != 0)) {
        free(copy);
        taken = recipe_fail(recipe, CLI_IO, 0, "out of memory");
    }
    cli_out_fini(&text);
    return taken;
}

static void
recipe_parse(struct recipe *recipe)
{
    static const char wanted[] = "a recipe is a list of steps";

    if (!recipe_expect(recipe, YAML_STREAM_START_EVENT, wanted) ||
        !recipe_next(recipe))
        return;
    if (recipe->event.type == YAML_STREAM_END_EVENT)
        return;
    if (!recipe_expect(recipe, YAML_SEQUENCE_START_EVENT, wanted))
        return;
    while (recipe_next(recipe) && recipe->event.type != YAML_SEQUENCE_END_EVENT)
        if (!recipe_step(recipe))
            return;
    if (recipe->exit_status == CLI_DONE &&
        recipe_expect(recipe, YAML_DOCUMENT_END_EVENT, wanted))
        recipe_expect(recipe, YAML_STREAM_END_EVENT,
                      "a recipe is one document");
}

int
cli_recipe_read(struct cli *cli, const char *path, struct cli_list *steps)
{
    struct recipe recipe = {.cli = cli, .path = path, .steps = steps};
    FILE *file = fopen(path, "rbe");

    if (file == NULL) {
        recipe_fail(&recipe, CLI_IO, 0, strerror(errno));
        return recipe.exit_status;
    }
    if (yaml_parser_initialize(&recipe.parser)) {
        yaml_parser_set_input_file(&recipe.parser, file);
        recipe_parse(&recipe);
        if (recipe.has_event)
            yaml_event_delete(&recipe.event);
        yaml_parser_delete(&recipe.parser);
    } else {
        recipe_fail(&recipe, CLI_IO, 0, "out of memory");
    }
    fclose(file);
    return recipe.exit_status;
}
