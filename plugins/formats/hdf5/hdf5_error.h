/* SPDX-License-Identifier: MIT
 *
 * The messages of libhdf5: never printed, and told as ours.
 */
#ifndef HDF5_ERROR_H
#define HDF5_ERROR_H

#include <hdf5.h>

#include "ckpt/host.h"

/* libhdf5 prints its errors unless each thread tells it not to. */
struct hdf5_quiet {
    H5E_auto2_t print; /* what was in force before */
    void *data;
};

/* Around all calls of libhdf5: nothing is printed in between. */
void hdf5_quiet_begin(struct hdf5_quiet *quiet);
void hdf5_quiet_end(const struct hdf5_quiet *quiet);

/* host->fail with `what`, and behind it what libhdf5 says was the cause of its
 * last failure; forgets that failure. Returns `status`. */
int hdf5_fail(const struct ckpt_host *host, int status, const char *name,
              uint64_t byte, const char *what);

/* Whether the cause of the last failure has this text in it. */
bool hdf5_failed_with(const char *text);

#endif
