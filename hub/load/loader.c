/* SPDX-License-Identifier: MIT
 *
 * The door through which plugins come in. The tables are copied, by the
 * smaller of both sizes, into zeroed memory, so that older and newer plugins
 * read alike.
 */
#include "hub/load/loader.h"

#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "module.h"

static int plugin_refuse(struct hub_registry *registry,
                         struct hub_plugin *plugin, const char *format, ...)
    CKPT_PRINTF(3, 4);

static int
plugin_refuse(struct hub_registry *registry, struct hub_plugin *plugin,
              const char *format, ...)
{
    va_list arguments;
    char text[600];

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    plugin->info.problem = hub_arena_text(&registry->arena, text, strlen(text));
    if (plugin->info.problem == NULL)
        plugin->info.problem = "out of memory";
    return CKPT_UNSUPPORTED;
}

static void
table_copy(void *to, size_t to_bytes, const void *from, size_t from_bytes)
{
    memset(to, 0, to_bytes);
    memcpy(to, from, from_bytes < to_bytes ? from_bytes : to_bytes);
}

static bool
reader_whole(const struct ckpt_reader *reader)
{
    return reader->id != NULL && reader->probe != NULL &&
           reader->open != NULL && reader->describe != NULL &&
           reader->close != NULL &&
           (reader->cursor_open == NULL) == (reader->cursor_next == NULL) &&
           (reader->cursor_open == NULL) == (reader->cursor_close == NULL);
}

static bool
writer_whole(const struct ckpt_writer *writer)
{
    return writer->id != NULL && writer->open != NULL && writer->plan != NULL &&
           writer->close != NULL && writer->suffixes != NULL;
}

static bool
transform_whole(const struct ckpt_transform *transform)
{
    return transform->id != NULL && transform->open != NULL &&
           transform->apply != NULL && transform->close != NULL &&
           (transform->cursor_open == NULL) ==
               (transform->cursor_next == NULL) &&
           (transform->cursor_open == NULL) ==
               (transform->cursor_close == NULL);
}

static bool
table_is(const char *id, const char *wanted)
{
    return id != NULL && strcmp(id, wanted) == 0;
}

/* Finds the format's table among the plugin's and copies it. */
static bool
format_fill(struct hub_format *format, const struct ckpt_plugin *tables)
{
    size_t i;

    for (i = 0; format->info.reads && tables->readers && tables->readers[i];
         i++) {
        if (!table_is(tables->readers[i]->id, format->info.id))
            continue;
        table_copy(&format->reader, sizeof format->reader, tables->readers[i],
                   tables->readers[i]->size);
        format->info.options = format->reader.options;
        return reader_whole(&format->reader);
    }
    for (i = 0; !format->info.reads && tables->writers && tables->writers[i];
         i++) {
        if (!table_is(tables->writers[i]->id, format->info.id))
            continue;
        table_copy(&format->writer, sizeof format->writer, tables->writers[i],
                   tables->writers[i]->size);
        format->info.options = format->writer.options;
        return writer_whole(&format->writer);
    }
    return false;
}

static bool
transform_fill(struct hub_transform *transform,
               const struct ckpt_plugin *tables)
{
    const struct ckpt_transform *table;
    size_t i;

    for (i = 0; tables->transforms && tables->transforms[i]; i++) {
        table = tables->transforms[i];
        if (!table_is(table->id, transform->info.id))
            continue;
        table_copy(&transform->table, sizeof transform->table, table,
                   table->size);
        transform->info.options = transform->table.options;
        return transform_whole(&transform->table);
    }
    return false;
}

/* The tables of all that the plugin is said to have. */
static int
plugin_fill(struct hub_registry *registry, struct hub_plugin *plugin,
            const struct ckpt_plugin *tables)
{
    struct hub_transform *transform;
    struct hub_format *format;

    for (format = plugin->formats; format != NULL; format = format->next)
        if (!format_fill(format, tables))
            return plugin_refuse(registry, plugin,
                                 "its table of '%s' is not whole",
                                 format->info.id);
    for (transform = plugin->transforms; transform != NULL;
         transform = transform->next)
        if (!transform_fill(transform, tables))
            return plugin_refuse(registry, plugin,
                                 "its table of '%s' is not whole",
                                 transform->info.id);
    return CKPT_OK;
}

static bool
scanners_whole(const struct ckpt_scanner *const *scanners)
{
    for (; scanners != NULL && *scanners != NULL; scanners++)
        if ((*scanners)->size < sizeof **scanners || (*scanners)->id == NULL ||
            (*scanners)->scan == NULL)
            return false;
    return true;
}

static int
plugin_take(struct hub_registry *registry, struct hub_plugin *plugin,
            const struct ckpt_plugin *entry)
{
    const struct hub_plugin *other;
    struct ckpt_plugin tables;
    int status;

    if (entry->abi != CKPT_ABI)
        return plugin_refuse(registry, plugin,
                             "it is built for ABI %u, this hub knows ABI %u",
                             entry->abi, CKPT_ABI);
    table_copy(&tables, sizeof tables, entry, entry->size);
    if (tables.id == NULL || tables.version == NULL || tables.summary == NULL)
        return plugin_refuse(registry, plugin,
                             "it does not tell its id, version and summary");
    if (plugin->info.id == NULL) {
        other = hub_registry_plugin(registry, tables.id);
        if (other != NULL)
            return plugin_refuse(registry, plugin,
                                 "the same plugin from %s is used",
                                 other->info.path);
        if (hub_registry_describe(registry, plugin, &tables) != CKPT_OK)
            return plugin_refuse(registry, plugin, "its tables are not whole");
    } else if (strcmp(plugin->info.id, tables.id) != 0) {
        return plugin_refuse(registry, plugin,
                             "it is '%s', its description says '%s'", tables.id,
                             plugin->info.id);
    }
    status = plugin_fill(registry, plugin, &tables);
    if (status == CKPT_OK && !scanners_whole(tables.scanners))
        status = plugin_refuse(registry, plugin,
                               "its table of scanners is not whole");
    plugin->scanners = tables.scanners;
    plugin->info.loaded = status == CKPT_OK;
    return status;
}

/* What the system's loader says, without the path that it puts before. */
static const char *
plugin_reason(const char *path)
{
    const char *reason = dlerror();
    size_t length = strlen(path);

    if (strncmp(reason, path, length) == 0 && reason[length] == ':')
        reason += length + 1 + strspn(reason + length + 1, " ");
    return reason;
}

int
hub_plugin_load(struct hub_registry *registry, struct hub_plugin *plugin)
{
    const struct ckpt_plugin *entry;
    const char *problem, *path = plugin->info.path;
    char local[600];

    if (plugin->info.problem != NULL)
        return CKPT_UNSUPPORTED;
    if (plugin->info.loaded)
        return CKPT_OK;
    if (strchr(path, '/') == NULL &&
        snprintf(local, sizeof local, "./%s", path) < (int)sizeof local)
        path = local;
    problem = sdk_module_problem(path);
    if (problem != NULL)
        return plugin_refuse(registry, plugin, "%s", problem);
    plugin->module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (plugin->module == NULL)
        return plugin_refuse(registry, plugin, "%s", plugin_reason(path));
    entry = dlsym(plugin->module, "ckpt_plugin");
    if (entry == NULL)
        return plugin_refuse(registry, plugin,
                             "it has no symbol 'ckpt_plugin'");
    return plugin_take(registry, plugin, entry);
}

bool
hub_plugin_try(struct hub_registry *registry, struct hub_plugin *plugin)
{
    bool known = plugin->info.problem != NULL;

    if (hub_plugin_load(registry, plugin) == CKPT_OK)
        return true;
    if (!known)
        plugin->info.problem = NULL;
    return false;
}

int
hub_plugin_need(struct hub_registry *registry, struct hub_plugin *plugin)
{
    if (hub_plugin_load(registry, plugin) == CKPT_OK)
        return CKPT_OK;
    return hub_fail(registry->arena.budget->report, CKPT_UNSUPPORTED, NULL,
                    CKPT_NOWHERE, "the plugin %s cannot be used: %s",
                    plugin->info.path, plugin->info.problem);
}

int
hub_format_load(struct hub_registry *registry, struct hub_format *format)
{
    return hub_plugin_need(registry, format->plugin);
}

int
hub_plugin_static(struct hub_registry *registry,
                  const struct ckpt_plugin *tables)
{
    struct hub_plugin *plugin =
        hub_arena_allocate(&registry->arena, sizeof *plugin);
    int status;

    if (plugin == NULL)
        return CKPT_MEMORY;
    plugin->info.path = "";
    plugin->info.origin = "linked in";
    status = plugin_take(registry, plugin, tables);
    plugin->next = registry->plugins;
    registry->plugins = plugin;
    registry->count++;
    return status;
}
