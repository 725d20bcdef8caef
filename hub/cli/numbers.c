/* SPDX-License-Identifier: MIT
 *
 * Numbering, with ties found by chains of entries on one storage.
 */
#include "numbers.h"

#include <stdlib.h>
#include <string.h>

#define CHAIN_MAX 64 /* of many views on one storage, few are looked at */

static bool
numbers_same(const struct ckpt_tensor *a, const struct ckpt_tensor *b)
{
    size_t size = a->rank * sizeof *a->shape;

    return a->dtype == b->dtype && a->offset == b->offset &&
           a->rank == b->rank &&
           (size == 0 || (memcmp(a->shape, b->shape, size) == 0 &&
                          memcmp(a->strides, b->strides, size) == 0));
}

static void
numbers_fill(const struct ckpt_graph *graph, uint64_t *numbers, size_t *last,
             size_t *before)
{
    const struct ckpt_tensor *tensor;
    uint64_t count = 0;
    size_t i, at, looks;

    for (i = 0; i < graph->entry_count; i++) {
        tensor = graph->entries[i].value->as.tensor;
        numbers[i] = UINT64_MAX;
        if (tensor->role != CKPT_ROLE_PARAMETER)
            continue;
        at = last[tensor->storage->id];
        for (looks = 0; at != 0 && looks < CHAIN_MAX; looks++) {
            if (numbers_same(graph->entries[at - 1].value->as.tensor, tensor))
                break;
            at = before[at - 1];
        }
        if (at != 0 && looks < CHAIN_MAX) {
            numbers[i] = numbers[at - 1];
            continue;
        }
        numbers[i] = count++;
        before[i] = last[tensor->storage->id];
        last[tensor->storage->id] = i + 1;
    }
}

uint64_t *
cli_numbers(const struct ckpt_graph *graph)
{
    uint64_t *numbers = calloc(graph->entry_count + 1, sizeof *numbers);
    size_t *last = calloc(graph->storage_count + 1, sizeof *last);
    size_t *before = calloc(graph->entry_count + 1, sizeof *before);

    if (numbers != NULL && last != NULL && before != NULL) {
        numbers_fill(graph, numbers, last, before);
    } else {
        free(numbers);
        numbers = NULL;
    }
    free(last);
    free(before);
    return numbers;
}
