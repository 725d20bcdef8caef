/* SPDX-License-Identifier: MIT
 *
 * What a loader puts in by itself. Batch normalisation has counted its batches
 * since version 2 of its state: where the state of the same module in A is of
 * an older version, or tells none, a missing counter is no loss.
 */
#include <stdlib.h>
#include <string.h>

#include "diff.h"

static const char counter[] = "num_batches_tracked";
static const char mean[] = "running_mean";

struct names {
    const struct ckpt_graph *graph;
    const struct ckpt_entry **sorted; /* by name */
};

static int
text_order(const struct ckpt_text *a, const struct ckpt_text *b)
{
    size_t size = a->size_bytes < b->size_bytes ? a->size_bytes : b->size_bytes;
    int order = memcmp(a->data, b->data, size);

    if (order != 0 || a->size_bytes == b->size_bytes)
        return order;
    return a->size_bytes < b->size_bytes ? -1 : 1;
}

static int
entry_order(const void *a, const void *b)
{
    const struct ckpt_entry *const *one = a, *const *two = b;

    return text_order(&(*one)->name, &(*two)->name);
}

static int
names_init(struct names *names, const struct ckpt_graph *graph)
{
    size_t i;

    names->graph = graph;
    names->sorted = calloc(graph->entry_count + 1, sizeof *names->sorted);
    if (names->sorted == NULL)
        return CKPT_MEMORY;
    for (i = 0; i < graph->entry_count; i++)
        names->sorted[i] = &graph->entries[i];
    qsort(names->sorted, i, sizeof *names->sorted, entry_order);
    return CKPT_OK;
}

/* The version of the state of the module that an entry is of; 0: it does not
 * say. The paths of modules are relative to the map of the state. */
static int64_t
version_of(const struct names *names, const struct ckpt_entry *entry)
{
    static const struct ckpt_text version_key = {"version", 7};
    size_t index = (size_t)(entry - names->graph->entries);
    const struct ckpt_spot *spot = &names->graph->spots[index];
    const struct ckpt_value *version = NULL;
    const struct ckpt_attr *attr;
    struct ckpt_text module;

    if (spot->owner == NULL || spot->owner->kind != CKPT_KIND_MAP ||
        spot->owner->as.map.pairs[spot->index].key->kind != CKPT_KIND_STRING)
        return 0;
    module = spot->owner->as.map.pairs[spot->index].key->as.text;
    module.size_bytes -=
        module.size_bytes < sizeof mean ? module.size_bytes : sizeof mean;
    for (attr = spot->owner->attrs; attr != NULL; attr = attr->next)
        if (strcmp(attr->name, "_metadata") == 0)
            version = cli_map_find(attr->value, &module);
    version = version != NULL ? cli_map_find(version, &version_key) : NULL;
    return version != NULL && version->kind == CKPT_KIND_INT && !version->wide
               ? version->as.integer
               : 0;
}

static bool
is_benign(const struct names *names, const struct ckpt_difference *found)
{
    size_t before = found->name.size_bytes - (sizeof counter - 1);
    struct ckpt_entry wanted = {.name = {NULL, 0}};
    const struct ckpt_entry *key = &wanted, **met;
    struct cli_out name;

    cli_out_init(&name, -1);
    cli_out_bytes(&name, found->name.data, before);
    cli_out_string(&name, mean);
    wanted.name.data = cli_out_text(&name);
    wanted.name.size_bytes = name.size_bytes;
    met = bsearch(&key, names->sorted, names->graph->entry_count, sizeof *met,
                  entry_order);
    cli_out_fini(&name);
    return met != NULL && version_of(names, *met) < 2;
}

/* A counter that A lacks, whatever it is of. */
static bool
is_counter(const struct ckpt_difference *found)
{
    size_t size = sizeof counter - 1, all = found->name.size_bytes;

    return found->kind == CKPT_DIFFERENCE_ONLY_SECOND && all >= size &&
           memcmp(found->name.data + all - size, counter, size) == 0 &&
           (all == size || found->name.data[all - size - 1] == '.');
}

int
cli_diff_benign(struct cli_diff *diff)
{
    const struct ckpt_diff_info *info = diff->info;
    struct names names = {NULL, NULL};
    int status = CKPT_OK;
    size_t i;

    diff->benign = calloc(info->difference_count + 1, sizeof *diff->benign);
    if (diff->benign == NULL)
        return CKPT_MEMORY;
    for (i = 0; diff->like && i < info->difference_count; i++) {
        if (!is_counter(&info->differences[i]))
            continue;
        if (names.sorted == NULL)
            status = names_init(&names, ckpt_file_graph(diff->files[0]));
        if (status != CKPT_OK)
            return status;
        diff->benign[i] = is_benign(&names, &info->differences[i]);
        diff->benign_count += diff->benign[i];
    }
    free(names.sorted);
    return CKPT_OK;
}
