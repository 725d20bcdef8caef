/* SPDX-License-Identifier: MIT
 *
 * Attributes: a list in order of addition, with an index once it is long, so
 * that a file with a million of them is merely large.
 */
#include <string.h>

#include "hub/graph/graph_private.h"

#define INDEX_FROM 16 /* shorter lists are searched by looking */

struct hub_attr_index {
    struct hub_table table; /* the numbers are addresses of attributes */
    struct ckpt_attr *last;
};

/* The list that an owner has, or the graph. */
struct attrs {
    struct hub_graph *graph;
    const struct ckpt_attr **first;
    struct hub_attr_index **index;
};

static int
attrs_of(struct hub_graph *graph, struct ckpt_value *owner, struct attrs *attrs)
{
    struct hub_inside *inside;

    attrs->graph = graph;
    attrs->first = &graph->public.attrs;
    attrs->index = &graph->attr_index;
    if (owner == NULL)
        return CKPT_OK;
    if (owner->kind < CKPT_KIND_SIZE)
        return hub_fail(graph->report, CKPT_CONTRACT, NULL, CKPT_NOWHERE,
                        "an attribute of a scalar");
    inside = hub_value_inside(graph, owner);
    if (inside == NULL)
        return graph->report->status;
    attrs->first = &owner->attrs;
    attrs->index = &inside->attr_index;
    return CKPT_OK;
}

static struct ckpt_attr *
attr_open(const struct ckpt_attr *attr)
{
    return (struct ckpt_attr *)(uintptr_t)attr;
}

/* Enters an attribute, or finds the one that has its name. */
static int
attrs_index(struct attrs *attrs, struct ckpt_attr *attr,
            struct ckpt_attr **found)
{
    uint64_t *number;
    bool added;

    number = hub_table_add(&(*attrs->index)->table, attr->name,
                           strlen(attr->name), &added);
    if (number == NULL)
        return attrs->graph->report->status;
    if (added)
        *number = (uintptr_t)attr;
    *found = (struct ckpt_attr *)(uintptr_t)*number;
    return CKPT_OK;
}

static int
attrs_index_all(struct attrs *attrs)
{
    const struct ckpt_attr *attr = *attrs->first;
    struct ckpt_attr *found;
    int status = CKPT_OK;

    *attrs->index =
        hub_arena_allocate(&attrs->graph->arena, sizeof **attrs->index);
    if (*attrs->index == NULL)
        return attrs->graph->report->status;
    (*attrs->index)->table.arena = &attrs->graph->arena;
    for (; attr != NULL && status == CKPT_OK; attr = attr->next) {
        status = attrs_index(attrs, attr_open(attr), &found);
        (*attrs->index)->last = attr_open(attr);
    }
    return status;
}

/* Looks through a short list; `*last` is its end. */
static int
attrs_look(struct attrs *attrs, struct ckpt_attr *attr, struct ckpt_attr **last,
           struct ckpt_attr **found)
{
    const struct ckpt_attr *at = *attrs->first;
    size_t count = 0;

    *found = attr;
    *last = NULL;
    for (; at != NULL; at = at->next, count++) {
        *last = attr_open(at);
        if (strcmp(at->name, attr->name) == 0) {
            *found = attr_open(at);
            return CKPT_OK;
        }
    }
    return count < INDEX_FROM ? CKPT_OK : attrs_index_all(attrs);
}

int
hub_attr_set(struct hub_graph *graph, struct ckpt_value *owner,
             const char *name, const struct ckpt_value *value)
{
    struct attrs attrs;
    struct ckpt_attr *attr, *found, *last;
    int status = attrs_of(graph, owner, &attrs);

    if (status != CKPT_OK)
        return status;
    attr = hub_arena_allocate(&graph->arena, sizeof *attr);
    if (attr == NULL || (attr->name = hub_graph_name(graph, name)) == NULL)
        return graph->report->status;
    if (*attrs.index == NULL)
        status = attrs_look(&attrs, attr, &last, &found);
    if (status == CKPT_OK && *attrs.index != NULL) {
        last = (*attrs.index)->last;
        status = attrs_index(&attrs, attr, &found);
    }
    if (status != CKPT_OK)
        return status;
    found->value = value;
    if (found != attr)
        return CKPT_OK;
    if (*attrs.index != NULL)
        (*attrs.index)->last = attr;
    *(last != NULL ? &last->next : attrs.first) = attr;
    return CKPT_OK;
}

const struct ckpt_value *
hub_attr_find(const struct ckpt_attr *attrs, const char *name)
{
    for (; attrs != NULL; attrs = attrs->next)
        if (strcmp(attrs->name, name) == 0)
            return attrs->value;
    return NULL;
}
