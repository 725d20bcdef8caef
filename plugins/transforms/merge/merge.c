/* SPDX-License-Identifier: MIT
 *
 * The transforms `merge` and `grow`: what two graphs have under the same name.
 * Here it is decided what becomes of each tensor; the others carry it out.
 */
#include "merge.h"

#include <string.h>

#include "cast.h"
#include "torch_layout.h"

static void
merge_close(const struct ckpt_host *host, void *self)
{
    struct merge *merge = self;

    sdk_table_fini(host, &merge->names);
    sdk_table_fini(host, &merge->places);
    merge_jobs_fini(host, merge);
    host->release(host, merge->items);
    host->release(host, merge->used);
    host->release(host, merge->added);
    host->release(host, merge->values);
    host->release(host, merge->given);
    host->release(host, merge->taken);
    host->release(host, merge);
}

enum { OPTION_AS, OPTION_MISSING, OPTION_UNEXPECTED, OPTION_MISMATCH };

static const char *const merge_ways[] = {"load", "update", NULL};
static const char *const merge_missing[] = {"error", "skip", "keep", NULL};
static const char *const merge_unexpected[] = {"error", "skip", "take", NULL};
static const char *const merge_mismatch[] = {"error", "skip",   "keep",
                                             "take",  "resize", NULL};

static const struct ckpt_option merge_options[] = {
    {"as", CKPT_OPTION_CHOICE, "load",
     "copy into tensors as load_state_dict, or replace them as dict.update",
     merge_ways},
    {"missing", CKPT_OPTION_CHOICE, "keep",
     "what OTHER lacks: refuse, leave it out, keep it", merge_missing},
    {"unexpected", CKPT_OPTION_CHOICE, NULL,
     "what only OTHER has: refuse, skip (as=load) or add it (as=update)",
     merge_unexpected},
    {"mismatch", CKPT_OPTION_CHOICE, NULL,
     "another shape: refuse (as=load), skip or keep: as it was, take OTHER's "
     "(as=update), resize: copy what overlaps",
     merge_mismatch},
    {NULL, CKPT_OPTION_END, NULL, NULL, NULL}};

static int
merge_open(const struct ckpt_host *host, const char *argument,
           const struct ckpt_option_value *options, void **self)
{
    static const uint32_t unexpected[] = {MERGE_ERROR, MERGE_SKIP, MERGE_TAKE};
    const struct ckpt_option_value *value = &options[OPTION_UNEXPECTED];
    struct merge *merge = host->allocate(host, sizeof *merge);

    if (merge == NULL)
        return CKPT_MEMORY;
    merge->path = argument;
    merge->update = options[OPTION_AS].integer == 1;
    merge->missing = (uint32_t)options[OPTION_MISSING].integer;
    merge->unexpected = merge->update ? MERGE_TAKE : MERGE_SKIP;
    if (value->given)
        merge->unexpected = unexpected[value->integer];
    value = &options[OPTION_MISMATCH];
    merge->mismatch = merge->update ? MERGE_TAKE : MERGE_ERROR;
    if (value->given)
        merge->mismatch = (uint32_t)value->integer;
    *self = merge;
    return CKPT_OK;
}

static const char *const grow_mismatch[] = {"error", "skip", "resize", NULL};

static const struct ckpt_option grow_options[] = {
    {"mismatch", CKPT_OPTION_CHOICE, "skip",
     "another shape: refuse, leave it uncovered, copy what overlaps",
     grow_mismatch},
    {NULL, CKPT_OPTION_END, NULL, NULL, NULL}};

static int
grow_open(const struct ckpt_host *host, const char *argument,
          const struct ckpt_option_value *options, void **self)
{
    static const uint32_t mismatch[] = {MERGE_ERROR, MERGE_SKIP, MERGE_RESIZE};
    struct merge *merge = host->allocate(host, sizeof *merge);

    if (merge == NULL)
        return CKPT_MEMORY;
    merge->path = argument;
    merge->grows = true;
    merge->missing = MERGE_KEEP;
    merge->unexpected = MERGE_SKIP;
    merge->mismatch = mismatch[options[0].integer];
    *self = merge;
    return CKPT_OK;
}

/* ---- Judging ---- */

static bool
shapes_equal(const struct ckpt_tensor *a, const struct ckpt_tensor *b)
{
    return a->rank == b->rank &&
           (a->rank == 0 ||
            memcmp(a->shape, b->shape, a->rank * sizeof *a->shape) == 0);
}

/* A vector of one element fits what has no dimensions, as files of torch 0.3
 * had it. */
static bool
item_fits(const struct merge *merge, const struct ckpt_tensor *ours,
          const struct ckpt_tensor *theirs)
{
    return shapes_equal(ours, theirs) ||
           (!merge->update && ours->rank == 0 && theirs->rank == 1 &&
            theirs->shape[0] == 1);
}

static uint32_t
fate_wanted(const struct merge *merge, const struct merge_item *item)
{
    if (item->other == MERGE_NONE)
        return merge->missing == MERGE_SKIP ? MERGE_GOES : MERGE_STAYS;
    if (item->fits)
        return merge->update ? MERGE_REPLACED : MERGE_LOADED;
    if (merge->mismatch == MERGE_TAKE)
        return MERGE_REPLACED;
    return merge->mismatch == MERGE_RESIZE ? MERGE_RESIZED : MERGE_STAYS;
}

static uint32_t
fate_of(const struct merge *merge, const struct merge_item *item)
{
    uint32_t fate = fate_wanted(merge, item);

    if (item->fixed && (fate == MERGE_REPLACED || fate == MERGE_GOES))
        return MERGE_STAYS;
    return fate;
}

/* Whether the numbers of one can be copied into the other, with their scales
 * if they have such. */
static bool
quantisers_meet(const struct ckpt_value *ours, const struct ckpt_value *theirs,
                enum merge_fate fate)
{
    const struct ckpt_value *a = sdk_torch_quantiser_of(ours);
    const struct ckpt_value *b = sdk_torch_quantiser_of(theirs);

    if (a == NULL || b == NULL)
        return a == b;
    return fate == MERGE_LOADED && strcmp(a->type_name, b->type_name) == 0;
}

/* What has no bytes can be put somewhere, but not copied. */
static int
item_check(const struct merge *merge, size_t index)
{
    const struct merge_item *item = &merge->items[index];
    const struct ckpt_entry *entry = &merge->base->entries[index];
    const struct ckpt_tensor *ours = entry->value->as.tensor, *theirs;
    const char *of = merge->grows ? "the input" : merge->path;

    if (item->fate != MERGE_LOADED && item->fate != MERGE_RESIZED)
        return CKPT_OK;
    theirs = merge->other->entries[item->other].value->as.tensor;
    if (theirs->storage->place == CKPT_PLACE_ABSENT)
        return merge->host->fail(merge->host, CKPT_UNSUPPORTED,
                                 entry->name.data, CKPT_NOWHERE,
                                 "it has no bytes in %s", of);
    if (ours->dtype != theirs->dtype &&
        !sdk_cast_known(theirs->dtype, ours->dtype))
        return merge->host->fail(
            merge->host, CKPT_UNSUPPORTED, entry->name.data, CKPT_NOWHERE,
            "it is %s in %s, which cannot be cast to %s",
            ckpt_dtype_name(theirs->dtype), of, ckpt_dtype_name(ours->dtype));
    if (!quantisers_meet(entry->value, merge->other->entries[item->other].value,
                         item->fate))
        return merge->host->fail(
            merge->host, CKPT_UNSUPPORTED, entry->name.data, CKPT_NOWHERE,
            "it is quantised, and what it is in %s cannot be copied into it",
            of);
    if (item->fate == MERGE_RESIZED && ours->rank != theirs->rank)
        return merge->host->fail(
            merge->host, CKPT_UNSUPPORTED, entry->name.data, CKPT_NOWHERE,
            "it is of rank %u, and of %u in %s: nothing overlaps", ours->rank,
            theirs->rank, of);
    return CKPT_OK;
}

/* Whether one place, met under two names, is to hold two tensors. */
static bool
items_clash(const struct merge *merge, const struct merge_item *a,
            const struct merge_item *b)
{
    return a->fate >= MERGE_LOADED && b->fate >= MERGE_LOADED &&
           merge->other->entries[a->other].value->as.tensor !=
               merge->other->entries[b->other].value->as.tensor;
}

/* What is met under two names goes by the one that has most to say. */
static int
item_place(struct merge *merge, size_t index)
{
    const struct ckpt_spot *spot = &merge->base->spots[index];
    struct merge_item *item = &merge->items[index], *first;
    struct merge_place *place;
    uint64_t *known;
    bool added;

    if (item->fixed)
        return CKPT_OK;
    place = &item->place;
    *place = (struct merge_place){spot->owner->id, spot->index};
    known = sdk_table_add(merge->host, &merge->places, place, sizeof *place,
                          &added);
    if (known == NULL)
        return CKPT_MEMORY;
    if (added) {
        *known = index;
        return CKPT_OK;
    }
    first = &merge->items[*known];
    if (items_clash(merge, first, item))
        return merge->host->fail(
            merge->host, CKPT_CONFLICT, merge->base->entries[index].name.data,
            CKPT_NOWHERE,
            "it is in one place with '%.200s', and cannot become "
            "another tensor",
            merge->base->entries[*known].name.data);
    if (item->fate > first->fate)
        *known = index;
    return CKPT_OK;
}

static int
item_judge(struct merge *merge, size_t index)
{
    const struct ckpt_entry *entry = &merge->base->entries[index];
    struct merge_item *item = &merge->items[index];
    const uint64_t *found =
        sdk_table_find(&merge->names, entry->name.data, entry->name.size_bytes);
    int status;

    item->other = MERGE_NONE;
    item->fixed = merge->base->spots[index].owner == NULL;
    if (found != NULL) {
        item->other = (size_t)*found;
        item->fits =
            item_fits(merge, entry->value->as.tensor,
                      merge->other->entries[item->other].value->as.tensor);
        merge->used[item->other] = true;
    }
    item->fate = fate_of(merge, item);
    status = item_check(merge, index);
    return status == CKPT_OK ? item_place(merge, index) : status;
}

/* ---- Refusing ---- */

struct refused {
    const char *first;
    unsigned long long count;
};

static void
refused_add(struct refused *refused, const struct ckpt_entry *entry)
{
    if (refused->count++ == 0)
        refused->first = entry->name.data;
}

static int
refuse(struct merge *merge, const struct refused *refused, const char *what,
       const char *option, const char *others)
{
    merge->refused = true;
    merge->host->remedy(merge->host, "to accept it, set %s to %s", option,
                        others);
    return merge->host->fail(merge->host, CKPT_CONFLICT, refused->first,
                             CKPT_NOWHERE, "%llu %s", refused->count, what);
}

/* What the user wants to be an error. */
static int
merge_refuse(struct merge *merge)
{
    struct refused missing = {0}, unexpected = {0}, mismatch = {0};
    const struct merge_item *item;
    size_t i;

    for (i = 0; i < merge->base->entry_count; i++) {
        item = &merge->items[i];
        if (item->other == MERGE_NONE)
            refused_add(&missing, &merge->base->entries[i]);
        else if (!item->fits)
            refused_add(&mismatch, &merge->base->entries[i]);
    }
    for (i = 0; i < merge->other->entry_count; i++)
        if (!merge->used[i])
            refused_add(&unexpected, &merge->other->entries[i]);
    if (merge->mismatch == MERGE_ERROR && mismatch.count > 0)
        return refuse(merge, &mismatch, "of another shape", "mismatch",
                      merge->grows ? "skip or resize" : "keep, take or resize");
    if (merge->missing == MERGE_ERROR && missing.count > 0)
        return refuse(merge, &missing, "missing", "missing", "keep or skip");
    if (merge->unexpected == MERGE_ERROR && unexpected.count > 0)
        return refuse(merge, &unexpected, "unexpected", "unexpected",
                      "skip or take");
    return CKPT_OK;
}

/* ---- Applying ---- */

static int
merge_prepare(struct merge *merge)
{
    const struct ckpt_host *host = merge->host;
    const struct ckpt_graph *base = merge->base, *other = merge->other;
    const struct ckpt_text *name;
    uint64_t *number;
    bool added;
    size_t i;

    merge->items =
        host->allocate(host, (base->entry_count + 1) * sizeof *merge->items);
    merge->used = host->allocate(host, other->entry_count + 1);
    merge->added = host->allocate(host, other->entry_count + 1);
    merge->values = host->allocate(host, ((size_t)base->tensor_count + 1) *
                                             sizeof *merge->values);
    merge->given = host->allocate(host, (size_t)base->tensor_count + 1);
    merge->taken = host->allocate(host, (size_t)other->storage_count + 1);
    if (merge->items == NULL || merge->used == NULL || merge->added == NULL ||
        merge->values == NULL || merge->given == NULL || merge->taken == NULL)
        return CKPT_MEMORY;
    for (i = 0; i < other->entry_count; i++) {
        name = &other->entries[i].name;
        number = sdk_table_add(host, &merge->names, name->data,
                               name->size_bytes, &added);
        if (number == NULL)
            return CKPT_MEMORY;
        if (added)
            *number = i;
    }
    return CKPT_OK;
}

static int
merge_judge(struct merge *merge)
{
    size_t i;
    int status = merge_prepare(merge);

    for (i = 0; i < merge->base->entry_count && status == CKPT_OK; i++)
        status = item_judge(merge, i);
    if (status == CKPT_OK)
        status = merge_refuse(merge);
    return status;
}

/* Whether anything becomes of the argument: that all is left out because no
 * name meets is not what was meant. */
static bool
merge_matches(const struct merge *merge)
{
    size_t i;

    for (i = 0; i < merge->other->entry_count; i++)
        if (merge->used[i] || merge->unexpected == MERGE_TAKE)
            return true;
    return false;
}

static int
merge_carry_out(struct merge *merge)
{
    const struct ckpt_value *root;
    size_t i;
    int status = merge_load(merge);

    for (i = 0; i < merge->base->entry_count; i++)
        if (merge->items[i].fate == MERGE_REPLACED)
            merge->items[i].value =
                merge->other->entries[merge->items[i].other].value;
    if (status == CKPT_OK && merge->unexpected == MERGE_TAKE)
        status = merge_take_init(merge);
    if (status == CKPT_OK)
        status = merge_tree(merge, &root);
    merge_take_fini(merge);
    if (status == CKPT_OK)
        status = merge->host->edit_root(merge->host, merge->edits, root);
    merge->done = status == CKPT_OK;
    return status;
}

static int
merge_apply(const struct ckpt_host *host, void *self,
            const struct ckpt_graph *const *graphs, size_t graph_count,
            struct ckpt_edits *edits)
{
    struct merge *merge = self;
    int status, told;

    (void)graph_count;
    merge->host = host;
    merge->edits = edits;
    merge->base = graphs[merge->grows ? 1 : 0];
    merge->other = graphs[merge->grows ? 0 : 1];
    status = merge_judge(merge);
    if (status == CKPT_OK && merge_matches(merge))
        status = merge_carry_out(merge);
    if (status != CKPT_OK && !merge->refused)
        return status;
    told = merge_tell(merge);
    if (told == CKPT_OK)
        told = merge_hint(merge);
    return status == CKPT_OK ? told : status;
}

static const struct ckpt_transform merge_merge = {
    .size = sizeof(struct ckpt_transform),
    .id = "merge",
    .summary = "lay the tensors of OTHER over those of the same name",
    .argument = "OTHER",
    .options = merge_options,
    .argument_kind = CKPT_OPTION_GRAPH,
    .inputs_min = 2,
    .inputs_max = 2,
    .open = merge_open,
    .apply = merge_apply,
    .close = merge_close,
    .cursor_open = merge_cursor_open,
    .cursor_next = merge_cursor_next,
    .cursor_close = merge_cursor_close,
};

static const struct ckpt_transform merge_grow = {
    .size = sizeof(struct ckpt_transform),
    .id = "grow",
    .summary = "TEMPLATE's tensors, with what is here by name and shape",
    .argument = "TEMPLATE",
    .options = grow_options,
    .argument_kind = CKPT_OPTION_GRAPH,
    .inputs_min = 2,
    .inputs_max = 2,
    .open = grow_open,
    .apply = merge_apply,
    .close = merge_close,
    .cursor_open = merge_cursor_open,
    .cursor_next = merge_cursor_next,
    .cursor_close = merge_cursor_close,
};

static const struct ckpt_transform *const merge_transforms[] = {
    &merge_merge, &merge_grow, NULL};

CKPT_PLUGIN(merge) = {
    .abi = CKPT_ABI,
    .size = sizeof(struct ckpt_plugin),
    .id = "merge",
    .version = "0.1.0",
    .summary = "one checkpoint laid over another",
    .transforms = merge_transforms,
};
