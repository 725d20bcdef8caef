/* SPDX-License-Identifier: MIT
 *
 * TorchScript archives: the callbacks of the reader, and the tables. It also
 * knows the other files of torch that hold programs, to say what they are.
 */
#include "ckpt/plugin.h"

#include <stdio.h>
#include <string.h>

#include "torch_records_verify.h"
#include "torchscript_state.h"

#define FLATBUFFER_AT 4

struct torchscript {
    const struct ckpt_source *source;
    struct sdk_torch_records records;
};

/* ---- What a file is ---- */

static int
is_flatbuffer(const struct ckpt_host *host, const struct ckpt_source *source,
              bool *is)
{
    struct ckpt_span head;
    int status;

    *is = false;
    if (host->source_size(host, source) < FLATBUFFER_AT + 4)
        return CKPT_OK;
    status = host->source_peek(host, source, 0, FLATBUFFER_AT + 4, &head);
    if (status == CKPT_OK)
        *is = memcmp(head.data + FLATBUFFER_AT, "PTMF", 4) == 0;
    return status;
}

static int
torchscript_probe(const struct ckpt_host *host,
                  const struct ckpt_source *source,
                  struct ckpt_evidence *evidence)
{
    static const char *const how[] = {
        [SDK_TORCH_OTHER] = "zip of another kind",
        [SDK_TORCH_SAVED] = "zip of torch.save",
        [SDK_TORCH_DAMAGED] = "damaged zip of torch.save",
        [SDK_TORCH_SCRIPT] = "zip with constants.pkl",
        [SDK_TORCH_MODEL] = "zip with model.json and version",
        [SDK_TORCH_EXPORT] = "zip of torch.export",
        [SDK_TORCH_PACKAGE] = "zip of torch.package"};
    enum sdk_torch_archive archive = SDK_TORCH_SAVED;
    bool flatbuffer;
    int status = is_flatbuffer(host, source, &flatbuffer);

    if (status != CKPT_OK)
        return status;
    if (flatbuffer) {
        evidence->level = CKPT_EVIDENCE_MAGIC;
        snprintf(evidence->how, sizeof evidence->how, "PTMF at byte 4");
        return CKPT_OK;
    }
    /* Most files are another reader's, and have long directories. */
    if (!sdk_torch_archive_is_saved(host, source))
        status = sdk_torch_archive_of(host, source, &archive);
    if (status != CKPT_OK || archive == SDK_TORCH_BROKEN)
        return status;
    if (archive >= SDK_TORCH_SCRIPT)
        evidence->level = CKPT_EVIDENCE_STRUCTURE;
    snprintf(evidence->how, sizeof evidence->how, "%s", how[archive]);
    return CKPT_OK;
}

/* ---- Reading ---- */

static int
torchscript_open(const struct ckpt_host *host, const struct ckpt_source *source,
                 const struct ckpt_option_value *options, void **self)
{
    struct torchscript *made = host->allocate(host, sizeof *made);

    (void)options;
    if (made == NULL)
        return CKPT_MEMORY;
    made->source = source;
    *self = made;
    return CKPT_OK;
}

static void
torchscript_close(const struct ckpt_host *host, void *self)
{
    sdk_torch_records_close(host, &((struct torchscript *)self)->records);
    host->release(host, self);
}

static int
refuse(const struct ckpt_host *host, const char *what)
{
    host->fail(host, CKPT_UNSUPPORTED, NULL, CKPT_NOWHERE, "%s", what);
    return CKPT_UNSUPPORTED;
}

/* Refuses what is known by name and not read. */
static int
check_kind(const struct ckpt_host *host, const struct ckpt_source *source,
           enum sdk_torch_archive *archive)
{
    bool flatbuffer;
    int status = is_flatbuffer(host, source, &flatbuffer);

    if (status != CKPT_OK)
        return status;
    if (flatbuffer)
        return refuse(host, "a mobile module in flatbuffer form; load it with "
                            "torch.jit.load and save its state_dict");
    status = sdk_torch_archive_of(host, source, archive);
    if (status != CKPT_OK)
        return status;
    if (*archive == SDK_TORCH_EXPORT)
        return refuse(host, "a program of torch.export; load it with "
                            "torch.export.load and save its state_dict");
    if (*archive == SDK_TORCH_PACKAGE)
        return refuse(host, "an archive of torch.package; load its objects "
                            "with PackageImporter and save their state_dict");
    return CKPT_OK;
}

static int
torchscript_describe(const struct ckpt_host *host, void *self,
                     struct ckpt_graph *graph)
{
    struct torchscript *script = self;
    struct sdk_torch_records *records = &script->records;
    enum sdk_torch_archive archive;
    int status = check_kind(host, script->source, &archive);

    if (status == CKPT_OK)
        status = sdk_torch_records_open(host, script->source, records);
    if (status == CKPT_OK)
        status = sdk_torch_records_about(host, records);
    if (status == CKPT_OK)
        status = archive == SDK_TORCH_MODEL
                     ? torchscript_model_read(host, records, graph)
                     : torchscript_state_read(host, records, graph);
    if (status == CKPT_OK)
        status = torchscript_list(host, records, graph);
    if (status == CKPT_OK)
        sdk_torch_records_rest(host, records);
    return status;
}

static int
torchscript_cursor_open(const struct ckpt_host *host, void *self,
                        const struct ckpt_storage *storage, void **cursor)
{
    return sdk_torch_cursor_open(host, &((struct torchscript *)self)->records,
                                 (size_t)storage->cursor_key,
                                 storage->size_bytes, cursor);
}

static int
torchscript_verify(const struct ckpt_host *host, void *self)
{
    return sdk_torch_records_verify(
        host, &((struct torchscript *)self)->records, NULL);
}

/* ---- Tables ---- */

static const char *const suffixes[] = {".pt", ".pth", ".ptl", ".ts", NULL};

static const struct ckpt_magic magics[] = {
    {0, "PK\3\4", 4}, {FLATBUFFER_AT, "PTMF", 4}, {0, NULL, 0}};

static const struct ckpt_reader torchscript_reader = {
    .size = sizeof torchscript_reader,
    .id = "torchscript",
    .summary = "TorchScript archive (torch.jit.save)",
    .suffixes = suffixes,
    .magics = magics,
    .threads = CKPT_THREADS_INSTANCE,
    .probe = torchscript_probe,
    .open = torchscript_open,
    .describe = torchscript_describe,
    .close = torchscript_close,
    .cursor_open = torchscript_cursor_open,
    .cursor_next = sdk_torch_cursor_next,
    .cursor_close = sdk_torch_cursor_close,
    .verify = torchscript_verify,
};

static const struct ckpt_reader *const readers[] = {&torchscript_reader, NULL};

CKPT_PLUGIN(torchscript) = {
    .abi = CKPT_ABI,
    .size = sizeof(struct ckpt_plugin),
    .id = "torchscript",
    .version = "0.1.0",
    .summary = "the state of TorchScript archives",
    .readers = readers,
};
