/* SPDX-License-Identifier: MIT
 *
 * A file in memory of which only the pages that were written are there; all
 * else is zeros. libhdf5 lays a whole output out in it, and never touches the
 * extents of its data sets.
 */
#ifndef HDF5_PLAN_PAGES_H
#define HDF5_PLAN_PAGES_H

#include "ckpt/host.h"
#include "hash_table.h"
#include "hdf5_driver.h"

#define HDF5_PAGE_BYTES 4096

struct hdf5_page;

/* A zeroed struct with a host is an empty file. */
struct hdf5_pages {
    const struct ckpt_host *host;
    struct sdk_table table;   /* of page numbers: 1 + index among pages */
    struct hdf5_page **pages; /* in order of their first write */
    size_t count, room;
    uint64_t size_bytes; /* as libhdf5 settled it */
    int status; /* of the first failure; writes are dropped from then on, and
                   libhdf5 is told that all is well */
};

/* The functions for hdf5_driver_open. */
struct hdf5_bytes hdf5_pages_bytes(struct hdf5_pages *pages);

/* Appends [begin, end) to the plan: what was written as bytes, the rest as
 * padding. The plan copies them. */
int hdf5_pages_plan(struct hdf5_pages *pages, struct ckpt_plan *plan,
                    uint64_t begin, uint64_t end);

void hdf5_pages_fini(struct hdf5_pages *pages);

#endif
