/* SPDX-License-Identifier: MIT
 *
 * Where pickles could begin amid other bytes.
 */
#ifndef PICKLE_SCAN_SEEK_H
#define PICKLE_SCAN_SEEK_H

#include "pickle_scan_walk.h"

enum {
    PICKLE_SCAN_PROTO, /* PROTO and a version */
    PICKLE_SCAN_LINES, /* an import in two lines */
    PICKLE_SCAN_TEXTS, /* two texts that may be an import */
    PICKLE_SCAN_CLUES
};

/* A zeroed seeker has not looked at anything. */
struct pickle_scan_seeker {
    bool looked;
    uint64_t next[PICKLE_SCAN_CLUES]; /* UINT64_MAX: no more */
    uint64_t at;                      /* of what was found last */
    bool loose;                       /* it is no PROTO */
};

/* Goes to the next place from `at` on; `at` only grows. */
int pickle_scan_seek(const struct pickle_scan_view *view,
                     struct pickle_scan_seeker *seeker, uint64_t at,
                     bool *more);

/* ---- pickle_scan_loose.c ---- */

struct pickle_scan_place {
    const struct pickle_scan_view *view;
    uint64_t at, floor; /* nothing before the floor belongs to it */
    unsigned depth;
};

/* Walks from a place that a seeker found without PROTO; *found: there is a
 * pickle that does harm. The walk is the caller's to report and to end,
 * whatever comes. */
int pickle_scan_loose(const struct pickle_scan_place *place,
                      struct pickle_scan_walk *walk, bool *found);

#endif
