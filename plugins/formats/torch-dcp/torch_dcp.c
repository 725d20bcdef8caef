/* SPDX-License-Identifier: MIT
 *
 * Distributed checkpoints of PyTorch, folders that torch.distributed.checkpoint
 * writes: the callbacks of the reader, and the tables.
 */
#include "ckpt/plugin.h"

#include <stdio.h>
#include <string.h>

#include "torch_dcp_graph.h"

static bool
is_part(const char *name)
{
    size_t size = strlen(name);

    return size > 7 && strcmp(name + size - 7, ".distcp") == 0;
}

/* The file .metadata itself: its pickle begins with the name of a module. Of
 * the other files it is known here that they are not to be read alone. */
static int
probe_file(const struct ckpt_host *host, const struct ckpt_source *source,
           struct ckpt_evidence *evidence)
{
    if (is_part(host->source_name(host, source))) {
        evidence->level = CKPT_EVIDENCE_STRUCTURE;
        snprintf(evidence->how, sizeof evidence->how, "zip named .distcp");
        return CKPT_OK;
    }
    if (strcmp(host->source_name(host, source), ".metadata") != 0)
        return CKPT_OK;
    evidence->level = CKPT_EVIDENCE_STRUCTURE;
    snprintf(evidence->how, sizeof evidence->how,
             ".metadata that begins with torch.distributed");
    return CKPT_OK;
}

static int
torch_dcp_probe(const struct ckpt_host *host, const struct ckpt_source *source,
                struct ckpt_evidence *evidence)
{
    const char *const *names;
    bool metadata = false, files = false;
    int status;

    if (!host->source_is_folder(host, source))
        return probe_file(host, source, evidence);
    status = host->source_list(host, source, &names);
    for (; status == CKPT_OK && *names != NULL; names++) {
        metadata = metadata || strcmp(*names, ".metadata") == 0;
        files = files || is_part(*names);
    }
    if (status != CKPT_OK || !metadata)
        return status;
    evidence->level = files ? CKPT_EVIDENCE_STRUCTURE : CKPT_EVIDENCE_MAGIC;
    snprintf(evidence->how, sizeof evidence->how, "folder with .metadata%s",
             files ? " and .distcp files" : "");
    return CKPT_OK;
}

static int
torch_dcp_open(const struct ckpt_host *host, const struct ckpt_source *source,
               const struct ckpt_option_value *options, void **self)
{
    struct torch_dcp *made;

    (void)options;
    if (!host->source_is_folder(host, source) &&
        is_part(host->source_name(host, source))) {
        if (host->remedy != NULL)
            host->remedy(host, "read the folder that it is in");
        return host->fail(host, CKPT_UNSUPPORTED, NULL, CKPT_NOWHERE,
                          "this is one file of a checkpoint, without its "
                          ".metadata");
    }
    made = host->allocate(host, sizeof *made);
    if (made == NULL)
        return CKPT_MEMORY;
    made->source = source;
    *self = made;
    return CKPT_OK;
}

static int
torch_dcp_describe_callback(const struct ckpt_host *host, void *self,
                            struct ckpt_graph *graph)
{
    return torch_dcp_describe(host, self, graph);
}

static void
torch_dcp_close(const struct ckpt_host *host, void *self)
{
    struct torch_dcp *dcp = self;
    size_t i;

    for (i = 0; i < dcp->count; i++) {
        host->release(host, dcp->pieces[i]->chunks);
        host->release(host, dcp->pieces[i]);
    }
    host->release(host, dcp->pieces);
    sdk_buffer_fini(host, &dcp->archives);
    host->release(host, dcp);
}

static int
torch_dcp_cursor(const struct ckpt_host *host, void *self,
                 const struct ckpt_storage *storage, void **cursor)
{
    const struct torch_dcp *dcp = self;

    return torch_dcp_cursor_open(host, dcp->pieces[storage->cursor_key],
                                 cursor);
}

static int
torch_dcp_verify_callback(const struct ckpt_host *host, void *self)
{
    return torch_dcp_verify(host, self);
}

/* Of .metadata: behind the head of protocol 4, and of protocol 2; and of the
 * files beside it. */
static const struct ckpt_magic magics[] = {{13, "torch.distributed.", 18},
                                           {3, "torch.distributed.", 18},
                                           {0, "PK\3\4", 4},
                                           {0, NULL, 0}};

static const char *const suffixes[] = {".distcp", NULL};

static const struct ckpt_reader torch_dcp_reader = {
    .size = sizeof torch_dcp_reader,
    .id = "torch-dcp",
    .summary = "distributed checkpoint (torch.distributed.checkpoint)",
    .suffixes = suffixes,
    .magics = magics,
    .capabilities = CKPT_READS_FOLDERS,
    .threads = CKPT_THREADS_INSTANCE,
    .probe = torch_dcp_probe,
    .open = torch_dcp_open,
    .describe = torch_dcp_describe_callback,
    .close = torch_dcp_close,
    .cursor_open = torch_dcp_cursor,
    .cursor_next = torch_dcp_cursor_next,
    .cursor_close = torch_dcp_cursor_close,
    .verify = torch_dcp_verify_callback,
};

static const struct ckpt_reader *const readers[] = {&torch_dcp_reader, NULL};

CKPT_PLUGIN(torch_dcp) = {
    .abi = CKPT_ABI,
    .size = sizeof(struct ckpt_plugin),
    .id = "torch-dcp",
    .version = "0.1.0",
    .summary = "distributed checkpoints of PyTorch",
    .readers = readers,
};
