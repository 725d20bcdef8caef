/* SPDX-License-Identifier: MIT
 *
 * What `ckpt scan` and `ckpt verify` share: several files, one after the
 * other, each with its findings.
 */
#ifndef CLI_JUDGE_H
#define CLI_JUDGE_H

#include "cli.h"
#include "json_out.h"

struct cli_judge {
    int (*judge)(struct ckpt *user, const struct ckpt_input *input,
                 struct ckpt_judgement **judgement);
    /* The word for a result whose worst finding is of that severity. */
    const char *(*verdict)(uint32_t severity);
    /* The members of the JSON object that are this command's own; or NULL. */
    void (*json)(struct cli_json *json, const struct ckpt_judgement_info *info);
};

/* Judges every operand. Returns the worst exit status of all. */
int cli_judge_all(struct cli *cli, const struct cli_judge *judge);

extern const struct cli_option cli_judge_options[];

#endif
