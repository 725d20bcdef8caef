/* SPDX-License-Identifier: MIT
 *
 * Places of values, children of containers. The walks themselves are in
 * value_json.c and tree.c.
 */
#include "walk.h"

#include <stdlib.h>
#include <string.h>

static void
walk_note_entries(struct cli_walk *walk)
{
    const struct ckpt_graph *graph = walk->graph;
    const struct ckpt_value *value;
    uint64_t storage_id;
    size_t i;

    for (i = 0; i < graph->entry_count; i++) {
        value = graph->entries[i].value;
        storage_id = value->as.tensor->storage->id;
        if (walk->places[value->id].entry == 0)
            walk->places[value->id].entry = i + 1;
        if (walk->storages[storage_id] == 0)
            walk->storages[storage_id] = i + 1;
    }
}

int
cli_walk_init(struct cli_walk *walk, const struct ckpt_graph *graph)
{
    memset(walk, 0, sizeof *walk);
    walk->graph = graph;
    walk->places = calloc(graph->value_count + 1, sizeof *walk->places);
    walk->storages = calloc(graph->storage_count + 1, sizeof *walk->storages);
    if (walk->places == NULL || walk->storages == NULL) {
        cli_walk_fini(walk);
        return CKPT_MEMORY;
    }
    walk_note_entries(walk);
    return CKPT_OK;
}

void
cli_walk_fini(struct cli_walk *walk)
{
    free(walk->places);
    free(walk->storages);
    memset(walk, 0, sizeof *walk);
}

bool
cli_walk_enter(struct cli_walk *walk, const struct ckpt_value *value,
               const struct cli_step *step)
{
    struct cli_place *place = &walk->places[value->id];

    if (place->seen)
        return false;
    place->seen = true;
    place->step = *step;
    return true;
}

static void
walk_step_text(struct cli_out *out, const struct cli_step *step)
{
    if (step->attribute)
        cli_out_char(out, '@');
    if (step->part != NULL)
        cli_out_string(out, step->part);
    else if (step->key != NULL)
        cli_out_key(out, step->key);
    else
        cli_out_u64(out, step->index);
}

void
cli_walk_path(const struct cli_walk *walk, struct cli_out *out,
              const struct cli_step *step)
{
    const struct cli_step *steps[CLI_DEPTH_MAX + 2];
    const struct cli_step *last = step;
    size_t count = 0;

    /* The root's own step has neither parent nor attribute. */
    while ((step->parent != NULL || step->attribute) &&
           count < CLI_DEPTH_MAX + 2) {
        if (step == last || !step->silent)
            steps[count++] = step;
        if (step->parent == NULL)
            break;
        step = &walk->places[step->parent->id].step;
    }
    while (count > 0) {
        walk_step_text(out, steps[--count]);
        if (count > 0)
            cli_out_char(out, '.');
    }
}

void
cli_walk_first_path(const struct cli_walk *walk, struct cli_out *out,
                    const struct ckpt_value *value)
{
    cli_walk_path(walk, out, &walk->places[value->id].step);
}

const struct ckpt_value *
cli_map_find(const struct ckpt_value *map, const struct ckpt_text *key)
{
    const struct ckpt_text *found;
    size_t i;

    for (i = 0; map->kind == CKPT_KIND_MAP && i < map->as.map.count; i++) {
        found = &map->as.map.pairs[i].key->as.text;
        if (map->as.map.pairs[i].key->kind == CKPT_KIND_STRING &&
            found->size_bytes == key->size_bytes &&
            memcmp(found->data, key->data, key->size_bytes) == 0)
            return map->as.map.pairs[i].value;
    }
    return NULL;
}

void
cli_children_init(struct cli_children *children, const struct ckpt_value *of)
{
    children->of = of;
    children->next = 0;
    children->attr = of->attrs;
}

/* The parts of an object in the order in which they are made. */
static bool
children_next_part(struct cli_children *children, struct cli_child *child)
{
    const struct ckpt_object *object = children->of->as.object;
    const struct {
        const char *name;
        const struct ckpt_value *value;
    } parts[] = {
        {"callee", object->callee}, {"args", object->args},
        {"kwargs", object->kwargs}, {"state", object->state},
        {"items", object->items},   {"pairs", object->pairs},
    };

    while (children->next < sizeof parts / sizeof parts[0]) {
        child->step.part = parts[children->next].name;
        child->value = parts[children->next++].value;
        if (child->value == NULL)
            continue;
        child->step.silent =
            child->value->kind == CKPT_KIND_MAP &&
            (child->value == object->state || child->value == object->pairs);
        return true;
    }
    return false;
}

static bool
children_next_content(struct cli_children *children, struct cli_child *child)
{
    const struct ckpt_value *of = children->of;

    if (of->kind == CKPT_KIND_OBJECT)
        return children_next_part(children, child);
    if (children->next >= cli_container_count(of))
        return false;
    child->step.index = children->next;
    if (of->kind == CKPT_KIND_MAP) {
        child->step.key = of->as.map.pairs[children->next].key;
        child->value = of->as.map.pairs[children->next].value;
    } else {
        child->value = of->as.list.items[children->next];
    }
    children->next++;
    return true;
}

bool
cli_children_next(struct cli_children *children, struct cli_child *child)
{
    memset(child, 0, sizeof *child);
    child->step.parent = children->of;
    if (children_next_content(children, child))
        return true;
    if (children->attr == NULL)
        return false;
    child->step.part = children->attr->name;
    child->step.attribute = true;
    child->value = children->attr->value;
    children->attr = children->attr->next;
    return true;
}
