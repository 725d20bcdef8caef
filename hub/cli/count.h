/* SPDX-License-Identifier: MIT
 *
 * What `ckpt info` counts in a graph.
 */
#ifndef CLI_COUNT_H
#define CLI_COUNT_H

#include "ckpt.h"

struct cli_device_count {
    const char *device;
    uint64_t tensor_count;
};

struct cli_counts {
    uint64_t tensor_count, parameter_count, buffer_count;
    uint64_t trained_count; /* parameters that want a gradient */
    uint64_t storage_count, value_count;
    uint64_t tensor_bytes;  /* of all tensors, each made contiguous */
    uint64_t storage_bytes; /* of the storages, each once */
    uint64_t dtypes[CKPT_DTYPE_COUNT];
    struct cli_device_count *devices; /* in order of appearance */
    size_t device_count;
};

/* CKPT_MEMORY if there is none. */
int cli_counts_init(struct cli_counts *counts, const struct ckpt_graph *graph);
void cli_counts_fini(struct cli_counts *counts);

#endif
