/* SPDX-License-Identifier: MIT
 *
 * The zip form of torch.save: the callbacks of the reader, and the tables.
 * The pickle is read by the support code; here its storages meet the records
 * of the archive. The writer is in torch_zip_plan.c.
 */
#include "ckpt/plugin.h"

#include <stdio.h>
#include <string.h>

#include "torch_attributes.h"
#include "torch_read.h"
#include "torch_zip_parse.h"
#include "torch_zip_plan.h"

#define CURSOR_BYTES ((size_t)256 << 10)

struct torch_zip {
    const struct ckpt_source *source;
    struct torch_zip_records records;
};

struct torch_zip_cursor {
    struct torch_zip_stream *stream;
    uint64_t left_bytes; /* of the storage */
    bool finished;
    unsigned char buffer[CURSOR_BYTES];
};

static int
torch_zip_probe(const struct ckpt_host *host, const struct ckpt_source *source,
                struct ckpt_evidence *evidence)
{
    return torch_zip_recognise(host, source, evidence);
}

static int
torch_zip_open(const struct ckpt_host *host, const struct ckpt_source *source,
               const struct ckpt_option_value *options, void **self)
{
    struct torch_zip *made = host->allocate(host, sizeof *made);

    (void)options;
    if (made == NULL)
        return CKPT_MEMORY;
    made->source = source;
    *self = made;
    return CKPT_OK;
}

static void
torch_zip_close(const struct ckpt_host *host, void *self)
{
    torch_zip_close_records(host, &((struct torch_zip *)self)->records);
    host->release(host, self);
}

/* ---- Storages ---- */

/* Compares a record with the storage it is of. A longer one was borne by
 * torch before 2.10; a shorter one made it read beyond its memory. */
static int
check_record(const struct ckpt_host *host,
             const struct sdk_torch_storage *storage,
             const struct sdk_zip_member *member, int key_bytes)
{
    if (member->size_bytes < storage->size_bytes)
        return host->fail(host, CKPT_FORMAT, storage->tensor,
                          member->data_offset,
                          "record 'data/%.*s' has %llu bytes, its storage has "
                          "%llu",
                          key_bytes, storage->key.data,
                          (unsigned long long)member->size_bytes,
                          (unsigned long long)storage->size_bytes);
    if (member->size_bytes > storage->size_bytes)
        host->warn(host, storage->tensor, member->data_offset,
                   "record 'data/%.*s' has %llu bytes, its storage only %llu",
                   key_bytes, storage->key.data,
                   (unsigned long long)member->size_bytes,
                   (unsigned long long)storage->size_bytes);
    if (member->method != SDK_ZIP_STORED && member->method != SDK_ZIP_DEFLATED)
        return host->fail(host, CKPT_UNSUPPORTED, storage->tensor,
                          member->header_offset,
                          "record 'data/%.*s' is packed by method %u",
                          key_bytes, storage->key.data, member->method);
    return CKPT_OK;
}

static int
torch_zip_find_storage(const struct ckpt_host *host, void *user,
                       const struct sdk_torch_storage *storage,
                       struct ckpt_storage *like)
{
    struct torch_zip_records *records = user;
    const struct sdk_zip_member *member = NULL;
    size_t key_bytes = storage->key.size_bytes;
    char record[256] = "data/";
    int status, shown = (int)(key_bytes < 200 ? key_bytes : 200);

    if (key_bytes < sizeof record - 5) {
        memcpy(record + 5, storage->key.data, key_bytes);
        member = torch_zip_find(records, record, 5 + key_bytes);
    }
    if (member == NULL)
        return host->fail(host, CKPT_FORMAT, storage->tensor, storage->byte,
                          "there is no record 'data/%.*s'", shown,
                          storage->key.data);
    status = check_record(host, storage, member, shown);
    if (status != CKPT_OK)
        return status;
    like->byte_order =
        records->big_endian ? CKPT_BIG_ENDIAN : CKPT_LITTLE_ENDIAN;
    if (member->method == SDK_ZIP_STORED) {
        like->place = CKPT_PLACE_SPAN;
        like->source = records->source;
        like->source_offset = member->data_offset;
    } else {
        like->place = CKPT_PLACE_CODED;
        like->cursor_key = (uint64_t)(member - records->zip.members);
    }
    return CKPT_OK;
}

/* ---- Describing ---- */

static int
read_object(const struct ckpt_host *host, struct torch_zip_records *records,
            const struct torch_zip_bytes *bytes, struct ckpt_graph *graph)
{
    bool stored = records->pickle->method == SDK_ZIP_STORED;
    uint64_t origin = stored ? records->pickle->data_offset : CKPT_NOWHERE;
    struct sdk_pickled_input input = {
        .data = bytes->data, .size_bytes = bytes->size_bytes, .origin = origin};
    struct sdk_torch_source source = {
        .find = torch_zip_find_storage, .user = records, .origin = origin};
    struct sdk_pickled pickled = {0};
    const struct ckpt_value *root;
    int status = sdk_pickled_parse(host, &input, &pickled);

    if (status == CKPT_OK && pickled.end_bytes < bytes->size_bytes)
        host->warn(host, NULL, stored ? origin + pickled.end_bytes : origin,
                   "%zu bytes follow the pickle in 'data.pkl'",
                   bytes->size_bytes - pickled.end_bytes);
    if (status == CKPT_OK)
        status = sdk_torch_read(host, graph, &pickled, &source, &root);
    if (status == CKPT_OK)
        status = host->root_set(host, graph, root);
    sdk_pickled_fini(host, &pickled);
    return status;
}

static int
read_attributes(const struct ckpt_host *host, struct torch_zip_records *records,
                struct ckpt_graph *graph)
{
    const struct sdk_zip_member *member = torch_zip_find(
        records, TORCH_ZIP_ATTRIBUTES, strlen(TORCH_ZIP_ATTRIBUTES));
    struct torch_zip_bytes bytes = {0};
    int status;

    if (member == NULL)
        return CKPT_OK;
    status = torch_zip_load(host, records, member, &bytes);
    if (status != CKPT_OK)
        return status;
    status = sdk_torch_attributes_read(
        host, graph, "record '" TORCH_ZIP_ATTRIBUTES "'", bytes.data,
        bytes.size_bytes,
        member->method == SDK_ZIP_STORED ? member->data_offset : CKPT_NOWHERE);
    host->release(host, bytes.data);
    return status;
}

static int
torch_zip_describe(const struct ckpt_host *host, void *self,
                   struct ckpt_graph *graph)
{
    struct torch_zip *zip = self;
    struct torch_zip_records *records = &zip->records;
    struct torch_zip_bytes bytes = {0};
    int status = torch_zip_open_records(host, zip->source, records);

    if (status == CKPT_OK)
        status = torch_zip_load(host, records, records->pickle, &bytes);
    if (status == CKPT_OK)
        status = read_object(host, records, &bytes, graph);
    host->release(host, bytes.data);
    if (status == CKPT_OK)
        status = read_attributes(host, records, graph);
    if (status == CKPT_OK)
        torch_zip_report_rest(host, records);
    return status;
}

/* ---- Deflated storages ---- */

static int
torch_zip_cursor_open(const struct ckpt_host *host, void *self,
                      const struct ckpt_storage *storage, void **cursor)
{
    struct torch_zip_records *records = &((struct torch_zip *)self)->records;
    struct torch_zip_inflate *inflate;
    struct torch_zip_cursor *made = host->allocate(host, sizeof *made);
    int status = CKPT_MEMORY;

    if (made == NULL)
        return status;
    status = torch_zip_inflate_of(host, records, &inflate);
    if (status == CKPT_OK)
        status = torch_zip_stream_open(
            host, inflate, &records->zip.members[storage->cursor_key],
            &made->stream);
    made->left_bytes = storage->size_bytes;
    if (status == CKPT_OK)
        *cursor = made;
    else
        host->release(host, made);
    return status;
}

static int
torch_zip_cursor_next(const struct ckpt_host *host, void *cursor,
                      struct ckpt_span *span)
{
    struct torch_zip_cursor *self = cursor;
    size_t wanted = self->left_bytes < CURSOR_BYTES ? (size_t)self->left_bytes
                                                    : CURSOR_BYTES;
    int status;

    if (self->finished)
        return CKPT_END;
    status = torch_zip_stream_read(host, self->stream, self->buffer, wanted);
    if (status != CKPT_OK)
        return status;
    self->left_bytes -= wanted;
    /* The check of the whole comes before its last bytes are handed out. */
    if (self->left_bytes == 0) {
        self->finished = true;
        status = torch_zip_stream_finish(host, self->stream);
        if (status != CKPT_OK || wanted == 0)
            return status != CKPT_OK ? status : CKPT_END;
    }
    span->data = self->buffer;
    span->size_bytes = wanted;
    return CKPT_OK;
}

static void
torch_zip_cursor_close(const struct ckpt_host *host, void *cursor)
{
    torch_zip_stream_close(host, ((struct torch_zip_cursor *)cursor)->stream);
    host->release(host, cursor);
}

/* ---- Tables ---- */

static const char *const suffixes[] = {".pt",  ".pth",   ".bin", ".ckpt",
                                       ".pkl", ".model", NULL};

static const struct ckpt_magic magics[] = {{0, "PK\3\4", 4}, {0, NULL, 0}};

static const struct ckpt_reader torch_zip_reader = {
    .size = sizeof torch_zip_reader,
    .id = "torch-zip",
    .summary = "PyTorch checkpoint, zip form (torch.save since 1.6)",
    .suffixes = suffixes,
    .magics = magics,
    .threads = CKPT_THREADS_INSTANCE,
    .probe = torch_zip_probe,
    .open = torch_zip_open,
    .describe = torch_zip_describe,
    .close = torch_zip_close,
    .cursor_open = torch_zip_cursor_open,
    .cursor_next = torch_zip_cursor_next,
    .cursor_close = torch_zip_cursor_close,
};

static const struct ckpt_reader *const readers[] = {&torch_zip_reader, NULL};
static const struct ckpt_writer *const writers[] = {&torch_zip_writer, NULL};

CKPT_PLUGIN(torch_zip) = {
    .abi = CKPT_ABI,
    .size = sizeof(struct ckpt_plugin),
    .id = "torch-zip",
    .version = "0.1.0",
    .summary = "PyTorch checkpoints in the zip form of torch.save",
    .readers = readers,
    .writers = writers,
};
