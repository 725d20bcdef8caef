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
#include "torch_records.h"
#include "torch_records_verify.h"
#include "torch_zip_plan.h"
#include "torch_zip_shards.h"

struct torch_zip {
    const struct ckpt_source *source;
    struct sdk_torch_records records;
};

/* It is for the reader of folders to say what that is. */
static bool
is_distcp(const char *name)
{
    size_t length = strlen(name);

    return length > 7 && strcmp(name + length - 7, ".distcp") == 0;
}

static int
torch_zip_probe(const struct ckpt_host *host, const struct ckpt_source *source,
                struct ckpt_evidence *evidence)
{
    const char *how = "zip of TorchScript or of an exported program";
    enum sdk_torch_archive archive;
    int status = sdk_torch_archive_of(host, source, &archive);

    if (status != CKPT_OK || archive == SDK_TORCH_BROKEN ||
        is_distcp(host->source_name(host, source)))
        return status;
    if (archive == SDK_TORCH_SAVED) {
        evidence->level = CKPT_EVIDENCE_STRUCTURE;
        how = "zip with data.pkl";
    } else if (archive == SDK_TORCH_DAMAGED) {
        evidence->level = CKPT_EVIDENCE_MAGIC;
        how = "damaged zip that starts with data.pkl";
    } else if (archive == SDK_TORCH_OTHER) {
        how = "zip without data.pkl";
    }
    snprintf(evidence->how, sizeof evidence->how, "%s", how);
    return CKPT_OK;
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
    sdk_torch_records_close(host, &((struct torch_zip *)self)->records);
    host->release(host, self);
}

/* ---- Describing ---- */

/* The record of the object; what other archives have as well is told. */
static int
find_pickle(const struct ckpt_host *host, struct sdk_torch_records *records,
            const struct sdk_zip_member **pickle)
{
    const struct sdk_zip_member *constants =
        sdk_torch_records_text(records, "constants.pkl");

    if (constants != NULL)
        return host->fail(host, CKPT_UNSUPPORTED, NULL,
                          constants->header_offset,
                          "this is a TorchScript archive");
    *pickle = sdk_torch_records_text(records, "data.pkl");
    if (*pickle == NULL)
        return host->fail(host, CKPT_FORMAT, NULL, CKPT_NOWHERE,
                          "there is no record 'data.pkl'");
    return CKPT_OK;
}

static int
read_object(const struct ckpt_host *host, struct sdk_torch_records *records,
            const struct sdk_zip_member *member, struct ckpt_graph *graph)
{
    struct sdk_torch_bytes bytes = {0};
    struct sdk_pickled pickled = {0};
    struct sdk_torch_source source = {.find = sdk_torch_records_storage,
                                      .user = records,
                                      .origin = sdk_torch_member_origin(member),
                                      .file = records->source};
    const struct ckpt_value *root;
    int status =
        sdk_torch_records_pickle(host, records, member, &bytes, &pickled);

    if (status == CKPT_OK)
        status = sdk_torch_read(host, graph, &pickled, &source, &root);
    if (status == CKPT_OK)
        status = host->root_set(host, graph, root);
    sdk_pickled_fini(host, &pickled);
    host->release(host, bytes.data);
    return status;
}

static int
read_attributes(const struct ckpt_host *host, struct sdk_torch_records *records,
                struct ckpt_graph *graph)
{
    const struct sdk_zip_member *member =
        sdk_torch_records_text(records, TORCH_ZIP_ATTRIBUTES);
    struct sdk_torch_bytes bytes = {0};
    int status;

    if (member == NULL)
        return CKPT_OK;
    status = sdk_torch_records_load(host, records, member, &bytes);
    if (status != CKPT_OK)
        return status;
    status = sdk_torch_attributes_read(
        host, graph, "record '" TORCH_ZIP_ATTRIBUTES "'", bytes.data,
        bytes.size_bytes, sdk_torch_member_origin(member));
    host->release(host, bytes.data);
    return status;
}

static int
torch_zip_describe(const struct ckpt_host *host, void *self,
                   struct ckpt_graph *graph)
{
    struct torch_zip *zip = self;
    struct sdk_torch_records *records = &zip->records;
    const struct sdk_zip_member *pickle = NULL;
    int status = sdk_torch_records_open(host, zip->source, records);

    if (status == CKPT_OK)
        status = find_pickle(host, records, &pickle);
    if (status == CKPT_OK)
        status = sdk_torch_records_about(host, records);
    if (status == CKPT_OK)
        status = read_object(host, records, pickle, graph);
    if (status == CKPT_OK)
        status = read_attributes(host, records, graph);
    if (status == CKPT_OK)
        sdk_torch_records_rest(host, records);
    return status;
}

/* ---- Deflated storages ---- */

static int
torch_zip_cursor_open(const struct ckpt_host *host, void *self,
                      const struct ckpt_storage *storage, void **cursor)
{
    return sdk_torch_cursor_open(host, &((struct torch_zip *)self)->records,
                                 (size_t)storage->cursor_key,
                                 storage->size_bytes, cursor);
}

static int
torch_zip_verify(const struct ckpt_host *host, void *self)
{
    return sdk_torch_records_verify(host, &((struct torch_zip *)self)->records,
                                    NULL);
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
    .cursor_next = sdk_torch_cursor_next,
    .cursor_close = sdk_torch_cursor_close,
    .verify = torch_zip_verify,
};

static const struct ckpt_reader *const readers[] = {
    &torch_zip_reader, &torch_zip_shards_reader, NULL};
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
