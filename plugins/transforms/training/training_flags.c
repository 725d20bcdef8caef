/* SPDX-License-Identifier: MIT
 *
 * Which parameters are trained, as far as a graph tells.
 */
#include "training.h"

#include <string.h>

#include "graph_each.h"
#include "torch_read.h"

struct training_list {
    struct training_list *next;
    struct training_place places[];
};

static const struct ckpt_value *
item_at(const struct ckpt_value *owner, size_t index)
{
    return owner->kind == CKPT_KIND_MAP ? owner->as.map.pairs[index].value
                                        : owner->as.list.items[index];
}

static size_t
item_count(const struct ckpt_value *owner)
{
    if (owner->kind == CKPT_KIND_MAP)
        return owner->as.map.count;
    return owner->kind == CKPT_KIND_LIST || owner->kind == CKPT_KIND_TUPLE
               ? owner->as.list.count
               : 0;
}

static int
names_fill(struct training_flags *flags, struct sdk_table *names,
           const struct ckpt_value *list)
{
    const struct ckpt_value *name;
    bool added;
    size_t i;

    for (i = 0; i < list->as.list.count; i++) {
        name = list->as.list.items[i];
        if (name->kind == CKPT_KIND_STRING &&
            sdk_table_add(flags->host, names, name->as.text.data,
                          name->as.text.size_bytes, &added) == NULL)
            return CKPT_MEMORY;
    }
    return CKPT_OK;
}

/* Takes down where in the map the listed names are. */
static int
list_fill(struct training_flags *flags, const struct ckpt_value *map,
          const struct ckpt_value *names)
{
    const struct ckpt_host *host = flags->host;
    struct sdk_table table = {0};
    struct training_list *list = host->allocate(
        host, sizeof *list + map->as.map.count * sizeof *list->places);
    const struct ckpt_value *key;
    int status = CKPT_MEMORY;
    bool added;
    size_t i;

    if (list == NULL)
        return status;
    list->next = flags->lists;
    flags->lists = list;
    status = names_fill(flags, &table, names);
    for (i = 0; i < map->as.map.count && status == CKPT_OK; i++) {
        key = map->as.map.pairs[i].key;
        list->places[i].owner = map->id;
        list->places[i].index = i;
        if (key->kind == CKPT_KIND_STRING &&
            sdk_table_find(&table, key->as.text.data,
                           key->as.text.size_bytes) != NULL &&
            sdk_table_add(host, &flags->frozen, &list->places[i],
                          sizeof list->places[i], &added) == NULL)
            status = CKPT_MEMORY;
    }
    sdk_table_fini(host, &table);
    return status;
}

static int
owner_visit(void *context, const struct ckpt_value *value)
{
    struct training_flags *flags = context;
    struct training_owner *owner = &flags->owners[value->id];
    const struct ckpt_value *item, *names;
    size_t i, count = item_count(value);

    for (i = 0; i < count; i++) {
        item = item_at(value, i);
        if (item->kind != CKPT_KIND_TENSOR)
            continue;
        owner->met = true;
        owner->grads |= item->as.tensor->requires_grad;
        owner->roles |= item->as.tensor->role == CKPT_ROLE_PARAMETER;
    }
    if (value->kind != CKPT_KIND_MAP || !owner->met)
        return CKPT_OK;
    names = sdk_attr_find(value, SDK_TORCH_MODEL_FROZEN);
    owner->model =
        names != NULL || sdk_attr_find(value, SDK_TORCH_MODEL_CLASS) != NULL;
    if (names == NULL || names->kind != CKPT_KIND_LIST)
        return CKPT_OK;
    owner->listed = true;
    return list_fill(flags, value, names);
}

int
training_flags_init(struct training_flags *flags, const struct ckpt_host *host,
                    const struct ckpt_graph *graph)
{
    memset(flags, 0, sizeof *flags);
    flags->host = host;
    flags->graph = graph;
    flags->owners = host->allocate(host, ((size_t)graph->value_count + 1) *
                                             sizeof *flags->owners);
    if (flags->owners == NULL)
        return CKPT_MEMORY;
    return sdk_graph_each(host, graph, owner_visit, flags);
}

void
training_flags_fini(struct training_flags *flags)
{
    struct training_list *next, *list = flags->lists;

    if (flags->host == NULL)
        return;
    for (; list != NULL; list = next) {
        next = list->next;
        flags->host->release(flags->host, list);
    }
    sdk_table_fini(flags->host, &flags->frozen);
    flags->host->release(flags->host, flags->owners);
    memset(flags, 0, sizeof *flags);
}

bool
training_is_parameter(const struct training_flags *flags,
                      const struct ckpt_value *owner,
                      const struct ckpt_text *name,
                      const struct ckpt_tensor *tensor)
{
    struct ckpt_text unnamed = {"", 0};
    struct ckpt_tensor plain = {.dtype = tensor->dtype};

    /* By its type it could be one. */
    if (!sdk_may_be_parameter(&unnamed, &plain))
        return false;
    if (tensor->role != CKPT_ROLE_UNKNOWN)
        return tensor->role == CKPT_ROLE_PARAMETER;
    return !flags->owners[owner->id].roles &&
           sdk_may_be_parameter(name, tensor);
}

bool
training_is_trained(const struct training_flags *flags,
                    const struct ckpt_value *owner, size_t index,
                    const struct ckpt_tensor *tensor)
{
    const struct training_owner *is = &flags->owners[owner->id];
    struct training_place place = {owner->id, index};

    if (is->grads || (is->roles && !is->model))
        return tensor->requires_grad;
    if (is->listed)
        return sdk_table_find(&flags->frozen, &place, sizeof place) == NULL;
    return true;
}
