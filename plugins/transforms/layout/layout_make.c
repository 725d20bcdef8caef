/* SPDX-License-Identifier: MIT
 *
 * From plans to values of the edited graph.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "layout_cursor.h"

struct layout_block {
    struct layout_block *next;
    uint64_t align;
};

void *
layout_allocate(struct layout_run *run, size_t size_bytes)
{
    struct layout_block *block =
        run->host->allocate(run->host, sizeof *block + size_bytes);

    if (block == NULL)
        return NULL;
    block->next = run->blocks;
    run->blocks = block;
    return block + 1;
}

void
layout_release(struct layout_run *run)
{
    struct layout_block *block, *next;

    for (block = run->blocks; block != NULL; block = next) {
        next = block->next;
        run->host->release(run->host, block);
    }
    sdk_table_fini(run->host, &run->made);
    sdk_table_fini(run->host, &run->views);
}

char *
layout_printf(struct layout_run *run, const char *format, ...)
{
    va_list list, again;
    char *text = NULL;
    int length;

    va_start(list, format);
    va_copy(again, list);
    length = vsnprintf(NULL, 0, format, list);
    if (length >= 0)
        text = layout_allocate(run, (size_t)length + 1);
    if (text != NULL)
        vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    va_end(list);
    return text;
}

/* ---- Values ---- */

static int
make_shown(struct layout_run *run, const struct layout_view *view,
           const char *name, struct ckpt_value **value)
{
    struct ckpt_tensor like = {0};

    like.dtype = view->of->dtype;
    like.rank = view->rank;
    like.shape = view->shape;
    like.strides = view->strides;
    like.offset = view->offset;
    like.storage = view->of->storage;
    like.role = view->of->role;
    like.requires_grad = view->of->requires_grad;
    like.flips = view->of->flips;
    return run->host->tensor_new(run->host, run->graph, &like, sizeof like,
                                 name, value);
}

/* A contiguous tensor on a storage of its own. */
static int
make_whole(struct layout_run *run, const struct layout_plan *plan,
           const struct ckpt_storage *storage, const char *name,
           struct ckpt_value **value)
{
    const struct ckpt_tensor *of = plan->pieces[0].of;
    struct ckpt_tensor tensor = {0};

    tensor.dtype = plan->dtype;
    tensor.rank = plan->rank;
    tensor.shape = plan->shape;
    tensor.storage = storage;
    tensor.role = of->role;
    tensor.requires_grad = of->requires_grad && plan->dtype == of->dtype;
    return run->host->tensor_new(run->host, run->graph, &tensor, sizeof tensor,
                                 name, value);
}

static int
make_own(struct layout_run *run, const struct layout_plan *plan,
         const struct ckpt_storage *bytes, const char *name,
         struct ckpt_value **value)
{
    const struct ckpt_host *host = run->host;
    const struct ckpt_storage *storage;
    struct ckpt_storage like = *bytes;
    int status;

    like.word_bytes = ckpt_dtype_word_bytes(plan->dtype);
    like.device = plan->pieces[0].of->storage->device;
    status = host->storage_new(host, run->graph, &like, sizeof like, &storage);
    if (status != CKPT_OK)
        return status;
    return make_whole(run, plan, storage, name, value);
}

/* The pieces as tensors, for those who read them. */
static int
make_pieces(struct layout_run *run, const struct layout_plan *plan,
            const char *name, const struct ckpt_tensor **tensors)
{
    struct ckpt_value *piece;
    size_t i;
    int status = CKPT_OK;

    for (i = 0; i < plan->piece_count && status == CKPT_OK; i++) {
        if (plan->pieces[i].of->dtype != plan->dtype)
            return run->host->fail(run->host, CKPT_UNSUPPORTED, name,
                                   CKPT_NOWHERE,
                                   "its parts are not of one dtype");
        status = make_shown(run, &plan->pieces[i], name, &piece);
        if (status == CKPT_OK)
            tensors[i] = piece->as.tensor;
    }
    return status;
}

static int
make_joined(struct layout_run *run, const struct layout_plan *plan,
            const char *name, struct ckpt_value **value)
{
    const struct ckpt_tensor *tensors[LAYOUT_PIECES_MAX];
    const struct ckpt_storage *storage;
    int status = make_pieces(run, plan, name, tensors);

    if (status == CKPT_OK)
        status = run->host->storage_join(
            run->host, run->graph, tensors, plan->piece_count,
            plan->pieces[0].of->storage->device, &storage);
    return status == CKPT_OK ? make_whole(run, plan, storage, name, value)
                             : status;
}

/* ---- Views ---- */

/* What tells one view from another; tied tensors have the same. */
struct view_key {
    const struct ckpt_storage *storage;
    uint64_t offset, rank, dtype;
    uint64_t shape[LAYOUT_RANK_MAX], strides[LAYOUT_RANK_MAX];
};

/* The view as a contiguous tensor, once for all that show the same. */
static int
make_view(struct layout_run *run, const struct layout_plan *plan,
          const char *name, struct ckpt_value **value)
{
    const struct layout_view *view = &plan->pieces[0];
    struct view_key *key;
    uint64_t *found;
    bool added;
    int status = make_shown(run, view, name, value);

    if (status != CKPT_OK || (*value)->as.tensor->contiguous ||
        view->of->flips != 0 || view->of->storage->place == CKPT_PLACE_ABSENT)
        return status;
    key = layout_allocate(run, sizeof *key);
    if (key == NULL)
        return CKPT_MEMORY;
    key->storage = view->of->storage;
    key->offset = view->offset;
    key->rank = view->rank;
    key->dtype = view->of->dtype;
    memcpy(key->shape, view->shape, view->rank * sizeof *view->shape);
    memcpy(key->strides, view->strides, view->rank * sizeof *view->strides);
    found = sdk_table_add(run->host, &run->views, key, sizeof *key, &added);
    if (found == NULL)
        return CKPT_MEMORY;
    if (added) {
        status = make_joined(run, plan, name, value);
        *found = (uintptr_t)*value;
    }
    *value = (struct ckpt_value *)(uintptr_t)*found;
    return status;
}

/* Not of JOINED: shape and dtype are those of a tensor, and so fit. */
static uint64_t
plan_bytes(const struct layout_plan *plan)
{
    uint64_t bytes = ckpt_dtype_width_bits(plan->dtype) / 8;
    uint32_t k;

    for (k = 0; k < plan->rank; k++)
        bytes *= plan->shape[k];
    return bytes;
}

/* Whether one and one can be added. */
static bool
is_float(uint32_t dtype)
{
    return dtype == CKPT_FLOAT16 || dtype == CKPT_BFLOAT16 ||
           dtype == CKPT_FLOAT32 || dtype == CKPT_FLOAT64;
}

static void
fill_ones(unsigned char *bytes, uint64_t size_bytes, uint32_t dtype)
{
    static const unsigned char ones[][8] = {{0x00, 0x3c},
                                            {0x80, 0x3f},
                                            {0, 0, 0x80, 0x3f},
                                            {0, 0, 0, 0, 0, 0, 0xf0, 0x3f}};
    size_t width = ckpt_dtype_width_bits(dtype) / 8;
    const unsigned char *one = ones[dtype - CKPT_FLOAT16];
    uint64_t i;

    for (i = 0; i < size_bytes; i += width)
        memcpy(bytes + i, one, width);
}

static int
make_filled(struct layout_run *run, const struct layout_plan *plan,
            uint64_t size_bytes, const char *name, struct ckpt_value **value)
{
    const struct ckpt_host *host = run->host;
    struct ckpt_storage like = {.place = CKPT_PLACE_OWNED};
    unsigned char *bytes;
    int status;

    if (plan->ones && !is_float(plan->dtype))
        return host->fail(host, CKPT_UNSUPPORTED, name, CKPT_NOWHERE,
                          "a one of %s", ckpt_dtype_name(plan->dtype));
    bytes = host->allocate(host, (size_t)size_bytes + 1);
    if (bytes == NULL)
        return CKPT_MEMORY;
    if (plan->ones)
        fill_ones(bytes, size_bytes, plan->dtype);
    like.size_bytes = size_bytes;
    like.data = bytes;
    status = make_own(run, plan, &like, name, value);
    host->release(host, bytes);
    return status;
}

static int
make_coded(struct layout_run *run, const struct layout_plan *plan,
           uint64_t size_bytes, const char *name, struct ckpt_value **value)
{
    struct layout_job job = {.how = plan->how, .dtype = plan->dtype};
    struct ckpt_storage like = {.place = CKPT_PLACE_CODED};
    const struct ckpt_host *host = run->host;
    int status;

    if (plan->how == LAYOUT_SUMMED && !is_float(plan->dtype))
        return host->fail(host, CKPT_UNSUPPORTED, name, CKPT_NOWHERE,
                          "a sum of %s", ckpt_dtype_name(plan->dtype));
    status = make_pieces(run, plan, name, job.tensors);
    if (status != CKPT_OK)
        return status;
    job.tensor_count = plan->piece_count;
    if (plan->rank > 0 && plan->shape[0] > 0)
        job.row_bytes = size_bytes / plan->shape[0];
    like.cursor_key = run->self->jobs.count;
    status = sdk_jobs_add(host, &run->self->jobs, &job, sizeof job) != NULL
                 ? CKPT_OK
                 : CKPT_MEMORY;
    like.size_bytes = size_bytes;
    return status == CKPT_OK ? make_own(run, plan, &like, name, value) : status;
}

/* Of what a new value is made; one that is met again has been told. */
static int
make_came(struct layout_run *run, const struct layout_plan *plan,
          const struct ckpt_value *value)
{
    const struct ckpt_value *from[LAYOUT_PIECES_MAX];
    size_t i;

    if (plan->how == LAYOUT_FILLED || value->id < run->told_id)
        return CKPT_OK;
    run->told_id = value->id + 1;
    for (i = 0; i < plan->piece_count; i++) {
        if (plan->pieces[i].of->id >= run->tensor_count)
            return CKPT_OK;
        from[i] = run->values[plan->pieces[i].of->id];
    }
    return run->host->edit_origin(run->host, run->edits, value, from[0], from,
                                  plan->piece_count);
}

static int
make_value(struct layout_run *run, const struct layout_plan *plan,
           const char *name, struct ckpt_value **value)
{
    const struct ckpt_host *host = run->host;

    if (plan->how == LAYOUT_SHOWN)
        return make_view(run, plan, name, value);
    if (plan->how == LAYOUT_FILLED)
        return make_filled(run, plan, plan_bytes(plan), name, value);
    if (plan->pieces[0].of->storage->place == CKPT_PLACE_ABSENT)
        return host->fail(host, CKPT_UNSUPPORTED, name, CKPT_NOWHERE,
                          "it would be made of bytes that are not there");
    if (plan->how == LAYOUT_JOINED)
        return make_joined(run, plan, name, value);
    return make_coded(run, plan, plan_bytes(plan), name, value);
}

/* What a file says of a tensor is said of what is made of it. */
int
layout_make(struct layout_run *run, const struct layout_plan *plan,
            const char *name, struct ckpt_value **value)
{
    const struct ckpt_host *host = run->host;
    const struct ckpt_attr *attr = plan->attrs;
    int status = make_value(run, plan, name, value);

    for (; attr != NULL && status == CKPT_OK; attr = attr->next)
        status =
            host->attr_set(host, run->graph, *value, attr->name, attr->value);
    return status == CKPT_OK ? make_came(run, plan, *value) : status;
}

int
layout_put(struct layout_run *run, const char *name, size_t name_bytes,
           const struct ckpt_value *value)
{
    const struct ckpt_host *host = run->host;
    struct ckpt_value like = {.kind = CKPT_KIND_STRING}, *key;
    bool added;
    int status;

    like.as.text.data = name;
    like.as.text.size_bytes = name_bytes;
    status = host->value_new(host, run->graph, &like, sizeof like, &key);
    if (status != CKPT_OK)
        return status;
    if (sdk_table_add(host, &run->made, key->as.text.data, name_bytes,
                      &added) == NULL)
        return CKPT_MEMORY;
    if (!added)
        return host->fail(host, CKPT_CONFLICT, name, CKPT_NOWHERE,
                          "two layers would have this name: say map=FILE");
    return host->map_set(host, run->graph, run->root, key, value);
}
