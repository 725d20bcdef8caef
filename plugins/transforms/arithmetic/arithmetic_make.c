/* SPDX-License-Identifier: MIT
 *
 * New tensors in the place of matched ones, and the jobs that fill them. What
 * is one tensor under two names is computed once; views of one storage stay so
 * if all files have them alike.
 */
#include "arithmetic.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "checked.h"

#define WHOLE_MAX 9007199254740992.0 /* 2^53 */

/* ---- What a job does ---- */

static const struct ckpt_tensor *
tensor_of(const struct arithmetic_run *run, size_t index, size_t which)
{
    if (which == 0)
        return run->graphs[0]->entries[index].value->as.tensor;
    return run->theirs[index * (run->graph_count - 1) + which - 1]->as.tensor;
}

static bool
factors_whole(const struct arithmetic *self)
{
    size_t i;

    for (i = 0; i < self->factor_count; i++)
        if (fabs(self->factors[i]) > WHOLE_MAX ||
            floor(self->factors[i]) != self->factors[i])
            return false;
    return true;
}

/* The file that weighs most; of equals the first, and so of sums. */
static size_t
heaviest(const struct arithmetic *self)
{
    size_t i, most = 0;

    if (self->kind == ARITHMETIC_ADD || self->kind == ARITHMETIC_SUBTRACT)
        return 0;
    if (self->how != ARITHMETIC_SUM)
        return self->at > 0.5 ? 1 : 0;
    for (i = 1; i < self->factor_count; i++)
        if (fabs(self->factors[i]) > fabs(self->factors[most]))
            most = i;
    return most;
}

/* Whether a file takes part in a job of floats: nothing times anything is
 * nothing here, and need not be read. */
static bool
takes_part(const struct arithmetic *self, size_t which)
{
    size_t i;

    if (self->how != ARITHMETIC_SUM)
        return self->at != (which == 0 ? 1 : 0);
    if (self->factors[which] != 0)
        return true;
    for (i = 0; i < self->factor_count; i++)
        if (self->factors[i] != 0)
            return false;
    return which == 0;
}

static uint32_t
job_how(const struct arithmetic *self, uint32_t dtype)
{
    bool sums =
        self->kind == ARITHMETIC_ADD || self->kind == ARITHMETIC_SUBTRACT;

    if (arithmetic_is_float(dtype))
        return self->how;
    return sums && arithmetic_is_integer(dtype) && factors_whole(self)
               ? ARITHMETIC_INTEGERS
               : ARITHMETIC_FIRST;
}

/* One input that is to be as it is, is passed on as it is. */
static void
job_simplify(struct arithmetic_job *job, size_t taken)
{
    if (taken == 1 && job->how != ARITHMETIC_SUM &&
        job->how != ARITHMETIC_INTEGERS) {
        job->inputs[0].factor = 1;
        job->how = job->how == ARITHMETIC_FIRST ? job->how : ARITHMETIC_SUM;
    }
    if (taken == 1 && job->how == ARITHMETIC_SUM && job->divisor == 1 &&
        job->inputs[0].factor == 1 &&
        job->inputs[0].tensor->dtype == job->dtype)
        job->how = ARITHMETIC_FIRST;
}

/* ---- Views ---- */

/* The order of dimensions in which a tensor without gaps lies in its storage,
 * the outermost first. False: it has gaps, or is longer than its bytes. */
static bool
dense_order(const struct ckpt_tensor *tensor, uint32_t order[CKPT_MAX_RANK])
{
    uint64_t stride = 1;
    uint32_t i, k;

    for (i = 0; i < tensor->rank; i++) {
        for (k = i; k > 0 && tensor->strides[order[k - 1]] < tensor->strides[i];
             k--)
            order[k] = order[k - 1];
        order[k] = i;
    }
    for (i = tensor->rank; i-- > 0;) {
        if (tensor->shape[order[i]] == 1)
            continue;
        if (tensor->strides[order[i]] != stride)
            return false;
        stride *= tensor->shape[order[i]];
    }
    return true;
}

/* ---- One tensor, maybe under several names ---- */

struct single {
    size_t index;    /* of the first entry */
    size_t *members; /* all entries of that very view */
    size_t member_count;
    bool reorders;
    uint32_t order[CKPT_MAX_RANK];
    struct arithmetic_job *job;
};

static int
single_input(struct arithmetic_run *run, struct single *single,
             const struct ckpt_tensor *tensor, double factor)
{
    int status = CKPT_OK;

    if (single->reorders)
        status = arithmetic_reorder(run, single->order, &tensor);
    if (status == CKPT_OK)
        arithmetic_input_add(single->job, tensor, factor);
    return status;
}

/* What is one tensor here may be several in another file, if they are equal. */
static int
single_ties(struct arithmetic_run *run, struct single *single, size_t which)
{
    const struct ckpt_tensor *first = tensor_of(run, single->index, which);
    const struct ckpt_entry *entries = run->graphs[0]->entries, *entry;
    size_t i, at = single->job->input_count - 1;
    const struct ckpt_tensor *other;
    struct arithmetic_input *input;
    int status = CKPT_OK;

    for (i = 1; i < single->member_count && status == CKPT_OK; i++) {
        other = tensor_of(run, single->members[i], which);
        entry = &entries[single->members[i]];
        if (arithmetic_views_equal(first, other))
            continue;
        if (first->dtype != other->dtype)
            return run->host->fail(run->host, CKPT_CONFLICT, entry->name.data,
                                   CKPT_NOWHERE,
                                   "it is tied to '%.200s', and of another "
                                   "type in file %zu: 'untie:' first",
                                   entries[single->index].name.data, which + 1);
        status = single_input(run, single, other, 0);
        if (status != CKPT_OK)
            return status;
        input = &single->job->inputs[single->job->input_count - 1];
        input->same = at + 1;
        input->name = entry->name.data;
    }
    return status;
}

/* Of what cannot be mixed the heaviest file's comes first. */
static int
single_inputs(struct arithmetic_run *run, struct single *single)
{
    const struct arithmetic *self = run->self;
    struct arithmetic_job *job = single->job;
    size_t i, which, taken = 0, first = 0;
    int status = CKPT_OK;

    if (job->how == ARITHMETIC_FIRST)
        first = heaviest(self);
    for (i = 0; i < run->graph_count && status == CKPT_OK; i++) {
        which = i == 0 ? first : i <= first ? i - 1 : i;
        if (arithmetic_is_float(job->dtype) && !takes_part(self, which))
            continue;
        status = single_input(run, single, tensor_of(run, single->index, which),
                              self->factors[which]);
        if (status == CKPT_OK)
            status = single_ties(run, single, which);
        taken++;
    }
    if (status == CKPT_OK)
        job_simplify(job, taken);
    return status;
}

static int
single_job(struct arithmetic_run *run, struct single *single)
{
    const struct ckpt_tensor *tensor = tensor_of(run, single->index, 0);
    struct arithmetic *self = run->self;
    size_t room;
    int status;

    single->reorders =
        !tensor->contiguous && dense_order(tensor, single->order);
    if (!sdk_mul_size(run->graph_count, single->member_count, &room))
        return CKPT_MEMORY;
    status = arithmetic_job_new(run, room, &single->job);
    if (status != CKPT_OK)
        return status;
    single->job->dtype = tensor->dtype;
    single->job->how = job_how(self, tensor->dtype);
    single->job->name = run->graphs[0]->entries[single->index].name.data;
    single->job->divisor = self->divisor;
    single->job->at = self->at;
    return single_inputs(run, single);
}

static int
single_make(struct arithmetic_run *run, struct single *single)
{
    const struct ckpt_tensor *tensor = tensor_of(run, single->index, 0);
    const struct ckpt_storage *storage;
    int status = single_job(run, single);
    size_t i;

    if (status == CKPT_OK)
        status = arithmetic_storage(run, single->job, tensor->element_count,
                                    tensor->storage->device, &storage);
    for (i = 0; i < single->member_count && status == CKPT_OK; i++)
        status =
            arithmetic_put(run, single->members[i], storage,
                           single->reorders ? tensor->strides : NULL, 0, 0);
    return status;
}

/* ---- Views of one storage ---- */

/* Whether another file lays out a member as this one does. */
static bool
alike(const struct ckpt_tensor *ours, const struct ckpt_tensor *theirs,
      const struct ckpt_tensor *first_ours,
      const struct ckpt_tensor *first_theirs)
{
    uint64_t ours_width = ckpt_dtype_width_bits(ours->dtype) / 8;
    uint64_t theirs_width = ckpt_dtype_width_bits(theirs->dtype) / 8;

    return ours->dtype == first_ours->dtype &&
           ours->storage->size_bytes % ours_width == 0 &&
           theirs->dtype == first_theirs->dtype &&
           theirs->storage == first_theirs->storage &&
           theirs->storage->size_bytes / theirs_width ==
               ours->storage->size_bytes / ours_width &&
           ours->offset == theirs->offset && ours->flips == theirs->flips &&
           (ours->rank == 0 || memcmp(ours->strides, theirs->strides,
                                      ours->rank * sizeof *ours->strides) == 0);
}

static bool
group_alike(const struct arithmetic_run *run, const struct single *group)
{
    size_t i, which;

    for (which = 1; which < run->graph_count; which++)
        for (i = 0; i < group->member_count; i++)
            if (!alike(tensor_of(run, group->members[i], 0),
                       tensor_of(run, group->members[i], which),
                       tensor_of(run, group->members[0], 0),
                       tensor_of(run, group->members[0], which)))
                return false;
    return true;
}

static int
group_whole(struct arithmetic_run *run, struct single *group)
{
    const struct ckpt_graph *graph = run->graphs[0];
    const struct ckpt_tensor *tensor, *first = tensor_of(run, group->index, 0);
    const struct ckpt_storage *storage;
    struct single row = {
        .index = group->index, .members = group->members, .member_count = 1};
    size_t i;
    int status = single_job(run, &row);

    for (i = 0; status == CKPT_OK && i < row.job->input_count; i++)
        status = arithmetic_whole(run, &row.job->inputs[i].tensor);
    if (status == CKPT_OK)
        status = arithmetic_storage(run, row.job,
                                    row.job->inputs[0].tensor->element_count,
                                    first->storage->device, &storage);
    for (i = 0; i < group->member_count && status == CKPT_OK; i++) {
        tensor = graph->entries[group->members[i]].value->as.tensor;
        status = arithmetic_put(run, group->members[i], storage,
                                tensor->strides, tensor->offset, tensor->flips);
    }
    return status;
}

/* By offset, so that equal views are neighbours. */
static int
view_order(const void *a, const void *b, void *context)
{
    const struct arithmetic_run *run = context;
    size_t first = *(const size_t *)a, second = *(const size_t *)b;
    uint64_t x = tensor_of(run, first, 0)->offset;
    uint64_t y = tensor_of(run, second, 0)->offset;

    if (x != y)
        return x < y ? -1 : 1;
    return first < second ? -1 : first > second;
}

/* Moves those that are equal to the first one behind it; how many they are. */
static size_t
views_gather(const struct arithmetic_run *run, size_t *members, size_t count)
{
    const struct ckpt_tensor *tensor = tensor_of(run, members[0], 0), *other;
    size_t i, same = 1, swap;

    for (i = 1; i < count; i++) {
        other = tensor_of(run, members[i], 0);
        if (other->offset != tensor->offset)
            break;
        if (!arithmetic_views_equal(tensor, other))
            continue;
        swap = members[same];
        members[same++] = members[i];
        members[i] = swap;
    }
    return same;
}

/* Each view by itself: those that show the same elements part ways. */
static int
group_apart(struct arithmetic_run *run, const struct single *group)
{
    struct single single = {.members = group->members};
    size_t left = group->member_count;
    int status = CKPT_OK;

    run->host->warn(run->host, run->graphs[0]->entries[group->index].name.data,
                    CKPT_NOWHERE,
                    "its storage is shared otherwise in another file, and no "
                    "longer shared");
    qsort_r(single.members, left, sizeof *single.members, view_order, run);
    while (left > 0 && status == CKPT_OK) {
        if (run->host->cancelled(run->host))
            return CKPT_CANCELLED;
        single.index = single.members[0];
        single.member_count = views_gather(run, single.members, left);
        left -= single.member_count;
        status = single_make(run, &single);
        single.members += single.member_count;
    }
    return status;
}

static int
group_make(struct arithmetic_run *run, struct single *group)
{
    size_t i;

    for (i = 1; i < group->member_count; i++)
        if (!arithmetic_views_equal(tensor_of(run, group->index, 0),
                                    tensor_of(run, group->members[i], 0)))
            return group_alike(run, group) ? group_whole(run, group)
                                           : group_apart(run, group);
    return single_make(run, group);
}

int
arithmetic_make(struct arithmetic_run *run)
{
    const struct ckpt_host *host = run->host;
    const struct ckpt_graph *graph = run->graphs[0];
    const struct ckpt_tensor *tensor;
    struct single group = {.member_count = 0};
    size_t i, k, *members;
    int status = CKPT_OK;

    members = host->allocate(host, (graph->entry_count + 1) * sizeof *members);
    if (members == NULL)
        return CKPT_MEMORY;
    for (i = 0; i < graph->entry_count && status == CKPT_OK; i++) {
        tensor = graph->entries[i].value->as.tensor;
        if (run->heads[tensor->storage->id] != i + 1 ||
            tensor->storage->place == CKPT_PLACE_ABSENT)
            continue;
        group.members = members;
        group.member_count = 0;
        for (k = i + 1; k > 0; k = run->chain[k - 1])
            if (arithmetic_has_place(run, k - 1))
                members[group.member_count++] = k - 1;
        group.index = members[0];
        if (group.member_count > 0)
            status = group_make(run, &group);
    }
    host->release(host, members);
    return status;
}
