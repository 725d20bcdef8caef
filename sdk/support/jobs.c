/* SPDX-License-Identifier: MIT
 *
 * Records in memory of their own, and a list of them that doubles.
 */
#include "jobs.h"

#include <string.h>

void *
sdk_jobs_add(const struct ckpt_host *host, struct sdk_jobs *jobs,
             const void *like, size_t size_bytes)
{
    size_t room = jobs->room > 0 ? 2 * jobs->room : 8;
    void **items, *made;

    if (jobs->count == jobs->room) {
        items = host->reallocate(host, jobs->items, room * sizeof *items);
        if (items == NULL)
            return NULL;
        jobs->items = items;
        jobs->room = room;
    }
    made = host->allocate(host, size_bytes);
    if (made == NULL)
        return NULL;
    memcpy(made, like, size_bytes);
    jobs->items[jobs->count++] = made;
    return made;
}

void
sdk_jobs_fini(const struct ckpt_host *host, struct sdk_jobs *jobs)
{
    size_t i;

    for (i = 0; i < jobs->count; i++)
        host->release(host, jobs->items[i]);
    host->release(host, jobs->items);
}
