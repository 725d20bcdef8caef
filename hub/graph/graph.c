/* SPDX-License-Identifier: MIT
 *
 * Values: making them, and filling the containers. Where tensors get their
 * names is in walk.c.
 */
#include "hub/graph/graph_private.h"

#include <math.h>
#include <string.h>

#include "hub/graph/validate.h"
#include "utf8.h"

#define INDEX_FROM 16   /* maps with fewer pairs are searched by looking */
#define LARGE_FROM 1024 /* items or pairs in a piece of memory of their own */

/* Most visits while naming; a graph that shares containers unfolds. */
#define WALK_MAX ((uint64_t)1 << 24)

/* Most bytes of keys: one long key may be set in millions of places. */
#define KEYS_MAX ((uint64_t)1 << 32)

void
hub_graph_init(struct hub_graph *graph, struct hub_budget *budget)
{
    memset(graph, 0, sizeof *graph);
    graph->arena.budget = budget;
    graph->report = budget->report;
    graph->walk_max = WALK_MAX;
    graph->keys_max = KEYS_MAX;
}

void
hub_graph_fini(struct hub_graph *graph)
{
    hub_arena_fini(&graph->arena);
}

static bool
kind_has_text(const struct ckpt_value *like)
{
    return like->kind == CKPT_KIND_STRING || like->kind == CKPT_KIND_BYTES ||
           like->kind == CKPT_KIND_DEVICE ||
           (like->kind == CKPT_KIND_INT && like->wide);
}

static int
value_check(struct hub_graph *graph, const struct ckpt_value *like)
{
    const struct ckpt_text *text = &like->as.text;

    if (like->kind >= CKPT_KIND_COUNT)
        return hub_fail(graph->report, CKPT_CONTRACT, NULL, CKPT_NOWHERE,
                        "there is no kind of value %u", like->kind);
    if (kind_has_text(like) && text->size_bytes > 0 && text->data == NULL)
        return hub_fail(graph->report, CKPT_CONTRACT, NULL, CKPT_NOWHERE,
                        "text without data");
    if ((like->kind == CKPT_KIND_STRING || like->kind == CKPT_KIND_DEVICE) &&
        !sdk_utf8_valid(text->data, text->size_bytes))
        return hub_fail(graph->report, CKPT_FORMAT, NULL, CKPT_NOWHERE,
                        "a string that is not UTF-8");
    if (like->kind == CKPT_KIND_DTYPE && !ckpt_dtype_name(like->as.dtype))
        return hub_fail(graph->report, CKPT_FORMAT, NULL, CKPT_NOWHERE,
                        "there is no dtype number %u", like->as.dtype);
    return CKPT_OK;
}

const char *
hub_graph_name(struct hub_graph *graph, const char *name)
{
    return name == NULL ? NULL
                        : hub_arena_text(&graph->arena, name, strlen(name));
}

static int
value_object(struct hub_graph *graph, const struct ckpt_object *like,
             struct ckpt_value *value)
{
    struct ckpt_object *object =
        hub_arena_allocate(&graph->arena, sizeof *object);

    if (object == NULL)
        return graph->report->status;
    if ((like->name == NULL || like->module == NULL) && like->callee == NULL)
        return hub_fail(graph->report, CKPT_CONTRACT, NULL, CKPT_NOWHERE,
                        "an object without a name");
    object->made = like->made;
    object->callee = like->callee;
    object->args = like->args;
    object->kwargs = like->kwargs;
    object->module = hub_graph_name(graph, like->module);
    object->name = hub_graph_name(graph, like->name);
    value->as.object = object;
    return graph->report->status;
}

/* Copies what a kind holds beyond the struct itself. */
static int
value_content(struct hub_graph *graph, const struct ckpt_value *like,
              struct ckpt_value *value)
{
    if (like->kind >= CKPT_KIND_SIZE && like->kind <= CKPT_KIND_MAP)
        memset(&value->as, 0, sizeof value->as);
    if (kind_has_text(like)) {
        value->as.text.data = hub_arena_text(&graph->arena, like->as.text.data,
                                             like->as.text.size_bytes);
        if (value->as.text.data == NULL)
            return graph->report->status;
    }
    if (like->kind == CKPT_KIND_OBJECT)
        return value_object(graph, like->as.object, value);
    return CKPT_OK;
}

int
hub_value_new(struct hub_graph *graph, const struct ckpt_value *like,
              struct ckpt_value **value)
{
    struct hub_value *made;
    int status = value_check(graph, like);

    if (status != CKPT_OK)
        return status;
    made = hub_arena_allocate(&graph->arena, sizeof *made);
    if (made == NULL)
        return graph->report->status;
    made->public = *like;
    made->public.attrs = NULL;
    made->public.id = graph->public.value_count++;
    made->public.type_name = hub_graph_name(graph, like->type_name);
    status = value_content(graph, like, &made->public);
    if (status == CKPT_OK)
        status = graph->report->status;
    if (status == CKPT_OK)
        *value = &made->public;
    return status;
}

int
hub_string_new(struct hub_graph *graph, const char *data, size_t size_bytes,
               struct ckpt_value **value)
{
    struct ckpt_value like = {.kind = CKPT_KIND_STRING};

    like.as.text.data = data;
    like.as.text.size_bytes = size_bytes;
    return hub_value_new(graph, &like, value);
}

struct hub_inside *
hub_value_inside(struct hub_graph *graph, struct ckpt_value *value)
{
    struct hub_value *owner = (struct hub_value *)value;

    if (owner->inside == NULL)
        owner->inside =
            hub_arena_allocate(&graph->arena, sizeof *owner->inside);
    return owner->inside;
}

/* Makes room for one more element of `width` bytes after `count`. */
static void *
value_room(struct hub_graph *graph, struct ckpt_value *owner, const void *old,
           size_t count, size_t width)
{
    struct hub_inside *inside = hub_value_inside(graph, owner);
    void *grown, *large = NULL;
    size_t capacity;

    if (inside == NULL)
        return NULL;
    if (count < inside->capacity)
        return (void *)(uintptr_t)old;
    capacity = inside->capacity ? inside->capacity * 2 : 4;
    while (capacity <= count) /* a copy knows no capacity */
        capacity *= 2;
    if (inside->capacity >= LARGE_FROM)
        large = (void *)(uintptr_t)old;
    grown = capacity >= LARGE_FROM
                ? hub_arena_large(&graph->arena, large, capacity * width)
                : hub_arena_allocate(&graph->arena, capacity * width);
    if (grown == NULL)
        return NULL;
    if (large == NULL && count > 0)
        memcpy(grown, old, count * width);
    inside->capacity = capacity;
    return grown;
}

int
hub_list_add(struct hub_graph *graph, struct ckpt_value *list,
             const struct ckpt_value *item)
{
    const struct ckpt_value **items;
    size_t count = list->as.list.count;

    if (list->kind < CKPT_KIND_SIZE || list->kind > CKPT_KIND_TUPLE ||
        item == NULL)
        return hub_fail(graph->report, CKPT_CONTRACT, NULL, CKPT_NOWHERE,
                        "appending to what is no list");
    if (list->kind == CKPT_KIND_SIZE && item->kind != CKPT_KIND_INT)
        return hub_fail(graph->report, CKPT_FORMAT, NULL, CKPT_NOWHERE,
                        "a size holds something that is no int");
    items = value_room(graph, list, list->as.list.items, count, sizeof *items);
    if (items == NULL)
        return graph->report->status;
    items[count] = item;
    list->as.list.items = items;
    list->as.list.count = count + 1;
    return CKPT_OK;
}

/* The canonical bytes of a scalar key, as Python compares keys: True, 1 and
 * 1.0 are one key. Other keys are told apart by identity and have none. The
 * tag of a number is a byte that no string in UTF-8 has. */
struct map_key {
    const void *data;
    size_t size_bytes;
    struct {
        unsigned char tag;
        unsigned char pad[7];
        int64_t number[2];
    } packed;
};

static bool
map_key_number(const struct ckpt_value *key, struct map_key *canonical)
{
    double real = key->as.real;

    canonical->packed.tag = 0xFF;
    if (key->kind == CKPT_KIND_BOOL) {
        canonical->packed.number[0] = key->as.truth;
    } else if (key->kind == CKPT_KIND_INT && !key->wide) {
        canonical->packed.number[0] = key->as.integer;
    } else if (key->kind == CKPT_KIND_FLOAT && !isnan(real)) {
        if (real == floor(real) && fabs(real) < 0x1p62)
            canonical->packed.number[0] = (int64_t)real;
        else {
            canonical->packed.tag = 0xFE;
            memcpy(&canonical->packed.number[0], &real, sizeof real);
        }
    } else {
        return false;
    }
    canonical->data = &canonical->packed;
    canonical->size_bytes = sizeof canonical->packed;
    return true;
}

static bool
map_key_canonical(const struct ckpt_value *key, struct map_key *canonical)
{
    memset(canonical, 0, sizeof *canonical);
    if (key->kind == CKPT_KIND_STRING) {
        canonical->data = key->as.text.data;
        canonical->size_bytes = key->as.text.size_bytes;
        return true;
    }
    return map_key_number(key, canonical);
}

static bool
map_key_equal(const struct ckpt_value *a, const struct map_key *b, bool b_text)
{
    struct map_key canonical;

    return (a->kind == CKPT_KIND_STRING) == b_text &&
           map_key_canonical(a, &canonical) &&
           canonical.size_bytes == b->size_bytes &&
           memcmp(canonical.data, b->data, b->size_bytes) == 0;
}

/* Enters pair `at` into the index, or finds the pair that has its key. */
static int
map_index(struct hub_graph *graph, struct hub_table *index,
          const struct ckpt_value *key, size_t at, size_t *found)
{
    struct map_key canonical;
    const void *data;
    uint64_t *number;
    bool added;

    if (!map_key_canonical(key, &canonical))
        return CKPT_OK;
    data = canonical.data;
    if (data == &canonical.packed)
        data = hub_arena_text(&graph->arena, data, canonical.size_bytes);
    if (data == NULL)
        return graph->report->status;
    number = hub_table_add(index, data, canonical.size_bytes, &added);
    if (number == NULL)
        return hub_fail(graph->report, CKPT_MEMORY, NULL, CKPT_NOWHERE,
                        "no memory for an index of keys");
    if (added)
        *number = at;
    else
        *found = (size_t)*number;
    return CKPT_OK;
}

static int
map_index_all(struct hub_graph *graph, const struct ckpt_value *map,
              struct hub_inside *inside)
{
    size_t i, found, count = map->as.map.count;
    int status = CKPT_OK;

    inside->index = hub_arena_allocate(&graph->arena, sizeof *inside->index);
    if (inside->index == NULL)
        return graph->report->status;
    inside->index->arena = &graph->arena;
    for (i = 0; i < count && status == CKPT_OK; i++)
        status = map_index(graph, inside->index, map->as.map.pairs[i].key, i,
                           &found);
    return status;
}

static int
map_find(struct hub_graph *graph, struct ckpt_value *map,
         const struct ckpt_value *key, size_t *found)
{
    struct hub_inside *inside = hub_value_inside(graph, map);
    size_t i, count = map->as.map.count;
    struct map_key canonical;
    int status;

    *found = count;
    if (inside == NULL)
        return graph->report->status;
    if (inside->index == NULL && count >= INDEX_FROM) {
        status = map_index_all(graph, map, inside);
        if (status != CKPT_OK)
            return status;
    }
    if (inside->index != NULL)
        return map_index(graph, inside->index, key, count, found);
    if (!map_key_canonical(key, &canonical))
        return CKPT_OK;
    for (i = 0; i < count && *found == count; i++)
        if (map_key_equal(map->as.map.pairs[i].key, &canonical,
                          key->kind == CKPT_KIND_STRING))
            *found = i;
    return CKPT_OK;
}

/* A key is hashed, compared and made part of a path whenever it is set. */
static int
map_charge(struct hub_graph *graph, const struct ckpt_value *key)
{
    if (!kind_has_text(key))
        return CKPT_OK;
    graph->key_bytes += key->as.text.size_bytes;
    if (graph->key_bytes <= graph->keys_max)
        return CKPT_OK;
    return hub_fail(graph->report, CKPT_LIMIT, NULL, CKPT_NOWHERE,
                    "the keys of its maps are more than %llu bytes in all",
                    (unsigned long long)graph->keys_max);
}

int
hub_map_set(struct hub_graph *graph, struct ckpt_value *map,
            const struct ckpt_value *key, const struct ckpt_value *value)
{
    struct ckpt_pair *pairs;
    size_t found, count = map->as.map.count;
    int status;

    if (map->kind != CKPT_KIND_MAP || key == NULL || value == NULL)
        return hub_fail(graph->report, CKPT_CONTRACT, NULL, CKPT_NOWHERE,
                        "storing a pair in what is no map");
    status = map_charge(graph, key);
    if (status == CKPT_OK)
        status = map_find(graph, map, key, &found);
    if (status != CKPT_OK)
        return status;
    pairs = value_room(graph, map, map->as.map.pairs, found < count ? 0 : count,
                       sizeof *pairs);
    if (pairs == NULL)
        return graph->report->status;
    if (found == count) {
        pairs[found].key = key;
        map->as.map.count++;
    }
    pairs[found].value = value;
    map->as.map.pairs = pairs;
    return CKPT_OK;
}

int
hub_object_set(struct hub_graph *graph, struct ckpt_value *value, uint32_t part,
               const struct ckpt_value *content)
{
    struct ckpt_object *object;
    const struct ckpt_value **slot = NULL;

    if (value->kind == CKPT_KIND_OBJECT) {
        object = (struct ckpt_object *)(uintptr_t)value->as.object;
        if (part == CKPT_PART_STATE)
            slot = &object->state;
        else if (part == CKPT_PART_ITEMS && content->kind == CKPT_KIND_LIST)
            slot = &object->items;
        else if (part == CKPT_PART_PAIRS && content->kind == CKPT_KIND_MAP)
            slot = &object->pairs;
    }
    if (slot == NULL || *slot != NULL)
        return hub_fail(graph->report, CKPT_CONTRACT, NULL, CKPT_NOWHERE,
                        "an object cannot take part %u now", part);
    *slot = content;
    return CKPT_OK;
}

int
hub_object_arguments(struct hub_graph *graph, struct ckpt_value *value,
                     const struct ckpt_value *arguments, bool named)
{
    struct ckpt_object *object;
    const struct ckpt_value **slot = NULL;

    if (value->kind == CKPT_KIND_OBJECT) {
        object = (struct ckpt_object *)(uintptr_t)value->as.object;
        slot = named ? &object->kwargs : &object->args;
    }
    if (slot == NULL || *slot != NULL)
        return hub_fail(graph->report, CKPT_CONTRACT, NULL, CKPT_NOWHERE,
                        "an object cannot take arguments now");
    *slot = arguments;
    return CKPT_OK;
}

int
hub_root_set(struct hub_graph *graph, const struct ckpt_value *value)
{
    if (graph->public.root != NULL || value == NULL)
        return hub_fail(graph->report, CKPT_CONTRACT, NULL, CKPT_NOWHERE,
                        "a graph has exactly one root");
    graph->public.root = value;
    return CKPT_OK;
}
