/* SPDX-License-Identifier: MIT
 *
 * A host table for unit tests: memory that is counted and can be made to run
 * out, messages that are kept, sources that are bytes in memory. It builds no
 * graphs and plans no outputs: those members are NULL.
 */
#ifndef TESTS_FALSE_HOST_H
#define TESTS_FALSE_HOST_H

#include "ckpt/host.h"

struct false_host {
    struct ckpt_host table; /* hand &table to the code under test */

    int status;     /* of the first failure; 0 if there was none */
    uint64_t byte;  /* its place */
    char text[512]; /* its reason */
    size_t failure_count;

    size_t warning_count;
    char warning[512]; /* the last one */

    size_t live_count; /* allocations that were not released */
    size_t live_bytes, peak_bytes;
    size_t budget_bytes; /* 0: no limit */
    size_t allocations;  /* done so far */
    size_t fail_at;      /* this allocation fails, from 1; 0: none */
};

/* A source over the caller's bytes. */
struct ckpt_source {
    const unsigned char *data;
    size_t size_bytes;
    size_t peek_count, read_count;
};

void false_host_init(struct false_host *host);

/* Forgets failures and warnings. */
void false_host_clear(struct false_host *host);

#endif
