/* SPDX-License-Identifier: MIT
 *
 * Finding optimizers in the tree. Who their parameters are is found out in
 * optimizer_pair.c.
 */
#include "optimizer.h"

#include <stdlib.h>
#include <string.h>

#include "optimizer_pair.h"

#define OPTIMIZERS_MAX 100

const struct ckpt_value *
cli_map_find(const struct ckpt_value *map, const char *key)
{
    size_t i, size = strlen(key);
    const struct ckpt_value *found;

    for (i = 0; map->kind == CKPT_KIND_MAP && i < map->as.map.count; i++) {
        found = map->as.map.pairs[i].key;
        if (found->kind == CKPT_KIND_STRING &&
            found->as.text.size_bytes == size &&
            memcmp(found->as.text.data, key, size) == 0)
            return map->as.map.pairs[i].value;
    }
    return NULL;
}

static bool
optimizer_group(const struct ckpt_value *group)
{
    const struct ckpt_value *params = cli_map_find(group, "params");
    size_t i;

    if (params == NULL || params->kind != CKPT_KIND_LIST)
        return false;
    for (i = 0; i < params->as.list.count; i++)
        if (params->as.list.items[i]->kind != CKPT_KIND_INT ||
            params->as.list.items[i]->wide)
            return false;
    return true;
}

static bool
optimizer_is(const struct ckpt_value *value)
{
    const struct ckpt_value *state, *groups;
    size_t i;

    if (value->kind != CKPT_KIND_MAP || value->as.map.count > 16)
        return false;
    state = cli_map_find(value, "state");
    groups = cli_map_find(value, "param_groups");
    if (state == NULL || state->kind != CKPT_KIND_MAP || groups == NULL ||
        groups->kind != CKPT_KIND_LIST || groups->as.list.count == 0)
        return false;
    for (i = 0; i < groups->as.list.count; i++)
        if (!optimizer_group(groups->as.list.items[i]))
            return false;
    return true;
}

static int
optimizer_add(struct cli_optimizers *optimizers, const struct cli_walk *walk,
              const struct cli_child *child)
{
    struct cli_optimizer *optimizer;

    if (optimizers->items == NULL)
        optimizers->items = calloc(OPTIMIZERS_MAX, sizeof *optimizers->items);
    if (optimizers->items == NULL)
        return CKPT_MEMORY;
    if (optimizers->count == OPTIMIZERS_MAX)
        return CKPT_OK;
    optimizer = &optimizers->items[optimizers->count++];
    optimizer->map = child->value;
    optimizer->state = cli_map_find(child->value, "state");
    optimizer->step = child->step;
    return cli_optimizer_pair(optimizer, walk);
}

static int
optimizer_walk(struct cli_optimizers *optimizers, struct cli_walk *walk,
               const struct cli_child *child, unsigned depth)
{
    struct cli_children children;
    struct cli_child next;
    int status = CKPT_OK;

    if (depth >= CLI_DEPTH_MAX ||
        !cli_walk_enter(walk, child->value, &child->step))
        return CKPT_OK;
    if (optimizer_is(child->value))
        return optimizer_add(optimizers, walk, child);
    cli_children_init(&children, child->value);
    while (status == CKPT_OK && cli_children_next(&children, &next))
        if (cli_is_container(next.value))
            status = optimizer_walk(optimizers, walk, &next, depth + 1);
    return status;
}

int
cli_optimizers_find(struct cli_optimizers *optimizers, struct cli_walk *walk)
{
    struct cli_child root = {.value = walk->graph->root};

    memset(optimizers, 0, sizeof *optimizers);
    return root.value == NULL ? CKPT_OK
                              : optimizer_walk(optimizers, walk, &root, 0);
}

void
cli_optimizers_fini(struct cli_optimizers *optimizers)
{
    size_t i;

    for (i = 0; i < optimizers->count; i++)
        free(optimizers->items[i].names);
    free(optimizers->items);
    memset(optimizers, 0, sizeof *optimizers);
}

const struct cli_optimizer *
cli_optimizer_of(const struct cli_optimizers *optimizers,
                 const struct ckpt_value *value)
{
    size_t i;

    for (i = 0; i < optimizers->count; i++)
        if (optimizers->items[i].map == value)
            return &optimizers->items[i];
    return NULL;
}

const struct ckpt_text *
cli_optimizer_name(const struct cli_optimizers *optimizers,
                   const struct cli_step *step)
{
    const struct cli_optimizer *optimizer;
    size_t i;

    if (step->parent == NULL || step->key == NULL || step->attribute)
        return NULL;
    for (i = 0; i < optimizers->count; i++) {
        optimizer = &optimizers->items[i];
        if (optimizer->state == step->parent && optimizer->names != NULL)
            return optimizer->names[step->index];
    }
    return NULL;
}

static void
optimizer_json_path(struct cli_json *json, const struct cli_walk *walk,
                    const char *key, const struct cli_step *step)
{
    struct cli_out path;

    cli_out_init(&path, -1);
    cli_walk_path(walk, &path, step);
    cli_json_key(json, key);
    cli_json_text(json, path.data, path.size_bytes);
    cli_out_fini(&path);
}

static void
optimizer_json_names(struct cli_json *json,
                     const struct cli_optimizer *optimizer)
{
    struct cli_out key;
    size_t i;

    cli_json_key(json, "slots");
    cli_json_open(json, '{');
    for (i = 0; optimizer->names != NULL && i < optimizer->state->as.map.count;
         i++) {
        if (optimizer->names[i] == NULL)
            continue;
        cli_out_init(&key, -1);
        cli_out_key(&key, optimizer->state->as.map.pairs[i].key);
        cli_json_name(json, key.data, key.size_bytes);
        cli_json_text(json, optimizer->names[i]->data,
                      optimizer->names[i]->size_bytes);
        cli_out_fini(&key);
    }
    cli_json_close(json, '}');
}

void
cli_optimizers_json(struct cli_json *json, const struct cli_walk *walk,
                    const struct cli_optimizers *optimizers)
{
    const struct cli_optimizer *optimizer = optimizers->items;
    size_t i;

    cli_json_open(json, '[');
    for (i = 0; i < optimizers->count; i++, optimizer++) {
        cli_json_open(json, '{');
        optimizer_json_path(json, walk, "name", &optimizer->step);
        if (optimizer->by != NULL)
            optimizer_json_path(json, walk, "model", &optimizer->by_step);
        if (optimizer->why != NULL) {
            cli_json_key(json, "why");
            cli_json_string(json, optimizer->why);
        }
        optimizer_json_names(json, optimizer);
        cli_json_close(json, '}');
    }
    cli_json_close(json, ']');
}
