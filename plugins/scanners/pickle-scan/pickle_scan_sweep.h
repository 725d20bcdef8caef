/* SPDX-License-Identifier: MIT
 *
 * What a run of bytes is, whatever its name says, and the parts it has.
 */
#ifndef PICKLE_SCAN_SWEEP_H
#define PICKLE_SCAN_SWEEP_H

#include "pickle_scan_walk.h"

enum pickle_scan_mode {
    PICKLE_SCAN_FILE,   /* all of a file: what follows a pickle is odd */
    PICKLE_SCAN_MEMBER, /* a part of an archive: likewise, if it is a pickle */
    PICKLE_SCAN_STREAM, /* pickles among other bytes */
    PICKLE_SCAN_VALUE,  /* a value in a pickle: only clear cases count */
    PICKLE_SCAN_OUTER,  /* a packed file, but not what it holds */
    PICKLE_SCAN_ELSE,   /* what is something else already: only harm counts */
    PICKLE_SCAN_BYTES   /* the same, with pickles anywhere in it */
};

/* Looks at a view and all that is in it. `*known` becomes true if it is of a
 * kind that is known here; it is never made false. */
int pickle_scan_sweep(const struct pickle_scan_view *view,
                      enum pickle_scan_mode mode, unsigned depth, bool *known);

/* Looks at the pickles from `at` on, one after the other. */
int pickle_scan_sequence(const struct pickle_scan_view *view, uint64_t at,
                         enum pickle_scan_mode mode, unsigned depth,
                         bool *known);

/* Archives of several kinds; each does nothing if it is none. */
int pickle_scan_zip(const struct pickle_scan_view *view,
                    enum pickle_scan_mode mode, unsigned depth, bool *known);
/* Archives that fill a file one after the other, if it is a part of a
 * distributed checkpoint: *known becomes true, and all of it was looked at. */
int pickle_scan_chain(const struct pickle_scan_view *view, unsigned depth,
                      bool *known);
int pickle_scan_tar(const struct pickle_scan_view *view, unsigned depth,
                    bool *known);
int pickle_scan_numpy(const struct pickle_scan_view *view, unsigned depth,
                      bool *known);

/* ---- pickle_scan_text.c ---- */

/* Looks whether a whole file is plain text, and whether of a kind that is run.
 */
int pickle_scan_text_file(const struct pickle_scan_view *view, const char *name,
                          bool *known);

#endif
