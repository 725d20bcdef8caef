/* SPDX-License-Identifier: MIT
 *
 * One flat map of names: twins, unique names, element types, order.
 */
#include "hub/run/fit_flat.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "hub/core/table.h"
#include "hub/graph/walk.h"

/* A view that repeats elements is written out in full, and so is each of many
 * views of one storage; past this, and past so many times the storage, that is
 * taken for a bomb. */
#define EXPAND_BYTES ((uint64_t)64 << 20)
#define EXPAND_TIMES 1024

static bool
flat_holds(const struct hub_fit *fit, uint64_t what)
{
    return (fit->holds & what) != 0;
}

/* What makes two tensors twins: one view of one storage. */
static int
twin_key(struct hub_fit *fit, const struct ckpt_tensor *tensor,
         const void **key, size_t *key_bytes)
{
    size_t words = 5 + 2 * (size_t)tensor->rank;
    uint64_t *packed = hub_fit_allocate(fit, words, sizeof *packed);

    if (packed == NULL)
        return fit->report->status;
    packed[0] = tensor->storage->id;
    packed[1] = tensor->dtype;
    packed[2] = tensor->offset;
    packed[3] = tensor->rank;
    packed[4] = tensor->flips;
    memcpy(packed + 5, tensor->shape, tensor->rank * sizeof *packed);
    memcpy(packed + 5 + tensor->rank, tensor->strides,
           tensor->rank * sizeof *packed);
    *key = packed;
    *key_bytes = words * sizeof *packed;
    return CKPT_OK;
}

/* Finds, for each entry, the first that has the same bytes. */
static int
flat_twins(struct hub_fit *fit)
{
    struct hub_table table = {.arena = &fit->fitted.arena};
    const struct ckpt_tensor *tensor;
    const void *key = NULL;
    size_t i, key_bytes = 0;
    uint64_t *number;
    bool added;

    for (i = 0; i < fit->graph->entry_count; i++) {
        tensor = fit->graph->entries[i].value->as.tensor;
        fit->entries[i].entry = &fit->graph->entries[i];
        fit->entries[i].kept = fit->first[tensor->id];
        if (fit->storage_set[tensor->storage->id] == 0 ||
            fit->first[tensor->id] != i)
            continue;
        if (twin_key(fit, tensor, &key, &key_bytes) != CKPT_OK)
            return fit->report->status;
        number = hub_table_add(&table, key, key_bytes, &added);
        if (number == NULL)
            return fit->report->status;
        if (added)
            *number = i;
        fit->entries[i].kept = (size_t)*number;
    }
    for (i = 0; i < fit->graph->entry_count; i++)
        fit->entries[i].kept = fit->entries[fit->entries[i].kept].kept;
    return CKPT_OK;
}

/* Whether the tensors of a set are all of their storage, plainly, under
 * several names. */
static bool
set_is_twins(const struct hub_fit *fit, const struct hub_fit_set *set)
{
    const struct ckpt_tensor *view = set->views[0];
    size_t i, kept = fit->entries[fit->first[view->id]].kept;

    if (!flat_holds(fit, CKPT_HOLDS_TWINS) || !view->contiguous ||
        view->offset != 0 || view->size_bytes != view->storage->size_bytes)
        return false;
    for (i = 1; i < set->count; i++)
        if (fit->entries[fit->first[set->views[i]->id]].kept != kept)
            return false;
    return true;
}

static void
flat_sets(struct hub_fit *fit)
{
    size_t i;

    for (i = 0; i < fit->set_count; i++)
        fit->sets[i].twins = set_is_twins(fit, &fit->sets[i]);
}

/* The n-th try for a name that is taken: "name#n". */
static int
flat_name_try(struct hub_fit *fit, struct hub_fit_entry *entry,
              const struct ckpt_text *base, unsigned n)
{
    char *text;

    entry->name = *base;
    if (n == 1)
        return CKPT_OK;
    text = hub_fit_allocate(fit, base->size_bytes + 12, 1);
    if (text == NULL)
        return fit->report->status;
    memcpy(text, base->data, base->size_bytes);
    entry->name.data = text;
    entry->name.size_bytes +=
        (size_t)snprintf(text + base->size_bytes, 12, "#%u", n);
    return CKPT_OK;
}

/* The name that the writer gives a tensor, if that is another one. */
static int
flat_told(struct hub_fit *fit, const struct hub_fit_entry *entry,
          struct ckpt_text *told)
{
    const struct ckpt_text *own = &entry->entry->name;
    struct ckpt_text name = *own;
    int status = CKPT_OK;

    told->data = NULL;
    if (fit->writer->name != NULL)
        status = fit->writer->name(&fit->host->table, fit->self, fit->graph,
                                   (size_t)(entry - fit->entries), &name);
    if (status != CKPT_OK ||
        (name.size_bytes == own->size_bytes &&
         memcmp(name.data, own->data, own->size_bytes) == 0))
        return status;
    told->data = hub_arena_text(&fit->fitted.arena, name.data, name.size_bytes);
    told->size_bytes = name.size_bytes;
    return told->data != NULL ? CKPT_OK : fit->report->status;
}

static int
flat_name(struct hub_fit *fit, struct hub_table *names,
          struct hub_fit_entry *entry)
{
    static const struct ckpt_text unnamed = {"tensor", 6};
    const struct ckpt_text *base = &entry->entry->name;
    uint32_t most = fit->writer->limits.name_bytes_max;
    struct ckpt_text told;
    bool added = false;
    unsigned n;
    int status = flat_told(fit, entry, &told);

    if (fit->graph->root->kind == CKPT_KIND_TENSOR)
        base = &unnamed;
    else if (told.data != NULL)
        base = &told;
    for (n = 1; !added && status == CKPT_OK; n++) {
        status = flat_name_try(fit, entry, base, n);
        if (status == CKPT_OK &&
            hub_table_add(names, entry->name.data, entry->name.size_bytes,
                          &added) == NULL)
            status = fit->report->status;
    }
    if (status != CKPT_OK)
        return status;
    if (most != 0 && entry->name.size_bytes > most)
        return hub_fail(fit->report, CKPT_UNSUPPORTED, entry->name.data,
                        CKPT_NOWHERE, "%s holds names of at most %u bytes",
                        fit->writer->id, most);
    if (entry->name.data == entry->entry->name.data)
        return CKPT_OK;
    fit->record = true;
    if (entry->name.data == told.data)
        return CKPT_OK;
    hub_note(fit->report,
             base == &unnamed ? CKPT_MESSAGE_STEP : CKPT_MESSAGE_LOSS,
             entry->entry->name.data, CKPT_NOWHERE,
             base == &unnamed ? "it is called '%s' in the output"
                              : "the name is taken, it is called '%s' in the "
                                "output",
             entry->name.data);
    return CKPT_OK;
}

static int
flat_names(struct hub_fit *fit)
{
    struct hub_table names = {.arena = &fit->fitted.arena};
    size_t i;
    int status = CKPT_OK;

    for (i = 0; i < fit->graph->entry_count && status == CKPT_OK; i++)
        status = flat_name(fit, &names, &fit->entries[i]);
    return status;
}

/* A twin is told by name where the target can say so, or is the same thing
 * once more where it holds that; but one value under two names, or attributes
 * of its own, are for the record. */
static int
flat_drop(struct hub_fit *fit, struct hub_fit_entry *entry)
{
    const struct hub_fit_entry *kept = &fit->entries[entry->kept];
    struct ckpt_value *value;
    int status;

    if (flat_holds(fit, CKPT_HOLDS_TWINS)) {
        if (kept->entry->value == entry->entry->value ||
            entry->entry->value->attrs != NULL)
            fit->record = true;
        return CKPT_OK;
    }
    fit->record = true;
    if (!flat_holds(fit, CKPT_HOLDS_TIE_NAMES) ||
        strlen(entry->name.data) != entry->name.size_bytes ||
        strcmp(entry->name.data, HUB_RECORD_NAME) == 0 ||
        strcmp(entry->name.data, HUB_FROZEN_NAME) == 0 ||
        hub_table_find(&fit->attr_names, entry->name.data,
                       entry->name.size_bytes) != NULL)
        return CKPT_OK;
    hub_note(fit->report, CKPT_MESSAGE_STEP, entry->name.data, CKPT_NOWHERE,
             "it is kept once, as '%s'", kept->name.data);
    entry->dropped = true;
    status = hub_string_new(&fit->fitted, kept->name.data,
                            kept->name.size_bytes, &value);
    if (status != CKPT_OK)
        return status;
    return hub_attr_set(&fit->fitted, NULL, entry->name.data, value);
}

/* A dtype of the same width that the writer has: unsigned, else bytes. */
static uint32_t
flat_dtype(const struct hub_fit *fit, uint32_t dtype)
{
    static const uint32_t substitutes[] = {CKPT_UINT8, CKPT_UINT16, CKPT_UINT32,
                                           CKPT_UINT64};
    uint32_t width = ckpt_dtype_width_bits(dtype);
    size_t i;

    if ((fit->writer->limits.dtypes & CKPT_DTYPE_BIT(dtype)) != 0)
        return dtype;
    for (i = 0; i < sizeof substitutes / sizeof *substitutes; i++)
        if (ckpt_dtype_width_bits(substitutes[i]) == width &&
            (fit->writer->limits.dtypes & CKPT_DTYPE_BIT(substitutes[i])))
            return substitutes[i];
    return CKPT_UINT8;
}

/* Elements that are no whole bytes, as the bytes that they fill together. */
static void
flat_packed(struct ckpt_tensor *like, uint32_t width, uint64_t *dims)
{
    dims[0] = like->size_bytes;
    dims[1] = 1;
    like->offset = like->offset * width / 8;
    like->shape = dims;
    like->strides = dims + 1;
    like->rank = 1;
}

/* The tensor as the writer gets it when its own dtype is not to be had: each
 * element is a row of bytes if no type has its width, and those of less than a
 * byte are one row. */
static int
flat_substitute(struct hub_fit *fit, struct hub_fit_entry *entry,
                struct ckpt_tensor *like, uint64_t *dims)
{
    uint32_t d, width = ckpt_dtype_width_bits(like->dtype);
    uint32_t times = width / ckpt_dtype_width_bits(entry->dtype);
    bool packed = width % 8 != 0;

    if (packed ? !like->contiguous || like->offset * width % 8 != 0
               : like->rank == CKPT_MAX_RANK)
        return hub_fail(fit->report, CKPT_UNSUPPORTED, entry->name.data,
                        CKPT_NOWHERE, "%s cannot hold %s", fit->writer->id,
                        ckpt_dtype_name(like->dtype));
    hub_note(fit->report, CKPT_MESSAGE_LOSS, entry->name.data, CKPT_NOWHERE,
             "%s has no %s: its bits are kept as %s", fit->writer->id,
             ckpt_dtype_name(like->dtype), ckpt_dtype_name(entry->dtype));
    fit->record = true;
    if (packed)
        flat_packed(like, width, dims);
    like->dtype = entry->dtype;
    if (packed || times == 1)
        return CKPT_OK;
    for (d = 0; d < like->rank; d++) {
        dims[d] = like->shape[d];
        dims[like->rank + 1 + d] = like->strides[d] * times;
    }
    dims[like->rank] = times;
    dims[2 * like->rank + 1] = 1;
    like->offset *= times;
    like->shape = dims;
    like->strides = dims + like->rank + 1;
    like->rank++;
    return CKPT_OK;
}

static bool
flat_is_bomb(uint64_t stored, uint64_t written)
{
    return written > EXPAND_BYTES && written / EXPAND_TIMES > stored;
}

/* A twin that takes no bytes of its own. */
static bool
flat_is_linked(const struct hub_fit *fit, const struct hub_fit_entry *entry)
{
    return flat_holds(fit, CKPT_HOLDS_TWINS) &&
           &fit->entries[entry->kept] != entry;
}

static int
flat_limits(struct hub_fit *fit, const struct hub_fit_entry *entry,
            const struct ckpt_tensor *tensor)
{
    uint32_t most = fit->writer->limits.rank_max;

    if (most != 0 && tensor->rank > most)
        return hub_fail(fit->report, CKPT_UNSUPPORTED, entry->name.data,
                        CKPT_NOWHERE, "%s holds at most %u dimensions, not %u",
                        fit->writer->id, most, tensor->rank);
    if (flat_is_bomb(tensor->storage->size_bytes, tensor->size_bytes))
        return hub_fail(fit->report, CKPT_LIMIT, entry->name.data, CKPT_NOWHERE,
                        "a view of %llu bytes would be written as %llu",
                        (unsigned long long)tensor->storage->size_bytes,
                        (unsigned long long)tensor->size_bytes);
    if (!flat_is_linked(fit, entry))
        fit->written_bytes += tensor->size_bytes;
    if (flat_is_bomb(fit->stored_bytes, fit->written_bytes))
        return hub_fail(fit->report, CKPT_LIMIT, entry->name.data, CKPT_NOWHERE,
                        "views of %llu bytes would be written as %llu so far",
                        (unsigned long long)fit->stored_bytes,
                        (unsigned long long)fit->written_bytes);
    return CKPT_OK;
}

static bool
flat_keeps(const struct hub_fit *fit, size_t index,
           const struct ckpt_attr *attr)
{
    return fit->writer->keeps != NULL &&
           fit->writer->keeps(&fit->host->table, fit->self, fit->graph, index,
                              attr);
}

/* The attributes of a tensor that the writer keeps; a twin has those of the
 * first. */
static int
flat_tensor_attrs(struct hub_fit *fit, const struct hub_fit_entry *entry,
                  struct ckpt_value *value)
{
    const struct ckpt_attr *attr = entry->entry->value->attrs;
    int status = CKPT_OK;

    if (flat_is_linked(fit, entry))
        return CKPT_OK;
    for (; attr != NULL && status == CKPT_OK; attr = attr->next)
        if (flat_keeps(fit, (size_t)(entry - fit->entries), attr))
            status = hub_attr_set(&fit->fitted, value, attr->name, attr->value);
    return status;
}

static int
flat_tensor(struct hub_fit *fit, struct hub_fit_entry *entry,
            struct ckpt_value *root)
{
    const struct ckpt_tensor *tensor = entry->entry->value->as.tensor;
    uint64_t dims[2 * CKPT_MAX_RANK + 2];
    struct ckpt_tensor like = *tensor;
    struct ckpt_value *key, *value;
    int status = flat_limits(fit, entry, tensor);

    entry->dtype = flat_dtype(fit, tensor->dtype);
    like.role = CKPT_ROLE_UNKNOWN;
    like.requires_grad = false;
    like.type_name = NULL;
    if (status == CKPT_OK && entry->dtype != tensor->dtype)
        status = flat_substitute(fit, entry, &like, dims);
    if (status == CKPT_OK)
        status = hub_tensor_new(&fit->fitted, &like, entry->name.data, &value);
    if (status == CKPT_OK)
        status = flat_tensor_attrs(fit, entry, value);
    if (status == CKPT_OK)
        status = hub_string_new(&fit->fitted, entry->name.data,
                                entry->name.size_bytes, &key);
    if (status == CKPT_OK)
        status = hub_map_set(&fit->fitted, root, key, value);
    if (status == CKPT_OK)
        entry->value = value;
    return status;
}

/* A twin is not told under a name that the graph's metadata has. */
static int
flat_attr_names(struct hub_fit *fit)
{
    const struct ckpt_attr *attr = fit->graph->attrs;
    bool added;

    fit->attr_names.arena = &fit->fitted.arena;
    for (; attr != NULL; attr = attr->next)
        if (hub_table_add(&fit->attr_names, attr->name, strlen(attr->name),
                          &added) == NULL)
            return fit->report->status;
    return CKPT_OK;
}

/* A shape without bytes is for the record: zeros would be a lie. */
static int
flat_absent(struct hub_fit *fit, struct hub_fit_entry *entry)
{
    if (!flat_holds(fit, CKPT_HOLDS_STRINGS))
        return hub_fail(fit->report, CKPT_UNSUPPORTED, entry->name.data,
                        CKPT_NOWHERE, "%s has no tensors without bytes",
                        fit->writer->id);
    hub_note(fit->report, CKPT_MESSAGE_STEP, entry->name.data, CKPT_NOWHERE,
             "it has no bytes and is kept in the record alone");
    entry->absent = true;
    fit->record = true;
    return CKPT_OK;
}

static int
flat_entries(struct hub_fit *fit, struct ckpt_value *root)
{
    struct hub_fit_entry *entry;
    size_t i;
    int status = CKPT_OK;

    for (i = 0; i < fit->graph->entry_count && status == CKPT_OK; i++) {
        entry = &fit->entries[i];
        if (entry->entry->value->as.tensor->storage->place ==
            CKPT_PLACE_ABSENT) {
            status = flat_absent(fit, entry);
            continue;
        }
        if (entry->kept != i)
            status = flat_drop(fit, entry);
        if (status == CKPT_OK && !entry->dropped)
            status = flat_tensor(fit, entry, root);
    }
    return status;
}

/* A tensor of which a plain flat map says all. */
static bool
flat_says_all(const struct hub_fit *fit, size_t index,
              const struct ckpt_value *value)
{
    const struct ckpt_tensor *tensor;
    const struct ckpt_attr *attr;
    size_t set;

    if (value->kind != CKPT_KIND_TENSOR)
        return false;
    for (attr = value->attrs; attr != NULL; attr = attr->next)
        if (!flat_keeps(fit, index, attr))
            return false;
    tensor = value->as.tensor;
    if (tensor->type_name != NULL ||
        tensor->storage->place == CKPT_PLACE_ABSENT)
        return false;
    set = fit->storage_set[tensor->storage->id];
    return (set == 0 || fit->sets[set - 1].twins) &&
           (flat_holds(fit, CKPT_HOLDS_DEVICES) ||
            strcmp(tensor->storage->device, "cpu") == 0) &&
           (flat_holds(fit, CKPT_HOLDS_GRAD) || !tensor->requires_grad) &&
           (flat_holds(fit, CKPT_HOLDS_ROLES) ||
            tensor->role == CKPT_ROLE_UNKNOWN);
}

/* Whether the tree is the flat map itself. */
static bool
flat_is_plain(const struct hub_fit *fit)
{
    const struct ckpt_value *root = fit->graph->root;
    size_t i;

    if (root->kind != CKPT_KIND_MAP || root->type_name != NULL ||
        root->attrs != NULL)
        return false;
    for (i = 0; i < root->as.map.count; i++)
        if (root->as.map.pairs[i].key->kind != CKPT_KIND_STRING ||
            !flat_says_all(fit, i, root->as.map.pairs[i].value))
            return false;
    return true;
}

int
hub_fit_order(struct hub_fit *fit)
{
    size_t i, count = fit->fitted.public.entry_count;
    uint32_t *order;
    int status;

    if (fit->writer->arrange == NULL || count < 2)
        return CKPT_OK;
    if (count > UINT32_MAX)
        return hub_fail(fit->report, CKPT_LIMIT, NULL, CKPT_NOWHERE,
                        "more than 4294967295 tensors");
    order = hub_fit_allocate(fit, count, sizeof *order);
    if (order == NULL)
        return fit->report->status;
    status = fit->writer->arrange(&fit->host->table, fit->self,
                                  &fit->fitted.public, order);
    for (i = 0; i < count && status == CKPT_OK; i++)
        if (order[i] != i)
            fit->record = true;
    return status;
}

int
hub_fit_flat(struct hub_fit *fit)
{
    struct ckpt_value like = {.kind = CKPT_KIND_MAP}, *root;
    int status;

    fit->entries =
        hub_fit_allocate(fit, fit->graph->entry_count, sizeof *fit->entries);
    status = fit->entries != NULL ? hub_fit_sets(fit) : fit->report->status;
    if (status == CKPT_OK)
        status = flat_attr_names(fit);
    if (status == CKPT_OK)
        status = flat_twins(fit);
    if (status == CKPT_OK)
        flat_sets(fit);
    if (status == CKPT_OK)
        status = flat_names(fit);
    if (status == CKPT_OK)
        status = hub_value_new(&fit->fitted, &like, &root);
    if (status == CKPT_OK)
        status = flat_entries(fit, root);
    if (status == CKPT_OK)
        status = hub_fit_texts(fit, root);
    if (status == CKPT_OK)
        status = hub_root_set(&fit->fitted, root);
    if (status == CKPT_OK)
        status = hub_graph_finish(&fit->fitted);
    if (status == CKPT_OK && !flat_is_plain(fit))
        fit->record = true;
    return status;
}
