/* SPDX-License-Identifier: MIT
 *
 * Moving the bytes of a plan.
 */
#ifndef HUB_RUN_PUMP_H
#define HUB_RUN_PUMP_H

#include "ckpt/writer.h"
#include "hub/io/sink.h"
#include "hub/io/stream.h"
#include "hub/run/plan.h"
#include "hub/run/user.h"

struct hub_pump {
    struct ckpt *user;
    struct hub_host *host;
    struct ckpt_plan *plan;
    const struct ckpt_writer *writer;
    void *self; /* the writer's */
    struct hub_spool *spool;
    uint64_t done_bytes; /* of payload */
    uint64_t told_bytes; /* at the last call of progress */
};

/* Writes the segments of one file of the plan into its sink, in order.
 * `*segment` is the first one's index, then that after the last. */
int hub_pump_file(struct hub_pump *pump, struct hub_sink *sink, uint32_t file,
                  size_t *segment);

#endif
