/* SPDX-License-Identifier: MIT
 *
 * Where that goes which OTHER alone has. A key that a map of BASE lacks is
 * added to it, with all that lies below; where only a part of that is new, as
 * where BASE's names have dots and OTHER has maps, the part is added under the
 * rest of its name.
 */
#include "merge.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "graph_each.h"

#define SEEN_OLD 1 /* it holds a tensor that BASE has */
#define SEEN_NEW 2 /* it holds one that BASE lacks */
#define SEEN_DONE 4
#define SEEN_ADDED 8 /* it is added whole */

#define NAME_ROOM 4096

struct merge_take {
    struct sdk_table places; /* of OTHER: the indices of its entries */
    struct merge_place *keys;
    unsigned char *seen; /* of each value of OTHER */
    char name[NAME_ROOM];
    size_t name_bytes; /* what stands before the keys */
};

/* A place that is met under two names is old if BASE has one of them. */
static int
take_places(struct merge *merge)
{
    const struct ckpt_graph *other = merge->other;
    struct merge_take *take = merge->take;
    uint64_t *number;
    bool added;
    size_t i;

    for (i = 0; i < other->entry_count; i++) {
        if (other->spots[i].owner == NULL)
            continue;
        take->keys[i] = (struct merge_place){other->spots[i].owner->id,
                                             other->spots[i].index};
        number = sdk_table_add(merge->host, &take->places, &take->keys[i],
                               sizeof *take->keys, &added);
        if (number == NULL)
            return CKPT_MEMORY;
        if (added || merge->used[i])
            *number = i;
    }
    return CKPT_OK;
}

int
merge_take_init(struct merge *merge)
{
    const struct ckpt_host *host = merge->host;
    const struct ckpt_graph *other = merge->other;
    struct merge_take *take = host->allocate(host, sizeof *take);

    merge->take = take;
    if (take == NULL)
        return CKPT_MEMORY;
    take->keys =
        host->allocate(host, (other->entry_count + 1) * sizeof *take->keys);
    take->seen = host->allocate(host, (size_t)other->value_count + 1);
    if (take->keys == NULL || take->seen == NULL)
        return CKPT_MEMORY;
    return take_places(merge);
}

void
merge_take_fini(struct merge *merge)
{
    const struct ckpt_host *host = merge->host;
    struct merge_take *take = merge->take;
    const struct ckpt_value *owner;
    size_t i;

    if (take == NULL)
        return;
    for (i = 0; take->seen != NULL && i < merge->other->entry_count; i++) {
        owner = merge->other->spots[i].owner;
        if (owner != NULL && (take->seen[owner->id] & SEEN_ADDED) != 0)
            merge->added[i] = true;
    }
    sdk_table_fini(host, &take->places);
    host->release(host, take->keys);
    host->release(host, take->seen);
    host->release(host, take);
    merge->take = NULL;
}

/* The entry in a place of OTHER, or MERGE_NONE. */
static size_t
take_entry(const struct merge_take *take, const struct ckpt_value *owner,
           size_t index)
{
    struct merge_place place = {owner->id, index};
    const uint64_t *found = sdk_table_find(&take->places, &place, sizeof place);

    return found != NULL ? (size_t)*found : MERGE_NONE;
}

/* What a value of OTHER holds. The graph nests no deeper than the hub lets
 * it, and what contains itself ends here. */
static unsigned
take_look(const struct merge *merge, const struct ckpt_value *value)
{
    unsigned char *seen = &merge->take->seen[value->id];
    unsigned found = 0;
    size_t i, entry;

    if (*seen & SEEN_DONE)
        return *seen;
    *seen |= SEEN_DONE;
    for (i = 0; i < sdk_item_count(value); i++) {
        entry = take_entry(merge->take, value, i);
        if (entry != MERGE_NONE)
            found |= merge->used[entry] ? SEEN_OLD : SEEN_NEW;
        else
            found |= take_look(merge, sdk_item_at(value, i));
    }
    *seen |= (unsigned char)found;
    return *seen;
}

static void
take_mark(struct merge_take *take, const struct ckpt_value *value)
{
    size_t i;

    if (sdk_item_count(value) == 0 || (take->seen[value->id] & SEEN_ADDED) != 0)
        return;
    take->seen[value->id] |= SEEN_ADDED;
    for (i = 0; i < sdk_item_count(value); i++)
        take_mark(take, sdk_item_at(value, i));
}

/* ---- Keys ---- */

/* A key as names have it; false: it has none. */
static bool
key_text(const struct ckpt_value *key, char number[24], struct ckpt_text *text)
{
    if (key->kind == CKPT_KIND_STRING) {
        *text = key->as.text;
        return true;
    }
    if (key->kind != CKPT_KIND_INT || key->wide)
        return false;
    text->size_bytes =
        (size_t)snprintf(number, 24, "%" PRId64, key->as.integer);
    text->data = number;
    return true;
}

static bool
keys_equal(const struct ckpt_value *a, const struct ckpt_value *b)
{
    char numbers[2][24];
    struct ckpt_text texts[2];

    return a->kind == b->kind && key_text(a, numbers[0], &texts[0]) &&
           key_text(b, numbers[1], &texts[1]) &&
           texts[0].size_bytes == texts[1].size_bytes &&
           memcmp(texts[0].data, texts[1].data, texts[0].size_bytes) == 0;
}

/* The map under an equal key. */
static const struct ckpt_value *
map_within(const struct ckpt_value *map, const struct ckpt_value *key)
{
    const struct ckpt_pair *pairs = map->as.map.pairs;
    size_t i;

    for (i = 0; i < map->as.map.count; i++)
        if (pairs[i].value->kind == CKPT_KIND_MAP &&
            keys_equal(pairs[i].key, key))
            return pairs[i].value;
    return NULL;
}

const struct ckpt_value *
merge_take_beside(const struct merge *merge, const struct ckpt_value *other,
                  const struct ckpt_pair *pair)
{
    if (merge->take == NULL || other == NULL ||
        pair->value->kind != CKPT_KIND_MAP)
        return NULL;
    return map_within(other, pair->key);
}

/* ---- Adding ---- */

/* Appends to the name that is made. False: it is too long, or no name. */
static bool
name_extend(struct merge_take *take, const struct ckpt_value *key,
            const char *end)
{
    char number[24];
    struct ckpt_text text;
    size_t end_bytes = strlen(end);

    if (!key_text(key, number, &text) ||
        text.size_bytes + end_bytes > NAME_ROOM - take->name_bytes)
        return false;
    memcpy(take->name + take->name_bytes, text.data, text.size_bytes);
    take->name_bytes += text.size_bytes;
    memcpy(take->name + take->name_bytes, end, end_bytes);
    take->name_bytes += end_bytes;
    return true;
}

/* Stores a value under its key, or under what is left of its name. */
static int
take_set(struct merge *merge, struct ckpt_value *made,
         const struct ckpt_pair *pair)
{
    const struct ckpt_host *host = merge->host;
    struct ckpt_graph *graph = host->edit_graph(host, merge->edits);
    struct merge_take *take = merge->take;
    struct ckpt_value like = {.kind = CKPT_KIND_STRING}, *key;
    size_t before = take->name_bytes;
    int status;

    take_mark(take, pair->value);
    if (before == 0)
        return host->map_set(host, graph, made, pair->key, pair->value);
    if (!name_extend(take, pair->key, ""))
        return host->fail(host, CKPT_UNSUPPORTED, NULL, CKPT_NOWHERE,
                          "a key below '%.*s' in %s has no name here",
                          (int)(before < 200 ? before : 200), take->name,
                          merge->path);
    like.as.text.data = take->name;
    like.as.text.size_bytes = take->name_bytes;
    take->name_bytes = before;
    status = host->value_new(host, graph, &like, sizeof like, &key);
    return status == CKPT_OK
               ? host->map_set(host, graph, made, key, pair->value)
               : status;
}

static int take_pairs(struct merge *merge, struct ckpt_value *made,
                      const struct ckpt_value *old,
                      const struct ckpt_value *other);

/* What is partly new, under longer names. */
static int
take_below(struct merge *merge, struct ckpt_value *made,
           const struct ckpt_pair *pair)
{
    struct merge_take *take = merge->take;
    size_t before = take->name_bytes;
    int status = CKPT_OK;

    if (pair->value->kind == CKPT_KIND_MAP && name_extend(take, pair->key, "."))
        status = take_pairs(merge, made, NULL, pair->value);
    take->name_bytes = before;
    return status;
}

static int
take_pair(struct merge *merge, struct ckpt_value *made,
          const struct ckpt_value *old, const struct ckpt_value *other,
          size_t index)
{
    const struct ckpt_pair *pair = &other->as.map.pairs[index];
    size_t entry = take_entry(merge->take, other, index);
    unsigned seen;

    if (entry != MERGE_NONE) {
        if (merge->used[entry])
            return CKPT_OK;
        merge->added[entry] = true;
        return take_set(merge, made, pair);
    }
    seen = take_look(merge, pair->value);
    if ((seen & SEEN_NEW) == 0 ||
        (old != NULL && map_within(old, pair->key) != NULL))
        return CKPT_OK;
    return (seen & SEEN_OLD) == 0 ? take_set(merge, made, pair)
                                  : take_below(merge, made, pair);
}

static int
take_pairs(struct merge *merge, struct ckpt_value *made,
           const struct ckpt_value *old, const struct ckpt_value *other)
{
    size_t i;
    int status = CKPT_OK;

    for (i = 0; i < other->as.map.count && status == CKPT_OK; i++)
        status = take_pair(merge, made, old, other, i);
    return status;
}

int
merge_take_fill(struct merge *merge, struct ckpt_value *made,
                const struct ckpt_value *old, const struct ckpt_value *other)
{
    if (merge->take == NULL || other == NULL || other->kind != CKPT_KIND_MAP)
        return CKPT_OK;
    merge->take->name_bytes = 0;
    return take_pairs(merge, made, old, other);
}
