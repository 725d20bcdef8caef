/* SPDX-License-Identifier: MIT
 *
 * A comparison of two open files, while it is made and after.
 */
#ifndef HUB_RUN_DIFF_H
#define HUB_RUN_DIFF_H

#include "hub/run/diff_pair.h"
#include "hub/run/diff_values.h"
#include "hub/run/file.h"

struct ckpt_diff {
    struct ckpt *user;
    struct hub_arena arena;
    struct ckpt_diff_info info;
    struct ckpt_comparison how;
    struct ckpt_file *files[2];
    struct ckpt_difference *differences;
    size_t capacity;
    /* While it is made: */
    unsigned char *windows[2];
    struct hub_table compared; /* both views -> struct hub_values */
    uint64_t done_bytes, total_bytes;
};

/* ---- diff.c ---- */

int hub_diff_add(struct ckpt_diff *diff,
                 const struct ckpt_difference *difference);

/* ---- diff_tensors.c ---- */

/* What differs between tensors of the same name, their ties apart. */
int hub_diff_tensors(struct ckpt_diff *diff, const struct ckpt_entry *first,
                     const struct ckpt_entry *second);

/* Whether the tensors have one shape. */
bool hub_diff_shaped(const struct ckpt_value *first,
                     const struct ckpt_value *second);

/* ---- diff_ties.c ---- */

int hub_diff_ties(struct ckpt_diff *diff, const struct hub_entries *first,
                  const struct hub_entries *second,
                  const struct hub_pairs *pairs);

/* ---- diff_leaves.c ---- */

/* The values that are no tensors. */
int hub_diff_leaves(struct ckpt_diff *diff);

/* ---- diff_cure.c ---- */

/* Finds the prefix after which most names of one side are on the other. */
int hub_diff_cure(struct ckpt_diff *diff, const struct hub_entries *first,
                  const struct hub_entries *second);

#endif
