/* SPDX-License-Identifier: MIT
 *
 * Why the names of two graphs do not meet: whether a prefix is in the way.
 */
#ifndef SDK_NAME_CURE_H
#define SDK_NAME_CURE_H

#include "ckpt/host.h"

struct sdk_entries {
    const struct ckpt_entry *first;
    size_t count;
};

/* After it `met_count` names of the first are names of the second, and of
 * these `shaped_count` with the same shape. */
struct sdk_cure {
    bool add;                /* names of the first lack it; else it is there */
    struct ckpt_text prefix; /* data NULL: nothing helps */
    uint64_t met_count, shaped_count;
};

/* Finds the prefix after which most names of the first meet, more than the
 * `met_count` that meet without. A few names of one side are looked for at the
 * ends of the other's names; what stands before them, up to a dot or slash, is
 * tried on all. The prefix lies in a name. CKPT_MEMORY and its like only. */
int sdk_cure_find(const struct ckpt_host *host, struct sdk_entries first,
                  struct sdk_entries second, uint64_t met_count,
                  struct sdk_cure *cure);

/* How many bytes of the prefix, with a dot at their end, lead from `root` to
 * a map, through maps; 0: none. */
size_t sdk_cure_root(const struct ckpt_value *root,
                     const struct ckpt_text *prefix);

#endif
