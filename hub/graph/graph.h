/* SPDX-License-Identifier: MIT
 *
 * Building the graph of ckpt/graph.h. Every function that adds something
 * checks it first: nothing impossible gets in, whoever asks.
 */
#ifndef HUB_GRAPH_GRAPH_H
#define HUB_GRAPH_GRAPH_H

#include "ckpt/graph.h"
#include "hub/core/arena.h"
#include "hub/core/table.h"

/* Values nested deeper are refused, so that every walk may recurse. */
#define HUB_DEPTH_MAX 500

/* How the bytes of CODED storages are made; of the reading that added them.
 * As in ckpt_reader. */
struct hub_coder {
    int (*open)(struct hub_coder *coder, const struct ckpt_storage *storage,
                void **cursor);
    int (*next)(struct hub_coder *coder, void *cursor, struct ckpt_span *span);
    void (*close)(struct hub_coder *coder, void *cursor);
    int wrong; /* status of bytes that do not add up; 0: CKPT_FORMAT */
};

/* A run of a MADE storage: the contiguous bytes of a view of another one.
 * Pieces ascend and do not overlap; what lies between them is zero. */
struct hub_piece {
    uint64_t offset_bytes;
    const struct ckpt_tensor *view;
};

struct hub_pieces {
    const struct hub_piece *first;
    size_t count;
};

struct hub_storage {
    struct ckpt_storage public; /* first: a handle is both */
    union {
        struct hub_coder *coder;         /* CODED */
        const struct hub_pieces *pieces; /* MADE */
    } from;
    const struct ckpt_source *spool; /* its bytes in a file, once needed */
    const char *name; /* CODED: of its first tensor, for messages; or NULL */
};

struct hub_graph {
    struct ckpt_graph public; /* first: a handle is both */
    struct hub_arena arena;
    struct hub_report *report;
    struct hub_coder *coder; /* given to CODED storages that are added */
    struct hub_attr_index *attr_index; /* of its own attributes */
    uint64_t walk_max;  /* most visits of values while names are made */
    uint64_t keys_max;  /* most bytes of keys of maps, each time they are set */
    uint64_t key_bytes; /* so far */
};

/* The graph counts its memory in `budget`. */
void hub_graph_init(struct hub_graph *graph, struct hub_budget *budget);
void hub_graph_fini(struct hub_graph *graph);

/* See ckpt/host.h: value_new and its kin. */
int hub_value_new(struct hub_graph *graph, const struct ckpt_value *like,
                  struct ckpt_value **value);
int hub_list_add(struct hub_graph *graph, struct ckpt_value *list,
                 const struct ckpt_value *item);
int hub_map_set(struct hub_graph *graph, struct ckpt_value *map,
                const struct ckpt_value *key, const struct ckpt_value *value);
int hub_object_set(struct hub_graph *graph, struct ckpt_value *object,
                   uint32_t part, const struct ckpt_value *value);
/* Gives an object that was made without them its arguments, or the named ones
 * among them; once. */
int hub_object_arguments(struct hub_graph *graph, struct ckpt_value *object,
                         const struct ckpt_value *arguments, bool named);
int hub_attr_set(struct hub_graph *graph, struct ckpt_value *owner,
                 const char *name, const struct ckpt_value *value);
/* `source_size` is that of like->source, if it has one. */
int hub_storage_new(struct hub_graph *graph, const struct ckpt_storage *like,
                    uint64_t source_size, const struct ckpt_storage **storage);
int hub_tensor_new(struct hub_graph *graph, const struct ckpt_tensor *like,
                   const char *name, struct ckpt_value **value);
int hub_root_set(struct hub_graph *graph, const struct ckpt_value *value);

/* A storage of place MADE. The pieces are copied; their views are borrowed
 * and must outlive the graph. */
int hub_storage_made(struct hub_graph *graph, const struct ckpt_storage *like,
                     const struct hub_piece *pieces, size_t piece_count,
                     const struct ckpt_storage **storage);

/* See ckpt_host.storage_join: one piece for each of the views. */
int hub_storage_join(struct hub_graph *graph,
                     const struct ckpt_tensor *const *views, size_t view_count,
                     const char *device, const struct ckpt_storage **storage);

/* A string value. */
int hub_string_new(struct hub_graph *graph, const char *data, size_t size_bytes,
                   struct ckpt_value **value);

/* The attribute of that name, or NULL. */
const struct ckpt_value *hub_attr_find(const struct ckpt_attr *attrs,
                                       const char *name);

/* What became of what: the value of a graph that was read, which this one was
 * before all edits; or the new one that it begins with. */
const struct ckpt_value *hub_value_origin(const struct ckpt_value *value);

/* The values of graphs that were read that it is made of, each once, those
 * that weigh most first: up to `room` of them. Gives their number. */
size_t hub_value_origins(const struct ckpt_value *value,
                         const struct ckpt_value **origins, size_t room);

/* Ends building: names every tensor, and refuses what nests too deep or
 * unfolds to too many names. Attributes of the graph hold no tensors. */
int hub_graph_finish(struct hub_graph *graph);

/* The part of it that is about the attributes of the graph. */
int hub_graph_attributes_check(struct hub_graph *graph);

#endif
