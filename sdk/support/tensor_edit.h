/* SPDX-License-Identifier: MIT
 *
 * Tensors in the place of others, and names of one and the same view, for
 * transforms.
 */
#ifndef SDK_TENSOR_EDIT_H
#define SDK_TENSOR_EDIT_H

#include "hash_table.h"
#include "optimizer_slots.h"

/* Adds a tensor to edit_graph for the place of an old one: shape, strides,
 * offset, storage, dtype and flips are those of `like`; role, requires-grad,
 * class and attributes stay. */
int sdk_tensor_remake(const struct ckpt_host *host, struct ckpt_edits *edits,
                      const struct ckpt_entry *old, struct ckpt_tensor *like,
                      struct ckpt_value **value);

/* Gives a value of edit_graph the attributes of another. */
int sdk_attributes_keep(const struct ckpt_host *host, struct ckpt_edits *edits,
                        const struct ckpt_value *from, struct ckpt_value *to);

/* Puts a value in the place of an entry. What is part of an object stays,
 * which is told: it is not `verb`ed. */
int sdk_entry_replace(const struct ckpt_host *host, struct ckpt_edits *edits,
                      const struct ckpt_graph *graph, size_t entry,
                      const struct ckpt_value *value, const char *verb);

/* Whether an entry is kept by an optimizer for a parameter that is known: it
 * follows that, and is not one to be met by name. */
bool sdk_entry_follows(const struct sdk_optimizers *optimizers,
                       const struct ckpt_graph *graph, size_t entry);

/* Calls `follow` for each tensor of a parameter's shape that an optimizer keeps
 * for the parameter in the place of an entry: `state` is a map, and the tensor
 * its pair. Of a parameter under two names this is so for the first alone.
 * Stops at the first status that is not CKPT_OK, and returns it. */
int sdk_entry_slots(const struct sdk_optimizers *optimizers,
                    const struct ckpt_graph *graph, size_t entry,
                    int (*follow)(void *context, const struct ckpt_value *state,
                                  size_t pair),
                    void *context);

/* Whether two tensors have bytes in common. Gaps in a view are its own. */
bool sdk_tensors_overlap(const struct ckpt_tensor *a,
                         const struct ckpt_tensor *b);

/* Which entries of a graph are the same elements in the same order. */
struct sdk_ties {
    size_t *view_of; /* of each entry: the number of its view */
    size_t view_count;
    uint32_t *views_on; /* of each storage, how many */
    uint64_t *keys;     /* of the table */
    struct sdk_table views;
};

/* CKPT_MEMORY; fini is due in any case. */
int sdk_ties_init(const struct ckpt_host *host, const struct ckpt_graph *graph,
                  struct sdk_ties *ties);
void sdk_ties_fini(const struct ckpt_host *host, struct sdk_ties *ties);

/* Says that an entry is about to lose a tie to another view of its bytes, if
 * there is one. */
void sdk_ties_part(const struct ckpt_host *host, const struct ckpt_graph *graph,
                   const struct sdk_ties *ties, size_t entry);

#endif
