/* SPDX-License-Identifier: MIT
 *
 * Walking the tree, and the names of tensors that come of it. A value that is
 * already on the path is not entered again, so cycles end.
 */
#include "hub/graph/walk.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "hub/graph/unfold.h"

#define FORESEE_FROM ((uint64_t)1 << 18)
#define LABEL_BYTES 256 /* of a label that cost as much as a visit */
#define NAME_SHOWN_MAX 200

void
hub_children_init(struct hub_children *children,
                  const struct ckpt_value *parent)
{
    memset(children, 0, sizeof *children);
    children->parent = parent;
}

/* The parts of an object: 0 callee, 1 args, 2 kwargs, 3 state, 4 items,
 * 5 pairs. */
static bool
child_of_object(struct hub_children *children, struct hub_child *child)
{
    static const char *const labels[] = {"callee", "args",  "kwargs",
                                         "state",  "items", "pairs"};
    const struct ckpt_object *object = children->parent->as.object;
    const struct ckpt_value *const parts[] = {object->callee, object->args,
                                              object->kwargs, object->state,
                                              object->items,  object->pairs};

    while (children->next < sizeof parts / sizeof *parts) {
        child->value = parts[children->next];
        child->label = labels[children->next++];
        if (child->value != NULL)
            return true;
    }
    return false;
}

/* Scalars as keys are labels; any other key is a child before its value. */
static bool
child_of_map(struct hub_children *children, struct hub_child *child)
{
    const struct ckpt_value *map = children->parent;
    const struct ckpt_pair *pair;

    while (children->next < 2 * map->as.map.count) {
        pair = &map->as.map.pairs[children->next / 2];
        if (children->next++ % 2 != 0) {
            child->value = pair->value;
            child->key = pair->key;
            child->index = children->next / 2 - 1;
            return true;
        }
        if (pair->key->kind >= CKPT_KIND_SIZE) {
            child->value = pair->key;
            child->label = "key";
            child->index = children->next / 2;
            child->is_key = true;
            return true;
        }
    }
    return false;
}

static bool
child_of_content(struct hub_children *children, struct hub_child *child)
{
    const struct ckpt_value *parent = children->parent;
    size_t at = children->next;

    switch (parent->kind) {
    case CKPT_KIND_SIZE:
    case CKPT_KIND_LIST:
    case CKPT_KIND_TUPLE:
        if (at >= parent->as.list.count)
            return false;
        child->value = parent->as.list.items[at];
        child->index = at;
        break;
    case CKPT_KIND_MAP:
        return child_of_map(children, child);
    case CKPT_KIND_OBJECT:
        return child_of_object(children, child);
    default:
        return false;
    }
    children->next++;
    return true;
}

bool
hub_children_next(struct hub_children *children, struct hub_child *child)
{
    memset(child, 0, sizeof *child);
    if (!children->in_attrs) {
        if (child_of_content(children, child))
            return true;
        children->in_attrs = true;
        children->attr = children->parent->attrs;
    }
    if (children->attr == NULL)
        return false;
    child->value = children->attr->value;
    child->label = children->attr->name;
    children->attr = children->attr->next;
    return true;
}

static void
label_key(const struct hub_child *child, char buffer[40],
          struct ckpt_text *text)
{
    const struct ckpt_value *key = child->key;
    int length = 0;

    if (key->kind == CKPT_KIND_STRING) {
        *text = key->as.text;
        return;
    }
    if (key->kind == CKPT_KIND_INT && !key->wide)
        length = snprintf(buffer, 40, "%" PRId64, key->as.integer);
    else if (key->kind == CKPT_KIND_BOOL)
        length = snprintf(buffer, 40, key->as.truth ? "True" : "False");
    else if (key->kind == CKPT_KIND_NONE)
        length = snprintf(buffer, 40, "None");
    else if (key->kind == CKPT_KIND_FLOAT)
        length = snprintf(buffer, 40, "%.17g", key->as.real);
    else
        length = snprintf(buffer, 40, "key-%zu", child->index);
    text->data = buffer;
    text->size_bytes = (size_t)length;
}

void
hub_child_label(const struct hub_child *child, char buffer[40],
                struct ckpt_text *text)
{
    if (child->key != NULL) {
        label_key(child, buffer, text);
    } else if (child->is_key) {
        /* Beside that of its value, which is "key-N". */
        text->data = buffer;
        text->size_bytes =
            (size_t)snprintf(buffer, 40, "key-%zu.key", child->index);
    } else if (child->label != NULL) {
        text->data = child->label;
        text->size_bytes = strlen(child->label);
    } else {
        text->data = buffer;
        text->size_bytes = (size_t)snprintf(buffer, 40, "%zu", child->index);
    }
}

/* One level of the path from the root. */
struct walk_level {
    struct hub_children children;
    size_t name_bytes; /* of the path up to here */
    bool named;        /* it has at least one component */
};

struct walk {
    struct hub_graph *graph;
    struct walk_level *levels;
    size_t depth;
    unsigned char *on_path; /* a flag for each value id */
    char *name;
    size_t name_bytes, name_capacity;
    bool named;
    struct ckpt_entry *entries;
    struct ckpt_spot *spots;
    size_t entry_count, entry_capacity;
    struct ckpt_spot spot; /* of the value that is met next */
    uint64_t visits;
    bool foreseen; /* how many visits there will be from `from` on */
    const struct ckpt_value *from;
    bool in_attributes; /* of the graph: no names there, and no tensors */
    const char *key;    /* a text of the graph that is the whole name */
};

static int
walk_name(struct walk *walk, const struct walk_level *level,
          const struct hub_child *child)
{
    struct hub_budget *budget = walk->graph->arena.budget;
    struct ckpt_text label;
    char buffer[40], *grown;
    size_t need, prefix = level->name_bytes, dot = level->named ? 1 : 0;

    hub_child_label(child, buffer, &label);
    need = prefix + dot + label.size_bytes;
    /* A long label takes as long as many short ones. */
    walk->visits += label.size_bytes / LABEL_BYTES;
    if (need > walk->name_capacity) {
        grown = hub_reallocate(budget, walk->name, need * 2);
        if (grown == NULL)
            return budget->report->status;
        walk->name = grown;
        walk->name_capacity = need * 2;
    }
    if (dot)
        walk->name[prefix] = '.';
    if (label.size_bytes > 0)
        memcpy(walk->name + prefix + dot, label.data, label.size_bytes);
    walk->name_bytes = need;
    walk->named = true;
    if (child->key != NULL && child->key->kind == CKPT_KIND_STRING && !dot)
        walk->key = label.data;
    return CKPT_OK;
}

static int
walk_grow(struct walk *walk)
{
    struct hub_arena *arena = &walk->graph->arena;
    size_t capacity = walk->entry_capacity ? walk->entry_capacity * 2 : 64;
    struct ckpt_entry *entries;
    struct ckpt_spot *spots;

    if (walk->entry_count < walk->entry_capacity)
        return CKPT_OK;
    entries = hub_arena_large(arena, walk->entries, capacity * sizeof *entries);
    if (entries == NULL)
        return walk->graph->report->status;
    walk->entries = entries;
    spots = hub_arena_large(arena, walk->spots, capacity * sizeof *spots);
    if (spots == NULL)
        return walk->graph->report->status;
    walk->spots = spots;
    walk->entry_capacity = capacity;
    return CKPT_OK;
}

static int
walk_entry(struct walk *walk, const struct ckpt_value *value)
{
    struct hub_arena *arena = &walk->graph->arena;
    struct ckpt_entry *entry;
    int status = walk_grow(walk);

    if (status != CKPT_OK)
        return status;
    walk->spots[walk->entry_count] = walk->spot;
    entry = &walk->entries[walk->entry_count];
    entry->value = value;
    entry->name.size_bytes = walk->name_bytes;
    entry->name.data =
        walk->key != NULL ? walk->key
                          : hub_arena_text(arena, walk->name, walk->name_bytes);
    if (entry->name.data == NULL)
        return walk->graph->report->status;
    walk->entry_count++;
    return CKPT_OK;
}

/* Only what can hold a tensor is entered. */
static bool
walk_enters(const struct ckpt_value *value)
{
    return value->kind == CKPT_KIND_LIST || value->kind == CKPT_KIND_TUPLE ||
           value->kind == CKPT_KIND_MAP || value->kind == CKPT_KIND_OBJECT ||
           value->attrs != NULL;
}

/* Refuses the graph at the place that the walk has come to. */
static int CKPT_PRINTF(3, 4)
    walk_fail(struct walk *walk, int status, const char *format, ...)
{
    struct hub_report *report = walk->graph->report;
    const char *name = hub_arena_text(
        &walk->graph->arena, walk->name,
        walk->name_bytes < NAME_SHOWN_MAX ? walk->name_bytes : NAME_SHOWN_MAX);
    va_list arguments;

    if (name == NULL)
        return report->status;
    va_start(arguments, format);
    status = hub_fail_list(report, status, *name != '\0' ? name : NULL,
                           CKPT_NOWHERE, format, arguments);
    va_end(arguments);
    return status;
}

/* Whether there are too many visits, or will be: once they are many, the rest
 * is foreseen. */
static int
walk_count(struct walk *walk)
{
    bool beyond = ++walk->visits > walk->graph->walk_max;
    int status = CKPT_OK;

    if (!walk->foreseen && walk->visits > FORESEE_FROM) {
        walk->foreseen = true;
        status = hub_unfolds_beyond(walk->graph, walk->from, &beyond);
    }
    if (status != CKPT_OK || !beyond)
        return status;
    return walk_fail(walk, CKPT_LIMIT, "shared values unfold to more than %llu",
                     (unsigned long long)walk->graph->walk_max);
}

static int
walk_enter(struct walk *walk, const struct ckpt_value *value)
{
    struct hub_report *report = walk->graph->report;
    int status = walk_count(walk);

    if (status != CKPT_OK)
        return status;
    if (value->kind == CKPT_KIND_TENSOR && walk->in_attributes)
        return walk_fail(walk, CKPT_FORMAT,
                         "a tensor among the attributes of the graph");
    if (value->kind == CKPT_KIND_TENSOR && walk_entry(walk, value) != CKPT_OK)
        return report->status;
    if (!walk_enters(value) || walk->on_path[value->id])
        return CKPT_OK;
    if (walk->depth == HUB_DEPTH_MAX)
        return walk_fail(walk, CKPT_LIMIT, "values nest deeper than %d",
                         HUB_DEPTH_MAX);
    walk->on_path[value->id] = 1;
    hub_children_init(&walk->levels[walk->depth].children, value);
    walk->levels[walk->depth].name_bytes = walk->name_bytes;
    walk->levels[walk->depth].named = walk->named;
    walk->depth++;
    return CKPT_OK;
}

/* A state or the pairs of an object add no component to a name: the keys in
 * it are the object's own. */
static bool
walk_transparent(const struct walk *walk, const struct hub_child *child)
{
    const struct ckpt_value *parent =
        walk->levels[walk->depth - 1].children.parent;

    return parent->kind == CKPT_KIND_OBJECT && child->label != NULL &&
           child->value->kind == CKPT_KIND_MAP &&
           (child->value == parent->as.object->state ||
            child->value == parent->as.object->pairs);
}

/* Only pairs and items have a place. */
static struct ckpt_spot
walk_spot(const struct ckpt_value *parent, const struct hub_child *child)
{
    struct ckpt_spot spot = {NULL, 0};

    if (child->label == NULL) {
        spot.owner = parent;
        spot.index = child->index;
    }
    return spot;
}

static int
walk_all(struct walk *walk, const struct ckpt_value *value)
{
    struct walk_level *level;
    struct hub_child child;
    int status;

    walk->from = value;
    walk->foreseen = false;
    status = walk_enter(walk, value);
    while (status == CKPT_OK && walk->depth > 0) {
        level = &walk->levels[walk->depth - 1];
        if (!hub_children_next(&level->children, &child)) {
            walk->on_path[level->children.parent->id] = 0;
            walk->depth--;
            continue;
        }
        walk->name_bytes = level->name_bytes;
        walk->named = level->named;
        walk->key = NULL;
        walk->spot = walk_spot(level->children.parent, &child);
        if (!walk->in_attributes && !walk_transparent(walk, &child))
            status = walk_name(walk, level, &child);
        if (status == CKPT_OK)
            status = walk_enter(walk, child.value);
    }
    return status;
}

static int
walk_begin(struct walk *walk)
{
    struct hub_budget *budget = walk->graph->arena.budget;

    walk->levels = hub_allocate(budget, HUB_DEPTH_MAX * sizeof *walk->levels);
    walk->on_path =
        hub_allocate(budget, (size_t)walk->graph->public.value_count);
    return walk->levels != NULL && walk->on_path != NULL
               ? CKPT_OK
               : budget->report->status;
}

static void
walk_end(struct walk *walk)
{
    struct hub_budget *budget = walk->graph->arena.budget;

    hub_release(budget, walk->levels);
    hub_release(budget, walk->on_path);
    hub_release(budget, walk->name);
}

static int
walk_attributes(struct walk *walk)
{
    const struct ckpt_attr *attr = walk->graph->public.attrs;
    int status = CKPT_OK;

    walk->in_attributes = true;
    for (; attr != NULL && status == CKPT_OK; attr = attr->next)
        status = walk_all(walk, attr->value);
    return status;
}

int
hub_graph_attributes_check(struct hub_graph *graph)
{
    struct walk walk = {.graph = graph};
    int status = walk_begin(&walk);

    if (status == CKPT_OK)
        status = walk_attributes(&walk);
    walk_end(&walk);
    return status;
}

/* Names the coded storages of this graph's own reading. */
static void
name_storages(const struct hub_graph *graph)
{
    size_t i;

    for (i = 0; i < graph->public.entry_count; i++) {
        const struct ckpt_entry *entry = &graph->public.entries[i];
        const struct ckpt_storage *storage = entry->value->as.tensor->storage;
        /* A name for messages leaves the storage what it was. */
        struct hub_storage *named = (struct hub_storage *)(uintptr_t)storage;

        if (storage->place == CKPT_PLACE_CODED && graph->coder != NULL &&
            named->from.coder == graph->coder && named->name == NULL)
            named->name = entry->name.data;
    }
}

int
hub_graph_finish(struct hub_graph *graph)
{
    struct walk walk = {.graph = graph};
    int status;

    if (graph->public.root == NULL)
        return hub_fail(graph->report, CKPT_CONTRACT, NULL, CKPT_NOWHERE,
                        "a graph has exactly one root");
    status = walk_begin(&walk);
    if (status == CKPT_OK)
        status = walk_all(&walk, graph->public.root);
    graph->public.entries = walk.entries;
    graph->public.spots = walk.spots;
    graph->public.entry_count = walk.entry_count;
    name_storages(graph);
    if (status == CKPT_OK)
        status = walk_attributes(&walk);
    walk_end(&walk);
    return status;
}
