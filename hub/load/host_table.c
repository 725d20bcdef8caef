/* SPDX-License-Identifier: MIT
 *
 * The host table: thin steps from what plugins call to what the hub does.
 */
#include "hub/load/host_table.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "hub/graph/edit.h"
#include "hub/io/child.h"
#include "hub/load/host_tensor.h"

static struct hub_host *
host_private(const struct ckpt_host *table)
{
    return table->hub;
}

static int host_fail(const struct ckpt_host *table, int status,
                     const char *tensor, uint64_t byte, const char *format, ...)
    CKPT_PRINTF(5, 6);

static int
host_fail(const struct ckpt_host *table, int status, const char *tensor,
          uint64_t byte, const char *format, ...)
{
    va_list arguments;

    if (status >= 0)
        status = CKPT_CONTRACT;
    va_start(arguments, format);
    hub_fail_list(host_private(table)->report, status, tensor, byte, format,
                  arguments);
    va_end(arguments);
    return status;
}

static void host_warn(const struct ckpt_host *table, const char *tensor,
                      uint64_t byte, const char *format, ...) CKPT_PRINTF(4, 5);

static void
host_warn(const struct ckpt_host *table, const char *tensor, uint64_t byte,
          const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    hub_note_list(host_private(table)->report, CKPT_MESSAGE_WARNING, tensor,
                  byte, format, arguments);
    va_end(arguments);
}

static void host_debug(const struct ckpt_host *table, const char *format, ...)
    CKPT_PRINTF(2, 3);

static void
host_debug(const struct ckpt_host *table, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    hub_note_list(host_private(table)->report, CKPT_MESSAGE_DEBUG, NULL,
                  CKPT_NOWHERE, format, arguments);
    va_end(arguments);
}

static bool
host_cancelled(const struct ckpt_host *table)
{
    struct hub_host *host = host_private(table);

    return host->cancelled != NULL && host->cancelled(host->user);
}

static void *
host_allocate(const struct ckpt_host *table, size_t size_bytes)
{
    return hub_allocate(host_private(table)->budget, size_bytes);
}

static void *
host_reallocate(const struct ckpt_host *table, void *memory, size_t size_bytes)
{
    return hub_reallocate(host_private(table)->budget, memory, size_bytes);
}

static void
host_release(const struct ckpt_host *table, void *memory)
{
    hub_release(host_private(table)->budget, memory);
}

static const char *
host_source_name(const struct ckpt_host *table,
                 const struct ckpt_source *source)
{
    (void)table;
    return source->name;
}

static uint64_t
host_source_size(const struct ckpt_host *table,
                 const struct ckpt_source *source)
{
    (void)table;
    return source->size_bytes;
}

static bool
host_source_is_folder(const struct ckpt_host *table,
                      const struct ckpt_source *source)
{
    (void)table;
    return source->folder;
}

static int
host_source_read(const struct ckpt_host *table,
                 const struct ckpt_source *source, uint64_t offset,
                 void *buffer, size_t size_bytes)
{
    (void)table;
    return hub_source_read(source, offset, buffer, size_bytes);
}

static int
host_source_peek(const struct ckpt_host *table,
                 const struct ckpt_source *source, uint64_t offset,
                 size_t size_bytes, struct ckpt_span *span)
{
    (void)table;
    return hub_source_peek(source, offset, size_bytes, span);
}

/* The file or folder that the user named, by way of which this was found. */
static const struct ckpt_source *
source_origin(const struct ckpt_source *source)
{
    return source->origin != NULL ? source->origin : source;
}

static int
host_source_open(const struct ckpt_host *table,
                 const struct ckpt_source *source, const char *name,
                 const struct ckpt_source **opened)
{
    struct hub_host *host = host_private(table);
    struct ckpt_source *found;
    int status;

    for (found = host->sources; found != NULL; found = found->next) {
        if (found != source && source_origin(found) == source_origin(source) &&
            hub_source_is_beside(source, found, name)) {
            *opened = found;
            return CKPT_OK;
        }
    }
    status = hub_source_open_beside(source, name, &found);
    if (status != CKPT_OK)
        return status;
    found->origin = source_origin(source);
    found->named = source->named;
    hub_host_adopt(host, found);
    *opened = found;
    return CKPT_OK;
}

static int
host_source_list(const struct ckpt_host *table,
                 const struct ckpt_source *folder, const char *const **names)
{
    (void)table;
    return hub_source_list(folder, names);
}

static struct hub_graph *
host_graph(struct ckpt_graph *graph)
{
    return (struct hub_graph *)graph;
}

static bool
host_knows(const struct ckpt_host *table, size_t given, size_t known)
{
    if (given >= known)
        return true;
    host_fail(table, CKPT_CONTRACT, NULL, CKPT_NOWHERE,
              "a struct of %zu bytes, this hub needs %zu", given, known);
    return false;
}

static int
host_value_new(const struct ckpt_host *table, struct ckpt_graph *graph,
               const struct ckpt_value *like, size_t like_bytes,
               struct ckpt_value **value)
{
    if (!host_knows(table, like_bytes, sizeof *like))
        return CKPT_CONTRACT;
    if (like->kind == CKPT_KIND_TENSOR)
        return host_fail(table, CKPT_CONTRACT, NULL, CKPT_NOWHERE,
                         "tensors come from tensor_new");
    return hub_value_new(host_graph(graph), like, value);
}

static int
host_list_add(const struct ckpt_host *table, struct ckpt_graph *graph,
              struct ckpt_value *list, const struct ckpt_value *item)
{
    (void)table;
    return hub_list_add(host_graph(graph), list, item);
}

static int
host_map_set(const struct ckpt_host *table, struct ckpt_graph *graph,
             struct ckpt_value *map, const struct ckpt_value *key,
             const struct ckpt_value *value)
{
    (void)table;
    return hub_map_set(host_graph(graph), map, key, value);
}

static int
host_object_set(const struct ckpt_host *table, struct ckpt_graph *graph,
                struct ckpt_value *object, uint32_t part,
                const struct ckpt_value *value)
{
    (void)table;
    return hub_object_set(host_graph(graph), object, part, value);
}

static int
host_attr_set(const struct ckpt_host *table, struct ckpt_graph *graph,
              struct ckpt_value *owner, const char *name,
              const struct ckpt_value *value)
{
    (void)table;
    return hub_attr_set(host_graph(graph), owner, name, value);
}

static int
host_storage_new(const struct ckpt_host *table, struct ckpt_graph *graph,
                 const struct ckpt_storage *like, size_t like_bytes,
                 const struct ckpt_storage **storage)
{
    if (!host_knows(table, like_bytes, sizeof *like))
        return CKPT_CONTRACT;
    return hub_storage_new(host_graph(graph), like,
                           like->source != NULL ? like->source->size_bytes : 0,
                           storage);
}

static int
host_storage_join(const struct ckpt_host *table, struct ckpt_graph *graph,
                  const struct ckpt_tensor *const *views, size_t view_count,
                  const char *device, const struct ckpt_storage **storage)
{
    (void)table;
    return hub_storage_join(host_graph(graph), views, view_count, device,
                            storage);
}

static int
host_tensor_new(const struct ckpt_host *table, struct ckpt_graph *graph,
                const struct ckpt_tensor *like, size_t like_bytes,
                const char *name, struct ckpt_value **value)
{
    if (!host_knows(table, like_bytes, sizeof *like))
        return CKPT_CONTRACT;
    return hub_tensor_new(host_graph(graph), like, name, value);
}

static int
host_root_set(const struct ckpt_host *table, struct ckpt_graph *graph,
              const struct ckpt_value *value)
{
    (void)table;
    return hub_root_set(host_graph(graph), value);
}

static struct ckpt_graph *
host_edit_graph(const struct ckpt_host *table, struct ckpt_edits *edits)
{
    (void)table;
    return &edits->graph->public;
}

static int
host_edit_rename(const struct ckpt_host *table, struct ckpt_edits *edits,
                 const struct ckpt_value *map, size_t index, const char *name,
                 size_t name_bytes)
{
    (void)table;
    return hub_edit_rename(edits, map, index, name, name_bytes);
}

static int
host_edit_drop(const struct ckpt_host *table, struct ckpt_edits *edits,
               const struct ckpt_value *owner, size_t index)
{
    (void)table;
    return hub_edit_drop(edits, owner, index);
}

static int
host_edit_replace(const struct ckpt_host *table, struct ckpt_edits *edits,
                  const struct ckpt_value *owner, size_t index,
                  const struct ckpt_value *value)
{
    (void)table;
    return hub_edit_replace(edits, owner, index, value);
}

static int
host_edit_relabel(const struct ckpt_host *table, struct ckpt_edits *edits,
                  const struct ckpt_storage *storage, const char *device)
{
    (void)table;
    return hub_edit_relabel(edits, storage, device);
}

static int
host_edit_root(const struct ckpt_host *table, struct ckpt_edits *edits,
               const struct ckpt_value *value)
{
    (void)table;
    return hub_edit_root(edits, value);
}

static void
host_edit_hash_name(const struct ckpt_host *table, struct ckpt_edits *edits)
{
    (void)table;
    edits->hash_name = true;
}

static int
host_edit_attr_drop(const struct ckpt_host *table, struct ckpt_edits *edits,
                    const char *name)
{
    (void)table;
    return hub_edit_attr_drop(edits, name);
}

static void host_edit_unmatched(const struct ckpt_host *table,
                                struct ckpt_edits *edits, const char *format,
                                ...) CKPT_PRINTF(3, 4);

static void
host_edit_unmatched(const struct ckpt_host *table, struct ckpt_edits *edits,
                    const char *format, ...)
{
    va_list arguments;

    edits->unmatched++;
    va_start(arguments, format);
    hub_note_list(host_private(table)->report,
                  edits->optional ? CKPT_MESSAGE_STEP : CKPT_MESSAGE_WARNING,
                  NULL, CKPT_NOWHERE, format, arguments);
    va_end(arguments);
}

static int host_edit_tell(const struct ckpt_host *table,
                          struct ckpt_edits *edits, const char *tensor,
                          const char *what, bool notable, const char *format,
                          ...) CKPT_PRINTF(6, 7);

/* The words of one tensor, under -v; the count of all comes when the
 * transform is done. */
static int
host_edit_tell(const struct ckpt_host *table, struct ckpt_edits *edits,
               const char *tensor, const char *what, bool notable,
               const char *format, ...)
{
    struct hub_report *report = host_private(table)->report;
    char text[512];
    struct ckpt_told told = {report->transform, what, tensor, text, notable};
    va_list arguments;
    int status;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    status = hub_edit_tell(edits, tensor, what, notable);
    hub_note(report, CKPT_MESSAGE_STEP, tensor, CKPT_NOWHERE, "'%s': %s%s%s",
             report->transform != NULL ? report->transform : "?", what,
             text[0] != '\0' ? ": " : "", text);
    if (report->told != NULL)
        report->told(report->listener, &told);
    return status;
}

static int
host_edit_origin(const struct ckpt_host *table, struct ckpt_edits *edits,
                 const struct ckpt_value *tensor,
                 const struct ckpt_value *instead,
                 const struct ckpt_value *const *from, size_t from_count)
{
    (void)table;
    return hub_edit_origin(edits, tensor, instead, from, from_count);
}

static int
host_finding_add(const struct ckpt_host *table,
                 const struct ckpt_finding *finding, size_t finding_bytes)
{
    struct hub_found *found = host_private(table)->found;

    if (!host_knows(table, finding_bytes, sizeof *finding))
        return CKPT_CONTRACT;
    if (finding->severity > CKPT_SEVERITY_DANGEROUS || finding->kind == NULL)
        return host_fail(table, CKPT_CONTRACT, NULL, CKPT_NOWHERE,
                         "a finding of no kind or of severity %u",
                         finding->severity);
    return found != NULL ? hub_found_add(found, finding) : CKPT_OK;
}

static int
host_rehearse(const struct ckpt_host *table, int (*work)(void *context),
              void *context)
{
    struct hub_host *host = host_private(table);
    struct hub_child child = {.budget = host->budget,
                              .user = host->user,
                              .cancelled = host->cancelled};

    return hub_child_try(&child, work, context);
}

static void host_lose(const struct ckpt_host *table, const char *tensor,
                      uint64_t byte, const char *format, ...) CKPT_PRINTF(4, 5);

static void
host_lose(const struct ckpt_host *table, const char *tensor, uint64_t byte,
          const char *format, ...)
{
    struct hub_report *report = host_private(table)->report;
    va_list arguments;

    report->loss_count++;
    va_start(arguments, format);
    hub_note_list(report, CKPT_MESSAGE_WARNING, tensor, byte, format,
                  arguments);
    va_end(arguments);
}

static void host_remedy(const struct ckpt_host *table, const char *format, ...)
    CKPT_PRINTF(2, 3);

static void
host_remedy(const struct ckpt_host *table, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    hub_remedy_list(host_private(table)->report, format, arguments);
    va_end(arguments);
}

static bool
host_verifying(const struct ckpt_host *table)
{
    return host_private(table)->verifying;
}

static const struct ckpt_host host_table = {
    .size = sizeof(struct ckpt_host),
    .fail = host_fail,
    .warn = host_warn,
    .debug = host_debug,
    .cancelled = host_cancelled,
    .allocate = host_allocate,
    .reallocate = host_reallocate,
    .release = host_release,
    .source_name = host_source_name,
    .source_size = host_source_size,
    .source_is_folder = host_source_is_folder,
    .source_read = host_source_read,
    .source_peek = host_source_peek,
    .source_open = host_source_open,
    .source_list = host_source_list,
    .value_new = host_value_new,
    .list_add = host_list_add,
    .map_set = host_map_set,
    .object_set = host_object_set,
    .attr_set = host_attr_set,
    .storage_new = host_storage_new,
    .tensor_new = host_tensor_new,
    .root_set = host_root_set,
    .edit_graph = host_edit_graph,
    .edit_rename = host_edit_rename,
    .edit_drop = host_edit_drop,
    .edit_replace = host_edit_replace,
    .edit_relabel = host_edit_relabel,
    .edit_root = host_edit_root,
    .edit_unmatched = host_edit_unmatched,
    .finding_add = host_finding_add,
    .tensor_read = hub_host_tensor_read,
    .rehearse = host_rehearse,
    .tensor_open = hub_host_tensor_open,
    .tensor_next = hub_host_tensor_next,
    .tensor_close = hub_host_tensor_close,
    .storage_join = host_storage_join,
    .verifying = host_verifying,
    .remedy = host_remedy,
    .edit_tell = host_edit_tell,
    .edit_origin = host_edit_origin,
    .edit_hash_name = host_edit_hash_name,
    .edit_attr_drop = host_edit_attr_drop,
    .lose = host_lose,
};

void
hub_host_init(struct hub_host *host, struct hub_budget *budget)
{
    memset(host, 0, sizeof *host);
    host->table = host_table;
    host->table.hub = host;
    host->budget = budget;
    host->report = budget->report;
}

void
hub_host_fini(struct hub_host *host)
{
    struct ckpt_source *source = host->sources, *next;

    for (; source != NULL; source = next) {
        next = source->next;
        hub_source_free(source);
    }
    host->sources = NULL;
}

void
hub_host_adopt(struct hub_host *host, struct ckpt_source *source)
{
    source->next = host->sources;
    host->sources = source;
    host->source_count++;
}

int
hub_host_open(struct hub_host *host, const char *path,
              const struct ckpt_source **source)
{
    struct ckpt_source *opened;
    int status = hub_source_open(host->budget, path, &opened);

    if (status != CKPT_OK)
        return status;
    hub_host_adopt(host, opened);
    *source = opened;
    return CKPT_OK;
}

int
hub_host_unchanged(const struct hub_host *host)
{
    const struct ckpt_source *source;
    const char *file = host->report->file;
    int status = CKPT_OK;

    for (source = host->sources; source != NULL && status == CKPT_OK;
         source = source->next) {
        host->report->file = source->named ? source->path : file;
        status = hub_source_unchanged(source);
    }
    host->report->file = file;
    return status;
}
