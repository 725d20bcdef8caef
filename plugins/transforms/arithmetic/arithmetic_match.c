/* SPDX-License-Identifier: MIT
 *
 * Which tensor of one file goes with which of another. All is checked before
 * anything is made.
 */
#include "arithmetic.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cast.h"
#include "hash_table.h"
#include "torch_layout.h"

bool
arithmetic_is_float(uint32_t dtype)
{
    uint32_t part = arithmetic_component(dtype);

    return part == CKPT_FLOAT16 || part == CKPT_BFLOAT16 ||
           part == CKPT_FLOAT32 || part == CKPT_FLOAT64 ||
           (part >= CKPT_FLOAT8_E4M3FN && part <= CKPT_FLOAT8_E8M0FNU);
}

bool
arithmetic_is_integer(uint32_t dtype)
{
    return dtype >= CKPT_UINT8 && dtype <= CKPT_INT64;
}

uint32_t
arithmetic_component(uint32_t dtype)
{
    switch (dtype) {
    case CKPT_COMPLEX32:
        return CKPT_FLOAT16;
    case CKPT_COMPLEX64:
        return CKPT_FLOAT32;
    case CKPT_COMPLEX128:
        return CKPT_FLOAT64;
    }
    return dtype;
}

bool
arithmetic_shapes_equal(const struct ckpt_tensor *a,
                        const struct ckpt_tensor *b)
{
    return a->rank == b->rank &&
           (a->rank == 0 ||
            memcmp(a->shape, b->shape, a->rank * sizeof *a->shape) == 0);
}

bool
arithmetic_views_equal(const struct ckpt_tensor *a, const struct ckpt_tensor *b)
{
    return a->storage == b->storage && a->dtype == b->dtype &&
           a->offset == b->offset && a->flips == b->flips &&
           arithmetic_shapes_equal(a, b) &&
           (a->rank == 0 ||
            memcmp(a->strides, b->strides, a->rank * sizeof *a->strides) == 0);
}

const char *
arithmetic_shape(const struct ckpt_tensor *tensor, char text[120])
{
    size_t used = 1;
    uint32_t d;

    text[0] = '[';
    for (d = 0; d < tensor->rank && used < 80; d++)
        used += (size_t)snprintf(text + used, 120 - used, "%s%" PRIu64,
                                 d > 0 ? ", " : "", tensor->shape[d]);
    snprintf(text + used, 120 - used, d < tensor->rank ? ", ...]" : "]");
    return text;
}

/* ---- Names that one has, and the other has not ---- */

struct lack {
    char names[200]; /* of the first few */
    size_t count;
};

static void
lack_add(struct lack *lack, const char *name)
{
    size_t used = strlen(lack->names);

    if (lack->count++ < 3)
        snprintf(lack->names + used, sizeof lack->names - used, "%s'%.50s'",
                 used > 0 ? ", " : "", name);
}

static int
lack_fail(const struct ckpt_host *host, const struct lack *lack, size_t without)
{
    char more[40] = "";

    if (lack->count > 3)
        snprintf(more, sizeof more, " and %zu more", lack->count - 3);
    return host->fail(host, CKPT_CONFLICT, NULL, CKPT_NOWHERE,
                      "file %zu of those that go together has no %s%s: take "
                      "what all have by 'like:' or 'keep:' first",
                      without + 1, lack->names, more);
}

int
arithmetic_names(struct arithmetic_run *run, size_t which,
                 struct sdk_table *names)
{
    const struct ckpt_graph *graph = run->graphs[which];
    const struct ckpt_entry *entry;
    uint64_t *number;
    bool added;
    size_t i;

    for (i = 0; i < graph->entry_count; i++) {
        entry = &graph->entries[i];
        number = sdk_table_add(run->host, names, entry->name.data,
                               entry->name.size_bytes, &added);
        if (number == NULL)
            return CKPT_MEMORY;
        if (added)
            *number = i;
        else if (graph->entries[*number].value != entry->value)
            return run->host->fail(
                run->host, CKPT_CONFLICT, entry->name.data, CKPT_NOWHERE,
                "two tensors of file %zu have this name", which + 1);
    }
    return CKPT_OK;
}

/* ---- One tensor and another ---- */

static int
pair_check(struct arithmetic_run *run, const struct ckpt_entry *entry,
           const struct ckpt_tensor *theirs, size_t which)
{
    const struct ckpt_host *host = run->host;
    const struct ckpt_tensor *ours = entry->value->as.tensor;
    bool ours_float = arithmetic_is_float(ours->dtype);
    char here[120], there[120];

    if (!arithmetic_shapes_equal(ours, theirs))
        return host->fail(host, CKPT_CONFLICT, entry->name.data, CKPT_NOWHERE,
                          "it is %s here and %s in file %zu: 'resize:', or "
                          "'like:' to leave it out",
                          arithmetic_shape(ours, here),
                          arithmetic_shape(theirs, there), which + 1);
    if (ours->dtype != theirs->dtype &&
        (!ours_float || !arithmetic_is_float(theirs->dtype) ||
         (ours->dtype == arithmetic_component(ours->dtype)) !=
             (theirs->dtype == arithmetic_component(theirs->dtype))))
        return host->fail(host, CKPT_CONFLICT, entry->name.data, CKPT_NOWHERE,
                          "it is %s here and %s in file %zu: 'cast:' first",
                          ckpt_dtype_name(ours->dtype),
                          ckpt_dtype_name(theirs->dtype), which + 1);
    if (theirs->storage->place == CKPT_PLACE_ABSENT &&
        ours->storage->place != CKPT_PLACE_ABSENT)
        return host->fail(host, CKPT_UNSUPPORTED, entry->name.data,
                          CKPT_NOWHERE, "it has no bytes in file %zu",
                          which + 1);
    return CKPT_OK;
}

static int
type_check(const struct ckpt_host *host, const struct ckpt_graph *graph,
           size_t index)
{
    const struct ckpt_entry *entry = &graph->entries[index];
    const struct ckpt_value *owner = graph->spots[index].owner;
    uint32_t dtype = entry->value->as.tensor->dtype;

    if (!arithmetic_is_float(dtype) && !arithmetic_is_integer(dtype) &&
        dtype != CKPT_BOOL)
        return host->fail(host, CKPT_UNSUPPORTED, entry->name.data,
                          CKPT_NOWHERE, "there is no arithmetic of %s",
                          ckpt_dtype_name(dtype));
    if (owner != NULL && owner->type_name != NULL &&
        sdk_torch_layout_find(owner->type_name) != NULL)
        return host->fail(host, CKPT_UNSUPPORTED, entry->name.data,
                          CKPT_NOWHERE,
                          "it is part of a %s, of which there is no arithmetic",
                          owner->type_name);
    return CKPT_OK;
}

/* ---- One graph and another ---- */

static int
theirs_find(struct arithmetic_run *run, const struct sdk_table *names,
            size_t which)
{
    const struct ckpt_graph *graph = run->graphs[0];
    size_t i, others = run->graph_count - 1;
    struct lack lack = {.count = 0};
    const uint64_t *found;
    int status = CKPT_OK;

    for (i = 0; i < graph->entry_count; i++) {
        found = sdk_table_find(names, graph->entries[i].name.data,
                               graph->entries[i].name.size_bytes);
        if (found == NULL)
            lack_add(&lack, graph->entries[i].name.data);
        else
            run->theirs[i * others + which - 1] =
                run->graphs[which]->entries[*found].value;
    }
    if (lack.count > 0)
        return lack_fail(run->host, &lack, which);
    for (i = 0; i < graph->entry_count && status == CKPT_OK; i++)
        status =
            pair_check(run, &graph->entries[i],
                       run->theirs[i * others + which - 1]->as.tensor, which);
    return status;
}

static int
ours_find(struct arithmetic_run *run, const struct sdk_table *names,
          size_t which)
{
    const struct ckpt_graph *graph = run->graphs[which];
    struct lack lack = {.count = 0};
    size_t i;

    for (i = 0; i < graph->entry_count; i++)
        if (sdk_table_find(names, graph->entries[i].name.data,
                           graph->entries[i].name.size_bytes) == NULL)
            lack_add(&lack, graph->entries[i].name.data);
    return lack.count > 0 ? lack_fail(run->host, &lack, 0) : CKPT_OK;
}

static int
graph_match(struct arithmetic_run *run, const struct sdk_table *ours,
            size_t which)
{
    struct sdk_table names = {0};
    int status = arithmetic_names(run, which, &names);

    if (status == CKPT_OK)
        status = theirs_find(run, &names, which);
    if (status == CKPT_OK)
        status = ours_find(run, ours, which);
    sdk_table_fini(run->host, &names);
    return status;
}

int
arithmetic_match(struct arithmetic_run *run)
{
    const struct ckpt_host *host = run->host;
    const struct ckpt_graph *graph = run->graphs[0];
    size_t i, others = run->graph_count - 1;
    struct sdk_table names = {0};
    int status;

    run->theirs = host->allocate(host, (graph->entry_count + 1) * others *
                                           sizeof *run->theirs);
    if (run->theirs == NULL)
        return CKPT_MEMORY;
    status = arithmetic_names(run, 0, &names);
    for (i = 1; i < run->graph_count && status == CKPT_OK; i++)
        status = graph_match(run, &names, i);
    for (i = 0; i < graph->entry_count && status == CKPT_OK; i++)
        status = type_check(host, graph, i);
    sdk_table_fini(host, &names);
    return status;
}

int
arithmetic_origin(struct arithmetic_run *run, size_t index,
                  const struct ckpt_value *value)
{
    const struct ckpt_host *host = run->host;
    const struct ckpt_value *ours = run->graphs[0]->entries[index].value;
    size_t i, others = run->graph_count - 1;
    const struct ckpt_value **from;
    int status;

    if (run->theirs == NULL)
        return CKPT_OK;
    from = host->allocate(host, (others + 1) * sizeof *from);
    if (from == NULL)
        return CKPT_MEMORY;
    from[0] = ours;
    for (i = 0; i < others; i++)
        from[i + 1] = run->theirs[index * others + i];
    status = host->edit_origin(host, run->edits, value, ours, from, others + 1);
    host->release(host, from);
    return status;
}

int
arithmetic_chain(struct arithmetic_run *run)
{
    const struct ckpt_host *host = run->host;
    const struct ckpt_graph *graph = run->graphs[0];
    size_t *head, i;

    run->heads = host->allocate(host, ((size_t)graph->storage_count + 1) *
                                          sizeof *run->heads);
    run->chain =
        host->allocate(host, (graph->entry_count + 1) * sizeof *run->chain);
    if (run->heads == NULL || run->chain == NULL)
        return CKPT_MEMORY;
    for (i = graph->entry_count; i-- > 0;) {
        head = &run->heads[graph->entries[i].value->as.tensor->storage->id];
        run->chain[i] = *head;
        *head = i + 1;
    }
    return CKPT_OK;
}

void
arithmetic_run_fini(struct arithmetic_run *run)
{
    run->host->release(run->host, run->theirs);
    run->host->release(run->host, run->heads);
    run->host->release(run->host, run->chain);
}
