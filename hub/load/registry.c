/* SPDX-License-Identifier: MIT
 *
 * Finding plugins: the files that the user names, the folders of
 * CKPT_PLUGIN_PATH, and the folder beside the library, which is the build
 * tree's or the installed one.
 */
#include "hub/load/registry.h"

#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hub/load/description.h"

#define DESCRIPTION_MAX ((size_t)16 << 10)
#define PLUGIN_FOLDER "ckpt/plugins"
#define BUILD_MARK "CMakeCache.txt" /* lies above the build tree's lib */

const struct hub_plugin *
hub_registry_plugin(const struct hub_registry *registry, const char *id)
{
    const struct hub_plugin *plugin;

    for (plugin = registry->plugins; plugin != NULL; plugin = plugin->next)
        if (plugin->info.problem == NULL && plugin->info.id != NULL &&
            strcmp(plugin->info.id, id) == 0)
            return plugin;
    return NULL;
}

/* The description beside FILE.so is FILE.plugin. */
static void
registry_read_description(struct hub_registry *registry,
                          struct hub_plugin *plugin)
{
    int stem = (int)strlen(plugin->info.path) - 3;
    char path[PATH_MAX], text[DESCRIPTION_MAX];
    ssize_t got;
    int file;

    if (stem < 0 || snprintf(path, sizeof path, "%.*s.plugin", stem,
                             plugin->info.path) >= (int)sizeof path)
        return;
    file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return;
    got = read(file, text, sizeof text);
    close(file);
    if (got > 0)
        hub_description_parse(&registry->arena, plugin, text, (size_t)got);
}

static const char *
registry_shadowed(struct hub_registry *registry, const char *path)
{
    char text[PATH_MAX + 40];

    snprintf(text, sizeof text, "the same plugin from %s is used", path);
    return hub_arena_text(&registry->arena, text, strlen(text));
}

static void
registry_add(struct hub_registry *registry, const char *path,
             const char *origin)
{
    struct hub_plugin **end = &registry->plugins;
    struct hub_plugin *plugin =
        hub_arena_allocate(&registry->arena, sizeof *plugin);
    const struct hub_plugin *other = NULL;

    if (plugin == NULL)
        return;
    plugin->info.origin = origin;
    plugin->info.path = hub_arena_text(&registry->arena, path, strlen(path));
    if (plugin->info.path == NULL)
        return;
    registry_read_description(registry, plugin);
    if (plugin->info.id != NULL)
        other = hub_registry_plugin(registry, plugin->info.id);
    if (other != NULL)
        plugin->info.problem = registry_shadowed(registry, other->info.path);
    while (*end != NULL)
        end = &(*end)->next;
    *end = plugin;
    registry->count++;
}

static int
folder_keeps(const struct dirent *entry)
{
    size_t length = strlen(entry->d_name);

    return length > 3 && entry->d_name[0] != '.' &&
           strcmp(entry->d_name + length - 3, ".so") == 0;
}

static void
registry_keep_folder(struct hub_registry *registry, const char *path,
                     const char *origin)
{
    struct hub_folder **end = &registry->folders;
    struct hub_folder *folder =
        hub_arena_allocate(&registry->arena, sizeof *folder);

    if (folder == NULL)
        return;
    folder->path = hub_arena_text(&registry->arena, path, strlen(path));
    folder->origin = origin;
    while (*end != NULL)
        end = &(*end)->next;
    *end = folder->path != NULL ? folder : NULL;
}

/* Adds the plugins of a folder in order of their names. */
static void
registry_add_folder(struct hub_registry *registry, const char *folder,
                    const char *origin)
{
    struct dirent **found = NULL;
    char path[PATH_MAX];
    int i, count = scandir(folder, &found, folder_keeps, alphasort);

    registry_keep_folder(registry, folder, origin);
    for (i = 0; i < count; i++) {
        if (snprintf(path, sizeof path, "%s/%s", folder, found[i]->d_name) <
            (int)sizeof path)
            registry_add(registry, path, origin);
        free(found[i]);
    }
    free(found);
}

static void
registry_add_path(struct hub_registry *registry, const char *folders)
{
    char folder[PATH_MAX];
    size_t length;

    while (folders != NULL && *folders != '\0') {
        length = strcspn(folders, ":");
        if (length > 0 && length < sizeof folder) {
            memcpy(folder, folders, length);
            folder[length] = '\0';
            registry_add_folder(registry, folder, "CKPT_PLUGIN_PATH");
        }
        folders += length;
        folders += *folders == ':';
    }
}

/* The folder that this library lies in. */
static bool
registry_home(char *home, size_t size)
{
    Dl_info info;
    char *slash;

    if (dladdr((void *)(uintptr_t)&ckpt_version, &info) == 0 ||
        info.dli_fname == NULL || strlen(info.dli_fname) >= size)
        return false;
    memcpy(home, info.dli_fname, strlen(info.dli_fname) + 1);
    slash = strrchr(home, '/');
    if (slash == NULL)
        return false;
    *slash = '\0';
    return true;
}

static void
registry_add_home(struct hub_registry *registry)
{
    char home[PATH_MAX], path[PATH_MAX];
    bool built;

    if (!registry_home(home, sizeof home - 40))
        return;
    snprintf(path, sizeof path, "%.*s/../" BUILD_MARK, PATH_MAX - 40, home);
    built = access(path, F_OK) == 0;
    snprintf(path, sizeof path, "%.*s/" PLUGIN_FOLDER, PATH_MAX - 40, home);
    registry_add_folder(registry, path, built ? "build tree" : "installed");
}

int
hub_registry_init(struct hub_registry *registry, struct hub_budget *budget,
                  const char *const *plugin_files)
{
    size_t i;

    memset(registry, 0, sizeof *registry);
    registry->arena.budget = budget;
    for (i = 0; plugin_files != NULL && plugin_files[i] != NULL; i++)
        registry_add(registry, plugin_files[i], "--plugin");
    registry_add_path(registry, secure_getenv("CKPT_PLUGIN_PATH"));
    registry_add_home(registry);
    return budget->report->status;
}

void
hub_registry_fini(struct hub_registry *registry)
{
    struct hub_plugin *plugin;

    for (plugin = registry->plugins; plugin != NULL; plugin = plugin->next)
        if (plugin->module != NULL)
            dlclose(plugin->module);
    hub_arena_fini(&registry->arena);
    registry->plugins = NULL;
}

static bool
describe_reader(struct hub_registry *registry, struct hub_plugin *plugin,
                const struct ckpt_reader *reader)
{
    struct hub_format *format = hub_format_add(&registry->arena, plugin, true);
    const struct ckpt_magic *magic = reader->magics;

    if (format == NULL || reader->id == NULL)
        return false;
    format->info.id = reader->id;
    format->info.summary = reader->summary;
    format->info.suffixes = reader->suffixes;
    format->capabilities = reader->capabilities;
    for (; magic != NULL && magic->bytes != NULL; magic++)
        if (!hub_magic_add(&registry->arena, format, magic->offset,
                           magic->bytes, magic->size_bytes))
            return false;
    return true;
}

static bool
describe_writer(struct hub_registry *registry, struct hub_plugin *plugin,
                const struct ckpt_writer *writer)
{
    struct hub_format *format = hub_format_add(&registry->arena, plugin, false);

    if (format == NULL || writer->id == NULL)
        return false;
    format->info.id = writer->id;
    format->info.summary = writer->summary;
    format->info.suffixes = writer->suffixes;
    if (writer->size > offsetof(struct ckpt_writer, capabilities))
        format->capabilities = writer->capabilities;
    return true;
}

static bool
describe_transform(struct hub_registry *registry, struct hub_plugin *plugin,
                   const struct ckpt_transform *table)
{
    struct hub_transform *transform =
        hub_transform_add(&registry->arena, plugin);

    if (transform == NULL || table->id == NULL)
        return false;
    transform->info.id = table->id;
    transform->info.summary = table->summary;
    transform->info.argument = table->argument;
    return true;
}

int
hub_registry_describe(struct hub_registry *registry, struct hub_plugin *plugin,
                      const struct ckpt_plugin *tables)
{
    bool told = true;
    size_t i;

    plugin->info.id = tables->id;
    plugin->info.version = tables->version;
    plugin->info.summary = tables->summary;
    plugin->scans = tables->scanners != NULL && tables->scanners[0] != NULL;
    for (i = 0; told && tables->readers != NULL && tables->readers[i]; i++)
        told = describe_reader(registry, plugin, tables->readers[i]);
    for (i = 0; told && tables->writers != NULL && tables->writers[i]; i++)
        told = describe_writer(registry, plugin, tables->writers[i]);
    for (i = 0; told && tables->transforms != NULL && tables->transforms[i];
         i++)
        told = describe_transform(registry, plugin, tables->transforms[i]);
    return told ? CKPT_OK : CKPT_CONTRACT;
}

struct hub_format *
hub_registry_next(const struct hub_registry *registry,
                  struct hub_format *format, bool reads)
{
    struct hub_plugin *plugin =
        format != NULL ? format->plugin : registry->plugins;

    format = format != NULL ? format->next
                            : (plugin != NULL ? plugin->formats : NULL);
    for (;;) {
        for (; format != NULL && plugin->info.problem == NULL;
             format = format->next)
            if (format->info.reads == reads)
                return format;
        plugin = plugin != NULL ? plugin->next : NULL;
        if (plugin == NULL)
            return NULL;
        format = plugin->formats;
    }
}

struct hub_format *
hub_registry_find(const struct hub_registry *registry, const char *id,
                  bool reads)
{
    struct hub_format *format = NULL;

    while ((format = hub_registry_next(registry, format, reads)) != NULL)
        if (strcmp(format->info.id, id) == 0)
            return format;
    return NULL;
}

struct hub_transform *
hub_registry_transform(const struct hub_registry *registry, const char *id)
{
    const struct hub_plugin *plugin = registry->plugins;
    struct hub_transform *transform;

    for (; plugin != NULL; plugin = plugin->next)
        for (transform = plugin->transforms;
             transform != NULL && plugin->info.problem == NULL;
             transform = transform->next)
            if (strcmp(transform->info.id, id) == 0)
                return transform;
    return NULL;
}
