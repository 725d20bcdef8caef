/* SPDX-License-Identifier: MIT
 *
 * Where optimizers are in the tree, and what the library knows of them.
 */
#include "optimizer.h"

#include <string.h>

static bool
optimizer_is(const struct cli_optimizers *optimizers,
             const struct ckpt_value *value)
{
    size_t i;

    for (i = 0; i < optimizers->count; i++)
        if (optimizers->items[i].map == value)
            return true;
    return false;
}

static void
optimizer_walk(const struct cli_optimizers *optimizers, struct cli_walk *walk,
               const struct cli_child *child, unsigned depth)
{
    struct cli_children children;
    struct cli_child next;

    if (depth >= CLI_DEPTH_MAX ||
        !cli_walk_enter(walk, child->value, &child->step) ||
        optimizer_is(optimizers, child->value))
        return;
    cli_children_init(&children, child->value);
    while (cli_children_next(&children, &next))
        if (cli_is_container(next.value))
            optimizer_walk(optimizers, walk, &next, depth + 1);
}

int
cli_optimizers_find(struct cli_optimizers *optimizers, struct ckpt_file *file,
                    struct cli_walk *walk)
{
    struct cli_child root = {.value = walk->graph->root};
    int status =
        ckpt_file_optimizers(file, &optimizers->items, &optimizers->count);

    if (status == CKPT_OK && root.value != NULL)
        optimizer_walk(optimizers, walk, &root, 0);
    return status;
}

const struct ckpt_text *
cli_optimizer_name(const struct cli_optimizers *optimizers,
                   const struct cli_step *step)
{
    const struct ckpt_optimizer *optimizer;
    size_t i;

    if (step->parent == NULL || step->key == NULL || step->attribute ||
        step->key->kind == CKPT_KIND_STRING)
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
                    const char *key, const struct ckpt_value *value)
{
    struct cli_out path;

    cli_out_init(&path, -1);
    cli_walk_first_path(walk, &path, value);
    cli_json_key(json, key);
    cli_json_text(json, path.data, path.size_bytes);
    cli_out_fini(&path);
}

static void
optimizer_json_names(struct cli_json *json,
                     const struct ckpt_optimizer *optimizer)
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
    const struct ckpt_optimizer *optimizer = optimizers->items;
    size_t i;

    cli_json_open(json, '[');
    for (i = 0; i < optimizers->count; i++, optimizer++) {
        cli_json_open(json, '{');
        optimizer_json_path(json, walk, "name", optimizer->map);
        if (optimizer->weights != NULL)
            optimizer_json_path(json, walk, "model", optimizer->weights);
        if (optimizer->why != NULL) {
            cli_json_key(json, "why");
            cli_json_string(json, optimizer->why);
        }
        optimizer_json_names(json, optimizer);
        cli_json_close(json, '}');
    }
    cli_json_close(json, ']');
}
