/* SPDX-License-Identifier: MIT
 *
 * The outline of a pickle that holds payload: all its opcodes, but long
 * strings are left in the file and told by their places. So a pickle of any
 * size takes the memory of its structure alone.
 *
 * An outline is for sdk_pickled_parse alone, with `outlined` and the gaps
 * set. What is wrong with the pickle is for that to say: an outline ends
 * where it stops to understand.
 */
#ifndef SDK_PICKLE_OUTLINE_H
#define SDK_PICKLE_OUTLINE_H

#include "buffer.h"
#include "pickle_read.h"

/* Strings of more bytes than this are left where they are. */
#define SDK_PICKLE_LEFT_BYTES ((uint64_t)64 << 10)

/* A zeroed struct is empty. */
struct sdk_pickle_outline {
    struct sdk_buffer data;
    struct sdk_pickle_gap *gaps;
    size_t gap_count, gap_capacity;
    uint64_t end; /* in the file: after STOP, or where it stopped */
};

/* Outlines the pickle that starts at `offset` of the file and ends before
 * `limit`. fini is due after a failure too. */
int sdk_pickle_outline_read(const struct ckpt_host *host,
                            const struct ckpt_source *source, uint64_t offset,
                            uint64_t limit, struct sdk_pickle_outline *outline);

void sdk_pickle_outline_fini(const struct ckpt_host *host,
                             struct sdk_pickle_outline *outline);

#endif
