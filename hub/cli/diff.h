/* SPDX-License-Identifier: MIT
 *
 * What the files of `ckpt diff` share.
 */
#ifndef CLI_DIFF_H
#define CLI_DIFF_H

#include "cli.h"
#include "optimizer.h"

struct cli_diff {
    struct ckpt_file *files[2];
    struct ckpt_diff *diff;
    const struct ckpt_diff_info *info;
    bool like;
    /* Of each file: */
    struct cli_walk walks[2];
    struct cli_optimizers optimizers[2];
    /* By difference: the parameter whose slot it is in, or NULL. */
    const struct ckpt_text **slots[2];
    bool any_slot;
    /* By difference: missing, and put in by whoever loads it. */
    bool *benign;
    size_t benign_count;
};

/* ---- diff_benign.c ---- */

/* Finds what is benign, of `like` alone. CKPT_OK or CKPT_MEMORY. */
int cli_diff_benign(struct cli_diff *diff);

/* ---- diff_optimizer.c ---- */

/* Finds the parameters of all differences. CKPT_OK or CKPT_MEMORY. */
int cli_diff_slots(struct cli_diff *diff);
void cli_diff_slots_fini(struct cli_diff *diff);

/* ---- diff_screen.c ---- */

/* "only-a", "missing", ... */
const char *cli_diff_kind(const struct cli_diff *diff, uint32_t kind);

/* The transforms that would cure the names, at most two: each in its output.
 * Returns how many there are. */
size_t cli_diff_cure(const struct cli_diff *diff, struct cli_out steps[2]);

/* Prints all. CKPT_OK or CKPT_MEMORY. */
int cli_diff_screen(struct cli *cli, const struct cli_diff *diff);

/* ---- diff_json.c ---- */

void cli_diff_json(struct cli_out *out, const struct cli_diff *diff);

#endif
