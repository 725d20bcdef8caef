/* SPDX-License-Identifier: MIT
 *
 * What two files have in common and what not, from names to elements.
 */
#include "hub/run/diff.h"

#include <stdlib.h>
#include <string.h>

int
hub_diff_add(struct ckpt_diff *diff, const struct ckpt_difference *difference)
{
    size_t capacity = diff->capacity ? 2 * diff->capacity : 16;
    struct ckpt_difference *grown;

    if (diff->info.difference_count == diff->capacity) {
        grown = hub_arena_large(&diff->arena, diff->differences,
                                capacity * sizeof *grown);
        if (grown == NULL)
            return diff->user->report.status;
        diff->differences = grown;
        diff->capacity = capacity;
    }
    diff->differences[diff->info.difference_count++] = *difference;
    diff->info.differences = diff->differences;
    return CKPT_OK;
}

static int
diff_only(struct ckpt_diff *diff, uint32_t kind, const struct ckpt_entry *entry)
{
    struct ckpt_difference found = {.kind = kind, .name = entry->name};

    if (kind == CKPT_DIFFERENCE_ONLY_FIRST)
        found.first = entry->value;
    else
        found.second = entry->value;
    return hub_diff_add(diff, &found);
}

static void
diff_total(struct ckpt_diff *diff, const struct hub_entries *first,
           const struct hub_entries *second, const struct hub_pairs *pairs)
{
    size_t i;

    for (i = 0; i < first->count; i++) {
        size_t other = pairs->second_of[i];

        if (other == HUB_UNPAIRED)
            continue;
        diff->info.tensor_count++;
        if (!diff->how.like &&
            hub_diff_shaped(first->first[i].value, second->first[other].value))
            diff->total_bytes += first->first[i].value->as.tensor->size_bytes;
    }
}

static int
diff_entries(struct ckpt_diff *diff, const struct hub_entries *first,
             const struct hub_entries *second, const struct hub_pairs *pairs)
{
    int status = CKPT_OK;
    size_t i;

    diff_total(diff, first, second, pairs);
    for (i = 0; i < first->count && status == CKPT_OK; i++) {
        const struct ckpt_entry *entry = &first->first[i];

        if (pairs->second_of[i] == HUB_UNPAIRED)
            status = diff_only(diff, CKPT_DIFFERENCE_ONLY_FIRST, entry);
        else
            status = hub_diff_tensors(diff, entry,
                                      &second->first[pairs->second_of[i]]);
    }
    for (i = 0; i < second->count && status == CKPT_OK; i++)
        if (!pairs->paired[i])
            status =
                diff_only(diff, CKPT_DIFFERENCE_ONLY_SECOND, &second->first[i]);
    return status;
}

static int
diff_run(struct ckpt_diff *diff)
{
    const struct ckpt_graph *graphs[2] = {diff->files[0]->reading.graph,
                                          diff->files[1]->reading.graph};
    struct hub_entries first = {graphs[0]->entries, graphs[0]->entry_count};
    struct hub_entries second = {graphs[1]->entries, graphs[1]->entry_count};
    struct hub_pairs pairs;
    int status = hub_pairs_init(&pairs, &diff->arena, &first, &second);

    if (status == CKPT_OK)
        status = diff_entries(diff, &first, &second, &pairs);
    if (status == CKPT_OK && diff->how.like)
        status = hub_diff_cure(diff, &first, &second);
    else if (status == CKPT_OK)
        status = hub_diff_ties(diff, &first, &second, &pairs);
    if (status == CKPT_OK && !diff->how.like)
        status = hub_diff_leaves(diff);
    if (status == CKPT_OK)
        status = hub_reading_unchanged(&diff->files[0]->reading);
    if (status == CKPT_OK)
        status = hub_reading_unchanged(&diff->files[1]->reading);
    return status;
}

static int
diff_begin(struct ckpt_diff *diff)
{
    struct hub_budget *budget = &diff->user->budget;

    diff->windows[0] = hub_allocate(budget, HUB_WINDOW_BYTES);
    diff->windows[1] = hub_allocate(budget, HUB_WINDOW_BYTES);
    if (diff->windows[0] == NULL || diff->windows[1] == NULL)
        return budget->report->status;
    return CKPT_OK;
}

static void
diff_end(struct ckpt_diff *diff)
{
    hub_release(&diff->user->budget, diff->windows[0]);
    hub_release(&diff->user->budget, diff->windows[1]);
    diff->user->report.file = NULL;
    diff->user->report.tensor = NULL;
}

static void
diff_settle(struct ckpt_diff *diff, const struct ckpt_comparison *comparison)
{
    size_t size = comparison->size < sizeof diff->how ? comparison->size
                                                      : sizeof diff->how;

    memcpy(&diff->how, comparison, size);
}

int
ckpt_compare(struct ckpt_file *first, struct ckpt_file *second,
             const struct ckpt_comparison *comparison, struct ckpt_diff **diff)
{
    struct ckpt *user = first->reading.user;
    struct ckpt_diff *made;
    int status;

    hub_user_begin(user);
    if (second->reading.user != user)
        return hub_fail(&user->report, CKPT_OPTION, NULL, CKPT_NOWHERE,
                        "files of two users cannot be compared");
    made = calloc(1, sizeof *made);
    if (made == NULL)
        return hub_fail(&user->report, CKPT_MEMORY, NULL, CKPT_NOWHERE,
                        "out of memory");
    made->user = user;
    made->arena.budget = &user->budget;
    made->compared.arena = &made->arena;
    made->files[0] = first;
    made->files[1] = second;
    diff_settle(made, comparison);
    status = diff_begin(made);
    if (status == CKPT_OK)
        status = diff_run(made);
    diff_end(made);
    if (status == CKPT_OK)
        *diff = made;
    else
        ckpt_diff_free(made);
    return status;
}

const struct ckpt_diff_info *
ckpt_diff_info(const struct ckpt_diff *diff)
{
    return &diff->info;
}

void
ckpt_diff_free(struct ckpt_diff *diff)
{
    if (diff == NULL)
        return;
    hub_arena_fini(&diff->arena);
    free(diff);
}
