/* SPDX-License-Identifier: MIT
 *
 * The plan of a torch zip. Records alternate with gaps: gap i closes record
 * i - 1 and opens record i, and is filled late, because it begins with a
 * CRC. After the last gap come the central headers, also late, in runs.
 */
#include "torch_zip_plan.h"

#include <stdio.h>
#include <string.h>

#include "checked.h"
#include "torch_attributes.h"
#include "torch_release.h"
#include "torch_write.h"
#include "torch_zip_id.h"
#include "torch_zip_layout.h"
#include "torch_zip_split.h"

/* Records before and after the storages, in order. */
enum {
    RECORD_PICKLE,
    RECORD_FORMAT_VERSION,
    RECORD_ALIGNMENT,
    RECORD_BYTE_ORDER,
    RECORD_STORAGES
};

/* Tags of late segments: the number of a gap, of the first record of a run of
 * central headers, or the serialization id; and above it the archive's. */
#define TAG_ARCHIVE 40
#define TAG_NUMBER ((UINT64_C(1) << TAG_ARCHIVE) - 1)
#define TAG_CENTRAL (UINT64_C(1) << 62)
#define TAG_ID (UINT64_C(1) << 63)

/* Central headers in one segment. */
#define CENTRAL_RUN 1024

/* Longest name of a record without the archive. */
#define RECORD_NAME_BYTES 40

#define FILE_MAX (UINT64_C(1) << 62)

struct plan_record {
    uint64_t offset;
    uint64_t size_bytes;
    uint64_t segment; /* of its bytes, if there are any */
};

/* One archive. */
struct torch_zip_plan {
    uint64_t tag;         /* of its late segments: its number, shifted */
    size_t archive_bytes; /* of `name`: the archive with its slash */
    char name[512];       /* and, for the moment, one record */
    struct plan_record *records;
    size_t record_count, storage_count;
    bool has_attributes;
    uint64_t names; /* combined hash of the names of all but the id */
};

struct torch_zip_writer {
    struct ckpt_option_value release; /* enum sdk_torch_release, if given */
    uint64_t shard_bytes;             /* 0: one file */
    struct torch_zip_plan *plans;
    uint32_t plan_count;
};

static int
torch_zip_plan_open(const struct ckpt_host *host,
                    const struct ckpt_option_value *options, void **self)
{
    struct torch_zip_writer *writer;

    if (options[1].given && options[1].integer <= 0)
        return host->fail(host, CKPT_OPTION, NULL, CKPT_NOWHERE,
                          "shard-size must be more than 0");
    writer = host->allocate(host, sizeof *writer);
    if (writer == NULL)
        return CKPT_MEMORY;
    writer->release = options[0];
    if (options[1].given)
        writer->shard_bytes = (uint64_t)options[1].integer;
    *self = writer;
    return CKPT_OK;
}

static void
torch_zip_plan_close(const struct ckpt_host *host, void *self)
{
    struct torch_zip_writer *writer = self;
    uint32_t i;

    for (i = 0; i < writer->plan_count; i++)
        host->release(host, writer->plans[i].records);
    host->release(host, writer->plans);
    host->release(host, writer);
}

/* The file's name without its last extension. Where that leaves nothing, or
 * is not ASCII, torch says "archive". */
static void
plan_name_archive(struct torch_zip_plan *plan, const char *file)
{
    const char *from = strrchr(file, '\\');
    const char *dot, *p;
    size_t size_bytes;

    from = from != NULL ? from + 1 : file;
    dot = strrchr(from, '.');
    size_bytes = dot != NULL ? (size_t)(dot - from) : strlen(from);
    for (p = from; p < from + size_bytes; p++)
        if ((unsigned char)*p >= 0x80)
            size_bytes = 0;
    if (size_bytes == 0 ||
        size_bytes + 1 + RECORD_NAME_BYTES > sizeof plan->name) {
        from = "archive";
        size_bytes = strlen(from);
    }
    memcpy(plan->name, from, size_bytes);
    plan->name[size_bytes] = '/';
    plan->archive_bytes = size_bytes + 1;
}

/* The name of a record, without the archive. */
static const char *
plan_record_name(struct torch_zip_plan *plan, size_t i)
{
    static const char *const first[] = {"data.pkl", ".format_version",
                                        ".storage_alignment", "byteorder"};
    static const char *const last[] = {".data/serialization_id", "version",
                                       TORCH_ZIP_ATTRIBUTES};
    char *name = plan->name + plan->archive_bytes;
    bool storage =
        i >= RECORD_STORAGES && i < RECORD_STORAGES + plan->storage_count;

    if (storage) {
        memcpy(name, "data/", 5);
        sdk_torch_key(i - RECORD_STORAGES, name + 5);
    } else {
        snprintf(name, RECORD_NAME_BYTES, "%s",
                 i < RECORD_STORAGES ? first[i]
                                     : last[plan->record_count - 1 - i]);
    }
    return name;
}

/* Fills in all but the CRC. */
static void
plan_record_get(struct torch_zip_plan *plan, size_t i,
                struct torch_zip_record *record)
{
    const char *name = plan_record_name(plan, i);

    memset(record, 0, sizeof *record);
    record->name = plan->name;
    record->name_bytes = plan->archive_bytes + strlen(name);
    record->offset = plan->records[i].offset;
    record->size_bytes = plan->records[i].size_bytes;
}

/* The same without the name, which a descriptor does not hold. */
static void
plan_record_get_sizes(const struct torch_zip_plan *plan, size_t i,
                      struct torch_zip_record *record)
{
    memset(record, 0, sizeof *record);
    record->offset = plan->records[i].offset;
    record->size_bytes = plan->records[i].size_bytes;
}

static int
plan_late(const struct ckpt_host *host, struct ckpt_plan *output, uint64_t tag,
          uint64_t size_bytes)
{
    struct ckpt_segment late = {
        .kind = CKPT_SEGMENT_LATE, .size_bytes = size_bytes, .tag = tag};

    if (size_bytes == 0)
        return CKPT_OK;
    return host->plan_add(host, output, &late, sizeof late, NULL);
}

/* The gap before record i. */
static int
plan_gap(const struct ckpt_host *host, struct torch_zip_plan *plan,
         struct ckpt_plan *output, size_t i)
{
    struct torch_zip_record record;
    size_t size_bytes = 0;

    if (i > 0) {
        plan_record_get_sizes(plan, i - 1, &record);
        size_bytes = torch_zip_descriptor_bytes(&record);
    }
    if (i < plan->record_count) {
        plan->records[i].offset =
            host->plan_position(host, output) + size_bytes;
        plan_record_get(plan, i, &record);
        size_bytes += torch_zip_local_bytes(&record);
    }
    return plan_late(host, output, plan->tag | i, size_bytes);
}

/* Record i, whose bytes are `body`. */
static int
plan_record(const struct ckpt_host *host, struct torch_zip_plan *plan,
            struct ckpt_plan *output, size_t i, struct ckpt_segment *body)
{
    struct plan_record *record = &plan->records[i];
    int status;

    if (body->kind == CKPT_SEGMENT_STORAGE)
        body->size_bytes = body->storage->size_bytes;
    if (body->size_bytes > FILE_MAX - host->plan_position(host, output))
        return host->fail(host, CKPT_UNSUPPORTED, NULL, CKPT_NOWHERE,
                          "a file of more than 2^62 bytes");
    record->size_bytes = body->size_bytes;
    status = plan_gap(host, plan, output, i);
    if (status != CKPT_OK || body->size_bytes == 0)
        return status;
    body->checks = CKPT_CHECK_CRC32;
    return host->plan_add(host, output, body, sizeof *body, &record->segment);
}

static int
plan_text(const struct ckpt_host *host, struct torch_zip_plan *plan,
          struct ckpt_plan *output, size_t i, const char *text)
{
    struct ckpt_segment body = {
        .kind = CKPT_SEGMENT_BYTES, .size_bytes = strlen(text), .data = text};

    return plan_record(host, plan, output, i, &body);
}

static int
plan_buffer(const struct ckpt_host *host, struct torch_zip_plan *plan,
            struct ckpt_plan *output, size_t i, const struct sdk_buffer *buffer)
{
    struct ckpt_segment body = {.kind = CKPT_SEGMENT_BYTES,
                                .size_bytes = buffer->size_bytes,
                                .data = buffer->data};

    return plan_record(host, plan, output, i, &body);
}

static int
plan_storages(const struct ckpt_host *host, struct torch_zip_plan *plan,
              struct ckpt_plan *output, const struct sdk_torch_pickle *pickle)
{
    struct ckpt_segment body = {.kind = CKPT_SEGMENT_STORAGE};
    int status = CKPT_OK;
    size_t i;

    for (i = 0; status == CKPT_OK && i < pickle->use_count; i++) {
        body.storage = pickle->uses[i].storage;
        status = plan_record(host, plan, output, RECORD_STORAGES + i, &body);
    }
    return status;
}

static int
plan_names(const struct ckpt_host *host, struct torch_zip_plan *plan)
{
    size_t i, count = plan->record_count - 1;
    uint64_t *hashes = host->allocate(host, count * sizeof *hashes);
    const char *name;
    int status;

    if (hashes == NULL)
        return CKPT_MEMORY;
    for (i = 0; i < count; i++) {
        name = plan_record_name(plan, i);
        hashes[i] = torch_zip_id_name(name, strlen(name));
    }
    status = torch_zip_id_names(host, hashes, count, &plan->names);
    host->release(host, hashes);
    return status;
}

static int
plan_end(const struct ckpt_host *host, struct torch_zip_plan *plan,
         struct ckpt_plan *output)
{
    uint64_t offset = host->plan_position(host, output), size_bytes;
    unsigned char end[TORCH_ZIP_END_BYTES];
    struct ckpt_segment bytes = {
        .kind = CKPT_SEGMENT_BYTES, .size_bytes = sizeof end, .data = end};
    struct torch_zip_record record;
    size_t i = 0, first;
    int status = CKPT_OK;

    while (status == CKPT_OK && i < plan->record_count) {
        size_bytes = 0;
        first = i;
        do {
            plan_record_get(plan, i++, &record);
            size_bytes += torch_zip_central_bytes(&record);
        } while (i < plan->record_count && i % CENTRAL_RUN != 0);
        status = plan_late(host, output, plan->tag | TAG_CENTRAL | first,
                           size_bytes);
    }
    if (status != CKPT_OK)
        return status;
    size_bytes = host->plan_position(host, output) - offset;
    torch_zip_put_end(end, plan->record_count, offset, size_bytes);
    return host->plan_add(host, output, &bytes, sizeof bytes, NULL);
}

static int
plan_id(const struct ckpt_host *host, struct torch_zip_plan *plan,
        struct ckpt_plan *output, size_t i)
{
    struct ckpt_segment body = {.kind = CKPT_SEGMENT_LATE,
                                .size_bytes = TORCH_ZIP_ID_BYTES,
                                .tag = plan->tag | TAG_ID};

    return plan_record(host, plan, output, i, &body);
}

/* All records, in order. */
static int
plan_records(const struct ckpt_host *host, struct torch_zip_plan *plan,
             struct ckpt_plan *output, const struct sdk_torch_pickle *pickle,
             const struct sdk_buffer *attributes)
{
    size_t next = RECORD_STORAGES + plan->storage_count;
    int status =
        plan_buffer(host, plan, output, RECORD_PICKLE, &pickle->pickle.out);

    if (status == CKPT_OK)
        status = plan_text(host, plan, output, RECORD_FORMAT_VERSION, "1");
    if (status == CKPT_OK)
        status = plan_text(host, plan, output, RECORD_ALIGNMENT, "64");
    if (status == CKPT_OK)
        status = plan_text(host, plan, output, RECORD_BYTE_ORDER, "little");
    if (status == CKPT_OK)
        status = plan_storages(host, plan, output, pickle);
    if (status == CKPT_OK && plan->has_attributes)
        status = plan_buffer(host, plan, output, next++, attributes);
    if (status == CKPT_OK)
        status = plan_text(host, plan, output, next++, "3\n");
    if (status == CKPT_OK)
        status = plan_id(host, plan, output, next++);
    return status == CKPT_OK ? plan_gap(host, plan, output, next) : status;
}

/* One archive, under the name of its file, of the root or a part of it. */
static int
plan_archive(const struct ckpt_host *host,
             const struct torch_zip_writer *writer, struct torch_zip_plan *plan,
             const struct ckpt_graph *graph, const struct sdk_torch_part *part,
             const char *name, struct ckpt_plan *output)
{
    uint32_t release = SDK_TORCH_1_13 + (uint32_t)writer->release.integer;
    struct sdk_torch_pickle pickle = {.old_csr = writer->release.given &&
                                                 release == SDK_TORCH_1_13};
    struct sdk_buffer attributes = {0};
    int status =
        sdk_torch_write_part(host, graph, SDK_TORCH_ZIP, part, &pickle);

    if (status == CKPT_OK && writer->release.given)
        status = sdk_torch_release_check(host, graph, &pickle, release);
    if (status == CKPT_OK && part == NULL)
        status = sdk_torch_attributes_write(host, graph, &attributes);
    if (status != CKPT_OK)
        goto out;
    plan_name_archive(plan, name);
    plan->storage_count = pickle.use_count;
    plan->has_attributes = attributes.size_bytes > 0;
    plan->record_count = RECORD_STORAGES + plan->storage_count + 2 +
                         (plan->has_attributes ? 1 : 0);
    plan->records =
        host->allocate(host, plan->record_count * sizeof *plan->records);
    status = plan->records == NULL ? CKPT_MEMORY : plan_names(host, plan);
    if (status == CKPT_OK)
        status = plan_records(host, plan, output, &pickle, &attributes);
    if (status == CKPT_OK)
        status = plan_end(host, plan, output);
out:
    sdk_buffer_fini(host, &attributes);
    sdk_torch_fini(host, &pickle);
    return status;
}

/* The shards, and the index behind them. */
static int
plan_shards(const struct ckpt_host *host, struct torch_zip_writer *writer,
            const struct ckpt_graph *graph, struct torch_zip_split *split,
            struct ckpt_plan *output)
{
    struct sdk_torch_part part = {.shards = split->shards};
    const char *name;
    int status = CKPT_OK;

    for (; part.shard < split->count && status == CKPT_OK; part.shard++) {
        writer->plans[part.shard].tag = (uint64_t)part.shard << TAG_ARCHIVE;
        status = torch_zip_split_name(host, split, part.shard, &name);
        if (status == CKPT_OK)
            status = host->plan_file(host, output, name);
        if (status == CKPT_OK)
            status = plan_archive(host, writer, &writer->plans[part.shard],
                                  graph, &part, name, output);
    }
    return status == CKPT_OK ? torch_zip_split_index(host, split, graph, output)
                             : status;
}

static int
fail_index(const struct ckpt_host *host)
{
    if (host->remedy != NULL)
        host->remedy(host, "say how large they may be: -o shard-size=SIZE");
    return host->fail(host, CKPT_OPTION, NULL, CKPT_NOWHERE,
                      "this is the name of an index, of several files");
}

static int
torch_zip_plan_plan(const struct ckpt_host *host, void *self,
                    const struct ckpt_graph *graph, struct ckpt_plan *output)
{
    struct torch_zip_writer *writer = self;
    const char *name = host->plan_name(host, output);
    struct torch_zip_split split = {.count = 1};
    int status = CKPT_OK;

    if (writer->shard_bytes == 0 && torch_zip_index_suffix(name) != NULL)
        status = fail_index(host);
    else if (writer->shard_bytes > 0)
        status =
            torch_zip_split(host, graph, name, writer->shard_bytes, &split);
    if (status == CKPT_OK) {
        writer->plans =
            host->allocate(host, split.count * sizeof *writer->plans);
        status = writer->plans == NULL ? CKPT_MEMORY : CKPT_OK;
    }
    if (status == CKPT_OK) {
        writer->plan_count = split.count;
        status = split.count > 1 || split.index_named
                     ? plan_shards(host, writer, graph, &split, output)
                     : plan_archive(host, writer, writer->plans, graph, NULL,
                                    name, output);
    }
    torch_zip_split_fini(host, &split);
    return status;
}

/* ---- late ---- */

static uint32_t
late_crc32(const struct ckpt_host *host, const struct torch_zip_plan *plan,
           const struct ckpt_plan *output, size_t i)
{
    if (plan->records[i].size_bytes == 0)
        return 0;
    return host->plan_crc32(host, output, plan->records[i].segment);
}

static void
late_gap(const struct ckpt_host *host, struct torch_zip_plan *plan,
         const struct ckpt_plan *output, size_t gap, unsigned char *to)
{
    struct torch_zip_record record;

    if (gap > 0) {
        plan_record_get_sizes(plan, gap - 1, &record);
        record.crc32 = late_crc32(host, plan, output, gap - 1);
        to = torch_zip_put_descriptor(to, &record);
    }
    if (gap < plan->record_count) {
        plan_record_get(plan, gap, &record);
        torch_zip_put_local(to, &record);
    }
}

static void
late_central(const struct ckpt_host *host, struct torch_zip_plan *plan,
             const struct ckpt_plan *output, size_t i, unsigned char *to)
{
    struct torch_zip_record record;

    do {
        plan_record_get(plan, i, &record);
        record.crc32 = late_crc32(host, plan, output, i++);
        to = torch_zip_put_central(to, &record);
    } while (i < plan->record_count && i % CENTRAL_RUN != 0);
}

/* torch takes the CRCs from the descriptors, so empty records have none. */
static void
late_id(const struct ckpt_host *host, const struct torch_zip_plan *plan,
        const struct ckpt_plan *output, char *to)
{
    uint64_t checks = 0;
    size_t i;

    for (i = 0; i < plan->record_count - 1; i++)
        if (plan->records[i].size_bytes > 0)
            checks =
                torch_zip_id_combine(checks, late_crc32(host, plan, output, i));
    torch_zip_id_text(plan->names, checks, to);
}

static int
torch_zip_plan_late(const struct ckpt_host *host, void *self,
                    const struct ckpt_plan *output, uint64_t tag, void *buffer,
                    size_t size_bytes)
{
    struct torch_zip_writer *writer = self;
    uint64_t kind = tag & (TAG_ID | TAG_CENTRAL);
    struct torch_zip_plan *plan = &writer->plans[(tag ^ kind) >> TAG_ARCHIVE];

    (void)size_bytes;
    if (kind == TAG_ID)
        late_id(host, plan, output, buffer);
    else if (kind == TAG_CENTRAL)
        late_central(host, plan, output, (size_t)(tag & TAG_NUMBER), buffer);
    else
        late_gap(host, plan, output, (size_t)(tag & TAG_NUMBER), buffer);
    return CKPT_OK;
}

static const char *const torch_zip_plan_suffixes[] = {".pt",
                                                      ".pth",
                                                      ".bin",
                                                      ".ckpt",
                                                      ".th",
                                                      ".pth.tar",
                                                      ".bin.index.json",
                                                      ".pt.index.json",
                                                      ".pth.index.json",
                                                      NULL};

static const struct ckpt_option torch_zip_plan_options[] = {
    {"torch", CKPT_OPTION_CHOICE, NULL,
     "refuse what this release does not load in its safe mode",
     sdk_torch_releases + SDK_TORCH_1_13},
    {"shard-size", CKPT_OPTION_SIZE, NULL,
     "split a state dict into files of at most so many bytes of tensors, with "
     "an index",
     NULL},
    {NULL, CKPT_OPTION_END, NULL, NULL, NULL}};

const struct ckpt_writer torch_zip_writer = {
    .size = sizeof(struct ckpt_writer),
    .id = "torch-zip",
    .summary = "the zip archive of torch.save, or shards with an index",
    .suffixes = torch_zip_plan_suffixes,
    .options = torch_zip_plan_options,
    .limits = {.holds = SDK_TORCH_HOLDS | CKPT_HOLDS_STRINGS,
               .dtypes = SDK_TORCH_DTYPES},
    .open = torch_zip_plan_open,
    .plan = torch_zip_plan_plan,
    .late = torch_zip_plan_late,
    .close = torch_zip_plan_close};
