/* SPDX-License-Identifier: MIT
 *
 * The tensors of a side record: first they are met, then the storages that
 * several of them share are laid out again.
 */
#include <string.h>

#include "checked.h"
#include "hub/graph/cover.h"
#include "hub/graph/validate.h"
#include "hub/run/restore_private.h"

/* No file is so long; sums of such offsets cannot wrap. */
#define OFFSET_MAX (UINT64_C(1) << 48)

/* What no tensor shows is zeros, and a tensor may be shown twice; past this,
 * and past so many times the file's own storages, that is taken for a bomb. */
#define GROWN_BYTES ((uint64_t)64 << 20)
#define GROWN_TIMES 1024

static void *
tensors_allocate(struct restore *restore, size_t count, size_t width)
{
    return hub_arena_allocate(&restore->graph->arena, (count + 1) * width);
}

static int
tensor_begin(struct restore *restore, const char *type_name, size_t flat,
             struct restore_tensor **made, struct ckpt_value **value)
{
    struct ckpt_value like = {.kind = CKPT_KIND_TENSOR};
    struct restore_tensor *tensor =
        tensors_allocate(restore, 1, sizeof *tensor);
    int status;

    if (tensor != NULL)
        tensor->slot = tensors_allocate(restore, 1, sizeof *tensor->slot);
    if (tensor == NULL || tensor->slot == NULL)
        return restore->report->status;
    tensor->flat = flat;
    tensor->set = SIZE_MAX;
    tensor->device = "cpu";
    tensor->view.type_name = type_name;
    *restore->tensors_end = tensor;
    restore->tensors_end = &tensor->next;
    restore->tensor_count++;
    like.as.tensor = tensor->slot;
    status = hub_value_new(restore->graph, &like, value);
    if (status == CKPT_OK)
        *made = tensor;
    return status;
}

int
restore_tensor_begin(struct restore *restore, const char *type_name,
                     struct restore_tensor **made, struct ckpt_value **value)
{
    struct ckpt_text name;
    uint64_t *found;
    int status = restore_text(restore, &name);

    if (status != CKPT_OK)
        return status;
    found = hub_table_find(&restore->names, name.data, name.size_bytes);
    if (found == NULL)
        return restore_refuse(restore, "it names a tensor that is not there");
    restore->used[*found] = true;
    return tensor_begin(restore, type_name, (size_t)*found, made, value);
}

int
restore_absent_begin(struct restore *restore, const char *type_name,
                     struct restore_tensor **made, struct ckpt_value **value)
{
    struct ckpt_text name;
    int status = restore_text(restore, &name);
    uint32_t dtype;

    if (status != CKPT_OK)
        return status;
    dtype = ckpt_dtype_from_name(name.data);
    if (dtype == CKPT_DTYPE_NONE)
        return restore_refuse(restore, "a dtype is not known");
    status = tensor_begin(restore, type_name, SIZE_MAX, made, value);
    if (status == CKPT_OK) {
        (*made)->view.dtype = dtype;
        (*made)->has_dtype = true;
    }
    return status;
}

static int
tensor_number(struct restore *restore, uint64_t *number)
{
    if (sdk_json_next(&restore->json) == SDK_JSON_NUMBER &&
        sdk_json_u64(&restore->json, number))
        return CKPT_OK;
    return restore_refuse(restore, "a number of a tensor is malformed");
}

/* A list of numbers, as many as the view's rank, which the first one tells. */
static int
tensor_numbers(struct restore *restore, struct ckpt_tensor *view, bool first,
               const uint64_t **list)
{
    uint64_t numbers[CKPT_MAX_RANK], *copy;
    struct sdk_json *json = &restore->json;
    uint32_t count = 0;

    if (sdk_json_next(json) != SDK_JSON_ARRAY_BEGIN)
        return restore_refuse(restore, "a list of a tensor is malformed");
    while (sdk_json_next(json) == SDK_JSON_NUMBER && count < CKPT_MAX_RANK)
        if (!sdk_json_u64(json, &numbers[count++]))
            return restore_refuse(restore, "a number of a tensor is malformed");
    if (json->event != SDK_JSON_ARRAY_END || (!first && count != view->rank))
        return restore_refuse(restore, "a list of a tensor is malformed");
    copy = tensors_allocate(restore, count, sizeof *copy);
    if (copy == NULL)
        return restore->report->status;
    memcpy(copy, numbers, count * sizeof *copy);
    view->rank = count;
    *list = copy;
    return CKPT_OK;
}

static int
tensor_dtype(struct restore *restore, struct restore_tensor *tensor)
{
    struct ckpt_text text;
    int status = CKPT_FORMAT;

    if (sdk_json_next(&restore->json) == SDK_JSON_STRING)
        status = restore_text(restore, &text);
    if (status != CKPT_OK)
        return restore_refuse(restore, "a dtype is malformed");
    tensor->view.dtype = ckpt_dtype_from_name(text.data);
    tensor->has_dtype = true;
    return tensor->view.dtype != CKPT_DTYPE_NONE
               ? CKPT_OK
               : restore_refuse(restore, "a dtype is not known");
}

static int
tensor_device(struct restore *restore, struct restore_tensor *tensor)
{
    int status = restore_expect(restore, SDK_JSON_STRING);

    return status == CKPT_OK ? restore_name(restore, &tensor->device) : status;
}

static int
tensor_small(struct restore *restore, struct restore_tensor *tensor, bool set)
{
    uint64_t number;
    int status = tensor_number(restore, &number);

    if (status != CKPT_OK)
        return status;
    if (set && number >= restore->set_count)
        return restore_refuse(restore, "a storage is not among the storages");
    if (!set && number > CKPT_ROLE_BUFFER)
        return restore_refuse(restore, "a role is not known");
    if (set)
        tensor->set = (size_t)number;
    else
        tensor->view.role = (uint32_t)number;
    return CKPT_OK;
}

int
restore_tensor_key(struct restore *restore, struct restore_tensor *tensor,
                   bool *taken)
{
    struct sdk_json *json = &restore->json;
    struct ckpt_tensor *view = &tensor->view;
    bool first = !tensor->has_shape && !tensor->has_strides;

    if (sdk_json_is(json, "storage"))
        return tensor_small(restore, tensor, true);
    if (sdk_json_is(json, "role"))
        return tensor_small(restore, tensor, false);
    if (sdk_json_is(json, "offset"))
        return tensor_number(restore, &view->offset);
    if (sdk_json_is(json, "dtype"))
        return tensor_dtype(restore, tensor);
    if (sdk_json_is(json, "device"))
        return tensor_device(restore, tensor);
    if (sdk_json_is(json, "strides")) {
        tensor->has_strides = true;
        return tensor_numbers(restore, view, first, &view->strides);
    }
    if (sdk_json_is(json, "shape")) {
        tensor->has_shape = true;
        return tensor_numbers(restore, view, first, &view->shape);
    }
    if (sdk_json_is(json, "grad")) {
        view->requires_grad = sdk_json_next(json) == SDK_JSON_TRUE;
        return CKPT_OK;
    }
    *taken = false;
    return CKPT_OK;
}

static const struct ckpt_tensor *
tensor_flat(const struct restore *restore, const struct restore_tensor *tensor)
{
    return restore->flat->entries[tensor->flat].value->as.tensor;
}

static void
row_major(const struct ckpt_tensor *tensor, uint64_t *strides)
{
    uint64_t step = 1;
    uint32_t d;

    for (d = tensor->rank; d-- > 0;) {
        strides[d] = step;
        if (tensor->shape[d] != 0)
            step *= tensor->shape[d];
    }
}

/* Completes the view from the flat tensor, and fills what the hub fills in a
 * tensor, so that the view can be asked how it lies. */
static int
tensor_complete(struct restore *restore, struct restore_tensor *tensor)
{
    const struct ckpt_tensor *flat = tensor_flat(restore, tensor);
    struct ckpt_tensor *view = &tensor->view;
    uint64_t bits = 1, *strides;
    uint32_t d;

    if (!tensor->has_dtype)
        view->dtype = flat->dtype;
    if (!tensor->has_shape) {
        if (tensor->has_strides && view->rank != flat->rank)
            return restore_refuse(restore, "a tensor has another rank");
        view->rank = flat->rank;
        view->shape = flat->shape;
    }
    for (d = 0; d < view->rank; d++)
        if (!sdk_mul_u64(bits, view->shape[d], &bits))
            return restore_refuse(restore, "a shape overflows");
    if (view->offset > OFFSET_MAX)
        return restore_refuse(restore, "an offset is too large");
    view->element_count = bits;
    if (!sdk_mul_u64(bits, ckpt_dtype_width_bits(view->dtype), &bits) ||
        bits / 8 + (bits % 8 != 0) != flat->size_bytes)
        return restore_refuse(restore, "a tensor is of another size");
    view->size_bytes = flat->size_bytes;
    strides = tensors_allocate(restore, view->rank, sizeof *strides);
    if (strides == NULL)
        return restore->report->status;
    row_major(view, strides);
    if (view->strides == NULL)
        view->strides = strides;
    view->contiguous = hub_tensor_contiguous(view);
    return CKPT_OK;
}

/* The flat tensor as the record's shape and dtype say it: row-major in its
 * own bytes. */
static int
tensor_kept(struct restore *restore, const struct restore_tensor *tensor,
            struct ckpt_tensor *kept)
{
    const struct ckpt_tensor *flat = tensor_flat(restore, tensor);
    uint32_t width = ckpt_dtype_width_bits(tensor->view.dtype);
    uint64_t bit = flat->offset * ckpt_dtype_width_bits(flat->dtype);
    uint64_t *strides;

    if (!flat->contiguous || bit % width != 0)
        return restore_refuse(restore, "a tensor is not contiguous");
    *kept = tensor->view;
    strides = tensors_allocate(restore, kept->rank, sizeof *strides);
    if (strides == NULL)
        return restore->report->status;
    row_major(kept, strides);
    kept->strides = strides;
    kept->storage = flat->storage;
    kept->offset = bit / width;
    return CKPT_OK;
}

/* Checks the finished view and puts it into its value. */
static int
tensor_settle(struct restore *restore, struct restore_tensor *tensor)
{
    const char *name = tensor->flat == SIZE_MAX
                           ? NULL
                           : restore->flat->entries[tensor->flat].name.data;
    struct ckpt_value *value;
    int status = hub_tensor_new(restore->graph, &tensor->view, name, &value);

    if (status == CKPT_OK)
        *tensor->slot = *value->as.tensor;
    return status;
}

/* A tensor on a storage of no bytes. */
static int
tensor_absent(struct restore *restore, struct restore_tensor *tensor)
{
    struct ckpt_storage like = {.place = CKPT_PLACE_ABSENT,
                                .device = tensor->device};
    int status;

    if (!tensor->has_shape || !tensor->has_strides || tensor->set != SIZE_MAX)
        return restore_refuse(restore, "a tensor without bytes is malformed");
    status = hub_storage_new(restore->graph, &like, 0, &tensor->view.storage);
    if (status == CKPT_OK)
        status = tensor_settle(restore, tensor);
    return status;
}

/* A tensor with a storage of its own: that of the flat one, relabelled. All
 * that name one flat tensor share it. */
static int
tensor_alone(struct restore *restore, struct restore_tensor *tensor,
             const struct ckpt_storage **storages)
{
    const struct ckpt_storage **storage = &storages[tensor->flat];
    struct ckpt_tensor kept;
    struct ckpt_storage like;
    int status = tensor_kept(restore, tensor, &kept);

    if (status == CKPT_OK && *storage == NULL) {
        like = *kept.storage;
        like.device = tensor->device;
        status = hub_storage_new(
            restore->graph, &like,
            UINT64_MAX /* it has been checked when it was described */,
            storage);
    }
    if (status != CKPT_OK)
        return status;
    kept.storage = *storage;
    kept.role = tensor->view.role;
    kept.requires_grad = tensor->view.requires_grad;
    tensor->view = kept;
    return tensor_settle(restore, tensor);
}

/* The members of one shared storage. */
struct restore_set {
    struct restore_tensor **members;
    const struct ckpt_tensor **views;
    size_t count;
    struct hub_cover cover;
    struct hub_piece *pieces;
};

static int
set_piece(struct restore *restore, const struct restore_set *set, size_t i)
{
    const struct hub_cover_run *run = &set->cover.runs[i];
    struct ckpt_tensor kept, piece, *view;
    uint64_t *dims;
    int status = tensor_kept(restore, set->members[run->view], &kept);

    if (status != CKPT_OK)
        return status;
    dims = tensors_allocate(restore, 2 * CKPT_MAX_RANK, sizeof *dims);
    view = tensors_allocate(restore, 1, sizeof *view);
    if (dims == NULL || view == NULL)
        return restore->report->status;
    hub_cover_view(run, set->views[run->view], &kept, dims, &piece);
    *view = piece;
    view->element_count =
        (run->end - run->begin) * 8 / ckpt_dtype_width_bits(piece.dtype);
    view->size_bytes = run->end - run->begin;
    view->contiguous = hub_tensor_contiguous(view);
    set->pieces[i].offset_bytes = run->begin;
    set->pieces[i].view = view;
    return CKPT_OK;
}

/* One piece that is a plain run of a file is that run. */
static bool
set_is_span(const struct restore_set *set, struct ckpt_storage *like)
{
    const struct ckpt_tensor *view = set->pieces[0].view;

    if (set->cover.count != 1 || set->pieces[0].offset_bytes != 0 ||
        !view->contiguous || view->storage->place != CKPT_PLACE_SPAN ||
        ckpt_dtype_width_bits(view->dtype) % 8 != 0)
        return false;
    like->place = CKPT_PLACE_SPAN;
    like->byte_order = view->storage->byte_order;
    like->word_bytes = view->storage->word_bytes;
    like->source = view->storage->source;
    like->source_offset =
        view->storage->source_offset +
        view->offset * (ckpt_dtype_width_bits(view->dtype) / 8);
    return true;
}

static int
set_storage(struct restore *restore, const struct restore_set *set,
            const char *device, const struct ckpt_storage **storage)
{
    struct ckpt_storage like = {
        .device = device, .place = CKPT_PLACE_OWNED, .word_bytes = 1};
    size_t i;
    int status = CKPT_OK;

    if (set->cover.count == 0)
        return hub_storage_new(restore->graph, &like, 0, storage);
    like.size_bytes = set->cover.runs[set->cover.count - 1].end;
    for (i = 0; i < set->cover.count && status == CKPT_OK; i++)
        status = set_piece(restore, set, i);
    if (status != CKPT_OK)
        return status;
    if (set_is_span(set, &like))
        return hub_storage_new(restore->graph, &like, UINT64_MAX, storage);
    return hub_storage_made(restore->graph, &like, set->pieces,
                            set->cover.count, storage);
}

/* A few words of a record could make a file of any size. */
static int
set_size(struct restore *restore, const struct hub_cover *cover)
{
    if (cover->count == 0)
        return CKPT_OK;
    restore->set_bytes += cover->runs[cover->count - 1].end;
    if (restore->set_bytes > GROWN_BYTES &&
        restore->set_bytes / GROWN_TIMES > restore->stored_bytes)
        return restore_refuse(restore, "its storages are larger than the file");
    return CKPT_OK;
}

static int
set_settle(struct restore *restore, struct restore_set *set, const char *device)
{
    const struct ckpt_storage *storage;
    size_t i;
    int status;

    set->cover.runs =
        tensors_allocate(restore, set->count, sizeof *set->cover.runs);
    set->pieces = tensors_allocate(restore, set->count, sizeof *set->pieces);
    if (set->cover.runs == NULL || set->pieces == NULL)
        return restore->report->status;
    hub_cover_find(set->views, set->count, &set->cover);
    for (i = 0; i < set->count; i++)
        if (!hub_cover_holds(&set->cover, set->views[i]))
            return restore_refuse(restore,
                                  "a storage has bytes that are nowhere");
    status = set_size(restore, &set->cover);
    if (status == CKPT_OK)
        status = set_storage(restore, set, device, &storage);
    for (i = 0; i < set->count && status == CKPT_OK; i++) {
        set->members[i]->view.storage = storage;
        status = tensor_settle(restore, set->members[i]);
    }
    return status;
}

/* Sorts the tensors into their sets. */
static int
sets_fill(struct restore *restore, struct restore_set *sets)
{
    struct restore_tensor *tensor;
    struct restore_set *set;
    size_t i;

    for (tensor = restore->tensors; tensor != NULL; tensor = tensor->next)
        if (tensor->set != SIZE_MAX)
            sets[tensor->set].count++;
    for (i = 0; i < restore->set_count; i++) {
        set = &sets[i];
        set->members = tensors_allocate(restore, set->count, sizeof(void *));
        set->views = tensors_allocate(restore, set->count, sizeof(void *));
        if (set->members == NULL || set->views == NULL)
            return restore->report->status;
        set->count = 0;
    }
    for (tensor = restore->tensors; tensor != NULL; tensor = tensor->next) {
        if (tensor->set == SIZE_MAX)
            continue;
        set = &sets[tensor->set];
        set->views[set->count] = &tensor->view;
        set->members[set->count++] = tensor;
    }
    return CKPT_OK;
}

static int
tensors_used(struct restore *restore)
{
    size_t i;

    for (i = 0; i < restore->flat->entry_count; i++)
        if (!restore->used[i])
            return restore_refuse(restore,
                                  "the file has tensors that it leaves out");
    return CKPT_OK;
}

int
restore_tensors(struct restore *restore)
{
    const struct ckpt_storage **storages =
        tensors_allocate(restore, restore->flat->entry_count, sizeof *storages);
    struct restore_set *sets =
        tensors_allocate(restore, restore->set_count, sizeof *sets);
    struct restore_tensor *tensor;
    size_t i;
    int status = tensors_used(restore);

    if (storages == NULL || sets == NULL)
        return restore->report->status;
    for (tensor = restore->tensors; tensor != NULL && status == CKPT_OK;
         tensor = tensor->next)
        status = tensor->flat == SIZE_MAX ? tensor_absent(restore, tensor)
                                          : tensor_complete(restore, tensor);
    if (status == CKPT_OK)
        status = sets_fill(restore, sets);
    for (tensor = restore->tensors; tensor != NULL && status == CKPT_OK;
         tensor = tensor->next)
        if (tensor->set == SIZE_MAX && tensor->flat != SIZE_MAX)
            status = tensor_alone(restore, tensor, storages);
    for (i = 0; i < restore->set_count && status == CKPT_OK; i++)
        status = set_settle(restore, &sets[i], restore->set_devices[i]);
    return status;
}
