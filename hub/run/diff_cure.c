/* SPDX-License-Identifier: MIT
 *
 * Whether names would meet if a prefix were gone, or were there. A few names
 * of one side are looked for at the ends of the other's names; what stands
 * before them is tried on all.
 */
#include <string.h>

#include "hub/run/diff.h"

#define PROBES 8
#define TRIALS_MAX 16

struct cure {
    struct ckpt_diff *diff;
    const struct hub_entries *longer, *shorter; /* by their names */
    struct hub_names names;                     /* of the shorter */
    bool add;
    struct ckpt_text trials[TRIALS_MAX];
    size_t trial_count;
    /* The best until now: */
    struct ckpt_text prefix;
    uint64_t met_count, shaped_count;
};

/* The prefix before `end`, with its separator; false if there is none. */
static bool
cure_prefix(const struct ckpt_text *name, const struct ckpt_text *end,
            struct ckpt_text *prefix)
{
    size_t bytes;

    if (end->size_bytes == 0 || name->size_bytes <= end->size_bytes)
        return false;
    bytes = name->size_bytes - end->size_bytes;
    prefix->data = name->data;
    prefix->size_bytes = bytes;
    return (name->data[bytes - 1] == '.' || name->data[bytes - 1] == '/') &&
           memcmp(name->data + bytes, end->data, end->size_bytes) == 0;
}

static bool
cure_starts(const struct ckpt_text *name, const struct ckpt_text *prefix)
{
    return name->size_bytes >= prefix->size_bytes &&
           memcmp(name->data, prefix->data, prefix->size_bytes) == 0;
}

/* Counts what would meet without the prefix. */
static void
cure_try(struct cure *cure, const struct ckpt_text *prefix)
{
    uint64_t met_count = 0, shaped_count = 0;
    size_t i, found;

    for (i = 0; i < cure->longer->count; i++) {
        const struct ckpt_entry *entry = &cure->longer->first[i];

        if (!cure_starts(&entry->name, prefix))
            continue;
        found =
            hub_names_find(&cure->names, entry->name.data + prefix->size_bytes,
                           entry->name.size_bytes - prefix->size_bytes);
        if (found == HUB_UNPAIRED)
            continue;
        met_count++;
        shaped_count +=
            hub_diff_shaped(entry->value, cure->shorter->first[found].value);
    }
    if (met_count > cure->met_count) {
        cure->met_count = met_count;
        cure->shaped_count = shaped_count;
        cure->prefix = *prefix;
    }
}

static void
cure_try_once(struct cure *cure, const struct ckpt_text *prefix)
{
    size_t i;

    for (i = 0; i < cure->trial_count; i++)
        if (cure->trials[i].size_bytes == prefix->size_bytes &&
            cure_starts(&cure->trials[i], prefix))
            return;
    if (cure->trial_count == TRIALS_MAX)
        return;
    cure->trials[cure->trial_count++] = *prefix;
    cure_try(cure, prefix);
}

static int
cure_side(struct cure *cure)
{
    int status =
        hub_names_init(&cure->names, &cure->diff->arena, cure->shorter);
    size_t count = cure->shorter->count, probe, i;
    size_t probes = count < PROBES ? count : PROBES;
    struct ckpt_text prefix;

    for (probe = 0; probe < probes && status == CKPT_OK; probe++) {
        const struct ckpt_text *end =
            &cure->shorter->first[probe * count / probes].name;

        for (i = 0; i < cure->longer->count; i++)
            if (cure_prefix(&cure->longer->first[i].name, end, &prefix))
                cure_try_once(cure, &prefix);
    }
    return status;
}

/* How much of a prefix leads from the root to a map, through maps. */
static size_t
cure_root(const struct ckpt_value *value, const struct ckpt_text *prefix)
{
    size_t done = 0, i;

    while (value->kind == CKPT_KIND_MAP) {
        const struct ckpt_value *next = NULL;

        for (i = 0; i < value->as.map.count && next == NULL; i++) {
            const struct ckpt_pair *pair = &value->as.map.pairs[i];
            const struct ckpt_text *key = &pair->key->as.text;

            if (pair->key->kind == CKPT_KIND_STRING && key->size_bytes > 0 &&
                pair->value->kind == CKPT_KIND_MAP &&
                key->size_bytes < prefix->size_bytes - done &&
                prefix->data[done + key->size_bytes] == '.' &&
                memcmp(prefix->data + done, key->data, key->size_bytes) == 0) {
                next = pair->value;
                done += key->size_bytes + 1;
            }
        }
        if (next == NULL)
            break;
        value = next;
    }
    return done;
}

static int
cure_tell(const struct cure *cure, uint64_t first_count, uint64_t second_count)
{
    struct ckpt_diff *diff = cure->diff;
    struct ckpt_diff_info *info = &diff->info;
    size_t root = 0, i;

    if (!cure->add)
        root = cure_root(diff->files[0]->reading.graph->root, &cure->prefix);
    info->root = hub_arena_text(&diff->arena, cure->prefix.data,
                                root > 0 ? root - 1 : 0);
    info->prefix = hub_arena_text(&diff->arena, cure->prefix.data + root,
                                  cure->prefix.size_bytes - root);
    if (info->root == NULL || info->prefix == NULL)
        return diff->user->report.status;
    info->cure = cure->add ? CKPT_CURE_ADD : CKPT_CURE_STRIP;
    info->cured_count = cure->shaped_count;
    info->mismatched_count = cure->met_count - cure->shaped_count;
    /* What is not behind the root goes with it. */
    for (i = 0; root > 0 && i < cure->longer->count; i++) {
        struct ckpt_text within = {cure->prefix.data, root};

        first_count -= !cure_starts(&cure->longer->first[i].name, &within);
    }
    info->unexpected_count = first_count - cure->met_count;
    info->missing_count = second_count - cure->met_count;
    return CKPT_OK;
}

int
hub_diff_cure(struct ckpt_diff *diff, const struct hub_entries *first,
              const struct hub_entries *second)
{
    struct cure strip = {.diff = diff, .longer = first, .shorter = second};
    struct cure add = {
        .diff = diff, .longer = second, .shorter = first, .add = true};
    int status;

    strip.met_count = diff->info.tensor_count;
    status = cure_side(&strip);
    add.met_count = strip.met_count;
    if (status == CKPT_OK)
        status = cure_side(&add);
    if (status != CKPT_OK)
        return status;
    if (add.trial_count > 0 && add.prefix.data != NULL)
        return cure_tell(&add, first->count, second->count);
    if (strip.prefix.data != NULL)
        return cure_tell(&strip, first->count, second->count);
    return CKPT_OK;
}
