/* SPDX-License-Identifier: MIT
 *
 * Ties: tensors that begin at the same byte of the same storage, among those
 * that both sides have.
 */
#include "hub/run/diff.h"

/* Of each side: where a tensor begins -> 1 + the first entry that does. */
struct ties {
    struct hub_table table;
    const struct ckpt_entry **earlier; /* by entry of the first; or NULL */
};

static int
ties_init(struct ties *ties, struct hub_arena *arena, size_t count)
{
    ties->table = (struct hub_table){.arena = arena};
    ties->earlier =
        hub_arena_allocate(arena, (count + 1) * sizeof *ties->earlier);
    return ties->earlier != NULL ? CKPT_OK : arena->budget->report->status;
}

/* Finds the tensor that begins there too, of those before; `number` is its
 * entry on the first side. */
static int
ties_meet(struct ties *ties, const struct hub_entries *first, size_t number,
          const struct ckpt_value *value)
{
    const struct ckpt_tensor *tensor = value->as.tensor;
    struct hub_arena *arena = ties->table.arena;
    uint64_t words[2] = {tensor->storage->id, 0}, *key, *slot;
    bool added;

    if (tensor->element_count == 0)
        return CKPT_OK;
    words[1] = tensor->offset * ckpt_dtype_width_bits(tensor->dtype);
    slot = hub_table_find(&ties->table, words, sizeof words);
    if (slot != NULL) {
        ties->earlier[number] = &first->first[*slot - 1];
        return CKPT_OK;
    }
    key = hub_arena_allocate(arena, sizeof words);
    if (key == NULL)
        return arena->budget->report->status;
    key[0] = words[0];
    key[1] = words[1];
    slot = hub_table_add(&ties->table, key, sizeof words, &added);
    if (slot == NULL)
        return arena->budget->report->status;
    *slot = number + 1;
    return CKPT_OK;
}

int
hub_diff_ties(struct ckpt_diff *diff, const struct hub_entries *first,
              const struct hub_entries *second, const struct hub_pairs *pairs)
{
    struct ties ties[2];
    int status = ties_init(&ties[0], &diff->arena, first->count);
    size_t i, other;

    if (status == CKPT_OK)
        status = ties_init(&ties[1], &diff->arena, first->count);
    for (i = 0; i < first->count && status == CKPT_OK; i++) {
        struct ckpt_difference found = {.kind = CKPT_DIFFERENCE_TIE};

        other = pairs->second_of[i];
        if (other == HUB_UNPAIRED)
            continue;
        found.name = first->first[i].name;
        found.first = first->first[i].value;
        found.second = second->first[other].value;
        status = ties_meet(&ties[0], first, i, found.first);
        if (status == CKPT_OK)
            status = ties_meet(&ties[1], first, i, found.second);
        if (status != CKPT_OK || ties[0].earlier[i] == ties[1].earlier[i])
            continue;
        if (ties[0].earlier[i] != NULL)
            found.first_tie = ties[0].earlier[i]->name.data;
        if (ties[1].earlier[i] != NULL)
            found.second_tie = ties[1].earlier[i]->name.data;
        status = hub_diff_add(diff, &found);
    }
    return status;
}
