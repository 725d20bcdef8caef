/* SPDX-License-Identifier: MIT
 *
 * Random graphs with every kind of value: nesting, sharing, ties, strides,
 * devices, objects, attributes. One seed always gives one graph.
 */
#ifndef RANDOM_GRAPH_H
#define RANDOM_GRAPH_H

#include "graph_unit.h"

struct random_graph {
    struct hub_graph *graph;
    uint64_t state;
    const struct ckpt_value *made[64]; /* containers and tensors, to be met
                                          again */
    size_t made_count;
    const struct ckpt_storage *storages[8];
    size_t storage_count;
    unsigned budget; /* values that may still be made */
};

static struct ckpt_value *random_value(struct random_graph *random,
                                       unsigned depth);

static inline uint32_t
random_below(struct random_graph *random, uint32_t bound)
{
    random->state = random->state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(random->state >> 33) % bound;
}

static inline const char *
random_text(struct random_graph *random)
{
    static const char *const texts[] = {
        "",  "a",      "weight",   "a.b", "0",          "1",
        "#", "x\"y\\", "\xc3\xbc", "\n",  "ckpt.graph", "bias"};

    return texts[random_below(random, COUNT_OF(texts))];
}

static inline struct ckpt_value *
random_bytes(struct random_graph *random, uint32_t kind)
{
    struct ckpt_value like = {.kind = kind};
    char bytes[9];
    size_t i;

    for (i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)random_below(random, 256);
    like.wide = kind == CKPT_KIND_INT;
    like.as.text.data = bytes;
    like.as.text.size_bytes =
        like.wide ? sizeof bytes : random_below(random, sizeof bytes);
    return graph_value(random->graph, like);
}

static inline double
random_real(struct random_graph *random)
{
    static const double reals[] = {0.0, -0.0, 1.5, 1e300, 5e-324, -1.0 / 3};

    if (random_below(random, 8) == 0)
        return random_below(random, 2) ? (double)INFINITY : -(double)INFINITY;
    return reals[random_below(random, COUNT_OF(reals))];
}

static inline struct ckpt_value *
random_scalar(struct random_graph *random)
{
    struct ckpt_value like = {.kind = random_below(random, CKPT_KIND_SIZE)};

    switch (like.kind) {
    case CKPT_KIND_BOOL:
        like.as.truth = random_below(random, 2);
        break;
    case CKPT_KIND_INT:
        if (random_below(random, 4) == 0)
            return random_bytes(random, CKPT_KIND_INT);
        like.as.integer = (int64_t)((uint64_t)random_below(random, UINT32_MAX)
                                    << random_below(random, 33));
        break;
    case CKPT_KIND_FLOAT:
        like.as.real = random_real(random);
        break;
    case CKPT_KIND_COMPLEX:
        like.as.parts.re = random_real(random);
        like.as.parts.im = random_real(random);
        break;
    case CKPT_KIND_STRING:
        return graph_string(random->graph, random_text(random));
    case CKPT_KIND_BYTES:
        return random_bytes(random, CKPT_KIND_BYTES);
    case CKPT_KIND_DTYPE:
        like.as.dtype = 1 + random_below(random, CKPT_DTYPE_COUNT - 1);
        break;
    case CKPT_KIND_DEVICE:
        like.as.text.data = "cuda:3";
        like.as.text.size_bytes = 6;
        break;
    }
    return graph_value(random->graph, like);
}

static inline const struct ckpt_storage *
random_storage(struct random_graph *random)
{
    static const char *const devices[] = {NULL, "cpu", "cuda:0", "mps"};
    struct ckpt_storage like = {.place = CKPT_PLACE_OWNED};
    const struct ckpt_storage *storage;
    unsigned char bytes[480];
    size_t i, at = random_below(random, COUNT_OF(random->storages));

    if (at < random->storage_count)
        return random->storages[at];
    for (i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)random_below(random, 256);
    like.size_bytes = sizeof bytes;
    like.data = bytes;
    like.device = devices[random_below(random, COUNT_OF(devices))];
    like.byte_order = random_below(random, 8) == 0;
    like.word_bytes = 4;
    assert_status(hub_storage_new(random->graph, &like, 0, &storage), CKPT_OK);
    random->storages[random->storage_count++] = storage;
    return storage;
}

static inline struct ckpt_value *
random_tensor(struct random_graph *random)
{
    static const uint32_t dtypes[] = {CKPT_FLOAT32, CKPT_INT32, CKPT_UINT32};
    uint64_t shape[3], strides[3], step = 1;
    struct ckpt_tensor like = {.rank = random_below(random, 4)};
    struct ckpt_value *value = NULL;
    uint32_t i, turn = random_below(random, 2);
    int status;

    like.dtype = dtypes[random_below(random, COUNT_OF(dtypes))];
    like.storage = random_storage(random);
    like.role = random_below(random, 3);
    like.requires_grad = random_below(random, 4) == 0;
    like.offset = random_below(random, 3) == 0 ? random_below(random, 20) : 0;
    for (i = 0; i < like.rank; i++)
        shape[i] =
            random_below(random, 9) == 0 ? 0 : 1 + random_below(random, 4);
    for (i = 0; i < like.rank; i++) {
        strides[turn ? i : like.rank - 1 - i] =
            random_below(random, 8) == 0 ? 0 : step;
        step *= shape[turn ? i : like.rank - 1 - i];
        step += random_below(random, 6) == 0;
    }
    like.shape = shape;
    like.strides = strides;
    status = hub_tensor_new(random->graph, &like, NULL, &value);
    assert_status(status, CKPT_OK);
    return value;
}

static inline void
random_fill(struct random_graph *random, struct ckpt_value *value,
            unsigned depth)
{
    uint32_t i, count = random_below(random, 5);
    struct ckpt_value *key;

    for (i = 0; i < count; i++) {
        if (value->kind == CKPT_KIND_MAP) {
            key = random_below(random, 3)
                      ? graph_string(random->graph, random_text(random))
                      : random_scalar(random);
            hub_map_set(random->graph, value, key,
                        random_value(random, depth + 1));
        } else if (value->kind == CKPT_KIND_SIZE) {
            hub_list_add(random->graph, value,
                         graph_int(random->graph, random_below(random, 99)));
        } else {
            hub_list_add(random->graph, value, random_value(random, depth + 1));
        }
    }
}

static inline struct ckpt_value *
random_list(struct random_graph *random, uint32_t kind, unsigned depth)
{
    struct ckpt_value *list = graph_empty(random->graph, kind);

    random_fill(random, list, depth);
    return list;
}

static inline struct ckpt_value *
random_object(struct random_graph *random, unsigned depth)
{
    struct ckpt_object object = {.module = "some.where", .name = "A.b"};
    struct ckpt_value like = {.kind = CKPT_KIND_OBJECT}, *value;

    object.made = random_below(random, 4);
    if (object.made != CKPT_MADE_NAMED)
        object.args = random_list(random, CKPT_KIND_TUPLE, depth + 1);
    if (object.made == CKPT_MADE_NEW && random_below(random, 2))
        object.kwargs = random_list(random, CKPT_KIND_MAP, depth + 1);
    like.as.object = &object;
    value = graph_value(random->graph, like);
    if (random_below(random, 2))
        hub_object_set(random->graph, value, CKPT_PART_STATE,
                       random_value(random, depth + 1));
    if (random_below(random, 3) == 0)
        hub_object_set(random->graph, value, CKPT_PART_ITEMS,
                       random_list(random, CKPT_KIND_LIST, depth + 1));
    if (random_below(random, 3) == 0)
        hub_object_set(random->graph, value, CKPT_PART_PAIRS,
                       random_list(random, CKPT_KIND_MAP, depth + 1));
    return value;
}

static struct ckpt_value *
random_container(struct random_graph *random, unsigned depth)
{
    struct ckpt_value like = {.kind = CKPT_KIND_SIZE}, *value;

    like.kind += random_below(random, 5);
    if (like.kind == CKPT_KIND_OBJECT)
        return random_object(random, depth);
    if (like.kind == CKPT_KIND_MAP && random_below(random, 2))
        like.type_name = "collections.OrderedDict";
    value = graph_value(random->graph, like);
    if (random->made_count < COUNT_OF(random->made))
        random->made[random->made_count++] = value;
    random_fill(random, value, depth);
    return value;
}

static struct ckpt_value *
random_value(struct random_graph *random, unsigned depth)
{
    struct ckpt_value *value;
    uint32_t kind = random_below(random, 10);

    if (kind == 0 && random->made_count > 0)
        return (struct ckpt_value *)(uintptr_t)
            random->made[random_below(random, (uint32_t)random->made_count)];
    if (depth > 6 || random->budget == 0)
        return random_scalar(random);
    random->budget--;
    if (kind < 4)
        return random_container(random, depth);
    value = kind < 8 ? random_tensor(random) : random_scalar(random);
    if (kind < 6 && random->made_count < COUNT_OF(random->made))
        random->made[random->made_count++] = value;
    if (value->kind >= CKPT_KIND_SIZE && random_below(random, 8) == 0)
        hub_attr_set(random->graph, value, "note",
                     random_value(random, depth + 1));
    return value;
}

/* Fills the graph, which has been initialised, and ends it. */
static inline void
random_graph(struct hub_graph *graph, uint64_t seed)
{
    struct random_graph random = {.graph = graph, .state = seed, .budget = 60};
    struct ckpt_value *root;

    root = random_below(&random, 10) == 0
               ? random_value(&random, 0)
               : random_list(&random, CKPT_KIND_MAP, 0);
    hub_root_set(graph, root);
    if (random_below(&random, 2))
        hub_attr_set(graph, NULL, "format", graph_string(graph, "pt"));
    if (random_below(&random, 4) == 0)
        hub_attr_set(graph, NULL, "extra", random_scalar(&random));
    assert_status(hub_graph_finish(graph), CKPT_OK);
}

#endif
