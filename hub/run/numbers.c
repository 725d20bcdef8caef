/* SPDX-License-Identifier: MIT
 *
 * Numbering parameters, with ties found by chains of entries on one storage.
 */
#include <string.h>

#include "hub/run/file.h"

#define CHAIN_MAX 64 /* of many views on one storage, few are looked at */

struct numbering {
    const struct ckpt_graph *graph;
    const struct sdk_optimizers *optimizers;
    uint64_t *numbers;
    size_t *last;   /* by storage id: 1 + its last parameter, or 0 */
    size_t *before; /* by entry: 1 + the one before on its storage, or 0 */
};

static bool
numbers_same(const struct ckpt_tensor *a, const struct ckpt_tensor *b)
{
    size_t size = a->rank * sizeof *a->shape;

    return a->dtype == b->dtype && a->offset == b->offset &&
           a->rank == b->rank &&
           (size == 0 || (memcmp(a->shape, b->shape, size) == 0 &&
                          memcmp(a->strides, b->strides, size) == 0));
}

/* What an entry is, if it is no parameter; else 0. */
static uint64_t
numbers_other(const struct numbering *numbering, size_t index)
{
    const struct ckpt_entry *entry = &numbering->graph->entries[index];
    const struct ckpt_value *owner = numbering->graph->spots[index].owner;

    if (owner != NULL &&
        sdk_optimizer_around(numbering->optimizers, owner) != NULL)
        return CKPT_NUMBER_SLOT;
    return sdk_may_be_parameter(&entry->name, entry->value->as.tensor)
               ? 0
               : CKPT_NUMBER_NONE;
}

static void
numbers_fill(struct numbering *numbering)
{
    const struct ckpt_entry *entries = numbering->graph->entries;
    const struct ckpt_tensor *tensor;
    uint64_t count = 0;
    size_t i, at, looks;

    for (i = 0; i < numbering->graph->entry_count; i++) {
        tensor = entries[i].value->as.tensor;
        numbering->numbers[i] = numbers_other(numbering, i);
        if (numbering->numbers[i] != 0)
            continue;
        at = numbering->last[tensor->storage->id];
        for (looks = 0; at != 0 && looks < CHAIN_MAX; looks++) {
            if (numbers_same(entries[at - 1].value->as.tensor, tensor))
                break;
            at = numbering->before[at - 1];
        }
        if (at != 0 && looks < CHAIN_MAX) {
            numbering->numbers[i] = numbering->numbers[at - 1];
            continue;
        }
        numbering->numbers[i] = count++;
        numbering->before[i] = numbering->last[tensor->storage->id];
        numbering->last[tensor->storage->id] = i + 1;
    }
}

static int
numbers_make(struct ckpt_file *file)
{
    const struct ckpt_host *host = &file->reading.host.table;
    const struct ckpt_graph *graph = file->reading.graph;
    size_t entries = graph->entry_count + 1;
    struct numbering numbering = {.graph = graph, .optimizers = &file->found};
    int status = CKPT_MEMORY;

    numbering.numbers =
        host->allocate(host, entries * sizeof *numbering.numbers);
    numbering.before = host->allocate(host, entries * sizeof *numbering.before);
    numbering.last = host->allocate(host, ((size_t)graph->storage_count + 1) *
                                              sizeof *numbering.last);
    if (numbering.numbers != NULL && numbering.before != NULL &&
        numbering.last != NULL) {
        numbers_fill(&numbering);
        file->numbers = numbering.numbers;
        numbering.numbers = NULL;
        status = CKPT_OK;
    }
    host->release(host, numbering.numbers);
    host->release(host, numbering.before);
    host->release(host, numbering.last);
    return status;
}

int
ckpt_file_numbers(struct ckpt_file *file, const uint64_t **numbers)
{
    const struct ckpt_optimizer *optimizers;
    size_t count;
    int status = ckpt_file_optimizers(file, &optimizers, &count);

    if (status == CKPT_OK && file->numbers == NULL)
        status = numbers_make(file);
    if (status == CKPT_OK)
        *numbers = file->numbers;
    return status;
}
