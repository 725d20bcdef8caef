/* SPDX-License-Identifier: MIT
 *
 * Judgements, as the public has them.
 */
#include "hub/run/judgement.h"

#include <stdlib.h>
#include <string.h>

struct ckpt_judgement *
hub_judgement_new(struct ckpt *user, const struct ckpt_input *input)
{
    struct ckpt_judgement *made;

    hub_user_begin(user);
    if (input->path == NULL) {
        hub_fail(&user->report, CKPT_OPTION, NULL, CKPT_NOWHERE,
                 "no input is named");
        return NULL;
    }
    made = calloc(1, sizeof *made);
    if (made == NULL) {
        hub_fail(&user->report, CKPT_MEMORY, NULL, CKPT_NOWHERE,
                 "out of memory");
        return NULL;
    }
    made->user = user;
    made->found.arena.budget = &user->budget;
    made->info.path =
        hub_arena_text(&made->found.arena, input->path, strlen(input->path));
    if (made->info.path != NULL)
        return made;
    ckpt_judgement_free(made);
    return NULL;
}

int
hub_judgement_finish(struct ckpt_judgement *made, int status,
                     struct ckpt_judgement **judgement)
{
    if (status == CKPT_OK)
        status = hub_found_finish(&made->found);
    made->user->report.file = NULL;
    made->user->report.plugin = NULL;
    made->user->report.findings = NULL;
    if (status != CKPT_OK) {
        ckpt_judgement_free(made);
        return status;
    }
    made->info.findings = made->found.findings;
    made->info.finding_count = made->found.count;
    made->info.worst = made->found.worst;
    *judgement = made;
    return CKPT_OK;
}

int
hub_judgement_blame(struct hub_report *report, int status)
{
    if (status == CKPT_CANCELLED)
        return hub_fail(report, status, NULL, CKPT_NOWHERE, "stopped");
    return hub_fail(report, CKPT_CONTRACT, NULL, CKPT_NOWHERE,
                    "it failed with status %d, no reason", status);
}

int
hub_judge(struct ckpt_judgement *judgement, uint32_t severity, const char *kind,
          const char *text)
{
    struct ckpt_finding finding = {
        .severity = severity, .kind = kind, .byte = CKPT_NOWHERE, .text = text};

    return hub_found_add(&judgement->found, &finding);
}

const struct ckpt_judgement_info *
ckpt_judgement_info(const struct ckpt_judgement *judgement)
{
    return &judgement->info;
}

void
ckpt_judgement_free(struct ckpt_judgement *judgement)
{
    if (judgement == NULL)
        return;
    hub_found_fini(&judgement->found);
    free(judgement);
}
