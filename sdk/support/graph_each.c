/* SPDX-License-Identifier: MIT
 *
 * A list of what is still to be visited instead of calls that nest, so that
 * no graph is too deep.
 */
#include "graph_each.h"

#include <string.h>

#define LOOK_EACH 4096 /* values between two looks whether to stop */

struct each {
    unsigned char *met;                /* a flag for each value id */
    const struct ckpt_value **pending; /* room for every value */
    size_t count;
};

static void
each_add(struct each *each, const struct ckpt_value *value)
{
    if (value == NULL || each->met[value->id])
        return;
    each->met[value->id] = 1;
    each->pending[each->count++] = value;
}

static void
each_add_object(struct each *each, const struct ckpt_object *object)
{
    each_add(each, object->callee);
    each_add(each, object->args);
    each_add(each, object->kwargs);
    each_add(each, object->state);
    each_add(each, object->items);
    each_add(each, object->pairs);
}

static void
each_add_content(struct each *each, const struct ckpt_value *value)
{
    const struct ckpt_attr *attr;
    size_t i;

    if (value->kind >= CKPT_KIND_SIZE && value->kind <= CKPT_KIND_TUPLE)
        for (i = 0; i < value->as.list.count; i++)
            each_add(each, value->as.list.items[i]);
    if (value->kind == CKPT_KIND_MAP) {
        for (i = 0; i < value->as.map.count; i++) {
            each_add(each, value->as.map.pairs[i].key);
            each_add(each, value->as.map.pairs[i].value);
        }
    }
    if (value->kind == CKPT_KIND_OBJECT)
        each_add_object(each, value->as.object);
    for (attr = value->attrs; attr != NULL; attr = attr->next)
        each_add(each, attr->value);
}

int
sdk_graph_each(const struct ckpt_host *host, const struct ckpt_graph *graph,
               int (*visit)(void *context, const struct ckpt_value *value),
               void *context)
{
    size_t count = (size_t)graph->value_count, seen = 0;
    struct each each = {.met = host->allocate(host, count)};
    const struct ckpt_value *value;
    int status = CKPT_MEMORY;

    each.pending = host->allocate(host, count * sizeof *each.pending);
    if (each.met == NULL || each.pending == NULL)
        goto out;
    status = CKPT_OK;
    each_add(&each, graph->root);
    while (each.count > 0 && status == CKPT_OK) {
        value = each.pending[--each.count];
        status = visit(context, value);
        each_add_content(&each, value);
        if (status == CKPT_OK && ++seen % LOOK_EACH == 0 &&
            host->cancelled(host))
            status =
                host->fail(host, CKPT_CANCELLED, NULL, CKPT_NOWHERE, "stopped");
    }
out:
    host->release(host, each.met);
    host->release(host, each.pending);
    return status;
}

const struct ckpt_value *
sdk_attr_find(const struct ckpt_value *owner, const char *name)
{
    const struct ckpt_attr *attr;

    for (attr = owner->attrs; attr != NULL; attr = attr->next)
        if (strcmp(attr->name, name) == 0)
            return attr->value;
    return NULL;
}
