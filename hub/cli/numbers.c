/* SPDX-License-Identifier: MIT
 *
 * Numbering, with ties found by chains of entries on one storage.
 */
#include "numbers.h"

#include <stdlib.h>
#include <string.h>

#include "optimizer.h"

#define CHAIN_MAX 64 /* of many views on one storage, few are looked at */

bool
cli_is_parameter(const struct ckpt_text *name, const struct ckpt_tensor *tensor)
{
    static const char *const ends[] = {"running_mean",  "running_var",
                                       "moving_mean",   "moving_variance",
                                       "moving_mean:0", "moving_variance:0"};
    static const char *const kinds[] = {"float", "bfloat", "complex"};
    const char *dtype = ckpt_dtype_name(tensor->dtype);
    size_t i, size;
    bool trained = false;

    if (tensor->role != CKPT_ROLE_UNKNOWN)
        return tensor->role == CKPT_ROLE_PARAMETER;
    for (i = 0; dtype != NULL && i < sizeof kinds / sizeof *kinds; i++)
        trained = trained || strncmp(dtype, kinds[i], strlen(kinds[i])) == 0;
    for (i = 0; i < sizeof ends / sizeof *ends; i++) {
        size = strlen(ends[i]);
        if (name->size_bytes < size ||
            memcmp(name->data + name->size_bytes - size, ends[i], size) != 0)
            continue;
        if (name->size_bytes == size ||
            strchr("./", name->data[name->size_bytes - size - 1]) != NULL)
            return false;
    }
    return trained;
}

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
             size_t *before, const bool *kept)
{
    const struct ckpt_tensor *tensor;
    uint64_t count = 0;
    size_t i, at, looks;

    for (i = 0; i < graph->entry_count; i++) {
        tensor = graph->entries[i].value->as.tensor;
        numbers[i] = kept[i] ? CLI_NUMBER_SLOT : CLI_NUMBER_NONE;
        if (kept[i] || !cli_is_parameter(&graph->entries[i].name, tensor))
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

/* Marks what is in one of the optimizers: its name begins with theirs. */
static void
numbers_mark(const struct ckpt_graph *graph, const struct cli_walk *walk,
             const struct cli_optimizers *optimizers, bool *kept)
{
    struct cli_out path;
    const char *text;
    size_t i, j, size;

    for (i = 0; i < optimizers->count; i++) {
        cli_out_init(&path, -1);
        cli_walk_path(walk, &path, &optimizers->items[i].step);
        if (path.size_bytes > 0)
            cli_out_char(&path, '.');
        text = cli_out_text(&path);
        size = strlen(text);
        for (j = 0; j < graph->entry_count; j++)
            kept[j] = kept[j] ||
                      strncmp(graph->entries[j].name.data, text, size) == 0;
        cli_out_fini(&path);
    }
}

static int
numbers_kept(const struct ckpt_graph *graph, bool *kept)
{
    struct cli_optimizers optimizers = {0};
    struct cli_walk walk;
    int status = cli_walk_init(&walk, graph);

    if (status == CKPT_OK)
        status = cli_optimizers_find(&optimizers, &walk);
    if (status == CKPT_OK)
        numbers_mark(graph, &walk, &optimizers, kept);
    cli_optimizers_fini(&optimizers);
    cli_walk_fini(&walk);
    return status;
}

uint64_t *
cli_numbers(const struct ckpt_graph *graph)
{
    uint64_t *numbers = calloc(graph->entry_count + 1, sizeof *numbers);
    size_t *last = calloc(graph->storage_count + 1, sizeof *last);
    size_t *before = calloc(graph->entry_count + 1, sizeof *before);
    bool *kept = calloc(graph->entry_count + 1, sizeof *kept);

    if (numbers != NULL && last != NULL && before != NULL && kept != NULL &&
        numbers_kept(graph, kept) == CKPT_OK) {
        numbers_fill(graph, numbers, last, before, kept);
    } else {
        free(numbers);
        numbers = NULL;
    }
    free(last);
    free(before);
    free(kept);
    return numbers;
}
