/* SPDX-License-Identifier: MIT
 *
 * Copying into tensors, as load_state_dict does: what shares a storage with
 * one that is copied into is changed with it. Where all of a storage becomes
 * what one tensor of OTHER is, no byte is made; else a cursor lays OTHER's
 * bytes over those that were there.
 */
#include "merge.h"

#include <string.h>

#include "torch_layout.h"

#define ORIGINS_MAX 4096

/* The entries of BASE on one storage, in order. */
struct group {
    struct merge *merge;
    const struct ckpt_storage *storage;
    size_t first;
    const struct ckpt_storage *made; /* what it becomes */
};

static const struct ckpt_tensor *
tensor_at(const struct group *group, size_t index)
{
    return group->merge->base->entries[index].value->as.tensor;
}

static const struct ckpt_tensor *
other_at(const struct group *group, size_t index)
{
    const struct merge *merge = group->merge;

    return merge->other->entries[merge->items[index].other].value->as.tensor;
}

static const struct ckpt_value *
other_value(const struct group *group, size_t index)
{
    const struct merge *merge = group->merge;

    return merge->other->entries[merge->items[index].other].value;
}

/* Those that keep their storage, whatever becomes of that. */
static bool
is_within(const struct merge_item *item)
{
    return item->fate != MERGE_REPLACED && item->fate != MERGE_GOES;
}

static size_t
next_within(const struct group *group, size_t index)
{
    const struct merge_item *items = group->merge->items;

    while (index != MERGE_NONE && !is_within(&items[index]))
        index = items[index].next;
    return index;
}

static bool
views_equal(const struct ckpt_tensor *a, const struct ckpt_tensor *b)
{
    size_t bytes = a->rank * sizeof *a->shape;

    return a->dtype == b->dtype && a->rank == b->rank && a->flips == b->flips &&
           a->offset == b->offset &&
           (bytes == 0 || (memcmp(a->shape, b->shape, bytes) == 0 &&
                           memcmp(a->strides, b->strides, bytes) == 0));
}

/* Whether each element of the storage is one of the tensor. */
static bool
view_covers(const struct ckpt_tensor *tensor)
{
    uint32_t order[CKPT_MAX_RANK], rank = merge_dims_sort(tensor, order);
    uint64_t step = 1;

    if ((tensor->offset != 0 && tensor->element_count != 0) ||
        tensor->size_bytes != tensor->storage->size_bytes || tensor->flips != 0)
        return false;
    while (rank-- > 0) {
        if (tensor->element_count != 0 && tensor->strides[order[rank]] != step)
            return false;
        step *= tensor->shape[order[rank]]; /* no more than element_count */
    }
    return true;
}

/* The entry that is copied last into all of the storage, if that is all that
 * happens to it; else MERGE_NONE. */
static size_t
group_winner(const struct group *group)
{
    size_t i = next_within(group, group->first), winner = MERGE_NONE;
    const struct ckpt_tensor *first = tensor_at(group, i);

    if (!view_covers(first))
        return MERGE_NONE;
    for (; i != MERGE_NONE;
         i = next_within(group, group->merge->items[i].next)) {
        if (group->merge->items[i].fate == MERGE_RESIZED ||
            !views_equal(first, tensor_at(group, i)))
            return MERGE_NONE;
        if (group->merge->items[i].fate == MERGE_LOADED)
            winner = i;
    }
    return winner;
}

/* ---- New values ---- */

/* The entry of OTHER that was copied last into that very tensor, or the entry
 * itself: what its numbers mean. */
static const struct ckpt_value *
value_meaning(const struct group *group, size_t index)
{
    const struct merge *merge = group->merge;
    const struct ckpt_value *meaning = merge->base->entries[index].value;
    const struct ckpt_tensor *tensor = meaning->as.tensor;
    size_t i = next_within(group, group->first);

    if (sdk_torch_quantiser_of(meaning) == NULL)
        return meaning;
    for (; i != MERGE_NONE; i = next_within(group, merge->items[i].next))
        if (merge->items[i].fate == MERGE_LOADED &&
            tensor_at(group, i) == tensor)
            meaning = other_value(group, i);
    return meaning;
}

/* The attributes are BASE's; but the scales of what is quantised go with the
 * numbers, as in torch. */
static int
attributes_keep(struct group *group, size_t index, struct ckpt_value *to)
{
    struct merge *merge = group->merge;
    const struct ckpt_host *host = merge->host;
    const struct ckpt_value *own = merge->base->entries[index].value;
    const struct ckpt_value *meaning = value_meaning(group, index);
    const struct ckpt_attr *attr = own->attrs;
    int status = CKPT_OK;

    for (; attr != NULL && status == CKPT_OK; attr = attr->next)
        status = host->attr_set(
            host, host->edit_graph(host, merge->edits), to, attr->name,
            meaning != own && strcmp(attr->name, SDK_TORCH_QUANTISER) == 0
                ? sdk_torch_quantiser_of(meaning)
                : attr->value);
    return status;
}

/* The tensor that the entry's becomes: the same view of the new storage. */
static int
value_make(struct group *group, size_t index)
{
    struct merge *merge = group->merge;
    const struct ckpt_host *host = merge->host;
    const struct ckpt_entry *entry = &merge->base->entries[index];
    const struct ckpt_tensor *tensor = entry->value->as.tensor;
    struct ckpt_tensor like = {.dtype = tensor->dtype,
                               .rank = tensor->rank,
                               .shape = tensor->shape,
                               .strides = tensor->strides,
                               .offset = tensor->offset,
                               .storage = group->made,
                               .role = tensor->role,
                               .requires_grad = tensor->requires_grad,
                               .flips = tensor->flips,
                               .type_name = tensor->type_name};
    struct ckpt_value *value;
    int status = host->tensor_new(host, host->edit_graph(host, merge->edits),
                                  &like, sizeof like, entry->name.data, &value);

    if (status == CKPT_OK)
        status = attributes_keep(group, index, value);
    if (status == CKPT_OK)
        merge->values[tensor->id] = value;
    return status;
}

static int
group_values(struct group *group)
{
    struct merge *merge = group->merge;
    size_t i = next_within(group, group->first);
    int status = CKPT_OK;

    for (; i != MERGE_NONE && status == CKPT_OK;
         i = next_within(group, merge->items[i].next)) {
        if (merge->values[tensor_at(group, i)->id] == NULL)
            status = value_make(group, i);
        merge->items[i].value = merge->values[tensor_at(group, i)->id];
    }
    return status;
}

/* ---- All of a storage ---- */

/* OTHER's tensor, its dimensions ordered as BASE's lie in memory, so that its
 * contiguous bytes are those of BASE's storage. */
static int
view_order(struct merge *merge, const struct ckpt_tensor *from,
           const struct ckpt_tensor *like, const struct ckpt_tensor **view)
{
    uint64_t shape[CKPT_MAX_RANK], strides[CKPT_MAX_RANK];
    uint32_t order[CKPT_MAX_RANK], k;
    struct ckpt_tensor ordered = {.dtype = from->dtype,
                                  .rank = merge_dims_sort(like, order),
                                  .shape = shape,
                                  .strides = strides,
                                  .offset = from->offset,
                                  .storage = from->storage,
                                  .flips = from->flips};
    struct ckpt_value *value;
    int status;

    if (like->contiguous) {
        *view = from;
        return CKPT_OK;
    }
    for (k = 0; k < ordered.rank; k++) {
        shape[k] = from->shape[order[k]];
        strides[k] = from->strides[order[k]];
    }
    status = merge->host->tensor_new(
        merge->host, merge->host->edit_graph(merge->host, merge->edits),
        &ordered, sizeof ordered, NULL, &value);
    if (status == CKPT_OK)
        *view = value->as.tensor;
    return status;
}

/* Whether the storage can be had as it is. It is given away once: what was
 * not tied in BASE does not become so. */
static bool
storage_serves(const struct group *group, const struct ckpt_tensor *from,
               const char *device)
{
    const struct ckpt_storage *storage = from->storage;

    return from->contiguous && from->offset == 0 && from->flips == 0 &&
           from->size_bytes == storage->size_bytes &&
           strcmp(device, storage->device) == 0 &&
           !group->merge->taken[storage->id];
}

/* A storage of the size of BASE's, that a cursor makes. */
static int
storage_coded(struct group *group, const struct ckpt_tensor *like,
              struct merge_job **job)
{
    struct merge *merge = group->merge;
    const struct ckpt_host *host = merge->host;
    struct ckpt_storage storage = {.size_bytes = group->storage->size_bytes,
                                   .place = CKPT_PLACE_CODED,
                                   .word_bytes = group->storage->word_bytes,
                                   .device = group->storage->device};
    int status = merge_job_new(merge, job, &storage.cursor_key);

    if (status != CKPT_OK)
        return status;
    if (group->storage->place == CKPT_PLACE_ABSENT) {
        storage.word_bytes = ckpt_dtype_word_bytes(like->dtype);
        storage.device = NULL;
        /* The hub has seen to it that this is no more than 2^64 bits. */
        storage.size_bytes =
            like->element_count * ckpt_dtype_width_bits(like->dtype) / 8;
    }
    if (storage.word_bytes == 0 || storage.size_bytes % storage.word_bytes != 0)
        storage.word_bytes = 1;
    return host->storage_new(host, host->edit_graph(host, merge->edits),
                             &storage, sizeof storage, &group->made);
}

/* The bytes of the winner, as they are. */
static int
group_adopt(struct group *group, const struct ckpt_tensor *like,
            const struct ckpt_tensor *from)
{
    struct merge *merge = group->merge;
    const struct ckpt_host *host = merge->host;
    const struct ckpt_tensor *view;
    const char *device = group->storage->place == CKPT_PLACE_ABSENT
                             ? from->storage->device
                             : group->storage->device;
    int status = view_order(merge, from, like, &view);

    if (status != CKPT_OK)
        return status;
    if (storage_serves(group, view, device)) {
        merge->taken[view->storage->id] = true;
        group->made = view->storage;
        return CKPT_OK;
    }
    return host->storage_join(host, host->edit_graph(host, merge->edits), &view,
                              1, device, &group->made);
}

static int
group_cover(struct group *group, size_t winner)
{
    struct merge *merge = group->merge;
    const struct ckpt_tensor *like = tensor_at(group, winner);
    const struct ckpt_tensor *from = other_at(group, winner);
    struct merge_job *job;
    int status;

    if (like->dtype == from->dtype && from->flips == 0)
        return group_adopt(group, like, from);
    status = storage_coded(group, like, &job);
    return status == CKPT_OK
               ? merge_overlay_add(merge, job, like, from,
                                   merge->base->entries[winner].name.data)
               : status;
}

/* ---- A part of a storage ---- */

/* Both tensors, cut to the indices that both have. */
static int
view_cut(struct merge *merge, const struct ckpt_tensor *tensor,
         const struct ckpt_tensor *within, const struct ckpt_tensor **cut)
{
    uint64_t shape[CKPT_MAX_RANK];
    struct ckpt_tensor like = {.dtype = tensor->dtype,
                               .rank = tensor->rank,
                               .shape = shape,
                               .strides = tensor->strides,
                               .offset = tensor->offset,
                               .storage = tensor->storage,
                               .flips = tensor->flips};
    struct ckpt_value *value;
    uint32_t k;
    int status;

    for (k = 0; k < tensor->rank; k++)
        shape[k] = tensor->shape[k] < within->shape[k] ? tensor->shape[k]
                                                       : within->shape[k];
    status = merge->host->tensor_new(
        merge->host, merge->host->edit_graph(merge->host, merge->edits), &like,
        sizeof like, NULL, &value);
    if (status == CKPT_OK)
        *cut = value->as.tensor;
    return status;
}

static int
item_lay(struct group *group, struct merge_job *job, size_t index)
{
    struct merge *merge = group->merge;
    const struct merge_item *item = &merge->items[index];
    const struct ckpt_tensor *into = tensor_at(group, index);
    const struct ckpt_tensor *from, *uncut;
    int status = CKPT_OK;

    if (item->fate != MERGE_LOADED && item->fate != MERGE_RESIZED)
        return CKPT_OK;
    from = other_at(group, index);
    if (item->fate == MERGE_RESIZED) {
        uncut = into;
        status = view_cut(merge, into, from, &into);
        if (status == CKPT_OK)
            status = view_cut(merge, from, uncut, &from);
    }
    return status == CKPT_OK
               ? merge_overlay_add(merge, job, into, from,
                                   merge->base->entries[index].name.data)
               : status;
}

/* The bytes that were there, as a tensor of them all. */
static int
group_under(struct group *group, struct merge_job *job)
{
    struct merge *merge = group->merge;
    const struct ckpt_host *host = merge->host;
    struct ckpt_tensor like = {.dtype = CKPT_UINT8,
                               .rank = 1,
                               .shape = &group->storage->size_bytes,
                               .storage = group->storage};
    struct ckpt_value *value;
    int status = host->tensor_new(host, host->edit_graph(host, merge->edits),
                                  &like, sizeof like, NULL, &value);

    if (status == CKPT_OK)
        job->under = value->as.tensor;
    return status;
}

static int
group_lay(struct group *group)
{
    struct merge *merge = group->merge;
    size_t i = next_within(group, group->first);
    struct merge_job *job;
    int status;

    if (group->storage->place == CKPT_PLACE_ABSENT)
        return merge->host->fail(merge->host, CKPT_UNSUPPORTED,
                                 merge->base->entries[i].name.data,
                                 CKPT_NOWHERE,
                                 "it has no bytes of its own, and cannot be "
                                 "covered in part");
    status = storage_coded(group, tensor_at(group, i), &job);
    if (status == CKPT_OK)
        status = group_under(group, job);
    for (; i != MERGE_NONE && status == CKPT_OK;
         i = next_within(group, merge->items[i].next))
        status = item_lay(group, job, i);
    return status;
}

/* ---- Where they come from ---- */

/* The first and the last byte of a view, and one more. */
static void
view_reach(const struct ckpt_tensor *tensor, uint64_t reach[2])
{
    uint64_t bits = ckpt_dtype_width_bits(tensor->dtype);
    uint64_t last = tensor->offset;
    uint32_t k;

    reach[0] = reach[1] = 0;
    if (tensor->element_count == 0)
        return;
    for (k = 0; k < tensor->rank; k++)
        last += (tensor->shape[k] - 1) * tensor->strides[k];
    reach[0] = tensor->offset * bits / 8;
    reach[1] = ((last + 1) * bits + 7) / 8;
}

static bool
views_meet(const struct ckpt_tensor *a, const struct ckpt_tensor *b)
{
    uint64_t left[2], right[2];

    view_reach(a, left);
    view_reach(b, right);
    return left[0] < right[1] && right[0] < left[1];
}

/* What it is in the graph that is edited: what is copied into a template is
 * what it was. */
static const struct ckpt_value *
item_instead(const struct group *group, size_t index)
{
    const struct merge *merge = group->merge;

    if (!merge->grows)
        return merge->base->entries[index].value;
    return merge->items[index].other != MERGE_NONE ? other_value(group, index)
                                                   : NULL;
}

/* What was copied into the bytes of a tensor; a copy over all of it hides what
 * was there. */
static int
item_origin(struct group *group, size_t index)
{
    struct merge *merge = group->merge;
    const struct ckpt_tensor *tensor = tensor_at(group, index), *at;
    const struct ckpt_value *from[2] = {merge->base->entries[index].value};
    size_t i = next_within(group, group->first), count = 1;

    for (; i != MERGE_NONE; i = next_within(group, merge->items[i].next)) {
        at = tensor_at(group, i);
        if (merge->items[i].fate == MERGE_STAYS || !views_meet(tensor, at))
            continue;
        merge->items[index].tied |= i != index;
        if (merge->items[i].fate == MERGE_LOADED && views_equal(tensor, at)) {
            from[0] = other_value(group, i);
            count = 1;
        } else if (count == 1) {
            from[count++] = other_value(group, i);
        }
    }
    if (merge->given[tensor->id])
        return CKPT_OK;
    merge->given[tensor->id] = true;
    return merge->host->edit_origin(merge->host, merge->edits,
                                    merge->items[index].value,
                                    item_instead(group, index), from, count);
}

static int
group_origins(struct group *group)
{
    const struct merge *merge = group->merge;
    size_t i = next_within(group, group->first), done = 0;
    int status = CKPT_OK;

    /* Each looks at all the others: very many are left to themselves. */
    for (; i != MERGE_NONE && status == CKPT_OK && done++ < ORIGINS_MAX;
         i = next_within(group, merge->items[i].next))
        status = item_origin(group, i);
    return status;
}

static int
group_load(struct group *group)
{
    size_t winner = group_winner(group);
    int status =
        winner != MERGE_NONE ? group_cover(group, winner) : group_lay(group);

    if (status == CKPT_OK)
        status = group_values(group);
    return status == CKPT_OK ? group_origins(group) : status;
}

/* Chains the entries of each storage; gives the first of each. */
static size_t *
storages_chain(struct merge *merge)
{
    const struct ckpt_graph *base = merge->base;
    size_t i,
        *heads = merge->host->allocate(
            merge->host, ((size_t)base->storage_count + 1) * sizeof *heads);
    uint64_t id;

    for (i = base->entry_count; heads != NULL && i-- > 0;) {
        id = base->entries[i].value->as.tensor->storage->id;
        merge->items[i].next = heads[id] != 0 ? heads[id] - 1 : MERGE_NONE;
        heads[id] = i + 1;
    }
    return heads;
}

/* What OTHER's tensors take with them is not given to others: they would be
 * tied. */
static void
storages_mark(struct merge *merge)
{
    const struct ckpt_entry *others = merge->other->entries;
    size_t i, other;

    for (i = 0; i < merge->base->entry_count; i++) {
        other = merge->items[i].other;
        if (merge->items[i].fate == MERGE_REPLACED)
            merge->taken[others[other].value->as.tensor->storage->id] = true;
    }
    for (i = 0; i < merge->other->entry_count; i++)
        if (!merge->used[i] && merge->unexpected == MERGE_TAKE)
            merge->taken[others[i].value->as.tensor->storage->id] = true;
}

int
merge_load(struct merge *merge)
{
    const struct ckpt_graph *base = merge->base;
    size_t i, *heads = storages_chain(merge);
    struct group group = {.merge = merge};
    int status = heads != NULL ? CKPT_OK : CKPT_MEMORY;

    storages_mark(merge);
    for (i = 0; i < base->entry_count && status == CKPT_OK; i++) {
        if (merge->items[i].fate != MERGE_LOADED &&
            merge->items[i].fate != MERGE_RESIZED)
            continue;
        group.storage = base->entries[i].value->as.tensor->storage;
        group.first = heads[group.storage->id];
        if (group.first == 0) /* it is done */
            continue;
        group.first--;
        heads[group.storage->id] = 0;
        status = group_load(&group);
    }
    merge->host->release(merge->host, heads);
    return status;
}
