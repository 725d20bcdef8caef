/* SPDX-License-Identifier: MIT
 *
 * The stack of errors that libhdf5 keeps for each thread, from its deepest
 * entry up: that one is the cause.
 */
#include "hdf5_error.h"

#include <stdio.h>
#include <string.h>

#define CAUSE_BYTES 200

void
hdf5_quiet_begin(struct hdf5_quiet *quiet)
{
    memset(quiet, 0, sizeof *quiet);
    H5Eget_auto2(H5E_DEFAULT, &quiet->print, &quiet->data);
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
}

void
hdf5_quiet_end(const struct hdf5_quiet *quiet)
{
    H5Eclear2(H5E_DEFAULT);
    H5Eset_auto2(H5E_DEFAULT, quiet->print, quiet->data);
}

static herr_t
error_first(unsigned index, const H5E_error2_t *error, void *cause)
{
    if (index == 0 && error->desc != NULL)
        snprintf(cause, CAUSE_BYTES, "%s", error->desc);
    return 0;
}

static void
error_cause(char cause[CAUSE_BYTES])
{
    cause[0] = '\0';
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, error_first, cause);
}

int
hdf5_fail(const struct ckpt_host *host, int status, const char *name,
          uint64_t byte, const char *what)
{
    char cause[CAUSE_BYTES];

    error_cause(cause);
    H5Eclear2(H5E_DEFAULT);
    return host->fail(host, status, name, byte, "%s%s%s", what,
                      cause[0] != '\0' ? ": libhdf5: " : "", cause);
}

bool
hdf5_failed_with(const char *text)
{
    char cause[CAUSE_BYTES];

    error_cause(cause);
    return strstr(cause, text) != NULL;
}
