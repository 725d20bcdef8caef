/* SPDX-License-Identifier: MIT
 *
 * What a run of bytes is, whatever its name says, and the parts it has.
 */
#ifndef PICKLES_SWEEP_H
#define PICKLES_SWEEP_H

#include "pickles_walk.h"

enum pickles_mode {
    PICKLES_FILE,   /* all of a file: what follows a pickle is odd */
    PICKLES_MEMBER, /* a part of an archive: likewise, if it is a pickle */
    PICKLES_STREAM, /* pickles among other bytes */
    PICKLES_VALUE,  /* a value in a pickle: only clear cases count */
    PICKLES_ELSE    /* what is something else already: only harm counts */
};

/* Looks at a view and all that is in it. `*known` becomes true if it is of a
 * kind that is known here; it is never made false. */
int pickles_sweep(const struct pickles_view *view, enum pickles_mode mode,
                  unsigned depth, bool *known);

/* Looks at the pickles from `at` on, one after the other. */
int pickles_sequence(const struct pickles_view *view, uint64_t at,
                     enum pickles_mode mode, unsigned depth, bool *known);

/* Archives of several kinds; each does nothing if it is none. */
int pickles_zip(const struct pickles_view *view, enum pickles_mode mode,
                unsigned depth, bool *known);
int pickles_tar(const struct pickles_view *view, unsigned depth, bool *known);
int pickles_numpy(const struct pickles_view *view, unsigned depth, bool *known);

/* ---- pickles_text.c ---- */

/* Looks whether a whole file is plain text, and whether of a kind that is run.
 */
int pickles_text_file(const struct pickles_view *view, const char *name,
                      bool *known);

#endif
