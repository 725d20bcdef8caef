/* SPDX-License-Identifier: MIT
 *
 * A walk over the values of a graph, for transforms. Each value is met once,
 * however often it is shared, and cycles end.
 */
#ifndef SDK_GRAPH_EACH_H
#define SDK_GRAPH_EACH_H

#include "ckpt/host.h"

/* Calls `visit` for every value that the root reaches: items, keys, the parts
 * of objects, attributes. A container comes before what it holds; else the
 * order means nothing. Stops at the first status that is not CKPT_OK, and
 * returns it. */
int sdk_graph_each(const struct ckpt_host *host, const struct ckpt_graph *graph,
                   int (*visit)(void *context, const struct ckpt_value *value),
                   void *context);

/* How many values a map, a list or a tuple holds, as edits count its places; 0
 * of what is none of them. */
static inline size_t
sdk_item_count(const struct ckpt_value *value)
{
    if (value->kind == CKPT_KIND_MAP)
        return value->as.map.count;
    if (value->kind == CKPT_KIND_LIST || value->kind == CKPT_KIND_TUPLE)
        return value->as.list.count;
    return 0;
}

/* One of them. */
static inline const struct ckpt_value *
sdk_item_at(const struct ckpt_value *value, size_t index)
{
    return value->kind == CKPT_KIND_MAP ? value->as.map.pairs[index].value
                                        : value->as.list.items[index];
}

/* The attribute of that name, or NULL. */
const struct ckpt_value *sdk_attr_find(const struct ckpt_value *owner,
                                       const char *name);

#endif
