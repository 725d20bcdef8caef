/* SPDX-License-Identifier: MIT
 *
 * Jobs, storages and tensors in the graph of edits: what is to be read, and
 * what is put in the place of what was there.
 */
#include "arithmetic.h"

#include "checked.h"
#include "tensor_edit.h"

int
arithmetic_job_new(struct arithmetic_run *run, size_t input_count,
                   struct arithmetic_job **job)
{
    const struct ckpt_host *host = run->host;
    struct arithmetic *self = run->self;
    struct arithmetic_job *made,
        **jobs = host->reallocate(host, self->jobs,
                                  (self->job_count + 1) * sizeof(void *));

    if (jobs == NULL)
        return CKPT_MEMORY;
    self->jobs = jobs;
    made = host->allocate(host, sizeof *made);
    if (made == NULL)
        return CKPT_MEMORY;
    jobs[self->job_count++] = made;
    made->inputs = host->allocate(host, input_count * sizeof *made->inputs);
    if (made->inputs == NULL)
        return CKPT_MEMORY;
    *job = made;
    return CKPT_OK;
}

void
arithmetic_input_add(struct arithmetic_job *job,
                     const struct ckpt_tensor *tensor, double factor)
{
    struct arithmetic_input *input = &job->inputs[job->input_count++];

    input->tensor = tensor;
    input->factor = factor;
}

int
arithmetic_storage(struct arithmetic_run *run, struct arithmetic_job *job,
                   uint64_t count, const char *device,
                   const struct ckpt_storage **storage)
{
    const struct ckpt_host *host = run->host;
    struct ckpt_storage like = {.place = CKPT_PLACE_CODED,
                                .word_bytes = ckpt_dtype_word_bytes(job->dtype),
                                .device = device,
                                .cursor_key = run->self->job_count - 1};

    if (!sdk_mul_u64(count, ckpt_dtype_width_bits(job->dtype) / 8,
                     &like.size_bytes))
        return host->fail(host, CKPT_LIMIT, job->name, CKPT_NOWHERE,
                          "it would be over 2^64 bytes");
    return host->storage_new(host, host->edit_graph(host, run->edits), &like,
                             sizeof like, storage);
}

bool
arithmetic_has_place(const struct arithmetic_run *run, size_t index)
{
    const struct ckpt_graph *graph = run->graphs[0];
    const struct ckpt_entry *entry = &graph->entries[index];

    if (graph->spots[index].owner != NULL || graph->root == entry->value)
        return true;
    run->host->warn(run->host, entry->name.data, CKPT_NOWHERE,
                    "it is part of an object, and stays as it is");
    return false;
}

int
arithmetic_put(struct arithmetic_run *run, size_t index,
               const struct ckpt_storage *storage, const uint64_t *strides,
               uint64_t offset, uint32_t flips)
{
    const struct ckpt_host *host = run->host;
    const struct ckpt_entry *entry = &run->graphs[0]->entries[index];
    const struct ckpt_tensor *tensor = entry->value->as.tensor;
    struct ckpt_tensor like = {.dtype = tensor->dtype,
                               .rank = tensor->rank,
                               .shape = tensor->shape,
                               .strides = strides,
                               .offset = offset,
                               .storage = storage,
                               .flips = flips};
    struct ckpt_value *value;
    int status = sdk_tensor_remake(host, run->edits, entry, &like, &value);

    if (status == CKPT_OK)
        status = arithmetic_origin(run, index, value);
    if (status != CKPT_OK)
        return status;
    return sdk_entry_replace(host, run->edits, run->graphs[0], index, value,
                             "changed");
}

int
arithmetic_reorder(struct arithmetic_run *run, const uint32_t *order,
                   const struct ckpt_tensor **tensor)
{
    const struct ckpt_host *host = run->host;
    const struct ckpt_tensor *from = *tensor;
    uint64_t shape[CKPT_MAX_RANK], strides[CKPT_MAX_RANK];
    struct ckpt_tensor like = {.dtype = from->dtype,
                               .rank = from->rank,
                               .shape = shape,
                               .strides = strides,
                               .offset = from->offset,
                               .storage = from->storage,
                               .flips = from->flips};
    struct ckpt_value *value;
    uint32_t i;
    int status;

    for (i = 0; i < from->rank; i++) {
        shape[i] = from->shape[order[i]];
        strides[i] = from->strides[order[i]];
    }
    status = host->tensor_new(host, host->edit_graph(host, run->edits), &like,
                              sizeof like, NULL, &value);
    if (status == CKPT_OK)
        *tensor = value->as.tensor;
    return status;
}

int
arithmetic_whole(struct arithmetic_run *run, const struct ckpt_tensor **tensor)
{
    const struct ckpt_host *host = run->host;
    const struct ckpt_tensor *from = *tensor;
    uint64_t count =
        from->storage->size_bytes / (ckpt_dtype_width_bits(from->dtype) / 8);
    struct ckpt_tensor like = {.dtype = from->dtype,
                               .rank = 1,
                               .shape = &count,
                               .storage = from->storage};
    struct ckpt_value *value;
    int status = host->tensor_new(host, host->edit_graph(host, run->edits),
                                  &like, sizeof like, NULL, &value);

    if (status == CKPT_OK)
        *tensor = value->as.tensor;
    return status;
}
