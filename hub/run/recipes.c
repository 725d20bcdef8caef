/* SPDX-License-Identifier: MIT
 *
 * Which recipes there are beside the plugins, and what they say of themselves.
 */
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hub/run/recipe.h"

#define SUFFIX ".yaml"

static int
name_keeps(const struct dirent *entry)
{
    size_t length = strlen(entry->d_name);

    return length >= sizeof SUFFIX && entry->d_name[0] != '.' &&
           strcmp(entry->d_name + length - (sizeof SUFFIX - 1), SUFFIX) == 0;
}

/* Adds one in its order, unless there is one of that name. */
static void
recipes_add(struct ckpt *user, const struct hub_folder *folder,
            const char *file)
{
    struct hub_arena *arena = &user->registry.arena;
    struct hub_installed **at = &user->registry.recipes, *made;
    size_t length = strlen(file) - (sizeof SUFFIX - 1);
    char path[PATH_MAX];
    const char *name = hub_arena_text(arena, file, length);

    while (name != NULL && *at != NULL && strcmp((*at)->info.name, name) < 0)
        at = &(*at)->next;
    if (name == NULL || (*at != NULL && strcmp((*at)->info.name, name) == 0) ||
        snprintf(path, sizeof path, "%s/recipes/%s", folder->path, file) >=
            (int)sizeof path)
        return;
    made = hub_arena_allocate(arena, sizeof *made);
    if (made == NULL)
        return;
    made->info.name = name;
    made->info.path = hub_arena_text(arena, path, strlen(path));
    made->info.origin = folder->origin;
    made->next = *at;
    if (made->info.path != NULL)
        *at = made;
}

static void
recipes_folder(struct ckpt *user, const struct hub_folder *folder)
{
    struct dirent **found = NULL;
    char path[PATH_MAX];
    int i, count;

    if (snprintf(path, sizeof path, "%s/recipes", folder->path) >=
        (int)sizeof path)
        return;
    count = scandir(path, &found, name_keeps, alphasort);
    for (i = 0; i < count; i++) {
        recipes_add(user, folder, found[i]->d_name);
        free(found[i]);
    }
    free(found);
}

struct hub_installed *
hub_recipes_installed(struct ckpt *user)
{
    const struct hub_folder *folder = user->registry.folders;

    if (user->registry.recipes == NULL)
        for (; folder != NULL; folder = folder->next)
            recipes_folder(user, folder);
    return user->registry.recipes;
}

static void
recipe_take(struct ckpt *user, struct hub_installed *installed,
            const struct hub_recipe *recipe)
{
    struct ckpt_recipe_info *info = &installed->info;
    const char **steps = hub_arena_allocate(
        &user->registry.arena, (recipe->step_count + 1) * sizeof *steps);
    size_t i;

    info->summary = recipe->summary;
    info->about = recipe->about;
    info->steps = steps;
    for (i = 0; steps != NULL && i < recipe->step_count; i++)
        steps[i] = recipe->steps[i].text;
}

size_t
ckpt_recipe_count(struct ckpt *user)
{
    const struct hub_installed *installed = hub_recipes_installed(user);
    size_t count = 0;

    for (; installed != NULL; installed = installed->next)
        count++;
    return count;
}

/* One that cannot be read is listed with the reason. */
const struct ckpt_recipe_info *
ckpt_recipe_at(struct ckpt *user, size_t index)
{
    struct hub_installed *installed = hub_recipes_installed(user);
    struct hub_arena *arena = &user->registry.arena;
    struct hub_recipe recipe = {.path = NULL};

    while (installed != NULL && index-- > 0)
        installed = installed->next;
    if (installed == NULL || installed->read)
        return installed != NULL ? &installed->info : NULL;
    installed->read = true;
    hub_user_begin(user);
    if (hub_recipe_read(user, arena, installed->info.path, &recipe) == CKPT_OK)
        recipe_take(user, installed, &recipe);
    else
        installed->info.problem =
            hub_arena_text(arena, user->report.text, strlen(user->report.text));
    hub_user_begin(user);
    return &installed->info;
}
