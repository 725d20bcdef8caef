/* SPDX-License-Identifier: MIT
 *
 * The checks that the items carry: each is an archive of its own.
 */
#include "torch_dcp_graph.h"

#include <string.h>

#include "torch_records_verify.h"

/* What opening warns of was said by describe. */
static void CKPT_PRINTF(4, 5)
    no_warning(const struct ckpt_host *host, const char *tensor, uint64_t byte,
               const char *format, ...)
{
    (void)host;
    (void)tensor;
    (void)byte;
    (void)format;
}

int
torch_dcp_verify(const struct ckpt_host *host, const struct torch_dcp *self)
{
    const struct torch_dcp_archive *archives =
        (const void *)self->archives.data;
    size_t i, count = self->archives.size_bytes / sizeof *archives;
    struct sdk_torch_checked checked = {0};
    struct ckpt_host calm = {0};
    int status = CKPT_OK;

    memcpy(&calm, host, host->size < sizeof calm ? host->size : sizeof calm);
    calm.warn = no_warning;
    for (i = 0; i < count && status == CKPT_OK; i++) {
        struct sdk_torch_records records = {0};
        const struct ckpt_source *file = archives[i].file;

        status = sdk_torch_records_open_part(&calm, file, archives[i].offset,
                                             archives[i].size_bytes, &records);
        if (status == CKPT_OK)
            status = sdk_torch_records_check(
                host, &records, host->source_name(host, file), &checked);
        sdk_torch_records_close(host, &records);
        if (status == CKPT_OK && host->cancelled(host))
            status = CKPT_CANCELLED;
    }
    return status == CKPT_OK ? sdk_torch_checked_say(host, &checked, NULL)
                             : status;
}
