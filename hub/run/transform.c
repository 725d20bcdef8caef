/* SPDX-License-Identifier: MIT
 *
 * From the texts that ask for transforms to a graph that is edited.
 */
#include "hub/run/transform.h"

#include <string.h>

#include "hub/core/options.h"
#include "hub/graph/edit.h"
#include "hub/load/loader.h"
#include "hub/run/named.h"
#include "hub/run/recipe.h"
#include "hub/run/transform_text.h"

#define NAME_MAX_BYTES 100

struct hub_transform *
hub_transform_find(struct ckpt *user, const char *text)
{
    size_t length = strcspn(text, ":");
    struct hub_transform *found = NULL;
    char name[NAME_MAX_BYTES + 1];
    struct hub_plugin *plugin;

    if (length > NAME_MAX_BYTES)
        return NULL;
    memcpy(name, text, length);
    name[length] = '\0';
    found = hub_registry_transform(&user->registry, name);
    for (plugin = user->registry.plugins; plugin != NULL && found == NULL;
         plugin = plugin->next) {
        if (plugin->info.id != NULL || plugin->info.problem != NULL)
            continue;
        if (hub_plugin_load(&user->registry, plugin) == CKPT_OK)
            found = hub_registry_transform(&user->registry, name);
    }
    return found;
}

/* How the transform is written, for whoever wrote it wrongly. */
static int
applied_usage(struct hub_transforms *transforms,
              const struct hub_applied *applied, int status)
{
    const struct ckpt_transform *table = &applied->transform->table;

    if (status == CKPT_OPTION && transforms->user->report.remedy[0] == '\0')
        hub_remedy(&transforms->user->report, "%s%s%s: %s", table->id,
                   table->argument != NULL ? ":" : "",
                   table->argument != NULL ? table->argument : "",
                   table->summary);
    return status;
}

/* An argument that is a file cannot be empty. */
static bool
argument_there(const struct hub_wanted *wanted)
{
    return wanted->argument != NULL &&
           (wanted->argument[0] != '\0' ||
            wanted->declared[wanted->option_count].kind == CKPT_OPTION_STRING);
}

static int
argument_check(struct hub_transforms *transforms,
               const struct ckpt_transform *table,
               const struct hub_wanted *wanted)
{
    struct hub_report *report = &transforms->user->report;

    if (table->argument == NULL && wanted->argument != NULL)
        return hub_fail(report, CKPT_OPTION, NULL, CKPT_NOWHERE,
                        "it takes no argument");
    if (table->argument != NULL &&
        (table->argument[0] != '[' || wanted->argument != NULL) &&
        !argument_there(wanted))
        return hub_fail(report, CKPT_OPTION, NULL, CKPT_NOWHERE,
                        "it needs an argument");
    return CKPT_OK;
}

/* The values of the options, of the argument, and of graphs that are given
 * once more. */
static int
applied_values(struct hub_transforms *transforms, struct hub_applied *applied,
               const struct hub_wanted *wanted)
{
    const struct ckpt_transform *table = &applied->transform->table;
    size_t i, count = wanted->option_count;
    struct ckpt_option_value *values, *parsed;
    int status = hub_options_parse(&transforms->arena, table->options,
                                   wanted->given, &parsed);

    if (status != CKPT_OK)
        return status;
    values = hub_arena_allocate(
        &transforms->arena, (count + 1 + wanted->again_count) * sizeof *values);
    if (values == NULL)
        return transforms->user->report.status;
    memcpy(values, parsed, count * sizeof *values);
    values[count].given = wanted->argument != NULL;
    values[count].text = wanted->argument;
    for (i = 0; i < wanted->again_count; i++) {
        values[count + 1 + i].given = true;
        values[count + 1 + i].text = wanted->again[i];
    }
    applied->values = values;
    applied->declared = wanted->declared;
    applied->option_count = count;
    applied->again_count = wanted->again_count;
    return hub_named_files(&transforms->host, wanted->declared,
                           applied->values);
}

/* Whether as many graphs are named as the transform wants. */
static int
inputs_check(struct hub_transforms *transforms,
             const struct hub_applied *applied)
{
    const struct ckpt_transform *table = &applied->transform->table;
    size_t given = 1 + hub_named_count(applied->declared, applied->values);
    size_t most = table->inputs_max > 0 ? table->inputs_max : 1;

    if (given >= table->inputs_min && given <= most)
        return CKPT_OK;
    return hub_fail(&transforms->user->report, CKPT_OPTION, NULL, CKPT_NOWHERE,
                    "it wants %s %zu inputs, %zu are given",
                    given > most ? "at most" : "at least",
                    given > most ? most : (size_t)table->inputs_min, given);
}

/* A comma and a word like an option's name, with `=` behind it, are a slip, and
 * no part of the argument. */
static int
options_slip(struct hub_transforms *transforms,
             const struct ckpt_transform *table, const char *argument)
{
    const struct ckpt_option *option;
    const char *at = argument;
    char word[40];
    size_t length;

    while (at != NULL && (at = strchr(at, ',')) != NULL) {
        length = strspn(++at, "abcdefghijklmnopqrstuvwxyz_");
        if (length == 0 || length >= sizeof word || at[length] != '=')
            continue;
        memcpy(word, at, length);
        word[length] = '\0';
        for (option = table->options;
             option != NULL && option->kind != CKPT_OPTION_END; option++)
            if (ckpt_distance(word, option->name) != SIZE_MAX) {
                hub_remedy(&transforms->user->report, "did you mean %s=?",
                           option->name);
                return hub_fail(&transforms->user->report, CKPT_OPTION, NULL,
                                CKPT_NOWHERE, "unknown option '%s'", word);
            }
    }
    return CKPT_OK;
}

static int
applied_open(struct hub_transforms *transforms, struct hub_applied *applied)
{
    const struct ckpt_transform *table = &applied->transform->table;
    struct hub_wanted wanted;
    int status =
        hub_wanted_cut(&transforms->arena, table, applied->text, &wanted);

    if (status == CKPT_OK)
        status = argument_check(transforms, table, &wanted);
    if (status == CKPT_OK)
        status = options_slip(transforms, table, wanted.argument);
    if (status == CKPT_OK)
        status = applied_values(transforms, applied, &wanted);
    if (status == CKPT_OK)
        status = inputs_check(transforms, applied);
    if (status == CKPT_OK)
        status = hub_blame(&transforms->user->report,
                           table->open(&transforms->host.table, wanted.argument,
                                       applied->values, &applied->self));
    return applied_usage(transforms, applied, status);
}

static int
transform_unknown(struct hub_transforms *transforms, const char *text)
{
    hub_transform_nearest(transforms->user, text);
    return hub_fail(&transforms->user->report, CKPT_OPTION, NULL, CKPT_NOWHERE,
                    "no transform is called '%.*s'", (int)strcspn(text, ":"),
                    text);
}

static int
transforms_add(struct hub_transforms *transforms, const struct hub_step *step,
               struct hub_applied ***end)
{
    struct hub_report *report = &transforms->user->report;
    struct hub_transform *found =
        hub_transform_find(transforms->user, step->text);
    struct hub_applied *applied;
    int status;

    report->file = step->place;
    if (found == NULL)
        return transform_unknown(transforms, step->text);
    status = hub_plugin_need(&transforms->user->registry, found->plugin);
    if (status != CKPT_OK)
        return status;
    applied = hub_arena_allocate(&transforms->arena, sizeof *applied);
    if (applied == NULL)
        return report->status;
    applied->transform = found;
    applied->place = step->place;
    applied->recipe = step->recipe;
    applied->optional = step->optional;
    applied->text =
        hub_arena_text(&transforms->arena, step->text, strlen(step->text));
    if (applied->text == NULL)
        return report->status;
    report->plugin = found->info.id;
    status = applied_open(transforms, applied);
    if (status != CKPT_OK)
        return status;
    hub_graph_init(&applied->graph, &transforms->user->budget);
    hub_graph_init(&applied->settled, &transforms->user->budget);
    hub_applied_lend(applied, transforms);
    **end = applied;
    *end = &applied->next;
    report->plugin = NULL;
    return CKPT_OK;
}

int
hub_transforms_init(struct hub_transforms *transforms, struct ckpt *user,
                    const char *const *texts)
{
    struct hub_applied **end = &transforms->applied;
    struct hub_steps steps = {.items = NULL};
    const char *file = user->report.file;
    size_t i;
    int status;

    transforms->user = user;
    transforms->arena.budget = &user->budget;
    hub_host_init(&transforms->host, &user->budget);
    transforms->host.user = user->settings.user;
    transforms->host.cancelled = user->settings.cancelled;
    user->report.file = NULL;
    status = hub_steps_list(user, &transforms->arena, texts, &steps);
    for (i = 0; i < steps.count && status == CKPT_OK; i++)
        status = transforms_add(transforms, &steps.items[i], &end);
    user->report.file = file;
    return status;
}

/* What it told of tensors: "3 missing, kept: a, b, c". */
static void
applied_told(struct hub_report *report, const struct hub_applied *applied,
             const struct hub_told *told)
{
    for (; told != NULL; told = told->next)
        hub_note(
            report, told->notable ? CKPT_MESSAGE_WARNING : CKPT_MESSAGE_STEP,
            NULL, CKPT_NOWHERE, "'%s': %llu %s%s%s%s", applied->text,
            (unsigned long long)told->count, told->what,
            told->name_count > 0 ? ": " : "", told->names,
            told->name_count > 0 && told->name_count < told->count ? ", ..."
                                                                   : "");
}

static void
applied_tell(struct hub_transforms *transforms, struct hub_applied *applied,
             const struct ckpt_edits *edits)
{
    struct hub_report *report = &transforms->user->report;
    const char *place = applied->place;

    applied->matched = edits->count > 0;
    if (applied->matched)
        hub_note(report, CKPT_MESSAGE_STEP, NULL, CKPT_NOWHERE,
                 "'%s' makes %llu edit%s", applied->text,
                 (unsigned long long)edits->count,
                 edits->count == 1 ? "" : "s");
    if (!applied->optional)
        transforms->unmatched += edits->unmatched;
    transforms->hash_name |= edits->hash_name;
    if (applied->matched || edits->unmatched > 0)
        return;
    transforms->unmatched += !applied->optional;
    hub_note(report,
             applied->optional ? CKPT_MESSAGE_STEP : CKPT_MESSAGE_WARNING, NULL,
             CKPT_NOWHERE, "'%s' matches nothing%s%s%s", applied->text,
             place != NULL ? " (" : "", place != NULL ? place : "",
             place != NULL ? ")" : "");
}

static void
graph_add(struct hub_applied *applied, const struct ckpt_graph *graph)
{
    if (graph != NULL)
        applied->graphs[applied->graph_count++] = graph;
}

/* All that one option names, in the order in which it was given. */
static void
graphs_add(struct hub_applied *applied, size_t index)
{
    const struct ckpt_option *declared = applied->declared;
    size_t i, again = applied->option_count + 1;

    for (i = again; i < again + applied->again_count; i++)
        if (declared[i].name == declared[index].name)
            graph_add(applied, applied->values[i].graph);
    graph_add(applied, applied->values[index].graph);
}

/* The graph that is edited, that of the argument, those of the options. */
static int
applied_graphs(struct hub_transforms *transforms, struct hub_applied *applied,
               const struct ckpt_graph *graph)
{
    size_t i, count = applied->option_count;
    int status = hub_named_graphs(transforms->user, applied->declared,
                                  applied->values, graph, &applied->named);

    if (status != CKPT_OK)
        return status;
    applied->graphs = hub_arena_allocate(&transforms->arena,
                                         (count + 2 + applied->again_count) *
                                             sizeof *applied->graphs);
    if (applied->graphs == NULL)
        return transforms->user->report.status;
    graph_add(applied, graph);
    graphs_add(applied, count);
    for (i = 0; i < count; i++)
        graphs_add(applied, i);
    return CKPT_OK;
}

static int
applied_edit(struct hub_transforms *transforms, struct hub_applied *applied,
             struct ckpt_edits *edits)
{
    const struct ckpt_transform *table = &applied->transform->table;
    size_t i;
    int status;

    transforms->user->report.transform = applied->text;
    for (i = 1; i < applied->graph_count; i++)
        hub_edits_admit(edits, applied->graphs[i]);
    status = table->apply(&transforms->host.table, applied->self,
                          applied->graphs, applied->graph_count, edits);
    transforms->user->report.transform = NULL;
    return applied_usage(transforms, applied,
                         hub_blame(&transforms->user->report, status));
}

static int
applied_apply(struct hub_transforms *transforms, struct hub_applied *applied,
              const struct ckpt_graph **graph)
{
    struct ckpt_edits edits;
    int status = applied_graphs(transforms, applied, *graph);

    if (status != CKPT_OK)
        return status;
    status = hub_edits_init(&edits, &applied->graph, *graph);
    edits.optional = applied->optional;
    if (status == CKPT_OK)
        status = applied_edit(transforms, applied, &edits);
    if (status == CKPT_OK && edits.count > 0) {
        status = hub_edits_apply(&edits);
        if (status == CKPT_OK)
            *graph = &applied->graph.public;
    }
    applied_told(&transforms->user->report, applied, edits.told);
    if (status == CKPT_OK)
        applied_tell(transforms, applied, &edits);
    hub_edits_fini(&edits);
    return status;
}

/* Says which recipes of optional steps alone match nothing. */
static void
recipes_tell(struct hub_transforms *transforms)
{
    const struct hub_applied *applied = transforms->applied;
    const char *recipe;
    bool excused;

    while (applied != NULL) {
        recipe = applied->recipe;
        excused = recipe == NULL;
        for (; applied != NULL && applied->recipe == recipe;
             applied = applied->next)
            excused = excused || applied->matched || !applied->optional;
        if (excused)
            continue;
        transforms->unmatched++;
        hub_note(&transforms->user->report, CKPT_MESSAGE_WARNING, NULL,
                 CKPT_NOWHERE, "'%s' matches nothing", recipe);
    }
}

static int
applied_settle(struct hub_transforms *transforms, struct hub_applied *applied,
               const struct ckpt_graph **graph)
{
    const struct ckpt_transform *table = &applied->transform->table;
    struct ckpt_edits edits;
    int status;

    if (table->settle == NULL)
        return CKPT_OK;
    status = hub_edits_init(&edits, &applied->settled, *graph);
    if (status == CKPT_OK)
        status = hub_blame(&transforms->user->report,
                           table->settle(&transforms->host.table, applied->self,
                                         *graph, &edits));
    if (status == CKPT_OK && edits.count > 0) {
        status = hub_edits_apply(&edits);
        if (status == CKPT_OK)
            *graph = &applied->settled.public;
    }
    hub_edits_fini(&edits);
    return status;
}

int
hub_transforms_apply(struct hub_transforms *transforms,
                     const struct ckpt_graph **graph)
{
    struct hub_report *report = &transforms->user->report;
    const char *plugin = report->plugin;
    struct hub_applied *applied = transforms->applied;
    int status = CKPT_OK;

    for (; applied != NULL && status == CKPT_OK; applied = applied->next) {
        report->plugin = applied->transform->info.id;
        status = applied_apply(transforms, applied, graph);
    }
    for (applied = transforms->applied; applied != NULL && status == CKPT_OK;
         applied = applied->next) {
        report->plugin = applied->transform->info.id;
        status = applied_settle(transforms, applied, graph);
    }
    if (status == CKPT_OK) {
        report->plugin = plugin;
        recipes_tell(transforms);
    }
    return status;
}

int
hub_transforms_unchanged(const struct hub_transforms *transforms)
{
    const struct hub_applied *applied = transforms->applied;
    int status = hub_host_unchanged(&transforms->host);

    for (; applied != NULL && status == CKPT_OK; applied = applied->next)
        status = hub_named_unchanged(applied->named);
    return status;
}

void
hub_transforms_fini(struct hub_transforms *transforms)
{
    struct hub_applied *applied = transforms->applied;

    if (transforms->user == NULL)
        return;
    for (; applied != NULL; applied = applied->next) {
        hub_graph_fini(&applied->settled);
        hub_graph_fini(&applied->graph);
        applied->transform->table.close(&transforms->host.table, applied->self);
        hub_named_free(applied->named);
    }
    hub_host_fini(&transforms->host);
    hub_arena_fini(&transforms->arena);
    transforms->user = NULL;
}
