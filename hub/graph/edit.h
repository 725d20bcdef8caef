/* SPDX-License-Identifier: MIT
 *
 * Edits of a graph: recorded one by one, made all at once in a new graph.
 */
#ifndef HUB_GRAPH_EDIT_H
#define HUB_GRAPH_EDIT_H

#include "hub/core/table.h"
#include "hub/graph/graph.h"

struct hub_edit;
struct hub_storage;

/* What was told of tensors in the same words. */
struct hub_told {
    struct hub_told *next;
    const char *what;
    bool notable;
    uint64_t count;
    char names[400]; /* of the first */
    size_t name_count;
};

/* What plugins know as struct ckpt_edits. */
struct ckpt_edits {
    const struct ckpt_graph *from;
    struct hub_graph *graph;   /* new values first, then the edited graph */
    struct hub_edit ***places; /* of each value id: one edit or NULL for each
                                  of its places; NULL: none is edited */
    struct hub_storage **relabelled; /* of each storage id, or NULL */
    const struct ckpt_value *root;   /* the new one, or NULL */
    uint64_t own_first;     /* the least value id of edit_graph's own */
    uint64_t count;         /* edits that were recorded */
    uint64_t unmatched;     /* parts of the argument that matched nothing */
    struct hub_table attrs; /* names of those of the graph that are dropped */
    bool hash_name;         /* the output's name is to tell its hash */
    bool optional;          /* that is no warning */
    struct hub_told *told;  /* in order */
};

/* `graph` has been initialised and is empty. It borrows texts, shapes and
 * storages of `from`, which must live as long. */
int hub_edits_init(struct ckpt_edits *edits, struct hub_graph *graph,
                   const struct ckpt_graph *from);

/* Lets the edits take values of another graph, whose ids are of its own. */
void hub_edits_admit(struct ckpt_edits *edits, const struct ckpt_graph *other);
void hub_edits_fini(struct ckpt_edits *edits);

/* See "Editing a graph" in ckpt/host.h. */
int hub_edit_rename(struct ckpt_edits *edits, const struct ckpt_value *map,
                    size_t index, const char *name, size_t name_bytes);
int hub_edit_drop(struct ckpt_edits *edits, const struct ckpt_value *owner,
                  size_t index);
int hub_edit_replace(struct ckpt_edits *edits, const struct ckpt_value *owner,
                     size_t index, const struct ckpt_value *value);
int hub_edit_relabel(struct ckpt_edits *edits,
                     const struct ckpt_storage *storage, const char *device);
int hub_edit_root(struct ckpt_edits *edits, const struct ckpt_value *value);
int hub_edit_origin(struct ckpt_edits *edits, const struct ckpt_value *value,
                    const struct ckpt_value *instead,
                    const struct ckpt_value *const *from, size_t from_count);

/* Counts one more tensor of which this is told. */
int hub_edit_tell(struct ckpt_edits *edits, const char *tensor,
                  const char *what, bool notable);
int hub_edit_attr_drop(struct ckpt_edits *edits, const char *name);

/* Makes all edits and finishes edits->graph. Nothing is recorded after. */
int hub_edits_apply(struct ckpt_edits *edits);

#endif
