/* SPDX-License-Identifier: MIT
 *
 * The stack of the walk from nodes to values. For torch_read.c, which steps
 * through it, and torch_read_enter.c, which puts on it what a value holds.
 */
#ifndef SDK_TORCH_READ_WALK_H
#define SDK_TORCH_READ_WALK_H

#include "torch_module.h"
#include "torch_read_layout.h"
#include "torch_read_storage.h"

enum frame_kind {
    FRAME_LIST,    /* the list goes into a list or tuple */
    FRAME_PAIRS,   /* the list goes into a map */
    FRAME_COUPLES, /* the list of lists of two goes into a map */
    FRAME_PARTS,   /* the list goes into a map, under names */
    FRAME_ATTRS,   /* the list goes into the attributes of a value */
    FRAME_OBJECT,  /* the parts of an object, one after the other */
    FRAME_MODULE   /* a module is unfolded into a map */
};

struct torch_frame {
    uint32_t kind;
    uint32_t index; /* of the next item or part */
    uint32_t node;  /* OBJECT */
    uint32_t depth; /* of the target */
    size_t path_bytes;
    struct ckpt_value *target;
    struct sdk_pickled_list list;
    const char *const *names;      /* PARTS */
    struct torch_modules *modules; /* MODULE; owned */
};

/* One frame more: `target` is filled with what the list holds. */
int sdk_torch_push(struct torch_reader *r, uint32_t kind, uint32_t node,
                   struct ckpt_value *target, struct sdk_pickled_list list);

/* Goes into a container that has not been filled. */
int sdk_torch_enter(struct torch_reader *r, uint32_t ref);

#endif
