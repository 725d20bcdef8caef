/* SPDX-License-Identifier: MIT
 *
 * Making the edits: the values that the new root reaches are copied, each
 * once, so that what was shared stays shared and cycles close again. Texts,
 * shapes and storages are not copied.
 */
#include <string.h>

#include "hub/graph/edit_private.h"
#include "hub/graph/graph_private.h"

struct copy {
    struct ckpt_edits *edits;
    struct hub_graph *graph;
    struct ckpt_value **copies;   /* by id, NULL before */
    struct ckpt_tensor **tensors; /* likewise */
    size_t depth;
};

static int copy_value(struct copy *copy, const struct ckpt_value *old,
                      const struct ckpt_value **made);

static int
copy_status(const struct copy *copy)
{
    return copy->graph->report->status;
}

static void *
copy_allocate(struct copy *copy, size_t size_bytes)
{
    return hub_arena_allocate(&copy->graph->arena, size_bytes);
}

/* A part that may be missing. */
static int
copy_part(struct copy *copy, const struct ckpt_value *old,
          const struct ckpt_value **made)
{
    return old != NULL ? copy_value(copy, old, made) : CKPT_OK;
}

/* A new value comes from what it takes the place of first. */
static void
item_comes(const struct copy *copy, const struct ckpt_value *item,
           const struct ckpt_value *old)
{
    struct hub_value *value = (struct hub_value *)(uintptr_t)item;

    if (item->id >= copy->edits->own_first && value->origin == NULL &&
        item != old)
        value->origin = old;
}

/* What is in a place, once it is edited; NULL: it was dropped. */
static const struct ckpt_value *
copy_item(const struct copy *copy, const struct hub_edit *edit,
          const struct ckpt_value *old)
{
    if (edit == NULL)
        return old;
    if (edit->dropped)
        return NULL;
    if (edit->value == NULL)
        return old;
    item_comes(copy, edit->value, old);
    return edit->value;
}

static int
copy_list(struct copy *copy, const struct ckpt_value *old,
          struct ckpt_value *value)
{
    size_t i, kept = 0, count = old->as.list.count;
    const struct ckpt_value **items, *item;
    int status = CKPT_OK;

    items = copy_allocate(copy, count * sizeof *items);
    if (items == NULL)
        return copy_status(copy);
    value->as.list.items = items;
    for (i = 0; i < count && status == CKPT_OK; i++) {
        item = copy_item(copy, hub_edit_find(copy->edits, old, i),
                         old->as.list.items[i]);
        if (item != NULL)
            status = copy_value(copy, item, &items[kept++]);
    }
    value->as.list.count = kept;
    return status;
}

static int
copy_pairs(struct copy *copy, const struct ckpt_value *old,
           struct ckpt_pair *pairs, size_t *kept)
{
    size_t i, count = old->as.map.count;
    const struct ckpt_value *key, *item;
    const struct hub_edit *edit;
    int status = CKPT_OK;

    for (i = 0; i < count && status == CKPT_OK; i++) {
        edit = hub_edit_find(copy->edits, old, i);
        item = copy_item(copy, edit, old->as.map.pairs[i].value);
        if (item == NULL)
            continue;
        key = edit != NULL && edit->key != NULL ? edit->key
                                                : old->as.map.pairs[i].key;
        status = copy_value(copy, key, &pairs[*kept].key);
        if (status == CKPT_OK)
            status = copy_value(copy, item, &pairs[*kept].value);
        ++*kept;
    }
    return status;
}

/* The key that the nth of the pairs that are kept had before. */
static const char *
pairs_key(struct copy *copy, const struct ckpt_value *old, size_t nth)
{
    const struct hub_edit *edit;
    const struct ckpt_value *key;
    size_t i;

    for (i = 0; i < old->as.map.count; i++) {
        edit = hub_edit_find(copy->edits, old, i);
        if ((edit == NULL || !edit->dropped) && nth-- == 0)
            break;
    }
    key = i < old->as.map.count ? old->as.map.pairs[i].key : NULL;
    return key != NULL && key->kind == CKPT_KIND_STRING ? key->as.text.data
                                                        : "?";
}

static int
pairs_clash(struct copy *copy, const struct ckpt_value *old,
            const struct ckpt_pair *pairs, size_t first, size_t second)
{
    return hub_fail(copy->graph->report, CKPT_CONFLICT, NULL, CKPT_NOWHERE,
                    "'%.200s' and '%.200s' would both be '%.200s'",
                    pairs_key(copy, old, first), pairs_key(copy, old, second),
                    pairs[first].key->as.text.data);
}

/* Edited keys are strings, and so is all that they can meet. */
static int
pairs_check(struct copy *copy, const struct ckpt_value *old,
            const struct ckpt_pair *pairs, size_t count)
{
    struct hub_arena arena = {.budget = copy->graph->arena.budget};
    struct hub_table table = {.arena = &arena};
    const struct ckpt_text *key;
    uint64_t *number;
    size_t i;
    bool added;
    int status = CKPT_OK;

    for (i = 0; i < count && status == CKPT_OK; i++) {
        if (pairs[i].key->kind != CKPT_KIND_STRING)
            continue;
        key = &pairs[i].key->as.text;
        number = hub_table_add(&table, key->data, key->size_bytes, &added);
        if (number == NULL)
            status = copy_status(copy);
        else if (!added)
            status = pairs_clash(copy, old, pairs, (size_t)*number, i);
        else
            *number = i;
    }
    hub_arena_fini(&arena);
    return status;
}

static int
copy_map(struct copy *copy, const struct ckpt_value *old,
         struct ckpt_value *value)
{
    size_t kept = 0, count = old->as.map.count;
    struct ckpt_pair *pairs = copy_allocate(copy, count * sizeof *pairs);
    int status;

    if (pairs == NULL)
        return copy_status(copy);
    status = copy_pairs(copy, old, pairs, &kept);
    if (status == CKPT_OK && old->id < copy->edits->from->value_count &&
        copy->edits->places[old->id] != NULL)
        status = pairs_check(copy, old, pairs, kept);
    value->as.map.pairs = pairs;
    value->as.map.count = kept;
    return status;
}

static int
copy_object(struct copy *copy, const struct ckpt_value *old,
            struct ckpt_value *value)
{
    const struct ckpt_object *from = old->as.object;
    struct ckpt_object *object = copy_allocate(copy, sizeof *object);
    int status;

    if (object == NULL)
        return copy_status(copy);
    *object = *from;
    value->as.object = object;
    status = copy_part(copy, from->callee, &object->callee);
    if (status == CKPT_OK)
        status = copy_part(copy, from->args, &object->args);
    if (status == CKPT_OK)
        status = copy_part(copy, from->kwargs, &object->kwargs);
    if (status == CKPT_OK)
        status = copy_part(copy, from->state, &object->state);
    if (status == CKPT_OK)
        status = copy_part(copy, from->items, &object->items);
    if (status == CKPT_OK)
        status = copy_part(copy, from->pairs, &object->pairs);
    return status;
}

static int
copy_tensor(struct copy *copy, const struct ckpt_value *old,
            struct ckpt_value *value)
{
    const struct ckpt_tensor *from = old->as.tensor;
    uint64_t known = copy->edits->from->storage_count;
    struct ckpt_tensor *tensor = copy->tensors[from->id];
    const struct hub_storage *relabelled = NULL;

    if (tensor == NULL) {
        tensor = copy_allocate(copy, sizeof *tensor);
        if (tensor == NULL)
            return copy_status(copy);
        *tensor = *from;
        tensor->id = copy->graph->public.tensor_count++;
        if (from->storage->id < known)
            relabelled = copy->edits->relabelled[from->storage->id];
        if (relabelled != NULL)
            tensor->storage = &relabelled->public;
        copy->tensors[from->id] = tensor;
    }
    value->as.tensor = tensor;
    return CKPT_OK;
}

/* All but those that are dropped; NULL: none is. */
static int
copy_attrs(struct copy *copy, const struct ckpt_attr *old,
           const struct hub_table *dropped, const struct ckpt_attr **end)
{
    struct ckpt_attr *attr;
    int status = CKPT_OK;

    for (; old != NULL && status == CKPT_OK; old = old->next) {
        if (dropped != NULL &&
            hub_table_find(dropped, old->name, strlen(old->name)) != NULL)
            continue;
        attr = copy_allocate(copy, sizeof *attr);
        if (attr == NULL)
            return copy_status(copy);
        attr->name = old->name;
        status = copy_value(copy, old->value, &attr->value);
        *end = attr;
        end = &attr->next;
    }
    return status;
}

static int
copy_content(struct copy *copy, const struct ckpt_value *old,
             struct ckpt_value *value)
{
    switch (old->kind) {
    case CKPT_KIND_SIZE:
    case CKPT_KIND_LIST:
    case CKPT_KIND_TUPLE:
        return copy_list(copy, old, value);
    case CKPT_KIND_MAP:
        return copy_map(copy, old, value);
    case CKPT_KIND_OBJECT:
        return copy_object(copy, old, value);
    case CKPT_KIND_TENSOR:
        return copy_tensor(copy, old, value);
    default:
        return CKPT_OK;
    }
}

static int
copy_value(struct copy *copy, const struct ckpt_value *old,
           const struct ckpt_value **made)
{
    struct hub_value *value;
    int status;

    *made = copy->copies[old->id];
    if (*made != NULL)
        return CKPT_OK;
    if (copy->depth == HUB_DEPTH_MAX)
        return hub_fail(copy->graph->report, CKPT_LIMIT, NULL, CKPT_NOWHERE,
                        "values nest deeper than %d", HUB_DEPTH_MAX);
    value = copy_allocate(copy, sizeof *value);
    if (value == NULL)
        return copy_status(copy);
    value->public = *old;
    value->public.attrs = NULL;
    value->origin = old;
    value->public.id = copy->graph->public.value_count++;
    copy->copies[old->id] = &value->public;
    copy->depth++;
    status = copy_content(copy, old, &value->public);
    if (status == CKPT_OK)
        status = copy_attrs(copy, old->attrs, NULL, &value->public.attrs);
    copy->depth--;
    *made = &value->public;
    return status;
}

static int
copy_graph(struct copy *copy)
{
    struct ckpt_graph *public = &copy->graph->public;
    const struct ckpt_edits *edits = copy->edits;
    const struct ckpt_value *root;
    int status;

    public->value_count = public->tensor_count = 0;
    public->root = NULL;
    public->attrs = NULL;
    copy->graph->attr_index = NULL;
    root = edits->root != NULL ? edits->root : edits->from->root;
    status = copy_value(copy, root, &public->root);
    if (status == CKPT_OK)
        status =
            copy_attrs(copy, edits->from->attrs, &edits->attrs, &public->attrs);
    return status == CKPT_OK ? hub_graph_finish(copy->graph) : status;
}

int
hub_edits_apply(struct ckpt_edits *edits)
{
    struct hub_graph *graph = edits->graph;
    struct hub_budget *budget = graph->arena.budget;
    struct copy copy = {.edits = edits, .graph = graph};
    int status;

    copy.copies = hub_allocate(budget, (size_t)graph->public.value_count *
                                           sizeof *copy.copies);
    copy.tensors = hub_allocate(budget, (size_t)graph->public.tensor_count *
                                            sizeof *copy.tensors);
    status = copy.copies != NULL && copy.tensors != NULL
                 ? copy_graph(&copy)
                 : budget->report->status;
    hub_release(budget, copy.copies);
    hub_release(budget, copy.tensors);
    return status;
}
