/* SPDX-License-Identifier: MIT
 *
 * Finds the states of optimizers in a graph, and whose slots they hold; and
 * makes the slots follow what a transform does to the parameters.
 *
 * An optimizer is a map with the keys "state", a map, and "param_groups", a
 * list of maps that each have a list "params", all of them of ints, or all of
 * them of strings. The lists, one after the other, tell the parameters; what
 * they tell is also the key of that parameter's slots in "state". Strings are
 * the parameters' names. A number need say nothing about which parameter it
 * is. It is taken to be known
 *
 *   by the optimizer's own word: each group has a list "param_names" of as
 *   many strings as numbers; or
 *
 *   by a map beside the optimizer, in the same container or in the nearest one
 *   around it, that holds tensors by name. Of these count, in order: those
 *   that are no buffers (by their role; where roles are not told, those called
 *   running_mean, running_var, moving_mean or moving_variance, and what is not
 *   floating or complex, are buffers) and not a second name of one before. If
 *   they are as many as numbers, they are dealt out: each is the next of that
 *   group whose next slot has a tensor of its shape, and there must be just
 *   one such group each time. If they are more, those that ask for gradients
 *   are tried in that way; else, with one group, there must be exactly one way
 *   to pass some over so that all shapes fit.
 *
 * Names are looked for in the same maps; all of them must be there.
 *
 * What is not known is left without a name, and why is said.
 */
#ifndef SDK_OPTIMIZER_SLOTS_H
#define SDK_OPTIMIZER_SLOTS_H

#include "ckpt/host.h"

/* One parameter of an optimizer. */
struct sdk_slot {
    const struct ckpt_value *params; /* its group's list, */
    size_t item;                     /* and where it is in there */
    const struct ckpt_value *state;  /* what is kept for it, or NULL */
    size_t pair;                     /* of the optimizer's state; if kept */
    const struct ckpt_text *name;    /* in the map or stored; NULL: unknown */
    const struct ckpt_value *tensor; /* the parameter itself, or NULL */
    size_t places; /* how many pairs of the map of weights are this tensor */
    /* What is to become of it, by the functions below. */
    size_t places_gone;
    bool goes;
    char *renamed; /* its own, or NULL */
    size_t renamed_bytes;
};

struct sdk_optimizer {
    const struct ckpt_value *map, *state, *groups;
    struct sdk_slot *slots; /* in order over all groups */
    size_t slot_count;
    bool known;    /* whose the slots are; else none has a name */
    bool stored;   /* the names are in the optimizer itself */
    bool by_names; /* and are its keys, in the place of numbers */
    const struct ckpt_value *weights; /* the map beside it, or NULL */
    size_t *slot_of; /* by pair of `weights`: 1 + its slot, or 0 */
    const char *why; /* it is not known, or NULL */
};

/* Where a container is, if it is in an optimizer. */
struct sdk_inside {
    uint32_t optimizer; /* 1 + its index, or 0 */
    uint32_t slot;      /* 1 + the index of that whose state it is in, or 0 */
};

struct sdk_optimizers {
    struct sdk_optimizer *items;
    size_t count;
    struct sdk_inside *inside; /* by value id; NULL: there are none */
};

/* Finds all of them, in order of the tree. [describe, apply; also in the hub]
 * CKPT_MEMORY, CKPT_LIMIT. To be given to fini whatever comes of it. */
int sdk_optimizers_find(const struct ckpt_host *host,
                        const struct ckpt_graph *graph,
                        struct sdk_optimizers *optimizers);
void sdk_optimizers_fini(const struct ckpt_host *host,
                         struct sdk_optimizers *optimizers);

/* The slot in one optimizer of the parameter at a place, or NULL. */
struct sdk_slot *sdk_slot_at(const struct sdk_optimizer *optimizer,
                             const struct ckpt_value *owner, size_t index);

/* The optimizer, and the slot, in which a container is, such as the owner of an
 * entry's place; or NULL. */
struct sdk_optimizer *
sdk_optimizer_around(const struct sdk_optimizers *optimizers,
                     const struct ckpt_value *owner);
struct sdk_slot *sdk_slot_around(const struct sdk_optimizers *optimizers,
                                 const struct ckpt_value *owner);

/* Whether a value that is kept for a parameter is a tensor of its shape, to
 * which happens what happens to the parameter: the others are counts, or say
 * something about rows and columns, or about all parameters at once. The place
 * of such a value is a pair of `slot->state`, if that is a map. */
bool sdk_slot_alike(const struct sdk_slot *slot,
                    const struct ckpt_value *value);

/* Whether a tensor can be a parameter, by its key and role, as above. */
bool sdk_may_be_parameter(const struct ckpt_text *key,
                          const struct ckpt_tensor *tensor);

/* ---- Slots that follow ----
 *
 * A transform says of each place that it edits, if it is one of a parameter or
 * not, what becomes of it; then has all optimizers edited at once. */

/* The pair goes. A parameter is gone when all its places are. */
void sdk_slots_drop(struct sdk_optimizers *optimizers,
                    const struct ckpt_value *owner, size_t index);

/* The pair gets another key. It matters where names are stored. */
int sdk_slots_rename(const struct ckpt_host *host,
                     struct sdk_optimizers *optimizers,
                     const struct ckpt_value *owner, size_t index,
                     const char *key, size_t key_bytes);

/* The same for a name that is stored while no map holds the parameter. */
int sdk_slot_rename(const struct ckpt_host *host, struct sdk_slot *slot,
                    const char *name, size_t name_bytes);

/* Records the edits: a parameter that goes loses its number or name in its
 * group, and its slots; those behind it are numbered anew, from 0 over all
 * groups as torch does. Groups stay, even those that are empty then. */
int sdk_slots_edit(const struct ckpt_host *host, struct ckpt_edits *edits,
                   const struct sdk_optimizers *optimizers);

/* Warns, once for each, of optimizers that stay as they are because it is not
 * known where their parameters are. */
void sdk_slots_warn(const struct ckpt_host *host,
                    const struct sdk_optimizers *optimizers);

#endif
