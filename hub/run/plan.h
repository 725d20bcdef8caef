/* SPDX-License-Identifier: MIT
 *
 * What an output will be, before a byte of it is written.
 */
#ifndef HUB_RUN_PLAN_H
#define HUB_RUN_PLAN_H

#include "hub/core/arena.h"
#include "hub/load/host_table.h"

struct hub_segment {
    uint8_t kind;   /* enum ckpt_segment_kind */
    uint8_t checks; /* CKPT_CHECK_* */
    uint32_t file;  /* index among the files */
    uint32_t crc32; /* once it is done */
    uint64_t size_bytes;
    union {
        const void *data;
        const struct ckpt_storage *storage;
        const struct ckpt_tensor *tensor;
        const struct ckpt_source *source;
        uint64_t tag;
    } from;
    uint64_t offset; /* in the source */
    const char *name;
    unsigned char *sha256; /* once it is done, if asked for */
};

struct hub_plan_file {
    const char *name; /* NULL: the user's own */
    uint64_t size_bytes;
};

struct ckpt_plan {
    struct hub_arena arena;
    struct hub_report *report;
    const char *name; /* of the user's file, without folders */
    struct hub_plan_file *files;
    size_t file_count;
    struct hub_segment *segments;
    size_t segment_count, segment_capacity;
    size_t done_count; /* segments that the pump has finished */
    uint64_t payload_bytes;
};

/* `name` is borrowed for the plan's life. */
void hub_plan_init(struct ckpt_plan *plan, struct hub_budget *budget,
                   const char *name);
void hub_plan_fini(struct ckpt_plan *plan);

/* Lends the functions for planning. */
void hub_plan_lend(struct ckpt_host *table);

/* Ends planning: an empty plan still writes one file. */
int hub_plan_finish(struct ckpt_plan *plan);

#endif
