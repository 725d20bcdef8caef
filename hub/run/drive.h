/* SPDX-License-Identifier: MIT
 *
 * An output that its writer drives: bytes at any place, in any order, under
 * the same temporary name and rename as a planned one.
 */
#ifndef HUB_RUN_DRIVE_H
#define HUB_RUN_DRIVE_H

#include "ckpt/writer.h"
#include "hub/io/sink.h"
#include "hub/load/host_table.h"

struct ckpt_sink {
    struct hub_sink *file;
    uint64_t size_bytes; /* so far */
};

/* Lends the functions for driving. */
void hub_drive_lend(struct ckpt_host *table);

/* Lets a writer write all of an output, which was begun without a size. */
int hub_drive(struct hub_host *host, const struct ckpt_writer *writer,
              void *self, const struct ckpt_graph *graph,
              struct hub_sink *file);

#endif
