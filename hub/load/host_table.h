/* SPDX-License-Identifier: MIT
 *
 * The functions that are lent to plugins, and what stands behind them.
 */
#ifndef HUB_LOAD_HOST_TABLE_H
#define HUB_LOAD_HOST_TABLE_H

#include "ckpt/host.h"
#include "hub/core/found.h"
#include "hub/graph/graph.h"
#include "hub/io/stream.h"

struct hub_host {
    struct ckpt_host table; /* first: what plugins see */
    struct hub_budget *budget;
    struct hub_report *report;
    struct ckpt_source *sources; /* all that were opened, newest first */
    size_t source_count;
    struct hub_found *found; /* where findings go, or NULL */
    bool verifying;          /* the reader's verify follows */
    void *user;
    bool (*cancelled)(void *user); /* may be NULL */
    struct hub_spool *spool;       /* while payload may be read, else NULL */
    unsigned stream_count;         /* of tensors that are open */
};

/* The functions for planning are lent by hub/run. */
void hub_host_init(struct hub_host *host, struct hub_budget *budget);

/* Closes all sources. */
void hub_host_fini(struct hub_host *host);

/* Opens a path as a source of this host. */
int hub_host_open(struct hub_host *host, const char *path,
                  const struct ckpt_source **source);

/* Takes a source over. */
void hub_host_adopt(struct hub_host *host, struct ckpt_source *source);

/* CKPT_IO if one of the sources is not what it was. */
int hub_host_unchanged(const struct hub_host *host);

#endif
