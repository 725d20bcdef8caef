/* SPDX-License-Identifier: MIT
 *
 * The transforms between reading and what comes of it.
 */
#ifndef HUB_RUN_TRANSFORM_H
#define HUB_RUN_TRANSFORM_H

#include "hub/run/user.h"

struct hub_transforms;

/* One transform of the list, in order. */
struct hub_applied {
    struct hub_coder coder; /* first: how coded storages find back here */
    struct hub_transforms *transforms;
    struct hub_applied *next;
    const char *text;   /* as it was asked for */
    const char *place;  /* in a recipe, or NULL */
    const char *recipe; /* the text that asked for that, or NULL */
    bool optional;      /* it may match nothing */
    bool matched;       /* once applied */
    const struct hub_transform *transform;
    void *self;                         /* of the plugin */
    const struct ckpt_option *declared; /* see struct hub_wanted */
    struct ckpt_option_value *values;   /* likewise */
    struct hub_named *named;            /* graphs that they name */
    const struct ckpt_graph **graphs;   /* the edited one, then those */
    size_t graph_count, option_count, again_count;
    struct hub_graph graph;   /* what it made of the graph before it */
    struct hub_graph settled; /* and at the end, of that after all */
};

struct hub_transforms {
    struct ckpt *user;
    struct hub_host host;
    struct hub_arena arena;
    struct hub_applied *applied; /* those that are open */
    uint64_t unmatched;          /* transforms, or parts of one */
    bool hash_name;              /* the output's name is to tell its hash */
};

/* Opens each of the list, so that a wrong argument is told before a file is
 * read. `transforms` must be zeroed and may be given to fini whatever comes
 * of it; `texts` is NULL-ended or NULL. */
int hub_transforms_init(struct hub_transforms *transforms, struct ckpt *user,
                        const char *const *texts);

/* Applies them in turn, then lets them settle; `*graph` becomes what the last
 * one made. */
int hub_transforms_apply(struct hub_transforms *transforms,
                         const struct ckpt_graph **graph);

/* Lets the transform make payload of its own: lends its cursors to the
 * storages that its graph will have. */
void hub_applied_lend(struct hub_applied *applied,
                      struct hub_transforms *transforms);

/* CKPT_IO if one of the files that they name is not what it was. */
int hub_transforms_unchanged(const struct hub_transforms *transforms);

void hub_transforms_fini(struct hub_transforms *transforms);

/* The transform that "NAME" or "NAME:ARGUMENT" asks for, or NULL. Plugins
 * without a description are loaded, if none of the others has it. */
struct hub_transform *hub_transform_find(struct ckpt *user, const char *text);

#endif
