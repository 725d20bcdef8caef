/* SPDX-License-Identifier: MIT
 *
 * Counting of tensors, storages, dtypes and devices.
 */
#include "count.h"

#include <stdlib.h>
#include <string.h>

/* More devices than this are counted with the last one. */
#define COUNT_DEVICES_MAX 256

static void
count_device(struct cli_counts *counts, const char *device)
{
    struct cli_device_count *found = counts->devices;
    size_t i;

    for (i = 0; i < counts->device_count; i++, found++)
        if (strcmp(found->device, device) == 0)
            break;
    if (i == counts->device_count && i == COUNT_DEVICES_MAX)
        found--;
    else if (i == counts->device_count)
        counts->devices[counts->device_count++].device = device;
    found->tensor_count++;
}

static void
count_tensor(struct cli_counts *counts, const struct ckpt_tensor *tensor,
             bool *storages)
{
    const struct ckpt_storage *storage = tensor->storage;

    counts->tensor_count++;
    counts->tensor_bytes += tensor->size_bytes;
    counts->parameter_count += tensor->role == CKPT_ROLE_PARAMETER;
    counts->trained_count +=
        tensor->role == CKPT_ROLE_PARAMETER && tensor->requires_grad;
    counts->buffer_count += tensor->role == CKPT_ROLE_BUFFER;
    if (tensor->dtype < CKPT_DTYPE_COUNT)
        counts->dtypes[tensor->dtype]++;
    count_device(counts, storage->device);
    if (storages[storage->id])
        return;
    storages[storage->id] = true;
    counts->storage_count++;
    counts->storage_bytes += storage->size_bytes;
}

int
cli_counts_init(struct cli_counts *counts, const struct ckpt_graph *graph)
{
    bool *storages = calloc(graph->storage_count + 1, sizeof *storages);
    size_t i;

    memset(counts, 0, sizeof *counts);
    counts->devices = calloc(COUNT_DEVICES_MAX, sizeof *counts->devices);
    if (storages == NULL || counts->devices == NULL) {
        free(storages);
        cli_counts_fini(counts);
        return CKPT_MEMORY;
    }
    counts->value_count = graph->value_count;
    for (i = 0; i < graph->entry_count; i++)
        count_tensor(counts, graph->entries[i].value->as.tensor, storages);
    free(storages);
    return CKPT_OK;
}

void
cli_counts_fini(struct cli_counts *counts)
{
    free(counts->devices);
    counts->devices = NULL;
}
