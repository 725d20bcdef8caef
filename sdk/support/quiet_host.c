/* SPDX-License-Identifier: MIT
 *
 * The host's own functions go on saying what they must: those errors are the
 * system's.
 */
#include "quiet_host.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static int CKPT_PRINTF(5, 6)
    keep_reason(const struct ckpt_host *host, int status, const char *tensor,
                uint64_t byte, const char *format, ...)
{
    struct sdk_quiet_host *quiet = (struct sdk_quiet_host *)(uintptr_t)host;
    va_list arguments;

    (void)tensor;
    va_start(arguments, format);
    if (quiet->reason[0] == '\0')
        quiet->byte = byte;
    if (quiet->reason[0] == '\0')
        vsnprintf(quiet->reason, sizeof quiet->reason, format, arguments);
    va_end(arguments);
    return status;
}

void
sdk_quiet_host_init(struct sdk_quiet_host *quiet, const struct ckpt_host *host)
{
    memset(quiet, 0, sizeof *quiet);
    memcpy(&quiet->table, host,
           host->size < sizeof quiet->table ? host->size : sizeof quiet->table);
    quiet->table.fail = keep_reason;
}
