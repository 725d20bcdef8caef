/* SPDX-License-Identifier: MIT
 *
 * Origins are tensors of the graphs that were read; here they get their names
 * and the paths of their files.
 */
#include "hub/run/way.h"

#include "hub/run/named.h"

/* An entry of one of the files. */
struct known {
    const char *path;
    const struct ckpt_entry *entry;
};

struct ways {
    struct hub_arena arena; /* of all that is known */
    struct hub_table table; /* tensor -> 1 + index */
    struct known *known;
    size_t count;
    struct ckpt_origin *origins; /* of the tensor at hand */
    size_t room;
};

static int
ways_status(const struct ways *ways)
{
    return ways->arena.budget->report->status;
}

/* Of a tensor that has more than one name the first counts. */
static int
ways_learn(void *context, const char *path, const struct ckpt_graph *graph)
{
    struct ways *ways = context;
    struct known *known;
    uint64_t *number;
    bool added;
    size_t i;

    known =
        hub_arena_large(&ways->arena, ways->known,
                        (ways->count + graph->entry_count + 1) * sizeof *known);
    if (known == NULL)
        return ways_status(ways);
    ways->known = known;
    for (i = 0; i < graph->entry_count; i++) {
        const struct ckpt_value *value = graph->entries[i].value;

        number = hub_table_add(&ways->table, &value->as.tensor,
                               sizeof value->as.tensor, &added);
        if (number == NULL)
            return ways_status(ways);
        if (!added)
            continue;
        known[ways->count] = (struct known){path, &graph->entries[i]};
        *number = ++ways->count;
    }
    return CKPT_OK;
}

static int
ways_learn_all(struct ways *ways, const struct hub_reading *reading)
{
    const struct hub_applied *applied = reading->transforms.applied;
    int status = ways_learn(ways, reading->path,
                            reading->from_record ? &reading->restored.public
                                                 : &reading->described.public);

    for (; applied != NULL && status == CKPT_OK; applied = applied->next)
        status = hub_named_each(applied->named, ways_learn, ways);
    return status;
}

static int
origins_room(struct ways *ways, size_t count)
{
    struct ckpt_origin *origins;

    if (count <= ways->room)
        return CKPT_OK;
    origins = hub_arena_large(&ways->arena, ways->origins,
                              2 * count * sizeof *origins);
    if (origins == NULL)
        return ways_status(ways);
    ways->origins = origins;
    ways->room = 2 * count;
    return CKPT_OK;
}

static void
origin_add(struct ways *ways, struct ckpt_way *way,
           const struct ckpt_tensor *tensor)
{
    const uint64_t *number =
        hub_table_find(&ways->table, &tensor, sizeof tensor);
    struct ckpt_origin *origin = &ways->origins[way->origin_count];

    if (number == NULL)
        return;
    origin->path = ways->known[*number - 1].path;
    origin->name = ways->known[*number - 1].entry->name;
    way->origin_count++;
}

static int
ways_tell(struct ways *ways, const struct ckpt_entry *entry,
          struct ckpt_way *way)
{
    const struct hub_tensor *tensor =
        (const struct hub_tensor *)entry->value->as.tensor;
    const struct hub_origin *origin = tensor->origin;
    size_t i, count = origin != NULL ? origin->count : 1;
    int status = origins_room(ways, count);

    if (status != CKPT_OK)
        return status;
    *way = (struct ckpt_way){.name = entry->name,
                             .value = entry->value,
                             .origins = ways->origins,
                             .made = origin != NULL && origin->made};
    for (i = 0; i < count; i++)
        origin_add(ways, way,
                   origin != NULL ? origin->from[i] : &tensor->public);
    return CKPT_OK;
}

int
hub_ways(const struct hub_reading *reading,
         void (*way)(void *user, const struct ckpt_way *way), void *user)
{
    const struct ckpt_graph *graph = reading->graph;
    struct ways ways = {.arena.budget = &reading->user->budget};
    struct ckpt_way told;
    size_t i;
    int status;

    ways.table.arena = &ways.arena;
    status = ways_learn_all(&ways, reading);
    for (i = 0; i < graph->entry_count && status == CKPT_OK; i++) {
        status = ways_tell(&ways, &graph->entries[i], &told);
        if (status == CKPT_OK)
            way(user, &told);
    }
    hub_arena_fini(&ways.arena);
    return status;
}
