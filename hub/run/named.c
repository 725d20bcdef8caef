/* SPDX-License-Identifier: MIT
 *
 * Opening what options name, and telling it beforehand to whoever must permit
 * it first.
 */
#include "hub/run/named.h"

#include <string.h>

#include "hub/load/detect.h"
#include "hub/load/loader.h"
#include "hub/run/reading.h"
#include "hub/run/recipe.h"
#include "hub/run/transform_text.h"

static bool
option_is_path(const struct ckpt_option *option)
{
    return option->kind == CKPT_OPTION_FILE ||
           option->kind == CKPT_OPTION_GRAPH;
}

/* Failures are about the file that is named, and no plugin's. */
static int
named_file(struct hub_host *host, uint32_t kind,
           struct ckpt_option_value *value)
{
    struct hub_report *report = host->report;
    const char *file = report->file, *plugin = report->plugin;
    struct ckpt_source *source;
    int status;

    report->file = value->text;
    report->plugin = NULL;
    status = hub_source_open(host->budget, value->text, &source);
    if (status == CKPT_OK) {
        source->named = true;
        hub_host_adopt(host, source);
        value->source = source;
        if (source->folder && kind == CKPT_OPTION_FILE)
            status = hub_fail(report, CKPT_OPTION, NULL, CKPT_NOWHERE,
                              "it is a folder");
    }
    report->file = file;
    report->plugin = plugin;
    return status;
}

int
hub_named_files(struct hub_host *host, const struct ckpt_option *declared,
                struct ckpt_option_value *values)
{
    int status = CKPT_OK;

    for (; declared != NULL && declared->kind != CKPT_OPTION_END &&
           status == CKPT_OK;
         declared++, values++)
        if (option_is_path(declared) && values->given)
            status = named_file(host, declared->kind, values);
    return status;
}

size_t
hub_named_count(const struct ckpt_option *declared,
                const struct ckpt_option_value *values)
{
    size_t count = 0;

    for (; declared != NULL && declared->kind != CKPT_OPTION_END;
         declared++, values++)
        count += declared->kind == CKPT_OPTION_GRAPH && values->given;
    return count;
}

struct hub_named {
    struct hub_named *next;
    struct hub_reading reading;
};

/* What is said while it is read is about that file, and its reader's. */
static int
named_graph(struct ckpt *user, struct ckpt_option_value *value,
            const struct ckpt_graph *after, struct hub_named **list)
{
    struct hub_report *report = &user->report;
    struct hub_findings *findings = report->findings;
    const char *file = report->file, *plugin = report->plugin;
    struct hub_named *made = hub_allocate(&user->budget, sizeof *made);
    struct ckpt_input input = CKPT_INPUT;
    int status;

    if (made == NULL)
        return report->status;
    made->next = *list;
    *list = made;
    made->reading.after = after;
    input.path = value->text;
    report->plugin = NULL;
    status = hub_reading_init(&made->reading, user, &input);
    if (status == CKPT_OK)
        value->graph = made->reading.graph;
    report->findings = findings;
    report->file = file;
    report->plugin = plugin;
    return status;
}

int
hub_named_graphs(struct ckpt *user, const struct ckpt_option *declared,
                 struct ckpt_option_value *values,
                 const struct ckpt_graph *after, struct hub_named **list)
{
    int status = CKPT_OK;

    for (; declared != NULL && declared->kind != CKPT_OPTION_END &&
           status == CKPT_OK;
         declared++, values++) {
        if (declared->kind != CKPT_OPTION_GRAPH || !values->given)
            continue;
        status = named_graph(user, values, after, list);
        if (status == CKPT_OK && after != NULL)
            after = values->graph;
    }
    return status;
}

void
hub_named_free(struct hub_named *list)
{
    struct hub_named *next;
    struct hub_budget *budget;

    for (; list != NULL; list = next) {
        next = list->next;
        budget = list->reading.arena.budget;
        hub_reading_fini(&list->reading);
        hub_release(budget, list);
    }
}

int
hub_named_unchanged(const struct hub_named *list)
{
    int status = CKPT_OK;

    for (; list != NULL && status == CKPT_OK; list = list->next)
        status = hub_reading_unchanged(&list->reading);
    return status;
}

/* ---- Telling them beforehand ---- */

struct teller {
    struct ckpt *user;
    void (*named)(void *context, const char *path);
    void *context;
};

static void
tell_path(const struct teller *teller, const char *path)
{
    if (path[0] != '\0')
        teller->named(teller->context, path);
}

static void
tell_options(const struct teller *teller, const struct ckpt_option *declared,
             const char *const *given)
{
    const struct ckpt_option *option;
    const char *equals;
    size_t length;

    for (; given != NULL && *given != NULL; given++) {
        equals = strchr(*given, '=');
        length = equals != NULL ? (size_t)(equals - *given) : 0;
        for (option = declared;
             option != NULL && length > 0 && option->kind != CKPT_OPTION_END;
             option++)
            if (option_is_path(option) && strlen(option->name) == length &&
                strncmp(option->name, *given, length) == 0)
                tell_path(teller, equals + 1);
    }
}

/* The reader may not be known before the file is looked at: then all count
 * that know the option. */
static void
tell_reader(const struct teller *teller, const struct ckpt_input *input)
{
    struct hub_registry *registry = &teller->user->registry;
    struct hub_format *format = NULL;

    if (input->options == NULL || *input->options == NULL)
        return;
    while ((format = hub_registry_next(registry, format, true)) != NULL)
        if ((input->from == NULL ||
             strcmp(input->from, format->info.id) == 0) &&
            hub_plugin_try(&teller->user->registry, format->plugin))
            tell_options(teller, format->info.options, input->options);
}

static void
tell_writer(const struct teller *teller,
            const struct ckpt_conversion *conversion)
{
    struct hub_registry *registry = &teller->user->registry;
    const char *const *given = conversion->output_options;
    const char *name = conversion->output;
    struct hub_format *format = NULL;

    if (name == NULL || given == NULL || *given == NULL)
        return;
    if (strrchr(name, '/') != NULL)
        name = strrchr(name, '/') + 1;
    if (conversion->to != NULL)
        format = hub_registry_find(registry, conversion->to, false);
    else if (hub_detect_writer(registry, name, given, &format) != CKPT_OK)
        return;
    if (format != NULL &&
        hub_plugin_try(&teller->user->registry, format->plugin))
        tell_options(teller, format->info.options, given);
}

static void
tell_transform(const struct teller *teller, struct hub_arena *arena,
               const char *text)
{
    struct hub_transform *found = hub_transform_find(teller->user, text);
    struct hub_wanted wanted;

    if (found == NULL ||
        !hub_plugin_try(&teller->user->registry, found->plugin) ||
        hub_wanted_cut(arena, &found->table, text, &wanted) != CKPT_OK)
        return;
    tell_options(teller, found->table.options, wanted.given);
    if (wanted.argument != NULL &&
        option_is_path(&wanted.declared[wanted.option_count]))
        tell_path(teller, wanted.argument);
}

void
ckpt_files_named(struct ckpt *user, const struct ckpt_conversion *conversion,
                 void (*named)(void *context, const char *path), void *context)
{
    struct hub_arena arena = {.budget = &user->registry_budget};
    struct teller teller = {user, named, context};
    struct hub_steps steps = {.reads = named, .context = context};
    size_t i;

    hub_user_begin(user);
    tell_reader(&teller, &conversion->input);
    hub_steps_list(user, &arena, conversion->input.transforms, &steps);
    for (i = 0; i < steps.count; i++)
        tell_transform(&teller, &arena, steps.items[i].text);
    tell_writer(&teller, conversion);
    hub_arena_fini(&arena);
    hub_user_begin(user);
}
