/* SPDX-License-Identifier: MIT
 *
 * What has the same name on both sides.
 */
#ifndef HUB_RUN_DIFF_PAIR_H
#define HUB_RUN_DIFF_PAIR_H

#include "hub/graph/graph.h"

#define HUB_UNPAIRED SIZE_MAX

struct hub_entries {
    const struct ckpt_entry *first;
    size_t count;
};

/* Entries of one side by name. */
struct hub_names {
    struct hub_table table; /* name -> 1 + the first entry not yet taken */
    size_t *next;           /* 1 + the next entry of that name, or 0 */
};

/* The names are borrowed; all memory is the arena's. */
int hub_names_init(struct hub_names *names, struct hub_arena *arena,
                   const struct hub_entries *entries);

/* The first entry of that name, or HUB_UNPAIRED. */
size_t hub_names_find(const struct hub_names *names, const char *name,
                      size_t name_bytes);

/* The same, and another one the next time. */
size_t hub_names_take(struct hub_names *names, const char *name,
                      size_t name_bytes);

struct hub_pairs {
    size_t *second_of; /* by first entry, or HUB_UNPAIRED */
    bool *paired;      /* by second entry */
};

/* Pairs in order those of the same name. */
int hub_pairs_init(struct hub_pairs *pairs, struct hub_arena *arena,
                   const struct hub_entries *first,
                   const struct hub_entries *second);

#endif
