/* SPDX-License-Identifier: MIT
 *
 * The list of segments that a writer makes.
 */
#include "hub/run/plan.h"

#include <string.h>

#include "checked.h"
#include "hub/io/source.h"

void
hub_plan_init(struct ckpt_plan *plan, struct hub_budget *budget,
              const char *name)
{
    memset(plan, 0, sizeof *plan);
    plan->arena.budget = budget;
    plan->report = budget->report;
    plan->name = name;
}

void
hub_plan_fini(struct ckpt_plan *plan)
{
    if (plan->arena.budget == NULL)
        return;
    hub_release(plan->arena.budget, plan->files);
    hub_release(plan->arena.budget, plan->segments);
    hub_arena_fini(&plan->arena);
}

static int
plan_file_add(struct ckpt_plan *plan, const char *name)
{
    struct hub_plan_file *files =
        hub_reallocate(plan->arena.budget, plan->files,
                       (plan->file_count + 1) * sizeof *files);

    if (files == NULL)
        return plan->report->status;
    plan->files = files;
    files[plan->file_count].name = name;
    files[plan->file_count++].size_bytes = 0;
    return CKPT_OK;
}

int
hub_plan_finish(struct ckpt_plan *plan)
{
    return plan->file_count > 0 ? CKPT_OK : plan_file_add(plan, NULL);
}

static const char *
host_plan_name(const struct ckpt_host *table, const struct ckpt_plan *plan)
{
    (void)table;
    return plan->name;
}

static int
host_plan_file(const struct ckpt_host *table, struct ckpt_plan *plan,
               const char *name)
{
    const char *copy;

    (void)table;
    if (name == NULL || name[0] == '\0' || strchr(name, '/') != NULL ||
        strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return hub_fail(plan->report, CKPT_CONTRACT, NULL, CKPT_NOWHERE,
                        "an output file without a plain name");
    if (plan->file_count > 0 && plan->files[0].name == NULL)
        return hub_fail(plan->report, CKPT_CONTRACT, NULL, CKPT_NOWHERE,
                        "files must be started before segments are added");
    copy = hub_arena_text(&plan->arena, name, strlen(name));
    return copy != NULL ? plan_file_add(plan, copy) : plan->report->status;
}

/* Whether a run of a file is within it. */
static bool
plan_source(const struct ckpt_segment *like)
{
    return like->source != NULL && !like->source->folder &&
           like->offset <= like->source->size_bytes &&
           like->size_bytes <= like->source->size_bytes - like->offset;
}

/* Fills what the kind names; false for a kind that does not exist. */
static bool
plan_segment(struct ckpt_plan *plan, const struct ckpt_segment *like,
             struct hub_segment *segment)
{
    segment->size_bytes = like->size_bytes;
    switch (like->kind) {
    case CKPT_SEGMENT_BYTES:
        segment->from.data =
            hub_arena_text(&plan->arena, like->data, (size_t)like->size_bytes);
        return segment->from.data != NULL;
    case CKPT_SEGMENT_PADDING:
        return true;
    case CKPT_SEGMENT_STORAGE:
        segment->from.storage = like->storage;
        segment->size_bytes = like->storage->size_bytes;
        break;
    case CKPT_SEGMENT_TENSOR:
        segment->from.tensor = like->tensor;
        segment->size_bytes = like->tensor->size_bytes;
        break;
    case CKPT_SEGMENT_SOURCE:
        if (!plan_source(like))
            return false;
        segment->from.source = like->source;
        segment->offset = like->offset;
        break;
    case CKPT_SEGMENT_LATE:
        segment->from.tag = like->tag;
        return like->size_bytes <= SIZE_MAX / 2;
    default:
        return false;
    }
    plan->payload_bytes += segment->size_bytes;
    return true;
}

static int
plan_room(struct ckpt_plan *plan)
{
    size_t capacity = plan->segment_capacity ? plan->segment_capacity * 2 : 64;
    struct hub_segment *grown;

    if (plan->segment_count < plan->segment_capacity)
        return CKPT_OK;
    grown = hub_reallocate(plan->arena.budget, plan->segments,
                           capacity * sizeof *grown);
    if (grown == NULL)
        return plan->report->status;
    plan->segments = grown;
    plan->segment_capacity = capacity;
    return CKPT_OK;
}

static int
host_plan_add(const struct ckpt_host *table, struct ckpt_plan *plan,
              const struct ckpt_segment *like, size_t like_bytes,
              uint64_t *index)
{
    struct hub_segment *segment;
    struct hub_plan_file *file;
    int status = hub_plan_finish(plan);

    (void)table;
    if (status == CKPT_OK)
        status = plan_room(plan);
    if (status != CKPT_OK)
        return status;
    segment = &plan->segments[plan->segment_count];
    memset(segment, 0, sizeof *segment);
    segment->kind = (uint8_t)like->kind;
    segment->checks = (uint8_t)like->checks;
    segment->file = (uint32_t)plan->file_count - 1;
    if (like_bytes < sizeof *like || !plan_segment(plan, like, segment))
        return hub_fail(plan->report, CKPT_CONTRACT, NULL, CKPT_NOWHERE,
                        "a segment that cannot be planned");
    if (like->name != NULL)
        segment->name =
            hub_arena_text(&plan->arena, like->name, strlen(like->name));
    file = &plan->files[segment->file];
    if (!sdk_add_u64(file->size_bytes, segment->size_bytes, &file->size_bytes))
        return hub_fail(plan->report, CKPT_LIMIT, segment->name, CKPT_NOWHERE,
                        "the output would be larger than any file");
    if (index != NULL)
        *index = plan->segment_count;
    plan->segment_count++;
    return plan->report->status;
}

static uint64_t
host_plan_position(const struct ckpt_host *table, const struct ckpt_plan *plan)
{
    (void)table;
    return plan->file_count > 0 ? plan->files[plan->file_count - 1].size_bytes
                                : 0;
}

static void host_plan_lose(const struct ckpt_host *table,
                           struct ckpt_plan *plan, const char *tensor,
                           const char *format, ...) CKPT_PRINTF(4, 5);

static void
host_plan_lose(const struct ckpt_host *table, struct ckpt_plan *plan,
               const char *tensor, const char *format, ...)
{
    va_list arguments;

    (void)table;
    va_start(arguments, format);
    hub_note_list(plan->report, CKPT_MESSAGE_LOSS, tensor, CKPT_NOWHERE, format,
                  arguments);
    va_end(arguments);
}

static uint32_t
host_plan_crc32(const struct ckpt_host *table, const struct ckpt_plan *plan,
                uint64_t index)
{
    (void)table;
    return index < plan->done_count ? plan->segments[index].crc32 : 0;
}

static int
host_plan_sha256(const struct ckpt_host *table, const struct ckpt_plan *plan,
                 uint64_t index, unsigned char digest[32])
{
    (void)table;
    if (index >= plan->done_count || plan->segments[index].sha256 == NULL)
        return hub_fail(plan->report, CKPT_CONTRACT, NULL, CKPT_NOWHERE,
                        "a digest that was not asked for, or is not there "
                        "yet");
    memcpy(digest, plan->segments[index].sha256, 32);
    return CKPT_OK;
}

void
hub_plan_lend(struct ckpt_host *table)
{
    table->plan_name = host_plan_name;
    table->plan_file = host_plan_file;
    table->plan_add = host_plan_add;
    table->plan_position = host_plan_position;
    table->plan_crc32 = host_plan_crc32;
    table->plan_sha256 = host_plan_sha256;
    table->plan_lose = host_plan_lose;
}
