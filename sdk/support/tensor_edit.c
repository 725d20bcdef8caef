/* SPDX-License-Identifier: MIT
 *
 * Places of tensors, and views that are one. The key of a view is a row of
 * numbers; those of all entries lie in one block.
 */
#include "tensor_edit.h"

#include <string.h>

/* Numbers of a key beside shape and strides. */
#define KEY_HEAD 5

int
sdk_attributes_keep(const struct ckpt_host *host, struct ckpt_edits *edits,
                    const struct ckpt_value *from, struct ckpt_value *to)
{
    struct ckpt_graph *graph = host->edit_graph(host, edits);
    const struct ckpt_attr *attr = from->attrs;
    int status = CKPT_OK;

    for (; attr != NULL && status == CKPT_OK; attr = attr->next)
        status = host->attr_set(host, graph, to, attr->name, attr->value);
    return status;
}

int
sdk_tensor_remake(const struct ckpt_host *host, struct ckpt_edits *edits,
                  const struct ckpt_entry *old, struct ckpt_tensor *like,
                  struct ckpt_value **value)
{
    const struct ckpt_tensor *from = old->value->as.tensor;
    struct ckpt_value *made;
    int status;

    like->role = from->role;
    like->requires_grad = from->requires_grad;
    like->type_name = from->type_name;
    status = host->tensor_new(host, host->edit_graph(host, edits), like,
                              sizeof *like, old->name.data, &made);
    if (status == CKPT_OK)
        status = sdk_attributes_keep(host, edits, old->value, made);
    if (status == CKPT_OK)
        *value = made;
    return status;
}

int
sdk_entry_replace(const struct ckpt_host *host, struct ckpt_edits *edits,
                  const struct ckpt_graph *graph, size_t entry,
                  const struct ckpt_value *value, const char *verb)
{
    const struct ckpt_spot *spot = &graph->spots[entry];

    if (spot->owner != NULL)
        return host->edit_replace(host, edits, spot->owner, spot->index, value);
    if (graph->root == graph->entries[entry].value)
        return host->edit_root(host, edits, value);
    host->warn(host, graph->entries[entry].name.data, CKPT_NOWHERE,
               "it is part of an object, and not %s", verb);
    return CKPT_OK;
}

bool
sdk_entry_follows(const struct sdk_optimizers *optimizers,
                  const struct ckpt_graph *graph, size_t entry)
{
    const struct ckpt_value *owner = graph->spots[entry].owner;
    const struct sdk_optimizer *optimizer =
        sdk_optimizer_around(optimizers, owner);

    return optimizer != NULL && optimizer->known &&
           sdk_slot_around(optimizers, owner) != NULL;
}

static int
slot_each(const struct sdk_slot *slot,
          int (*follow)(void *context, const struct ckpt_value *state,
                        size_t pair),
          void *context)
{
    const struct ckpt_value *state = slot->state;
    size_t i;
    int status = CKPT_OK;

    if (state == NULL || state->kind != CKPT_KIND_MAP)
        return CKPT_OK;
    for (i = 0; i < state->as.map.count && status == CKPT_OK; i++)
        if (sdk_slot_alike(slot, state->as.map.pairs[i].value))
            status = follow(context, state, i);
    return status;
}

int
sdk_entry_slots(const struct sdk_optimizers *optimizers,
                const struct ckpt_graph *graph, size_t entry,
                int (*follow)(void *context, const struct ckpt_value *state,
                              size_t pair),
                void *context)
{
    const struct ckpt_spot *spot = &graph->spots[entry];
    const struct ckpt_value *value = graph->entries[entry].value;
    const struct sdk_slot *slot;
    size_t i;
    int status = CKPT_OK;

    if (spot->owner == NULL)
        return CKPT_OK;
    for (i = 0; i < optimizers->count && status == CKPT_OK; i++) {
        slot = sdk_slot_at(&optimizers->items[i], spot->owner, spot->index);
        if (slot != NULL && slot->tensor != NULL &&
            slot->tensor->as.tensor == value->as.tensor)
            status = slot_each(slot, follow, context);
    }
    return status;
}

/* The elements between the first and the last, both counted. */
static uint64_t
tensor_extent(const struct ckpt_tensor *tensor)
{
    uint64_t extent = 1;
    uint32_t d;

    for (d = 0; d < tensor->rank; d++)
        extent += (tensor->shape[d] - 1) * tensor->strides[d];
    return extent;
}

bool
sdk_tensors_overlap(const struct ckpt_tensor *a, const struct ckpt_tensor *b)
{
    uint64_t a_bits = ckpt_dtype_width_bits(a->dtype);
    uint64_t b_bits = ckpt_dtype_width_bits(b->dtype);

    if (a->storage->id != b->storage->id || a->element_count == 0 ||
        b->element_count == 0 || a->storage->place == CKPT_PLACE_ABSENT)
        return false;
    return a->offset * a_bits < (b->offset + tensor_extent(b)) * b_bits &&
           b->offset * b_bits < (a->offset + tensor_extent(a)) * a_bits;
}

/* What has no bytes is tied to nothing but itself. */
static size_t
key_fill(const struct ckpt_tensor *tensor, uint64_t *key)
{
    size_t dims = tensor->rank * sizeof *key;
    bool bare = tensor->element_count == 0 ||
                tensor->storage->place == CKPT_PLACE_ABSENT;

    key[0] = tensor->storage->id;
    key[1] = tensor->offset;
    key[2] = tensor->dtype;
    key[3] = tensor->flips;
    key[4] = bare ? tensor->id + 1 : 0;
    if (tensor->rank > 0) {
        memcpy(key + KEY_HEAD, tensor->shape, dims);
        memcpy(key + KEY_HEAD + tensor->rank, tensor->strides, dims);
    }
    return KEY_HEAD + 2 * (size_t)tensor->rank;
}

static int
ties_allocate(const struct ckpt_host *host, const struct ckpt_graph *graph,
              struct sdk_ties *ties)
{
    size_t i, numbers = 1, count = graph->entry_count;

    for (i = 0; i < count; i++)
        numbers +=
            KEY_HEAD + 2 * (size_t)graph->entries[i].value->as.tensor->rank;
    ties->keys = host->allocate(host, numbers * sizeof *ties->keys);
    ties->view_of = host->allocate(host, (count + 1) * sizeof *ties->view_of);
    ties->views_on = host->allocate(host, ((size_t)graph->storage_count + 1) *
                                              sizeof *ties->views_on);
    return ties->keys != NULL && ties->view_of != NULL && ties->views_on != NULL
               ? CKPT_OK
               : CKPT_MEMORY;
}

int
sdk_ties_init(const struct ckpt_host *host, const struct ckpt_graph *graph,
              struct sdk_ties *ties)
{
    uint64_t *key, *number;
    size_t i, numbers;
    bool added;
    int status;

    memset(ties, 0, sizeof *ties);
    status = ties_allocate(host, graph, ties);
    key = ties->keys;
    for (i = 0; i < graph->entry_count && status == CKPT_OK; i++) {
        numbers = key_fill(graph->entries[i].value->as.tensor, key);
        number = sdk_table_add(host, &ties->views, key, numbers * sizeof *key,
                               &added);
        if (number == NULL)
            return CKPT_MEMORY;
        if (added) {
            *number = ties->view_count++;
            ties->views_on[key[0]]++;
        }
        ties->view_of[i] = (size_t)*number;
        key += numbers;
    }
    return status;
}

void
sdk_ties_fini(const struct ckpt_host *host, struct sdk_ties *ties)
{
    sdk_table_fini(host, &ties->views);
    host->release(host, ties->keys);
    host->release(host, ties->view_of);
    host->release(host, ties->views_on);
    memset(ties, 0, sizeof *ties);
}

void
sdk_ties_part(const struct ckpt_host *host, const struct ckpt_graph *graph,
              const struct sdk_ties *ties, size_t entry)
{
    const struct ckpt_entry *parted = &graph->entries[entry], *other;
    size_t i;

    if (ties->views_on[parted->value->as.tensor->storage->id] < 2)
        return;
    for (i = 0; i < graph->entry_count; i++) {
        other = &graph->entries[i];
        if (ties->view_of[i] == ties->view_of[entry] ||
            !sdk_tensors_overlap(parted->value->as.tensor,
                                 other->value->as.tensor))
            continue;
        host->warn(host, parted->name.data, CKPT_NOWHERE,
                   "'%.200s' is another view of its bytes, and no longer tied "
                   "to it",
                   other->name.data);
        return;
    }
}
