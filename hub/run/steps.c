/* SPDX-License-Identifier: MIT
 *
 * From the texts that ask for transforms and recipes to a list of transforms
 * alone.
 */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "hub/load/loader.h"
#include "hub/run/recipe.h"
#include "hub/run/transform.h"
#include "hub/run/transform_text.h"

#define STEPS_MAX 10000
#define DEPTH_MAX 8
#define RECIPES_MAX 1000
#define RECIPE "recipe"

struct expand {
    struct ckpt *user;
    struct hub_report *report;
    struct hub_arena *arena;
    struct hub_steps *steps;
    const char *recipe; /* the text that asked for the outermost, or NULL */
    unsigned depth;     /* recipes within recipes */
    size_t read_count;  /* recipes so far */
};

static int expand_text(struct expand *expand, const char *text,
                       const char *place);

/* ---- What was meant ---- */

static void
nearest_take(const char *name, const char *candidate, const char *before,
             size_t *least, char nearest[300])
{
    size_t distance = ckpt_distance(name, candidate);

    if (distance >= *least)
        return;
    *least = distance;
    snprintf(nearest, 300, "did you mean -t %s%s?", before, candidate);
}

void
hub_transform_nearest(struct ckpt *user, const char *text)
{
    const struct hub_installed *recipe = hub_recipes_installed(user);
    const struct hub_plugin *plugin = user->registry.plugins;
    const struct hub_transform *transform;
    char name[100], nearest[300];
    size_t least = SIZE_MAX;

    snprintf(name, sizeof name, "%.*s", (int)strcspn(text, ":"), text);
    snprintf(nearest, sizeof nearest, "ckpt plugins lists the transforms");
    for (; plugin != NULL; plugin = plugin->next)
        for (transform = plugin->transforms;
             transform != NULL && plugin->info.problem == NULL;
             transform = transform->next)
            nearest_take(name, transform->info.id, "", &least, nearest);
    for (; recipe != NULL; recipe = recipe->next)
        nearest_take(name, recipe->info.name, RECIPE ":", &least, nearest);
    nearest_take(name, RECIPE, "", &least, nearest);
    hub_remedy(&user->report, "%s", nearest);
}

static int
recipe_unknown(struct expand *expand, const char *name)
{
    const struct hub_installed *recipe = hub_recipes_installed(expand->user);
    char nearest[300] = "ckpt plugins lists the recipes";
    size_t least = SIZE_MAX;

    for (; recipe != NULL; recipe = recipe->next)
        nearest_take(name, recipe->info.name, RECIPE ":", &least, nearest);
    hub_remedy(expand->report, "%s", nearest);
    return hub_fail(expand->report, CKPT_OPTION, NULL, CKPT_NOWHERE,
                    "no recipe is called '%.200s'", name);
}

/* ---- Paths ---- */

static bool
path_is_whole(const char *path)
{
    return path[0] == '/' || path[0] == '\0' || strstr(path, "://") != NULL;
}

/* `path` as it is from the recipe's folder. */
static const char *
path_beside(struct expand *expand, const char *recipe, const char *path)
{
    const char *slash = strrchr(recipe, '/');
    size_t above = slash != NULL ? (size_t)(slash + 1 - recipe) : 0;
    char *joined;

    if (path_is_whole(path) || above == 0)
        return path;
    joined = hub_arena_allocate(expand->arena, above + strlen(path) + 1);
    if (joined == NULL)
        return NULL;
    memcpy(joined, recipe, above);
    memcpy(joined + above, path, strlen(path) + 1);
    return joined;
}

static const char *
text_join(struct expand *expand, const char *first, const char *mark,
          const char *second)
{
    size_t size = strlen(first) + strlen(mark) + strlen(second) + 1;
    char *text = hub_arena_allocate(expand->arena, size);

    if (text != NULL)
        snprintf(text, size, "%s%s%s", first, mark, second);
    return text;
}

static bool
option_is_path(const struct ckpt_option *option)
{
    return option->kind == CKPT_OPTION_FILE ||
           option->kind == CKPT_OPTION_GRAPH;
}

/* "KEY=VALUE", with another value if it is a path. */
static const char *
option_beside(struct expand *expand, const struct ckpt_option *declared,
              const char *recipe, const char *given)
{
    size_t length = strcspn(given, "=");
    const char *path, *name;

    for (; declared->kind != CKPT_OPTION_END; declared++) {
        if (!option_is_path(declared) || strlen(declared->name) != length ||
            strncmp(declared->name, given, length) != 0)
            continue;
        path = path_beside(expand, recipe, given + length + 1);
        name = declared->name;
        return path != NULL ? text_join(expand, name, "=", path) : NULL;
    }
    return given;
}

/* The text of a step with its paths as they are from the recipe's folder. */
static const char *
step_beside(struct expand *expand, const struct hub_wanted *wanted,
            const char *recipe, const char *text)
{
    const struct ckpt_option *argument =
        &wanted->declared[wanted->option_count];
    const char *const *given = wanted->given;
    const char *made, *piece, *mark = ":";

    if (wanted->argument == NULL && wanted->given == NULL)
        return text;
    made = hub_arena_text(expand->arena, text, strcspn(text, ":"));
    if (wanted->argument != NULL && made != NULL) {
        piece = option_is_path(argument)
                    ? path_beside(expand, recipe, wanted->argument)
                    : wanted->argument;
        made = piece != NULL ? text_join(expand, made, mark, piece) : NULL;
        mark = ",";
    }
    for (; given != NULL && *given != NULL && made != NULL; given++) {
        piece = option_beside(expand, wanted->declared, recipe, *given);
        made = piece != NULL ? text_join(expand, made, mark, piece) : NULL;
        mark = ",";
    }
    return made;
}

/* ---- Steps ---- */

/* A word that was told as an option is one. */
static int
step_options(struct expand *expand, const struct ckpt_transform *table,
             const struct hub_recipe_step *step)
{
    const char *const *name = step->options;
    const struct ckpt_option *option;

    for (; name != NULL && *name != NULL; name++) {
        for (option = table->options;
             option != NULL && option->kind != CKPT_OPTION_END; option++)
            if (strcmp(option->name, *name) == 0)
                break;
        if (option != NULL && option->kind != CKPT_OPTION_END)
            continue;
        hub_remedy(expand->report,
                   "each step is an item of its own, '- '; ckpt plugins %s "
                   "lists its options",
                   table->id);
        return hub_fail(expand->report, CKPT_OPTION, NULL, CKPT_NOWHERE,
                        "%s has no option '%.200s'", table->id, *name);
    }
    return CKPT_OK;
}

static int
step_transform(struct expand *expand, const char *recipe,
               const struct hub_recipe_step *step, const char **text)
{
    struct hub_transform *found;
    struct hub_wanted wanted;
    char name[100];
    int status;

    snprintf(name, sizeof name, "%.*s", (int)strcspn(step->text, "?:"),
             step->text);
    found = hub_transform_find(expand->user, name);
    *text = step->text;
    if (found == NULL ||
        !hub_plugin_try(&expand->user->registry, found->plugin))
        return CKPT_OK; /* whoever opens it says why not */
    status = step_options(expand, &found->table, step);
    if (status == CKPT_OK)
        status =
            hub_wanted_cut(expand->arena, &found->table, step->text, &wanted);
    if (status != CKPT_OK)
        return status;
    *text = step_beside(expand, &wanted, recipe, step->text);
    return *text != NULL ? CKPT_OK : expand->report->status;
}

/* Whether it asks for a recipe. */
static bool
text_is_recipe(const char *text)
{
    size_t length = strcspn(text, ":");

    return length == sizeof RECIPE - 1 && strncmp(text, RECIPE, length) == 0;
}

static bool
name_is_path(const char *name)
{
    const char *dot = strrchr(name, '.');

    return strchr(name, '/') != NULL ||
           (dot != NULL &&
            (strcmp(dot, ".yaml") == 0 || strcmp(dot, ".yml") == 0));
}

static int
step_recipe(struct expand *expand, const char *recipe,
            const struct hub_recipe_step *step, const char **text)
{
    const char *name = step->text + strcspn(step->text, ":");

    *text = step->text;
    if (step->options != NULL && step->options[0] != NULL)
        return hub_fail(expand->report, CKPT_OPTION, NULL, CKPT_NOWHERE,
                        "a recipe has no option '%.200s'", step->options[0]);
    if (name[0] == '\0' || !name_is_path(name + 1))
        return CKPT_OK;
    name = path_beside(expand, recipe, name + 1);
    if (name != NULL)
        *text = text_join(expand, RECIPE, ":", name);
    return name != NULL && *text != NULL ? CKPT_OK : expand->report->status;
}

static int
expand_step(struct expand *expand, const char *recipe,
            const struct hub_recipe_step *step)
{
    const char *text, *place, *file = expand->report->file;
    char number[40];
    int status;

    snprintf(number, sizeof number, ": line %zu", step->line);
    place = text_join(expand, recipe, number, "");
    if (place == NULL)
        return expand->report->status;
    expand->report->file = place;
    status = text_is_recipe(step->text)
                 ? step_recipe(expand, recipe, step, &text)
                 : step_transform(expand, recipe, step, &text);
    if (status == CKPT_OK)
        status = expand_text(expand, text, place);
    expand->report->file = file;
    return status;
}

static int
expand_file(struct expand *expand, const char *text, const char *path)
{
    struct hub_recipe recipe = {.path = NULL};
    const char *outer = expand->recipe;
    size_t i;
    int status;

    if (expand->depth == DEPTH_MAX)
        return hub_fail(expand->report, CKPT_OPTION, NULL, CKPT_NOWHERE,
                        "more than %d recipes within recipes", DEPTH_MAX);
    if (expand->read_count++ == RECIPES_MAX)
        return hub_fail(expand->report, CKPT_OPTION, NULL, CKPT_NOWHERE,
                        "more than %d recipes in all", RECIPES_MAX);
    if (expand->steps->reads != NULL)
        expand->steps->reads(expand->steps->context, path);
    status = hub_recipe_read(expand->user, expand->arena, path, &recipe);
    expand->recipe = outer != NULL ? outer : text;
    expand->depth++;
    for (i = 0; i < recipe.step_count && status == CKPT_OK; i++)
        status = expand_step(expand, recipe.path, &recipe.steps[i]);
    expand->depth--;
    expand->recipe = outer;
    return status;
}

static int
expand_recipe(struct expand *expand, const char *text)
{
    const char *name = text + strcspn(text, ":");
    const struct hub_installed *installed;

    if (name[0] == '\0' || name[1] == '\0') {
        hub_remedy(expand->report, RECIPE ":NAME|FILE: the steps of a recipe; "
                                          "ckpt plugins lists recipes");
        return hub_fail(expand->report, CKPT_OPTION, NULL, CKPT_NOWHERE,
                        RECIPE ": it needs an argument");
    }
    if (name_is_path(++name))
        return expand_file(expand, text, name);
    installed = hub_recipes_installed(expand->user);
    for (; installed != NULL; installed = installed->next)
        if (strcmp(installed->info.name, name) == 0)
            return expand_file(expand, text, installed->info.path);
    return recipe_unknown(expand, name);
}

static int
steps_add(struct expand *expand, const struct hub_step *step)
{
    struct hub_steps *steps = expand->steps;
    struct hub_step *items = steps->items;

    if (steps->count == STEPS_MAX)
        return hub_fail(expand->report, CKPT_OPTION, NULL, CKPT_NOWHERE,
                        "there are more steps than %d", STEPS_MAX);
    if (steps->count % 16 == 0)
        items = hub_arena_large(expand->arena, items,
                                (steps->count + 16) * sizeof *items);
    if (items == NULL)
        return expand->report->status;
    steps->items = items;
    items[steps->count++] = *step;
    return CKPT_OK;
}

static int
expand_text(struct expand *expand, const char *text, const char *place)
{
    struct hub_step step = {text, place, expand->recipe, false};
    size_t length = strcspn(text, ":");
    char *plain;

    if (text_is_recipe(text))
        return expand_recipe(expand, text);
    if (length > 0 && text[length - 1] == '?') {
        plain = hub_arena_text(expand->arena, text, strlen(text));
        if (plain == NULL)
            return expand->report->status;
        memmove(plain + length - 1, plain + length, strlen(text + length) + 1);
        step.text = plain;
        step.optional = true;
    }
    return steps_add(expand, &step);
}

int
hub_steps_list(struct ckpt *user, struct hub_arena *arena,
               const char *const *texts, struct hub_steps *steps)
{
    struct expand expand = {
        .user = user, .report = &user->report, .arena = arena, .steps = steps};
    int status = CKPT_OK;

    for (; texts != NULL && *texts != NULL && status == CKPT_OK; texts++)
        status = expand_text(&expand, *texts, NULL);
    return status;
}
