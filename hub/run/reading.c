/* SPDX-License-Identifier: MIT
 *
 * From a path to a graph.
 */
#include "hub/run/reading.h"

#include <string.h>

#include "hub/core/options.h"
#include "hub/io/unpack.h"
#include "hub/load/detect.h"
#include "hub/load/loader.h"
#include "hub/run/named.h"
#include "hub/run/restore.h"

static struct hub_reading *
coder_reading(struct hub_coder *coder)
{
    return (struct hub_reading *)coder;
}

/* A plugin that fails without a word broke the rules, but for one that was
 * asked to stop. */
static int
reading_blame(struct hub_reading *reading, int status)
{
    if (status == CKPT_CANCELLED && reading->user->report.status == CKPT_OK)
        return hub_fail(&reading->user->report, CKPT_CANCELLED, NULL,
                        CKPT_NOWHERE, "stopped");
    if (status < 0 && reading->user->report.status == CKPT_OK)
        return hub_fail(&reading->user->report, CKPT_CONTRACT, NULL,
                        CKPT_NOWHERE, "it failed with status %d, no reason",
                        status);
    return status < 0 ? reading->user->report.status : status;
}

/* What a cursor reports is its reader's, whoever asks for the bytes. */
struct reading_head {
    const char *file, *plugin;
};

static struct reading_head
reading_enter(struct hub_reading *reading)
{
    struct hub_report *report = &reading->user->report;
    struct reading_head head = {report->file, report->plugin};

    report->file = reading->path;
    report->plugin = reading->format->info.id;
    return head;
}

static int
reading_leave(struct hub_reading *reading, const struct reading_head *head,
              int status)
{
    struct hub_report *report = &reading->user->report;

    status = reading_blame(reading, status);
    report->file = head->file;
    report->plugin = head->plugin;
    return status;
}

static int
reading_cursor_open(struct hub_coder *coder, const struct ckpt_storage *storage,
                    void **cursor)
{
    struct hub_reading *reading = coder_reading(coder);
    const struct ckpt_reader *reader = &reading->format->reader;
    struct reading_head head = reading_enter(reading);
    int status;

    if (reader->cursor_open == NULL)
        status = hub_fail(&reading->user->report, CKPT_CONTRACT, NULL,
                          CKPT_NOWHERE, "a coded storage, but no cursors");
    else
        status = reader->cursor_open(&reading->host.table, reading->self,
                                     storage, cursor);
    return reading_leave(reading, &head, status);
}

static int
reading_cursor_next(struct hub_coder *coder, void *cursor,
                    struct ckpt_span *span)
{
    struct hub_reading *reading = coder_reading(coder);
    struct reading_head head = reading_enter(reading);
    int status =
        reading->format->reader.cursor_next(&reading->host.table, cursor, span);

    return reading_leave(reading, &head, status);
}

static void
reading_cursor_close(struct hub_coder *coder, void *cursor)
{
    struct hub_reading *reading = coder_reading(coder);

    reading->format->reader.cursor_close(&reading->host.table, cursor);
}

static int
reading_format(struct hub_reading *reading, const char *from)
{
    struct hub_registry *registry = &reading->user->registry;

    if (from == NULL)
        return hub_detect(registry, &reading->host, reading->source,
                          &reading->format, &reading->evidence);
    reading->format = hub_registry_find(registry, from, true);
    if (reading->format == NULL) {
        hub_remedy(&reading->user->report, "ckpt plugins lists the formats");
        return hub_fail(&reading->user->report, CKPT_OPTION, NULL, CKPT_NOWHERE,
                        "no plugin reads '%s'", from);
    }
    memcpy(reading->evidence.how, "told by the user", 17);
    return CKPT_OK;
}

/* Says that what was seen lies within a packed file. */
static void
reading_say_packed(struct hub_reading *reading)
{
    static const char around[] = "gzip around ";
    size_t room = sizeof reading->evidence.how - sizeof around;
    char how[sizeof reading->evidence.how];

    memcpy(how, reading->evidence.how, sizeof how);
    how[room] = '\0';
    memcpy(reading->evidence.how, around, sizeof around - 1);
    memcpy(reading->evidence.how + sizeof around - 1, how, strlen(how) + 1);
}

/* A file that is packed as a whole is unpacked first. */
static int
reading_unpack(struct hub_reading *reading)
{
    const struct ckpt_settings *settings = &reading->user->settings;
    struct hub_unpack unpack = {.budget = &reading->user->budget,
                                .folder = ckpt_temporary_folder(),
                                .cancelled = settings->cancelled,
                                .user = settings->user};
    struct ckpt_source *source;
    int status;

    if (!hub_packed(reading->source))
        return reading->user->report.status;
    status = hub_unpack(&unpack, reading->source, &source);
    if (status != CKPT_OK)
        return status;
    source->unpacked = true;
    hub_host_adopt(&reading->host, source);
    reading->source = source;
    reading->packed = true;
    return CKPT_OK;
}

static int
reading_open(struct hub_reading *reading, const char *const *options)
{
    struct ckpt_option_value *values;
    int status = hub_format_load(&reading->user->registry, reading->format);

    if (status != CKPT_OK)
        return status;
    reading->user->report.plugin = reading->format->info.id;
    status = hub_options_parse(&reading->arena, reading->format->info.options,
                               options, &values);
    if (status == CKPT_OK)
        status = hub_named_files(&reading->host, reading->format->info.options,
                                 values);
    if (status == CKPT_OK)
        status = hub_named_graphs(reading->user, reading->format->info.options,
                                  values, NULL, &reading->named);
    if (status != CKPT_OK)
        return status;
    reading->host.verifying =
        reading->verifying && reading->format->reader.verify != NULL;
    status = reading_blame(reading, reading->format->reader.open(
                                        &reading->host.table, reading->source,
                                        values, &reading->self));
    reading->opened = status == CKPT_OK;
    return status;
}

/* Decoding by code that is not hardened goes on in another process. */
static void
reading_confine(struct hub_reading *reading)
{
    struct hub_child child = {.budget = &reading->user->budget,
                              .user = reading->host.user,
                              .cancelled = reading->host.cancelled};

    if ((reading->format->reader.capabilities & CKPT_READS_FRAGILE) == 0)
        return;
    hub_confined_init(&reading->confined, &reading->coder, &child);
    reading->confined.file = reading->path;
    reading->confined.plugin = reading->format->info.id;
    reading->described.coder = &reading->confined.coder;
    reading->restored.coder = &reading->confined.coder;
}

static int
reading_describe(struct hub_reading *reading)
{
    int status;

    reading_confine(reading);
    status = reading_blame(reading, reading->format->reader.describe(
                                        &reading->host.table, reading->self,
                                        &reading->described.public));
    if (status == CKPT_OK)
        status = hub_graph_finish(&reading->described);
    if (status != CKPT_OK)
        return status;
    reading->graph = &reading->described.public;
    status = hub_restore(&reading->host.table, &reading->described,
                         &reading->restored, &reading->graph);
    reading->from_record = reading->graph == &reading->restored.public;
    return status;
}

/* Transforms may look at payload, as far as a temporary folder holds it. */
static int
reading_transform(struct hub_reading *reading)
{
    int status;

    reading->spool.budget = &reading->user->budget;
    reading->spool.folder = ckpt_temporary_folder();
    reading->transforms.host.spool = &reading->spool;
    status = hub_transforms_apply(&reading->transforms, &reading->graph);
    reading->transforms.host.spool = NULL;
    return status;
}

/* Ids begin behind those of another graph. */
static void
reading_after(const struct ckpt_graph *after, struct ckpt_graph *graph)
{
    if (after == NULL)
        return;
    graph->value_count = after->value_count;
    graph->tensor_count = after->tensor_count;
    graph->storage_count = after->storage_count;
}

static void
reading_prepare(struct hub_reading *reading, struct ckpt *user)
{
    reading->user = user;
    reading->arena.budget = &user->budget;
    hub_host_init(&reading->host, &user->budget);
    reading->host.user = user->settings.user;
    reading->host.cancelled = user->settings.cancelled;
    hub_graph_init(&reading->described, &user->budget);
    hub_graph_init(&reading->restored, &user->budget);
    reading_after(reading->after, &reading->described.public);
    reading_after(reading->after, &reading->restored.public);
    reading->coder.open = reading_cursor_open;
    reading->coder.next = reading_cursor_next;
    reading->coder.close = reading_cursor_close;
    reading->described.coder = &reading->coder;
    reading->restored.coder = &reading->coder;
}

int
hub_reading_init(struct hub_reading *reading, struct ckpt *user,
                 const struct ckpt_input *input)
{
    int status;

    reading_prepare(reading, user);
    user->report.file = input->path;
    reading->path =
        hub_arena_text(&reading->arena, input->path, strlen(input->path));
    if (reading->path == NULL)
        return user->report.status;
    user->report.file = reading->path;
    user->report.findings = &reading->findings;
    status = hub_transforms_init(&reading->transforms, user, input->transforms);
    if (status == CKPT_OK)
        status = hub_host_open(&reading->host, input->path, &reading->source);
    if (status == CKPT_OK)
        status = reading_unpack(reading);
    if (status == CKPT_OK)
        status = reading_format(reading, input->from);
    if (status == CKPT_OK && reading->packed)
        reading_say_packed(reading);
    if (status == CKPT_OK)
        status = reading_open(reading, input->options);
    if (status == CKPT_OK)
        status = reading_describe(reading);
    if (status == CKPT_OK)
        status = hub_host_unchanged(&reading->host);
    reading->begun = reading->graph;
    if (status == CKPT_OK)
        status = reading_transform(reading);
    if (status == CKPT_OK)
        user->report.plugin = NULL;
    user->report.findings = NULL;
    return status;
}

void
hub_reading_spool(struct hub_reading *reading, struct hub_spool *spool)
{
    reading->host.spool = spool;
    reading->transforms.host.spool = spool;
}

int
hub_reading_unchanged(const struct hub_reading *reading)
{
    struct hub_report *report = &reading->user->report;
    const char *file = report->file;
    int status;

    report->file = reading->path;
    status = hub_host_unchanged(&reading->host);
    if (status == CKPT_OK)
        status = hub_named_unchanged(reading->named);
    if (status == CKPT_OK)
        status = hub_transforms_unchanged(&reading->transforms);
    report->file = file;
    return status;
}

void
hub_reading_fini(struct hub_reading *reading)
{
    if (reading->user == NULL)
        return;
    hub_transforms_fini(&reading->transforms);
    hub_spool_fini(&reading->spool);
    hub_confined_fini(&reading->confined);
    if (reading->opened)
        reading->format->reader.close(&reading->host.table, reading->self);
    hub_named_free(reading->named);
    hub_graph_fini(&reading->restored);
    hub_graph_fini(&reading->described);
    hub_host_fini(&reading->host);
    hub_findings_fini(&reading->findings);
    hub_arena_fini(&reading->arena);
    reading->user = NULL;
}
