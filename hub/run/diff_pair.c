/* SPDX-License-Identifier: MIT
 *
 * Pairs by name. A name may be there more than once: keys with dots in them
 * can look like nested ones.
 */
#include "hub/run/diff_pair.h"

int
hub_names_init(struct hub_names *names, struct hub_arena *arena,
               const struct hub_entries *entries)
{
    const struct ckpt_text *name;
    uint64_t *slot;
    bool added;
    size_t i;

    names->table = (struct hub_table){.arena = arena};
    names->next =
        hub_arena_allocate(arena, (entries->count + 1) * sizeof *names->next);
    if (names->next == NULL)
        return arena->budget->report->status;
    for (i = entries->count; i-- > 0;) {
        name = &entries->first[i].name;
        slot =
            hub_table_add(&names->table, name->data, name->size_bytes, &added);
        if (slot == NULL)
            return arena->budget->report->status;
        names->next[i] = (size_t)*slot;
        *slot = i + 1;
    }
    return CKPT_OK;
}

size_t
hub_names_find(const struct hub_names *names, const char *name,
               size_t name_bytes)
{
    const uint64_t *slot = hub_table_find(&names->table, name, name_bytes);

    return slot != NULL && *slot != 0 ? (size_t)*slot - 1 : HUB_UNPAIRED;
}

size_t
hub_names_take(struct hub_names *names, const char *name, size_t name_bytes)
{
    uint64_t *slot = hub_table_find(&names->table, name, name_bytes);
    size_t taken;

    if (slot == NULL || *slot == 0)
        return HUB_UNPAIRED;
    taken = (size_t)*slot - 1;
    *slot = names->next[taken];
    return taken;
}

int
hub_pairs_init(struct hub_pairs *pairs, struct hub_arena *arena,
               const struct hub_entries *first,
               const struct hub_entries *second)
{
    struct hub_names names;
    int status = hub_names_init(&names, arena, second);
    size_t i, found;

    if (status != CKPT_OK)
        return status;
    pairs->second_of = hub_arena_allocate(arena, (first->count + 1) *
                                                     sizeof *pairs->second_of);
    pairs->paired = hub_arena_allocate(arena, second->count + 1);
    if (pairs->second_of == NULL || pairs->paired == NULL)
        return arena->budget->report->status;
    for (i = 0; i < first->count; i++) {
        found = hub_names_take(&names, first->first[i].name.data,
                               first->first[i].name.size_bytes);
        pairs->second_of[i] = found;
        if (found != HUB_UNPAIRED)
            pairs->paired[found] = true;
    }
    return CKPT_OK;
}
