/* SPDX-License-Identifier: MIT
 *
 * `ckpt plugins`: what is installed, from where, and what it can do.
 */
#include <string.h>

#include "cli.h"
#include "escape.h"
#include "manual.h"
#include "recipes.h"
#include "table_out.h"

static const struct cli_column plugins_columns[] = {
    {"KIND", false}, {"NAME", false}, {"PLUGIN", false}, {"ABOUT", false}};

static void
plugins_words(struct cli_out *out, const char *word, size_t *count)
{
    if ((*count)++ > 0)
        cli_out_char(out, ' ');
    cli_escape_string(out, word);
}

/* Where it is from is said of those that are not simply there. */
static void
plugins_row(struct cli_table *table, const char *kind, const char *name,
            const struct ckpt_plugin_info *plugin, const char *about)
{
    struct cli_out *cell;

    cli_out_string(cli_table_cell(table), kind);
    cli_escape_string(cli_table_cell(table), name != NULL ? name : "-");
    cell = cli_table_cell(table);
    cli_escape_string(cell, plugin->id != NULL ? plugin->id : "-");
    cli_out_char(cell, ' ');
    cli_escape_string(cell, plugin->version != NULL ? plugin->version : "-");
    if (strcmp(plugin->origin, "installed") != 0 &&
        strcmp(plugin->origin, "build tree") != 0) {
        cli_out_string(cell, " (");
        cli_escape_string(cell, plugin->origin);
        cli_out_char(cell, ')');
    }
    cli_escape_string(cli_table_cell(table), about != NULL ? about : "-");
    cli_table_row_end(table);
}

static void
plugins_formats(struct cli_table *table, const struct ckpt_plugin_info *plugin,
                bool reads)
{
    const struct ckpt_format_info *format = plugin->formats;
    size_t i;

    for (i = 0; i < plugin->format_count; i++, format++)
        if (format->reads == reads)
            plugins_row(table, reads ? "reads" : "writes", format->id, plugin,
                        format->summary);
}

static void
plugins_readers(struct cli_table *table, const struct ckpt_plugin_info *plugin)
{
    plugins_formats(table, plugin, true);
}

static void
plugins_writers(struct cli_table *table, const struct ckpt_plugin_info *plugin)
{
    plugins_formats(table, plugin, false);
}

static void
plugins_transforms(struct cli_table *table,
                   const struct ckpt_plugin_info *plugin)
{
    const struct ckpt_transform_info *transform = plugin->transforms;
    size_t i;

    for (i = 0; i < plugin->transform_count; i++, transform++)
        plugins_row(table, "transform", transform->id, plugin,
                    transform->summary);
}

/* Those that do other things. */
static void
plugins_others(struct cli_table *table, const struct ckpt_plugin_info *plugin)
{
    if (plugin->format_count == 0 && plugin->transform_count == 0)
        plugins_row(table, "other", plugin->id, plugin, plugin->summary);
}

/* Plugins that cannot be used, each with its reason. */
static void
plugins_problems(struct cli *cli)
{
    const struct ckpt_plugin_info *plugin;
    size_t i;

    for (i = 0; (plugin = ckpt_plugin_at(cli->user, i)) != NULL; i++) {
        if (plugin->problem == NULL)
            continue;
        cli_out_string(&cli->out, "not used: ");
        cli_escape_string(&cli->out, plugin->path);
        cli_out_string(&cli->out, ": ");
        cli_escape_string(&cli->out, plugin->problem);
        cli_out_char(&cli->out, '\n');
    }
}

static int
plugins_list(struct cli *cli)
{
    static void (*const rows[])(struct cli_table *,
                                const struct ckpt_plugin_info *) = {
        plugins_readers, plugins_writers, plugins_transforms, plugins_others};
    const struct ckpt_plugin_info *plugin;
    struct cli_table table;
    size_t i, kind;
    int status;

    cli_table_begin(&table, &cli->out, plugins_columns,
                    sizeof plugins_columns / sizeof plugins_columns[0]);
    for (kind = 0; kind < sizeof rows / sizeof *rows; kind++)
        for (i = 0; (plugin = ckpt_plugin_at(cli->user, i)) != NULL; i++)
            if (plugin->problem == NULL)
                rows[kind](&table, plugin);
    status = cli_table_end(&table);
    if (status != CKPT_OK)
        return cli_fail(cli, status);
    cli_recipes_list(cli);
    plugins_problems(cli);
    return CLI_DONE;
}

/* ---- One plugin ---- */

static const char *
plugins_option_kind(uint32_t kind)
{
    switch (kind) {
    case CKPT_OPTION_BOOL:
        return "yes|no";
    case CKPT_OPTION_INT:
        return "NUMBER";
    case CKPT_OPTION_SIZE:
        return "SIZE";
    case CKPT_OPTION_STRING:
        return "TEXT";
    case CKPT_OPTION_FILE:
    case CKPT_OPTION_GRAPH:
        return "FILE";
    default:
        return "?";
    }
}

static void
plugins_option(struct cli_out *out, const struct ckpt_option *option)
{
    const char *const *choice;

    cli_out_string(out, "    ");
    cli_escape_string(out, option->name);
    cli_out_char(out, '=');
    if (option->kind != CKPT_OPTION_CHOICE || option->choices == NULL)
        cli_out_string(out, plugins_option_kind(option->kind));
    else
        for (choice = option->choices; *choice != NULL; choice++) {
            cli_escape_string(out, *choice);
            if (choice[1] != NULL)
                cli_out_char(out, '|');
        }
    cli_out_string(out, "\n        ");
    cli_escape_string(out, option->help ? option->help : "");
    if (option->fallback != NULL) {
        cli_out_string(out, " (default ");
        cli_escape_string(out, option->fallback);
        cli_out_char(out, ')');
    }
    cli_out_char(out, '\n');
}

static void
plugins_options(struct cli_out *out, const char *title,
                const struct ckpt_option *option)
{
    if (option == NULL || option->kind == CKPT_OPTION_END)
        return;
    cli_out_string(out, title);
    for (; option->kind != CKPT_OPTION_END; option++)
        plugins_option(out, option);
}

/* What patterns are, for transforms that take some. */
static void
plugins_patterns(struct cli_out *out,
                 const struct ckpt_transform_info *transform)
{
    const struct ckpt_option *option = transform->options;
    bool takes = transform->argument != NULL &&
                 strstr(transform->argument, "PATTERN") != NULL &&
                 strstr(transform->argument, "s/") == NULL;

    for (; option != NULL && option->kind != CKPT_OPTION_END; option++)
        takes = takes || (option->help != NULL &&
                          strstr(option->help, "pattern") != NULL);
    if (takes)
        cli_out_string(out,
                       "  a pattern is a shell glob over whole names, in which "
                       "* meets dots too;\n  or re: and a regular expression "
                       "that is sought anywhere in a name\n");
}

static void
plugins_transform(struct cli_out *out,
                  const struct ckpt_transform_info *transform)
{
    cli_out_string(out, "\ntransform ");
    cli_escape_string(out, transform->id);
    cli_out_string(out, ": ");
    cli_escape_string(out, transform->summary ? transform->summary : "");
    cli_out_string(out, "\n  -t ");
    cli_escape_string(out, transform->id);
    cli_out_string(out, transform->argument ? ":" : "");
    cli_escape_string(out, transform->argument ? transform->argument : "");
    cli_out_char(out, '\n');
    plugins_options(out, "  options (,KEY=VALUE)\n", transform->options);
    plugins_patterns(out, transform);
}

static void
plugins_format(struct cli_out *out, const struct ckpt_format_info *format)
{
    const char *const *suffix;
    size_t count = 0;

    cli_out_string(out, format->reads ? "\nreads " : "\nwrites ");
    cli_escape_string(out, format->id);
    cli_out_string(out, ": ");
    cli_escape_string(out, format->summary ? format->summary : "");
    cli_out_string(out, "\n  suffixes ");
    for (suffix = format->suffixes; suffix != NULL && *suffix; suffix++)
        plugins_words(out, *suffix, &count);
    cli_out_string(out, count ? "\n" : "-\n");
    plugins_options(
        out, format->reads ? "  options (--in-option)\n" : "  options (-o)\n",
        format->options);
}

/* All of it, or, if `id` is that of a transform alone, that. */
static void
plugins_show(struct cli_out *out, const struct ckpt_plugin_info *plugin,
             const char *id)
{
    bool all = plugin->id == NULL || strcmp(plugin->id, id) == 0;
    size_t i;

    cli_escape_string(out, plugin->id);
    cli_out_char(out, ' ');
    cli_escape_string(out, plugin->version ? plugin->version : "");
    cli_out_string(out, ": ");
    cli_escape_string(out, plugin->summary ? plugin->summary : "");
    cli_out_string(out, "\npath ");
    cli_escape_string(out, plugin->path);
    cli_out_string(out, " (");
    cli_escape_string(out, plugin->origin);
    cli_out_string(out, ")\n");
    for (i = 0; i < plugin->format_count; i++)
        if (all || strcmp(plugin->formats[i].id, id) == 0)
            plugins_format(out, &plugin->formats[i]);
    for (i = 0; i < plugin->transform_count; i++)
        if (all || strcmp(plugin->transforms[i].id, id) == 0)
            plugins_transform(out, &plugin->transforms[i]);
}

/* By its id or that of a format or transform. A plugin that did not get as far
 * as telling its id goes by its file. */
static bool
plugins_is(const struct ckpt_plugin_info *plugin, const char *id)
{
    const char *file = strrchr(plugin->path, '/');
    size_t i, length = strlen(id);

    for (i = 0; i < plugin->transform_count; i++)
        if (strcmp(plugin->transforms[i].id, id) == 0)
            return true;
    for (i = 0; i < plugin->format_count; i++)
        if (strcmp(plugin->formats[i].id, id) == 0)
            return true;
    if (plugin->id != NULL)
        return strcmp(plugin->id, id) == 0;
    file = file ? file + 1 : plugin->path;
    return strncmp(file, id, length) == 0 && strcmp(file + length, ".so") == 0;
}

/* The plugin of that id, one in use before one that is not; else SIZE_MAX. */
static size_t
plugins_find(struct cli *cli, const char *id)
{
    const struct ckpt_plugin_info *plugin;
    size_t i, found = SIZE_MAX;

    for (i = 0; (plugin = ckpt_plugin_at(cli->user, i)) != NULL; i++) {
        if (!plugins_is(plugin, id))
            continue;
        if (plugin->problem == NULL)
            return i;
        found = found == SIZE_MAX ? i : found;
    }
    return found;
}

static void
nearest_take(const char *id, const char *candidate, size_t *least,
             const char **nearest)
{
    size_t distance =
        candidate != NULL ? ckpt_distance(id, candidate) : SIZE_MAX;

    if (distance >= *least)
        return;
    *least = distance;
    *nearest = candidate;
}

static int
plugins_unknown(struct cli *cli, const char *id)
{
    const struct ckpt_plugin_info *plugin;
    size_t i, k, least = SIZE_MAX;
    const char *nearest = cli_recipe_nearest(cli, id, &least);
    struct cli_out text;

    for (i = 0; (plugin = ckpt_plugin_at(cli->user, i)) != NULL; i++) {
        nearest_take(id, plugin->id, &least, &nearest);
        for (k = 0; k < plugin->format_count; k++)
            nearest_take(id, plugin->formats[k].id, &least, &nearest);
        for (k = 0; k < plugin->transform_count; k++)
            nearest_take(id, plugin->transforms[k].id, &least, &nearest);
    }
    cli_out_init(&text, -1);
    cli_out_string(&text, "no plugin is called ");
    cli_escape_string(&text, id);
    cli_usage(cli, cli_out_text(&text), "", nearest);
    cli_out_fini(&text);
    return CLI_USAGE;
}

static int
plugins_one(struct cli *cli, const char *id)
{
    const struct ckpt_plugin_info *plugin;
    size_t index = plugins_find(cli, id);
    int status;

    if (index == SIZE_MAX)
        return cli_recipe_show(cli, id) ? CLI_DONE : plugins_unknown(cli, id);
    status = ckpt_plugin_load(cli->user, index);
    if (status != CKPT_OK)
        return cli_fail(cli, status);
    plugin = ckpt_plugin_at(cli->user, index);
    plugins_show(&cli->out, plugin, id);
    cli_manual(&cli->out, plugin->path, cli->args.verbose > 0);
    return CLI_DONE;
}

/* Descriptions may promise what a plugin cannot keep; here all are tried. */
static void
plugins_load_all(struct cli *cli)
{
    size_t i, count = ckpt_plugin_count(cli->user);

    for (i = 0; i < count; i++)
        if (ckpt_plugin_at(cli->user, i)->problem == NULL)
            ckpt_plugin_load(cli->user, i);
}

static int
plugins_run(struct cli *cli)
{
    plugins_load_all(cli);
    if (cli->args.operands.count == 0)
        return plugins_list(cli);
    return plugins_one(cli, cli->args.operands.items[0]);
}

const struct cli_command cli_plugins = {
    .name = "plugins",
    .operands = "[NAME]",
    .summary = "list plugins, or show one with its options",
    .about =
        "Lists every plugin with the formats it reads and writes and the\n"
        "transforms it has, the recipes, and what cannot be used with the\n"
        "reason. With NAME, of a plugin, a format, a transform or a recipe:\n"
        "where it is, how it is asked for, its options, and examples; with -v\n"
        "the whole manual.\n",
    .operand_max = 1,
    .run = plugins_run,
};
