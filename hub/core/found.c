/* SPDX-License-Identifier: MIT
 *
 * Findings are texts from strangers' files: they are cut to a line's length,
 * and of very many only the first are kept.
 */
#include "hub/core/found.h"

#include <stdio.h>
#include <string.h>

#define NOTES_MAX 5000
#define FOUND_MAX 10000
#define TEXT_MAX 1000

static int
found_text(struct hub_found *found, const char **text)
{
    if (*text == NULL)
        return CKPT_OK;
    *text = hub_arena_text(&found->arena, *text, strnlen(*text, TEXT_MAX));
    return *text != NULL ? CKPT_OK : found->arena.budget->report->status;
}

/* The place, after the name of the file in a folder. */
static int
found_place(struct hub_found *found, const char **place)
{
    char text[TEXT_MAX];

    if (found->part == NULL)
        return found_text(found, place);
    snprintf(text, sizeof text, "%.300s%s%.600s", found->part,
             *place != NULL ? ": " : "", *place != NULL ? *place : "");
    *place = text;
    return found_text(found, place);
}

static int
found_grow(struct hub_found *found)
{
    size_t capacity = found->capacity * 2 + 16;
    void *grown = hub_reallocate(found->arena.budget, found->findings,
                                 capacity * sizeof *found->findings);

    if (grown == NULL)
        return found->arena.budget->report->status;
    found->findings = grown;
    found->capacity = capacity;
    return CKPT_OK;
}

static int
found_keep(struct hub_found *found, const struct ckpt_finding *finding)
{
    struct ckpt_finding kept = *finding;
    int status = CKPT_OK;

    if (found->count == found->capacity)
        status = found_grow(found);
    if (status == CKPT_OK)
        status = found_text(found, &kept.kind);
    if (status == CKPT_OK)
        status = found_text(found, &kept.name);
    if (status == CKPT_OK)
        status = found_place(found, &kept.place);
    if (status == CKPT_OK)
        status = found_text(found, &kept.text);
    if (status != CKPT_OK)
        return status;
    kept.count = kept.count > 0 ? kept.count : 1;
    found->findings[found->count++] = kept;
    return CKPT_OK;
}

int
hub_found_add(struct hub_found *found, const struct ckpt_finding *finding)
{
    if (finding->severity > found->worst)
        found->worst = finding->severity;
    if (found->count < NOTES_MAX ||
        (finding->severity > CKPT_SEVERITY_NOTE && found->count < FOUND_MAX))
        return found_keep(found, finding);
    found->dropped++;
    return CKPT_OK;
}

int
hub_found_finish(struct hub_found *found)
{
    struct ckpt_finding more = {.severity = found->worst,
                                .kind = "more",
                                .byte = CKPT_NOWHERE,
                                .count = found->dropped};
    char text[60];

    if (found->dropped == 0)
        return CKPT_OK;
    snprintf(text, sizeof text, "%llu more findings",
             (unsigned long long)found->dropped);
    more.text = text;
    return found_keep(found, &more);
}

void
hub_found_fini(struct hub_found *found)
{
    if (found->findings != NULL)
        hub_release(found->arena.budget, found->findings);
    found->findings = NULL;
    found->count = found->capacity = 0;
    hub_arena_fini(&found->arena);
}
