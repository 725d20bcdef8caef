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
#include "trained.h"

/* ---- training_flags.c ----
 *
 * What a graph tells of its parameters. Where the flags in a container do not
 * speak, all of them are trained, but for what an attribute of the graph lists
 * of a whole model. */

struct training_owner {
    struct sdk_trained trained;
    bool touched; /* something becomes of it */
};

struct training_flags {
    const struct ckpt_host *host;
    struct training_owner *owners; /* by value id */
    struct sdk_table frozen;       /* names that are listed */
};

int training_flags_init(struct training_flags *flags,
                        const struct ckpt_host *host,
                        const struct ckpt_graph *graph);
void training_flags_fini(struct training_flags *flags);

/* Whether a tensor in a container is a parameter. */
bool training_is_parameter(const struct training_flags *flags,
                           const struct ckpt_value *owner,
                           const struct ckpt_entry *entry);

/* Whether a parameter in a container is trained. */
bool training_is_trained(const struct training_flags *flags,
                         const struct ckpt_value *owner,
                         const struct ckpt_entry *entry);

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
