/* SPDX-License-Identifier: MIT
 *
 * Drawing of the progress bar. Whether there is to be one is main.c's to say.
 */
#include "progress.h"

#include <time.h>

#define PROGRESS_PATIENCE_MS 1000
#define PROGRESS_INTERVAL_MS 100
#define PROGRESS_WIDTH 30

static uint64_t
progress_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void
cli_progress_begin(struct cli_progress *progress, struct cli_out *out)
{
    progress->out = out;
    progress->began_ms = progress_now();
}

void
cli_progress_clear(struct cli_progress *progress)
{
    if (!progress->shown)
        return;
    cli_out_string(progress->out, "\r\033[K");
    cli_out_flush(progress->out);
    progress->shown = false;
}

static void
progress_draw(const struct cli_progress *progress, uint64_t done_bytes,
              uint64_t total_bytes)
{
    double part = (double)done_bytes / (double)total_bytes;
    uint64_t taken_ms = progress->drawn_ms - progress->began_ms;
    size_t filled = (size_t)(part * PROGRESS_WIDTH);
    struct cli_out *out = progress->out;

    cli_out_string(out, "\r\033[K[");
    cli_out_fill(out, '#', filled);
    cli_out_fill(out, '.', PROGRESS_WIDTH - filled);
    cli_out_string(out, "] ");
    cli_out_u64(out, (uint64_t)(part * 100));
    cli_out_string(out, "% of ");
    cli_out_size(out, total_bytes);
    cli_out_string(out, ", ");
    cli_out_size(out, (uint64_t)((double)done_bytes * 1000 / (double)taken_ms));
    cli_out_string(out, "/s");
    cli_out_flush(out);
}

void
cli_progress_update(struct cli_progress *progress, uint64_t done_bytes,
                    uint64_t total_bytes)
{
    uint64_t now_ms;

    if (progress->out == NULL)
        return;
    if (progress->all_bytes > 0) {
        done_bytes += progress->before_bytes;
        total_bytes = progress->all_bytes;
    }
    now_ms = progress_now();
    if (total_bytes == 0 || done_bytes > total_bytes ||
        now_ms - progress->began_ms < PROGRESS_PATIENCE_MS ||
        (progress->shown && now_ms - progress->drawn_ms < PROGRESS_INTERVAL_MS))
        return;
    progress->drawn_ms = now_ms;
    progress_draw(progress, done_bytes, total_bytes);
    progress->shown = true;
}
