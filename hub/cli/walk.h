/* SPDX-License-Identifier: MIT
 *
 * What a walk over the values of a graph must remember: which values it has
 * met and where, for the same value may be met twice and a container may
 * contain itself; and which name a tensor has.
 */
#ifndef CLI_WALK_H
#define CLI_WALK_H

#include "ckpt.h"
#include "out.h"

/* Values nested deeper are not shown; the library refuses such files. */
#define CLI_DEPTH_MAX 512

/* One step from a container to something in it. */
struct cli_step {
    const struct ckpt_value *parent; /* NULL: the graph itself */
    const struct ckpt_value *key;    /* of a map */
    const char *part;                /* of an object: "args", "state" ...;
                                        of an attribute: its name */
    size_t index;                    /* of a list */
    bool attribute;
    bool silent; /* adds nothing to the names of what is in it: the keys of an
                    object's state and pairs are the object's own */
};

struct cli_place {
    struct cli_step step; /* that led here first */
    bool seen;
    size_t entry; /* 1 + the first entry of this tensor value, or 0 */
};

struct cli_walk {
    const struct ckpt_graph *graph;
    struct cli_place *places; /* by value id */
    size_t *storages;         /* by storage id: 1 + its first entry, or 0 */
};

/* CKPT_MEMORY if there is none. */
int cli_walk_init(struct cli_walk *walk, const struct ckpt_graph *graph);
void cli_walk_fini(struct cli_walk *walk);

/* Whether the value is met for the first time; remembers the step. */
bool cli_walk_enter(struct cli_walk *walk, const struct ckpt_value *value,
                    const struct cli_step *step);

/* The steps from the root joined by dots, unescaped. */
void cli_walk_path(const struct cli_walk *walk, struct cli_out *out,
                   const struct cli_step *step);

/* The first path by which the value was met. */
void cli_walk_first_path(const struct cli_walk *walk, struct cli_out *out,
                         const struct ckpt_value *value);

/* What a value contains, in order: items, pairs, or parts of an object, then
 * its attributes. A size counts as a scalar. */
struct cli_child {
    struct cli_step step;
    const struct ckpt_value *value;
};
struct cli_children {
    const struct ckpt_value *of;
    size_t next;
    const struct ckpt_attr *attr;
};
void cli_children_init(struct cli_children *children,
                       const struct ckpt_value *of);
/* False at the end. */
bool cli_children_next(struct cli_children *children, struct cli_child *child);

/* ---- Scalars as text ---- */

/* "map", "tuple", ... */
const char *cli_kind_name(uint32_t kind);

bool cli_is_container(const struct ckpt_value *value);

/* How many things it contains. */
size_t cli_container_count(const struct ckpt_value *value);

/* The value under a string key, or NULL. */
const struct ckpt_value *cli_map_find(const struct ckpt_value *map,
                                      const struct ckpt_text *key);

/* "collections.Counter": what an object names; "" if its callee is made. */
void cli_object_name(struct cli_out *out, const struct ckpt_object *object);

/* An integer of any width in decimal. False, and nothing written, if it is
 * too wide for that. */
bool cli_out_wide(struct cli_out *out, const struct ckpt_text *wide);

/* A scalar key as part of a name, unescaped: "0", "weight". */
void cli_out_key(struct cli_out *out, const struct ckpt_value *key);

/* "[64,3,7,7]" */
void cli_out_shape(struct cli_out *out, const uint64_t *shape, uint32_t rank);

#endif
