/* SPDX-License-Identifier: MIT
 *
 * What the files of the plugin share.
 */
#ifndef TRAINING_H
#define TRAINING_H

#include "ckpt/host.h"
#include "ckpt/option.h"

#include "hash_table.h"
#include "optimizer_slots.h"
#include "pattern.h"

/* ---- training_flags.c ----
 *
 * What a graph tells of its parameters. The flags of the tensors in a container
 * tell which are trained if one of them asks for gradients; or if one of them
 * is a parameter by its role, and the container is not what state_dict() made
 * of a whole model: that asks for no gradients, and lists in an attribute
 * which parameters did not. Else nothing is told, and all are trained. */

struct training_owner {
    bool met;     /* one of its tensors was looked at */
    bool grads;   /* one of them asks for gradients */
    bool roles;   /* one is a parameter by its role */
    bool model;   /* it was a whole model */
    bool listed;  /* which lists what is frozen */
    bool touched; /* something becomes of it */
};

struct training_place {
    uint64_t owner, index;
};

struct training_list; /* the places of one list */

struct training_flags {
    const struct ckpt_host *host;
    const struct ckpt_graph *graph;
    struct training_owner *owners; /* by value id */
    struct training_list *lists;
    struct sdk_table frozen; /* the places that are listed */
};

int training_flags_init(struct training_flags *flags,
                        const struct ckpt_host *host,
                        const struct ckpt_graph *graph);
void training_flags_fini(struct training_flags *flags);

/* Whether a tensor at a place is a parameter: its name is its key, with or
 * without what is before it. */
bool training_is_parameter(const struct training_flags *flags,
                           const struct ckpt_value *owner,
                           const struct ckpt_text *name,
                           const struct ckpt_tensor *tensor);

/* Whether a parameter at a place is trained. */
bool training_is_trained(const struct training_flags *flags,
                         const struct ckpt_value *owner, size_t index,
                         const struct ckpt_tensor *tensor);

/* ---- training_freeze.c ---- */

enum training_option { TRAINING_FIRST = 0, TRAINING_EXCEPT };

int training_open(const struct ckpt_host *host, const char *argument,
                  const struct ckpt_option_value *options, bool freezes,
                  void **self);
int training_apply(const struct ckpt_host *host, void *self,
                   const struct ckpt_graph *const *graphs, size_t graph_count,
                   struct ckpt_edits *edits);
int training_settle(const struct ckpt_host *host, void *self,
                    const struct ckpt_graph *graph, struct ckpt_edits *edits);
void training_close(const struct ckpt_host *host, void *self);

/* ---- training_drop.c ---- */

int training_drop(const struct ckpt_host *host, void *self,
                  const struct ckpt_graph *const *graphs, size_t graph_count,
                  struct ckpt_edits *edits);

#endif
