/* SPDX-License-Identifier: MIT
 *
 * What a transform's cursors are to make: records of its own, each with a
 * number that serves as a storage's cursor_key. They stay where they are.
 */
#ifndef SDK_JOBS_H
#define SDK_JOBS_H

#include "ckpt/host.h"

struct sdk_jobs {
    void **items;
    size_t count, room;
};

/* A new record, a copy of `like`, the last of the items; NULL after saying
 * why. */
void *sdk_jobs_add(const struct ckpt_host *host, struct sdk_jobs *jobs,
                   const void *like, size_t size_bytes);
void sdk_jobs_fini(const struct ckpt_host *host, struct sdk_jobs *jobs);

#endif
