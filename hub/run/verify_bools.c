/* SPDX-License-Identifier: MIT
 *
 * Bytes of bool storages that are neither 0 nor 1. They are kept as they are
 * and copied as they are, but programs take them differently, so that a check
 * tells of them.
 */
#include "hub/run/verify_bools.h"

#include <stdio.h>
#include <string.h>

#include "hub/io/stream.h"
#include "hub/run/user.h"

#define BUFFER_BYTES ((size_t)64 << 10)

struct bools {
    struct hub_reading *reading;
    struct ckpt_judgement *judgement;
    struct hub_spool spool;
    unsigned char *seen; /* by storage */
    unsigned char buffer[BUFFER_BYTES];
};

static int
bools_count(struct bools *self, const struct ckpt_storage *storage,
            uint64_t *odd)
{
    const struct ckpt_settings *settings = &self->reading->user->settings;
    struct hub_stream stream;
    size_t filled, i;
    int status = CKPT_OK;

    *odd = 0;
    hub_stream_storage(&stream, &self->spool, storage);
    while (status == CKPT_OK) {
        status = hub_stream_fill(&stream, self->buffer, BUFFER_BYTES, &filled);
        for (i = 0; status == CKPT_OK && i < filled; i++)
            *odd += self->buffer[i] > 1;
        if (settings->cancelled != NULL && settings->cancelled(settings->user))
            status = hub_fail(&self->reading->user->report, CKPT_CANCELLED,
                              NULL, CKPT_NOWHERE, "stopped");
    }
    hub_stream_fini(&stream);
    return status == CKPT_END ? CKPT_OK : status;
}

static int
bools_look(struct bools *self, const struct ckpt_entry *entry)
{
    const struct ckpt_tensor *tensor = entry->value->as.tensor;
    const struct ckpt_storage *storage = tensor->storage;
    struct ckpt_finding finding = {.severity = CKPT_SEVERITY_NOTE,
                                   .kind = "values",
                                   .name = entry->name.data,
                                   .byte = CKPT_NOWHERE};
    char text[120];
    uint64_t odd;
    int status;

    if (tensor->dtype != CKPT_BOOL || self->seen[storage->id] ||
        storage->place == CKPT_PLACE_ABSENT)
        return CKPT_OK;
    self->seen[storage->id] = 1;
    status = bools_count(self, storage, &odd);
    if (status != CKPT_OK || odd == 0)
        return status;
    snprintf(text, sizeof text,
             "%llu bytes of bool are neither 0 nor 1; programs differ on them",
             (unsigned long long)odd);
    finding.text = text;
    return hub_found_add(&self->judgement->found, &finding);
}

int
hub_verify_bools(struct hub_reading *reading, struct ckpt_judgement *judgement)
{
    const struct ckpt_graph *graph = reading->graph;
    struct bools *self = hub_arena_allocate(&reading->arena, sizeof *self);
    size_t i;
    int status = CKPT_OK;

    if (self == NULL)
        return reading->user->report.status;
    memset(self, 0, sizeof *self);
    self->reading = reading;
    self->judgement = judgement;
    self->spool.budget = &reading->user->budget;
    self->spool.folder = ckpt_temporary_folder();
    self->seen =
        hub_arena_allocate(&reading->arena, (size_t)graph->storage_count + 1);
    if (self->seen == NULL)
        return reading->user->report.status;
    memset(self->seen, 0, (size_t)graph->storage_count + 1);
    hub_reading_spool(reading, &self->spool);
    for (i = 0; i < graph->entry_count && status == CKPT_OK; i++)
        status = bools_look(self, &graph->entries[i]);
    hub_reading_spool(reading, NULL);
    hub_spool_fini(&self->spool);
    return status;
}
