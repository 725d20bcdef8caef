/* SPDX-License-Identifier: MIT
 *
 * Short ways to make values and tensors, for the tests that need a graph.
 */
#ifndef GRAPH_UNIT_H
#define GRAPH_UNIT_H

#include "unit.h"

#include "hub/graph/graph.h"

/* A graph over the fixture's budget; the test ends it. */
static inline struct hub_graph
graph_begin(struct unit *unit)
{
    struct hub_graph graph;

    hub_graph_init(&graph, &unit->budget);
    return graph;
}

static inline struct ckpt_value *
graph_value(struct hub_graph *graph, struct ckpt_value like)
{
    struct ckpt_value *value = NULL;

    if (hub_value_new(graph, &like, &value) != CKPT_OK)
        fail_msg("no value: %s", graph->report->text);
    return value;
}

static inline struct ckpt_value *
graph_empty(struct hub_graph *graph, uint32_t kind)
{
    return graph_value(graph, (struct ckpt_value){.kind = kind});
}

static inline struct ckpt_value *
graph_int(struct hub_graph *graph, int64_t integer)
{
    return graph_value(graph, (struct ckpt_value){.kind = CKPT_KIND_INT,
                                                  .as.integer = integer});
}

static inline struct ckpt_value *
graph_string(struct hub_graph *graph, const char *text)
{
    struct ckpt_value *value = NULL;

    if (hub_string_new(graph, text, strlen(text), &value) != CKPT_OK)
        fail_msg("no string: %s", graph->report->text);
    return value;
}

/* An owned storage of that many bytes, counting up from 0. */
static inline const struct ckpt_storage *
graph_storage(struct hub_graph *graph, uint64_t size_bytes)
{
    const struct ckpt_storage *storage = NULL;
    unsigned char *bytes = malloc((size_t)size_bytes + 1);
    struct ckpt_storage like = {.place = CKPT_PLACE_OWNED, .data = bytes};
    uint64_t i;

    like.size_bytes = size_bytes;
    for (i = 0; i < size_bytes; i++)
        bytes[i] = (unsigned char)i;
    assert_status(hub_storage_new(graph, &like, 0, &storage), CKPT_OK);
    free(bytes);
    return storage;
}

/* A vector of bytes over the whole storage. */
static inline struct ckpt_value *
graph_tensor(struct hub_graph *graph, const struct ckpt_storage *storage)
{
    struct ckpt_value *value = NULL;
    struct ckpt_tensor like = {.dtype = CKPT_UINT8, .rank = 1};

    like.shape = &storage->size_bytes;
    like.storage = storage;
    assert_status(hub_tensor_new(graph, &like, NULL, &value), CKPT_OK);
    return value;
}

static inline void
graph_put(struct hub_graph *graph, struct ckpt_value *map, const char *key,
          const struct ckpt_value *value)
{
    assert_status(hub_map_set(graph, map, graph_string(graph, key), value),
                  CKPT_OK);
}

#endif
