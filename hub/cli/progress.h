/* SPDX-License-Identifier: MIT
 *
 * The progress bar: one line on a terminal's stderr, drawn when the work has
 * taken a second, gone when it is done.
 */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "out.h"

struct cli_progress {
    struct cli_out *out; /* stderr; NULL: no bar at all */
    bool shown;
    uint64_t began_ms, drawn_ms;
    /* For work made of several jobs: bytes of the jobs that are done, and of
     * all; 0 if there is one job only. */
    uint64_t before_bytes, all_bytes;
};

/* Starts the clock. */
void cli_progress_begin(struct cli_progress *progress, struct cli_out *out);

void cli_progress_update(struct cli_progress *progress, uint64_t done_bytes,
                         uint64_t total_bytes);

/* Takes the bar off the screen, until the next update. */
void cli_progress_clear(struct cli_progress *progress);

#endif
