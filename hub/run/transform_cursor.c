/* SPDX-License-Identifier: MIT
 *
 * The cursors of transforms. Whatever fails in one is that transform's, or of
 * whoever makes the bytes that it asks for in turn.
 */
#include "hub/run/transform.h"

static struct hub_applied *
coder_applied(struct hub_coder *coder)
{
    return (struct hub_applied *)coder;
}

static const char *
cursor_enter(struct hub_applied *applied)
{
    struct hub_report *report = &applied->transforms->user->report;
    const char *plugin = report->plugin;

    report->plugin = applied->transform->info.id;
    return plugin;
}

static int
cursor_leave(struct hub_applied *applied, const char *plugin, int status)
{
    struct hub_report *report = &applied->transforms->user->report;

    status = hub_blame(report, status);
    report->plugin = plugin;
    return status;
}

static int
applied_cursor_open(struct hub_coder *coder, const struct ckpt_storage *storage,
                    void **cursor)
{
    struct hub_applied *applied = coder_applied(coder);
    const struct ckpt_transform *table = &applied->transform->table;
    const char *plugin = cursor_enter(applied);
    int status;

    if (table->cursor_open == NULL)
        status =
            hub_fail(&applied->transforms->user->report, CKPT_CONTRACT, NULL,
                     CKPT_NOWHERE, "a coded storage, but no cursors");
    else
        status = table->cursor_open(&applied->transforms->host.table,
                                    applied->self, storage, cursor);
    return cursor_leave(applied, plugin, status);
}

static int
applied_cursor_next(struct hub_coder *coder, void *cursor,
                    struct ckpt_span *span)
{
    struct hub_applied *applied = coder_applied(coder);
    const char *plugin = cursor_enter(applied);
    int status = applied->transform->table.cursor_next(
        &applied->transforms->host.table, cursor, span);

    return cursor_leave(applied, plugin, status);
}

static void
applied_cursor_close(struct hub_coder *coder, void *cursor)
{
    struct hub_applied *applied = coder_applied(coder);

    applied->transform->table.cursor_close(&applied->transforms->host.table,
                                           cursor);
}

void
hub_applied_lend(struct hub_applied *applied, struct hub_transforms *transforms)
{
    applied->transforms = transforms;
    applied->coder.open = applied_cursor_open;
    applied->coder.next = applied_cursor_next;
    applied->coder.close = applied_cursor_close;
    applied->coder.wrong = CKPT_CONTRACT;
    applied->graph.coder = &applied->coder;
    applied->settled.coder = &applied->coder;
}
