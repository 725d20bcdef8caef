/* SPDX-License-Identifier: MIT
 *
 * Users of the library and what they can ask about plugins.
 */
#include "hub/run/user.h"

#include <stdlib.h>
#include <string.h>

#include "hub/load/loader.h"
#include "hub/run/transform.h"

const char *
ckpt_version(void)
{
    return CKPT_VERSION;
}

void
hub_user_begin(struct ckpt *user)
{
    hub_report_clear(&user->report);
}

static void
user_settings(struct ckpt *user, const struct ckpt_settings *settings)
{
    size_t size = settings->size < sizeof user->settings
                      ? settings->size
                      : sizeof user->settings;

    memcpy(&user->settings, settings, size);
    user->report.user = user->settings.user;
    user->report.message = user->settings.message;
}

/* Plugins that were asked for by name are loaded at once, so that whoever
 * asked hears why one cannot be used. */
static void
user_try_named(struct ckpt *user)
{
    const char *const *file = user->settings.plugin_files;
    struct hub_plugin *plugin = user->registry.plugins;

    for (; file != NULL && *file != NULL && plugin != NULL;
         file++, plugin = plugin->next)
        if (hub_plugin_load(&user->registry, plugin) != CKPT_OK)
            hub_note(&user->report, CKPT_MESSAGE_WARNING, NULL, CKPT_NOWHERE,
                     "the plugin %s cannot be used: %s", plugin->info.path,
                     plugin->info.problem);
}

int
ckpt_new(const struct ckpt_settings *settings, struct ckpt **user)
{
    struct ckpt *made = calloc(1, sizeof *made);
    int status;

    if (made == NULL)
        return CKPT_MEMORY;
    if (settings != NULL)
        user_settings(made, settings);
    made->budget.report = &made->report;
    made->budget.limit_bytes = made->settings.memory_max_bytes > 0
                                   ? made->settings.memory_max_bytes
                                   : HUB_BUDGET_DEFAULT;
    made->registry_budget.report = &made->report;
    made->registry_budget.limit_bytes = HUB_BUDGET_DEFAULT;
    status = hub_registry_init(&made->registry, &made->registry_budget,
                               made->settings.plugin_files);
    if (status == CKPT_OK) {
        user_try_named(made);
        *user = made;
    } else {
        ckpt_free(made);
    }
    return status;
}

void
ckpt_free(struct ckpt *user)
{
    if (user == NULL)
        return;
    hub_registry_fini(&user->registry);
    free(user);
}

const char *
ckpt_error(const struct ckpt *user)
{
    return user->report.text;
}

const char *
ckpt_remedy(const struct ckpt *user)
{
    return user->report.remedy[0] != '\0' ? user->report.remedy : NULL;
}

size_t
ckpt_plugin_count(const struct ckpt *user)
{
    return user->registry.count;
}

static struct hub_plugin *
user_plugin(const struct ckpt *user, size_t index)
{
    struct hub_plugin *plugin = user->registry.plugins;

    while (plugin != NULL && index-- > 0)
        plugin = plugin->next;
    return plugin;
}

/* The public list of a plugin's formats is made when it is asked for. */
static void
user_formats(const struct ckpt *user, struct hub_plugin *plugin)
{
    struct hub_arena *arena =
        (struct hub_arena *)(uintptr_t)&user->registry.arena;
    struct ckpt_format_info *infos;
    struct hub_format *format;
    size_t count = 0;

    for (format = plugin->formats; format != NULL; format = format->next)
        count++;
    infos = hub_arena_allocate(arena, (count + 1) * sizeof *infos);
    if (infos == NULL)
        return;
    plugin->info.formats = infos;
    plugin->info.format_count = count;
    for (format = plugin->formats; format != NULL; format = format->next)
        *infos++ = format->info;
}

static void
user_transforms(const struct ckpt *user, struct hub_plugin *plugin)
{
    struct hub_arena *arena =
        (struct hub_arena *)(uintptr_t)&user->registry.arena;
    struct ckpt_transform_info *infos;
    struct hub_transform *transform;
    size_t count = 0;

    for (transform = plugin->transforms; transform; transform = transform->next)
        count++;
    infos = hub_arena_allocate(arena, (count + 1) * sizeof *infos);
    if (infos == NULL)
        return;
    plugin->info.transforms = infos;
    plugin->info.transform_count = count;
    for (transform = plugin->transforms; transform; transform = transform->next)
        *infos++ = transform->info;
}

const struct ckpt_plugin_info *
ckpt_plugin_at(const struct ckpt *user, size_t index)
{
    struct hub_plugin *plugin = user_plugin(user, index);

    if (plugin == NULL)
        return NULL;
    user_formats(user, plugin);
    user_transforms(user, plugin);
    return &plugin->info;
}

int
ckpt_plugin_load(struct ckpt *user, size_t index)
{
    struct hub_plugin *plugin = user_plugin(user, index);

    hub_user_begin(user);
    if (plugin == NULL)
        return hub_fail(&user->report, CKPT_OPTION, NULL, CKPT_NOWHERE,
                        "there is no plugin number %zu", index);
    if (hub_plugin_load(&user->registry, plugin) == CKPT_OK)
        return CKPT_OK;
    return hub_fail(&user->report, CKPT_UNSUPPORTED, NULL, CKPT_NOWHERE,
                    "the plugin %s cannot be used: %s", plugin->info.path,
                    plugin->info.problem);
}

const struct ckpt_transform_info *
ckpt_transform_find(struct ckpt *user, const char *text)
{
    const struct hub_transform *found;

    hub_user_begin(user);
    found = hub_transform_find(user, text);
    return found != NULL ? &found->info : NULL;
}
