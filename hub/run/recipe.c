/* SPDX-License-Identifier: MIT
 *
 * Reading a recipe, event by event: what is no list of short texts is refused
 * where it stands, and nothing is ever expanded.
 */
#include "hub/run/recipe.h"

#include <string.h>
#include <yaml.h>

#include "hub/io/source.h"

#define STEPS_MAX 10000
#define OPTIONS_MAX 64
#define FILE_MAX_BYTES ((uint64_t)1 << 20)

static const char recipe_wanted[] =
    "a recipe is a list of steps, or a map of summary, about and steps";
static const char step_wanted[] =
    "a step is NAME, 'NAME:ARGUMENT', or NAME: ARGUMENT and below it "
    "OPTION: VALUE";

struct parse {
    struct hub_report *report;
    struct hub_arena *arena;
    struct hub_recipe *recipe;
    yaml_parser_t parser;
    yaml_event_t event;
};

/* `line` counts from 1; 0 is the whole file. */
static int
parse_fail(struct parse *parse, size_t line, const char *why)
{
    if (line == 0)
        return hub_fail(parse->report, CKPT_OPTION, NULL, CKPT_NOWHERE, "%s",
                        why);
    return hub_fail(parse->report, CKPT_OPTION, NULL, CKPT_NOWHERE,
                    "line %zu: %s", line, why);
}

static size_t
parse_line(const struct parse *parse)
{
    return parse->event.start_mark.line + 1;
}

static int
parse_wrong(struct parse *parse, const char *why)
{
    return parse_fail(parse, parse_line(parse), why);
}

static int
parse_memory(struct parse *parse)
{
    if (parse->report->status != CKPT_OK)
        return parse->report->status;
    return hub_fail(parse->report, CKPT_MEMORY, NULL, CKPT_NOWHERE,
                    "no memory for a recipe");
}

/* The next event; the last one is over. */
static int
parse_next(struct parse *parse)
{
    const char *why;

    yaml_event_delete(&parse->event);
    if (yaml_parser_parse(&parse->parser, &parse->event))
        return parse->event.type == YAML_ALIAS_EVENT
                   ? parse_wrong(parse, "aliases are not taken")
                   : CKPT_OK;
    if (parse->parser.error == YAML_MEMORY_ERROR)
        return parse_memory(parse);
    why = parse->parser.problem;
    return parse_fail(parse, parse->parser.problem_mark.line + 1,
                      why != NULL ? why : "it cannot be read");
}

static int
parse_expect(struct parse *parse, yaml_event_type_t type, const char *wanted)
{
    int status = parse_next(parse);

    if (status == CKPT_OK && parse->event.type != type)
        return parse_wrong(parse, wanted);
    return status;
}

/* The text at hand, kept. */
static int
parse_text(struct parse *parse, const char *wanted, const char **text)
{
    const char *value = (const char *)parse->event.data.scalar.value;
    size_t length = parse->event.data.scalar.length;
    char *kept;

    if (parse->event.type != YAML_SCALAR_EVENT)
        return parse_wrong(parse, wanted);
    if (parse->event.data.scalar.anchor != NULL ||
        parse->event.data.scalar.tag != NULL)
        return parse_wrong(parse, "anchors and tags are not taken");
    if (strlen(value) != length)
        return parse_wrong(parse, "a text has a zero byte in it");
    kept = hub_arena_text(parse->arena, value, length);
    if (kept == NULL)
        return parse->report->status;
    *text = kept;
    return CKPT_OK;
}

/* The text that comes next. */
static int
parse_next_text(struct parse *parse, const char *wanted, const char **text)
{
    int status = parse_next(parse);

    return status == CKPT_OK ? parse_text(parse, wanted, text) : status;
}

/* ---- Steps ---- */

/* `*text` becomes "TEXT<mark>MORE". */
static int
text_add(struct parse *parse, const char **text, char mark, const char *more)
{
    size_t length = strlen(*text), more_length = strlen(more);
    char *joined = hub_arena_allocate(parse->arena, length + more_length + 2);

    if (joined == NULL)
        return parse->report->status;
    memcpy(joined, *text, length);
    joined[length] = mark;
    memcpy(joined + length + 1, more, more_length + 1);
    *text = joined;
    return CKPT_OK;
}

/* Whether nothing at all stands where the argument would. */
static bool
argument_absent(const struct parse *parse)
{
    return parse->event.data.scalar.length == 0 &&
           parse->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
}

/* OPTION: VALUE, of which the option is at hand. */
static int
step_option(struct parse *parse, struct hub_recipe_step *step, char *mark,
            const char **option)
{
    const char *value;
    int status = parse_text(parse, step_wanted, option);

    if (status == CKPT_OK)
        status = parse_next_text(parse, step_wanted, &value);
    if (status == CKPT_OK)
        status = text_add(parse, &step->text, *mark, *option);
    if (status == CKPT_OK)
        status = text_add(parse, &step->text, '=', value);
    *mark = ',';
    return status;
}

/* NAME: ARGUMENT, then options. */
static int
step_map(struct parse *parse, struct hub_recipe_step *step)
{
    const char **options =
        hub_arena_allocate(parse->arena, (OPTIONS_MAX + 1) * sizeof *options);
    size_t count = 0;
    const char *argument;
    char mark = ':';
    int status = options != NULL ? CKPT_OK : parse->report->status;

    step->options = options;
    if (status == CKPT_OK)
        status = parse_next_text(parse, step_wanted, &step->text);
    if (status == CKPT_OK)
        status = parse_next_text(parse, step_wanted, &argument);
    if (status == CKPT_OK && !argument_absent(parse)) {
        status = text_add(parse, &step->text, mark, argument);
        mark = ',';
    }
    while (status == CKPT_OK) {
        status = parse_next(parse);
        if (status != CKPT_OK || parse->event.type == YAML_MAPPING_END_EVENT)
            break;
        status = count == OPTIONS_MAX
                     ? parse_wrong(parse, "a step has too many options")
                     : step_option(parse, step, &mark, &options[count++]);
    }
    return status;
}

/* The step at hand. */
static int
parse_step(struct parse *parse)
{
    struct hub_recipe *recipe = parse->recipe;
    struct hub_recipe_step *step;

    if (recipe->step_count == STEPS_MAX)
        return parse_wrong(parse, "there are more steps than 10000");
    if (recipe->step_count % 16 == 0)
        step = hub_arena_large(parse->arena, recipe->steps,
                               (recipe->step_count + 16) * sizeof *step);
    else
        step = recipe->steps;
    if (step == NULL)
        return parse->report->status;
    recipe->steps = step;
    step += recipe->step_count++;
    step->line = parse_line(parse);
    if (parse->event.type == YAML_MAPPING_START_EVENT)
        return step_map(parse, step);
    return parse_text(parse, "a step is no list", &step->text);
}

/* The list whose begin is at hand. */
static int
parse_steps(struct parse *parse)
{
    int status = parse_next(parse);

    while (status == CKPT_OK && parse->event.type != YAML_SEQUENCE_END_EVENT) {
        status = parse_step(parse);
        if (status == CKPT_OK)
            status = parse_next(parse);
    }
    return status;
}

/* ---- The whole ---- */

/* What a key of the map, at hand, is for. */
static int
parse_member(struct parse *parse, bool *has_steps)
{
    struct hub_recipe *recipe = parse->recipe;
    const char *key, **text;
    int status = parse_text(parse, recipe_wanted, &key);

    if (status != CKPT_OK)
        return status;
    if (strcmp(key, "steps") == 0 && !*has_steps) {
        *has_steps = true;
        status =
            parse_expect(parse, YAML_SEQUENCE_START_EVENT, "steps are a list");
        return status == CKPT_OK ? parse_steps(parse) : status;
    }
    text = strcmp(key, "summary") == 0 ? &recipe->summary : &recipe->about;
    if ((text == &recipe->about && strcmp(key, "about") != 0) || *text != NULL)
        return parse_wrong(parse, recipe_wanted);
    return parse_next_text(parse, "it is a text", text);
}

static int
parse_members(struct parse *parse)
{
    bool has_steps = false;
    int status = parse_next(parse);

    while (status == CKPT_OK && parse->event.type != YAML_MAPPING_END_EVENT) {
        status = parse_member(parse, &has_steps);
        if (status == CKPT_OK)
            status = parse_next(parse);
    }
    if (status == CKPT_OK && !has_steps)
        return parse_fail(parse, 0, "it has no steps");
    if (status == CKPT_OK && parse->recipe->summary != NULL &&
        strchr(parse->recipe->summary, '\n') != NULL)
        return parse_fail(parse, 0, "the summary is one line");
    return status;
}

static int
parse_recipe(struct parse *parse)
{
    int status = parse_expect(parse, YAML_STREAM_START_EVENT, recipe_wanted);

    if (status == CKPT_OK)
        status = parse_next(parse);
    if (status != CKPT_OK || parse->event.type == YAML_STREAM_END_EVENT)
        return status;
    status = parse_next(parse);
    if (status != CKPT_OK)
        return status;
    if (parse->event.type == YAML_MAPPING_START_EVENT)
        status = parse_members(parse);
    else if (parse->event.type == YAML_SEQUENCE_START_EVENT)
        status = parse_steps(parse);
    else
        status = parse_wrong(parse, recipe_wanted);
    if (status == CKPT_OK)
        status = parse_expect(parse, YAML_DOCUMENT_END_EVENT, recipe_wanted);
    if (status == CKPT_OK)
        status = parse_expect(parse, YAML_STREAM_END_EVENT,
                              "a recipe is one document");
    return status;
}

static int
parse_source(struct parse *parse, const struct ckpt_source *source)
{
    size_t size = (size_t)source->size_bytes;
    unsigned char *bytes;
    int status;

    if (source->folder)
        return parse_fail(parse, 0, "it is a folder");
    if (source->size_bytes > FILE_MAX_BYTES)
        return hub_fail(parse->report, CKPT_LIMIT, NULL, CKPT_NOWHERE,
                        "a recipe is no longer than 1 MiB");
    bytes = hub_arena_allocate(parse->arena, size + 1);
    if (bytes == NULL)
        return parse->report->status;
    status = hub_source_read(source, 0, bytes, size);
    if (status != CKPT_OK)
        return status;
    if (!yaml_parser_initialize(&parse->parser))
        return parse_memory(parse);
    yaml_parser_set_input_string(&parse->parser, bytes, size);
    status = parse_recipe(parse);
    yaml_event_delete(&parse->event);
    yaml_parser_delete(&parse->parser);
    return status;
}

int
hub_recipe_read(struct ckpt *user, struct hub_arena *arena, const char *path,
                struct hub_recipe *recipe)
{
    struct hub_report *report = &user->report;
    struct parse parse = {.report = report, .arena = arena, .recipe = recipe};
    const char *file = report->file, *plugin = report->plugin;
    struct ckpt_source *source;
    int status;

    report->file = path;
    report->plugin = NULL;
    recipe->path = hub_arena_text(arena, path, strlen(path));
    status = recipe->path != NULL ? CKPT_OK : report->status;
    if (status == CKPT_OK)
        status = hub_source_open(arena->budget, path, &source);
    if (status == CKPT_OK) {
        status = parse_source(&parse, source);
        hub_source_free(source);
    }
    report->file = file;
    report->plugin = plugin;
    return status;
}
