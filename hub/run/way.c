/* SPDX-License-Identifier: MIT
 *
 * Pairs the tensors of the output with those of the input: first those that
 * have kept their names, then those that have not, then by looks.
 */
#include "hub/run/way.h"

#include <string.h>

#include "hub/core/table.h"
#include "hub/run/way_changes.h"

#define NONE SIZE_MAX
#define CHAIN_MAX 64 /* tensors of one storage that are looked at */
#define ORIGINS_MAX 64

/* The entries of a graph that was read, by the value that they name. */
struct side {
    const struct ckpt_graph *graph;
    const char *path;   /* NULL: the input */
    size_t *first;      /* of each value id, an entry; or NONE */
    size_t *next;       /* of each entry, the next of the same value */
    struct side *other; /* the next file */
};

/* Where a tensor of the output comes from. */
struct came {
    const struct side *side; /* of its value; NULL: it is new */
    size_t entry;            /* there */
    size_t from;             /* the entry of the input, or NONE */
    size_t next;             /* the next that comes from the same, or NONE */
};

struct ways {
    struct hub_arena arena;
    struct hub_reading *reading;
    const struct ckpt_graph *begun, *ended;
    struct side *input; /* and behind it the other files */
    struct hub_table names;
    size_t *free;       /* of each value id of the input: the next entry that
                           nothing came of yet */
    size_t *to;         /* of each entry of the input: what came of it first */
    size_t *to_last;    /* and last */
    size_t *of_storage; /* of each storage id of the input, an entry */
    size_t *same_storage; /* of each entry of the input, the next there */
    struct came *came;    /* of each entry of the output */
    size_t *joined;       /* of each entry of the input: what it is a part of */
};

static size_t *
ways_numbers(struct ways *ways, uint64_t count)
{
    size_t *numbers = hub_arena_large(&ways->arena, NULL,
                                      ((size_t)count + 1) * sizeof *numbers);

    if (numbers != NULL)
        memset(numbers, 0xFF, ((size_t)count + 1) * sizeof *numbers);
    return numbers;
}

/* ---- What was read ---- */

static bool
ways_side(struct ways *ways, const struct ckpt_graph *graph, const char *path)
{
    struct side *side = hub_arena_allocate(&ways->arena, sizeof *side);
    struct side **end = &ways->input;
    uint64_t id;
    size_t i;

    if (side == NULL)
        return false;
    side->graph = graph;
    side->path = path;
    side->first = ways_numbers(ways, graph->value_count);
    side->next = ways_numbers(ways, graph->entry_count);
    if (side->first == NULL || side->next == NULL)
        return false;
    for (i = graph->entry_count; i-- > 0;) {
        id = graph->entries[i].value->id;
        side->next[i] = side->first[id];
        side->first[id] = i;
    }
    while (*end != NULL)
        end = &(*end)->other;
    *end = side;
    return true;
}

static bool
ways_sides(struct ways *ways)
{
    const struct hub_applied *applied = ways->reading->transforms.applied;
    size_t i;

    if (!ways_side(ways, ways->begun, NULL))
        return false;
    for (; applied != NULL; applied = applied->next)
        for (i = 0; i <= applied->option_count + applied->again_count; i++)
            if (applied->values[i].graph != NULL &&
                !ways_side(ways, applied->values[i].graph,
                           applied->values[i].text))
                return false;
    return true;
}

static bool
ways_names(struct ways *ways)
{
    const struct ckpt_text *name;
    uint64_t *number;
    size_t i;
    bool added;

    ways->names.arena = &ways->arena;
    for (i = 0; i < ways->begun->entry_count; i++) {
        name = &ways->begun->entries[i].name;
        number =
            hub_table_add(&ways->names, name->data, name->size_bytes, &added);
        if (number == NULL)
            return false;
        if (added)
            *number = i;
    }
    return true;
}

static const struct ckpt_tensor *
begun_tensor(const struct ways *ways, size_t entry)
{
    return ways->begun->entries[entry].value->as.tensor;
}

static bool
ways_init(struct ways *ways)
{
    uint64_t id;
    size_t i, count = ways->begun->entry_count;

    if (!ways_sides(ways) || !ways_names(ways))
        return false;
    ways->free = ways_numbers(ways, ways->begun->value_count);
    ways->to = ways_numbers(ways, count);
    ways->to_last = ways_numbers(ways, count);
    ways->joined = ways_numbers(ways, count);
    ways->of_storage = ways_numbers(ways, ways->begun->storage_count);
    ways->same_storage = ways_numbers(ways, count);
    ways->came =
        hub_arena_large(&ways->arena, NULL,
                        (ways->ended->entry_count + 1) * sizeof *ways->came);
    if (ways->free == NULL || ways->to == NULL || ways->to_last == NULL ||
        ways->of_storage == NULL || ways->same_storage == NULL ||
        ways->came == NULL || ways->joined == NULL)
        return false;
    memcpy(ways->free, ways->input->first,
           (size_t)ways->begun->value_count * sizeof *ways->free);
    for (i = count; i-- > 0;) {
        id = begun_tensor(ways, i)->storage->id;
        ways->same_storage[i] = ways->of_storage[id];
        ways->of_storage[id] = i;
    }
    return true;
}

/* ---- Pairs ---- */

static void
pair_take(struct ways *ways, size_t to, size_t from)
{
    ways->came[to].from = from;
    if (ways->to[from] == NONE)
        ways->to[from] = to;
    else
        ways->came[ways->to_last[from]].next = to;
    ways->to_last[from] = to;
}

/* The entry of the input that has the name of one of the output, and of which
 * nothing came yet; or NONE. */
static size_t
pair_named(const struct ways *ways, size_t to)
{
    const struct ckpt_text *name = &ways->ended->entries[to].name;
    const uint64_t *number =
        hub_table_find(&ways->names, name->data, name->size_bytes);

    if (number == NULL || ways->to[*number] != NONE)
        return NONE;
    return (size_t)*number;
}

/* The file that a value was read from, and the value's first name there. */
static const struct side *
side_find(const struct ways *ways, const struct ckpt_value *value,
          size_t *entry)
{
    const struct side *side = ways->input;

    for (; side != NULL; side = side->other) {
        if (value->id >= side->graph->value_count)
            continue;
        *entry = side->first[value->id];
        if (*entry != NONE && side->graph->entries[*entry].value == value)
            return side;
    }
    return NULL;
}

static void
came_find(struct ways *ways, size_t to)
{
    struct came *came = &ways->came[to];

    came->from = came->next = NONE;
    came->side = side_find(
        ways, hub_value_origin(ways->ended->entries[to].value), &came->entry);
}

/* What else of the input it is made of is no loss, if it has no other way. */
static void
came_join(struct ways *ways, size_t to)
{
    const struct ckpt_value *values[ORIGINS_MAX];
    const struct ckpt_value *value = ways->ended->entries[to].value;
    size_t entry, i, count = hub_value_origins(value, values, ORIGINS_MAX);

    for (i = 0; i < count && count > 1; i++) {
        if (side_find(ways, values[i], &entry) != ways->input)
            continue;
        for (; entry != NONE; entry = ways->input->next[entry])
            if (ways->joined[entry] == NONE)
                ways->joined[entry] = to;
    }
}

static void
pair_by_value_and_name(struct ways *ways, size_t to)
{
    size_t from = pair_named(ways, to);

    if (ways->came[to].side == ways->input && from != NONE &&
        ways->begun->entries[from].value ==
            ways->begun->entries[ways->came[to].entry].value)
        pair_take(ways, to, from);
}

static void
pair_by_value(struct ways *ways, size_t to)
{
    size_t *free;

    if (ways->came[to].from != NONE || ways->came[to].side != ways->input)
        return;
    free = &ways->free[ways->begun->entries[ways->came[to].entry].value->id];
    while (*free != NONE && ways->to[*free] != NONE)
        *free = ways->input->next[*free];
    if (*free != NONE)
        pair_take(ways, to, *free);
}

/* Whether the first byte of a new view is one of the old view's. */
static bool
view_begins_in(const struct ckpt_tensor *view, const struct ckpt_tensor *old)
{
    uint64_t begin = view->offset * ckpt_dtype_width_bits(view->dtype);
    uint64_t old_begin = old->offset * ckpt_dtype_width_bits(old->dtype);

    return begin >= old_begin && begin - old_begin < old->size_bytes * 8;
}

static size_t
pair_stored(const struct ways *ways, size_t to)
{
    const struct ckpt_tensor *tensor =
        ways->ended->entries[to].value->as.tensor;
    size_t entry, i, first;

    if (tensor->storage->id >= ways->begun->storage_count)
        return NONE;
    first = entry = ways->of_storage[tensor->storage->id];
    for (i = 0; entry != NONE && i < CHAIN_MAX; i++) {
        if (view_begins_in(tensor, begun_tensor(ways, entry)))
            return entry;
        entry = ways->same_storage[entry];
    }
    return first;
}

/* What is left: something in the place of what had its name, one value more
 * often than before, or a new view of old bytes. */
static void
pair_by_looks(struct ways *ways, size_t to)
{
    struct came *came = &ways->came[to];
    size_t from;

    if (came->from != NONE)
        return;
    from = pair_named(ways, to);
    if (from == NONE && came->side == ways->input)
        from = came->entry;
    else if (from == NONE && came->side == NULL)
        from = pair_stored(ways, to);
    if (from != NONE)
        pair_take(ways, to, from);
}

static void
ways_pair(struct ways *ways)
{
    size_t i, count = ways->ended->entry_count;

    for (i = 0; i < count; i++) {
        came_find(ways, i);
        came_join(ways, i);
        pair_by_value_and_name(ways, i);
    }
    for (i = 0; i < count; i++)
        pair_by_value(ways, i);
    for (i = 0; i < count; i++)
        pair_by_looks(ways, i);
}

/* ---- Telling ---- */

struct telling {
    struct ways *ways;
    const struct hub_fit *fit;
    struct hub_changes *changes;
    void (*tell)(void *context, const struct ckpt_way *way);
    void *context;
};

/* What is written: `to` as the fit has it. */
static void
way_written(const struct telling *telling, size_t to, struct ckpt_way *way)
{
    const struct ckpt_entry *entry = &telling->ways->ended->entries[to];
    const struct hub_fit_entry *fitted = telling->fit->entries;

    way->to = fitted != NULL ? fitted[to].name : entry->name;
    way->after = entry->value->as.tensor;
    if (fitted != NULL && fitted[to].value != NULL &&
        fitted[to].dtype != way->after->dtype) {
        way->changes |= CKPT_CHANGE_BITS;
        way->bits_dtype = fitted[to].dtype;
    }
}

/* The tensors that it is made of. */
static void
way_origins(const struct telling *telling, size_t to,
            struct ckpt_origin *origins, struct ckpt_way *way)
{
    const struct ways *ways = telling->ways;
    const struct ckpt_value *values[ORIGINS_MAX];
    size_t entry, i,
        count = hub_value_origins(ways->ended->entries[to].value, values,
                                  ORIGINS_MAX);
    const struct side *side;
    unsigned inputs = 0;

    way->origins = origins;
    for (i = 0; i < count; i++) {
        side = side_find(ways, values[i], &entry);
        if (side == NULL)
            continue;
        inputs += side == ways->input;
        origins[way->origin_count].path =
            side->path != NULL ? side->path : ways->reading->path;
        origins[way->origin_count++].name = side->graph->entries[entry].name;
    }
    if (inputs > 1)
        way->changes |= CKPT_CHANGE_JOINED;
}

/* Of what came of `from`, either of which may be NONE. */
static void
way_tell(const struct telling *telling, size_t from, size_t to)
{
    const struct ways *ways = telling->ways;
    struct ckpt_origin origins[ORIGINS_MAX];
    struct ckpt_way way = {.changes = 0};

    if (from != NONE) {
        way.from = ways->begun->entries[from].name;
        way.before = begun_tensor(ways, from);
    }
    if (to != NONE) {
        way_written(telling, to, &way);
        way_origins(telling, to, origins, &way);
    }
    if (way.origin_count > 0 && way.origins[0].path != ways->reading->path) {
        way.file = way.origins[0].path;
        way.file_name = way.origins[0].name;
    }
    way.changes |= hub_changes_find(telling->changes, &way);
    telling->tell(telling->context, &way);
}

static void
ways_tell(const struct telling *telling)
{
    const struct ways *ways = telling->ways;
    size_t i, to;

    for (i = 0; i < ways->begun->entry_count; i++) {
        if (ways->to[i] == NONE)
            way_tell(telling, i, ways->joined[i]);
        for (to = ways->to[i]; to != NONE; to = ways->came[to].next)
            way_tell(telling, i, to);
    }
    for (i = 0; i < ways->ended->entry_count; i++)
        if (ways->came[i].from == NONE)
            way_tell(telling, NONE, i);
}

int
hub_ways(struct hub_reading *reading, const struct hub_fit *fit,
         void (*tell)(void *context, const struct ckpt_way *way), void *context)
{
    struct hub_budget *budget = &reading->user->budget;
    struct ways ways = {.arena = {.budget = budget},
                        .reading = reading,
                        .begun = reading->begun,
                        .ended = reading->graph};
    struct hub_changes changes;
    struct telling telling = {&ways, fit, &changes, tell, context};
    int status = CKPT_OK;

    if (!ways_init(&ways) ||
        !hub_changes_init(&changes, &ways.arena, ways.begun, ways.ended))
        status = budget->report->status;
    if (status == CKPT_OK) {
        ways_pair(&ways);
        ways_tell(&telling);
    }
    hub_arena_fini(&ways.arena);
    return status;
}
