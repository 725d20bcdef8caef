/* SPDX-License-Identifier: MIT
 *
 * The transform `cast`: another element type for tensors. Bytes are made when
 * they are asked for, by a cursor, a window at a time.
 */
#include "ckpt/plugin.h"

#include <string.h>

#include "cast.h"
#include "checked.h"
#include "pattern.h"
#include "tensor_edit.h"

#define WINDOW_BYTES ((size_t)256 << 10)

/* A storage that is cast, and all of the tensors on it with it. */
struct cast_storage {
    const struct ckpt_tensor *from; /* what is read; NULL: not met yet */
    const struct ckpt_storage *to;
    const char *name; /* of the first tensor on it */
    bool whole;       /* the offsets of views stay */
    bool told;        /* what did not fit */
};

struct cast {
    const struct ckpt_host *host;
    struct ckpt_edits *edits;
    const struct ckpt_graph *graph;
    uint32_t dtype;
    struct sdk_pattern *only, *except; /* or NULL */
    /* By the id of the old one, and behind those of tensors by themselves. */
    struct cast_storage *storages;
    uint32_t *uses;             /* tensors on it, by the same */
    struct ckpt_value **values; /* new ones, by the old tensor's id */
};

struct cast_cursor {
    struct cast_storage *storage;
    uint32_t dtype;
    struct ckpt_stream *stream;
    struct ckpt_span left; /* of what the stream gave */
    uint64_t count;        /* elements so far */
    struct sdk_cast_tally tally;
    size_t window_bytes;
    unsigned char window[];
};

enum { OPTION_ONLY, OPTION_EXCEPT };

static const struct ckpt_option cast_options[] = {
    {"only", CKPT_OPTION_STRING, NULL,
     "a pattern: no other tensors, and these whatever their kind", NULL},
    {"except", CKPT_OPTION_STRING, NULL, "a pattern: not these tensors", NULL},
    {NULL, CKPT_OPTION_END, NULL, NULL, NULL}};

static bool
is_float(uint32_t dtype)
{
    return dtype == CKPT_FLOAT16 || dtype == CKPT_BFLOAT16 ||
           dtype == CKPT_FLOAT32 || dtype == CKPT_FLOAT64 ||
           dtype == CKPT_FLOAT4_E2M1 ||
           (dtype >= CKPT_FLOAT8_E4M3FN && dtype <= CKPT_FLOAT8_E8M0FNU);
}

static bool
is_known(uint32_t from, uint32_t to)
{
    return sdk_cast_known(from, to) || sdk_cast_unpacks(from, to);
}

static bool
is_complex(uint32_t dtype)
{
    return dtype >= CKPT_COMPLEX32 && dtype <= CKPT_COMPLEX128;
}

static void
cast_close(const struct ckpt_host *host, void *self)
{
    struct cast *cast = self;

    sdk_pattern_free(host, cast->only);
    sdk_pattern_free(host, cast->except);
    host->release(host, cast->storages);
    host->release(host, cast->uses);
    host->release(host, cast->values);
    host->release(host, cast);
}

static int
cast_configure(const struct ckpt_host *host, struct cast *cast,
               const char *argument, const struct ckpt_option_value *options)
{
    const char *only = options[OPTION_ONLY].text;
    const char *except = options[OPTION_EXCEPT].text;
    int status = CKPT_OK;

    cast->dtype = ckpt_dtype_from_name(argument);
    if (cast->dtype == CKPT_DTYPE_NONE ||
        !sdk_cast_known(is_complex(cast->dtype) ? CKPT_COMPLEX64 : CKPT_FLOAT32,
                        cast->dtype))
        return host->fail(host, CKPT_OPTION, NULL, CKPT_NOWHERE,
                          "'%s' is no type to cast to", argument);
    if (only != NULL)
        status = sdk_pattern_new(host, only, &cast->only);
    if (status == CKPT_OK && except != NULL)
        status = sdk_pattern_new(host, except, &cast->except);
    return status;
}

static int
cast_open(const struct ckpt_host *host, const char *argument,
          const struct ckpt_option_value *options, void **self)
{
    struct cast *cast = host->allocate(host, sizeof *cast);
    int status;

    if (cast == NULL)
        return CKPT_MEMORY;
    status = cast_configure(host, cast, argument, options);
    if (status != CKPT_OK)
        cast_close(host, cast);
    else
        *self = cast;
    return status;
}

/* ---- Choosing ---- */

/* Floats become other floats, integers other integers; whoever wants more
 * says which. */
static bool
is_of_kind(const struct cast *cast, uint32_t dtype)
{
    if (cast->dtype == CKPT_BOOL || cast->only != NULL)
        return true;
    return is_float(dtype) == is_float(cast->dtype) && dtype != CKPT_BOOL;
}

static int
cast_wants(const struct cast *cast, const struct ckpt_entry *entry, bool *wants)
{
    const struct ckpt_tensor *tensor = entry->value->as.tensor;
    bool matches = false;
    int status = CKPT_OK;

    *wants = false;
    if (tensor->storage->place == CKPT_PLACE_ABSENT ||
        !is_of_kind(cast, tensor->dtype) ||
        !is_known(tensor->dtype, cast->dtype))
        return CKPT_OK;
    if (cast->except != NULL)
        status =
            sdk_pattern_match(cast->host, cast->except, &entry->name, &matches);
    *wants = !matches;
    if (status == CKPT_OK && *wants && cast->only != NULL)
        status = sdk_pattern_match(cast->host, cast->only, &entry->name, wants);
    return status;
}

/* ---- Editing ---- */

/* A tensor by itself is cast by itself; what shares its storage stays tied to
 * it, and other orders of dimensions stay, so all of the storage is. */
static int
storage_source(struct cast *cast, const struct ckpt_tensor *tensor,
               struct cast_storage *made)
{
    const struct ckpt_host *host = cast->host;
    uint32_t width = ckpt_dtype_width_bits(tensor->dtype);
    uint64_t count = width < 8 ? tensor->storage->size_bytes * (8 / width)
                               : tensor->storage->size_bytes / (width / 8);
    struct ckpt_tensor like = {.dtype = tensor->dtype,
                               .rank = 1,
                               .shape = &count,
                               .storage = tensor->storage};
    struct ckpt_value *value;
    int status;

    made->whole = cast->uses[tensor->storage->id] > 1 ||
                  (!tensor->contiguous && tensor->element_count == count);
    made->from = tensor;
    if (!made->whole)
        return CKPT_OK;
    status = host->tensor_new(host, host->edit_graph(host, cast->edits), &like,
                              sizeof like, NULL, &value);
    if (status == CKPT_OK)
        made->from = value->as.tensor;
    return status;
}

static int
storage_cast(struct cast *cast, const struct ckpt_entry *entry,
             struct cast_storage *made)
{
    const struct ckpt_host *host = cast->host;
    const struct ckpt_tensor *tensor = entry->value->as.tensor;
    struct ckpt_storage like = {
        .place = CKPT_PLACE_CODED,
        .word_bytes = ckpt_dtype_word_bytes(cast->dtype),
        .device = tensor->storage->device,
        .cursor_key = (uint64_t)(made - cast->storages)};
    int status = storage_source(cast, tensor, made);

    if (status != CKPT_OK)
        return status;
    made->name = entry->name.data;
    if (!sdk_mul_u64(made->from->element_count,
                     ckpt_dtype_width_bits(cast->dtype) / 8, &like.size_bytes))
        return host->fail(host, CKPT_LIMIT, made->name, CKPT_NOWHERE,
                          "it would be over 2^64 bytes");
    return host->storage_new(host, host->edit_graph(host, cast->edits), &like,
                             sizeof like, &made->to);
}

/* A view of another type than the first one's parts ways with it. */
static struct cast_storage *
storage_of(const struct cast *cast, const struct ckpt_tensor *tensor)
{
    struct cast_storage *shared = &cast->storages[tensor->storage->id];

    if (shared->from == NULL || shared->from->dtype == tensor->dtype)
        return shared;
    return &cast->storages[cast->graph->storage_count + tensor->id];
}

static int
tensor_cast(struct cast *cast, const struct ckpt_entry *entry,
            struct ckpt_value **value)
{
    const struct ckpt_host *host = cast->host;
    const struct ckpt_tensor *tensor = entry->value->as.tensor;
    struct cast_storage *made = storage_of(cast, tensor);
    struct ckpt_tensor like = {
        .dtype = cast->dtype,
        .rank = tensor->rank,
        .shape = tensor->shape,
        .role = tensor->role,
        .requires_grad = tensor->requires_grad &&
                         !(is_float(tensor->dtype) && !is_float(cast->dtype)),
        .flips = tensor->flips,
        .type_name = tensor->type_name};
    int status = CKPT_OK;

    if (made->from == NULL)
        status = storage_cast(cast, entry, made);
    if (status != CKPT_OK)
        return status;
    if (made->whole) {
        like.strides = tensor->strides;
        like.offset = tensor->offset;
    } else {
        like.flips = 0; /* what is read has them already */
    }
    like.storage = made->to;
    return host->tensor_new(host, host->edit_graph(host, cast->edits), &like,
                            sizeof like, entry->name.data, value);
}

static int
entry_cast(struct cast *cast, size_t index)
{
    const struct ckpt_host *host = cast->host;
    const struct ckpt_entry *entry = &cast->graph->entries[index];
    struct ckpt_value **value = &cast->values[entry->value->as.tensor->id];
    bool wants;
    int status = cast_wants(cast, entry, &wants);

    if (status != CKPT_OK || !wants)
        return status;
    if (*value == NULL) {
        status = tensor_cast(cast, entry, value);
        if (status == CKPT_OK)
            status =
                sdk_attributes_keep(host, cast->edits, entry->value, *value);
    }
    if (status != CKPT_OK)
        return status;
    return sdk_entry_replace(host, cast->edits, cast->graph, index, *value,
                             "cast");
}

static void
uses_count(struct cast *cast)
{
    const struct ckpt_graph *graph = cast->graph;
    const struct ckpt_tensor *tensor;
    size_t i;

    for (i = 0; i < graph->entry_count; i++) {
        tensor = graph->entries[i].value->as.tensor;
        if (cast->uses[tensor->storage->id] < 2)
            cast->uses[tensor->storage->id]++;
    }
}

/* What keeps its type, and shared a storage with what does not. */
static void
parted_tell(const struct cast *cast)
{
    const struct ckpt_graph *graph = cast->graph;
    const struct ckpt_tensor *tensor;
    const struct cast_storage *made;
    size_t i;

    for (i = 0; i < graph->entry_count; i++) {
        tensor = graph->entries[i].value->as.tensor;
        made = &cast->storages[tensor->storage->id];
        if (made->to != NULL && cast->values[tensor->id] == NULL)
            cast->host->warn(
                cast->host, graph->entries[i].name.data, CKPT_NOWHERE,
                "it no longer shares its storage with '%.200s'", made->name);
    }
}

static int
cast_apply(const struct ckpt_host *host, void *self,
           const struct ckpt_graph *const *graphs, size_t graph_count,
           struct ckpt_edits *edits)
{
    const struct ckpt_graph *graph = graphs[0];
    struct cast *cast = self;
    size_t i, storages = (size_t)graph->storage_count;
    size_t tensors = (size_t)graph->tensor_count;
    int status = CKPT_OK;

    (void)graph_count;
    cast->host = host;
    cast->edits = edits;
    cast->graph = graph;
    cast->storages =
        host->allocate(host, (storages + tensors) * sizeof *cast->storages);
    cast->uses = host->allocate(host, storages * sizeof *cast->uses);
    cast->values = host->allocate(host, tensors * sizeof *cast->values);
    if (cast->storages == NULL || cast->uses == NULL || cast->values == NULL)
        return CKPT_MEMORY;
    uses_count(cast);
    for (i = 0; i < graph->entry_count && status == CKPT_OK; i++)
        status = entry_cast(cast, i);
    if (status == CKPT_OK)
        parted_tell(cast);
    return status;
}

/* ---- Payload ---- */

static int
cast_cursor_open(const struct ckpt_host *host, void *self,
                 const struct ckpt_storage *storage, void **cursor)
{
    const struct cast *cast = self;
    size_t window_bytes = storage->size_bytes < WINDOW_BYTES
                              ? (size_t)storage->size_bytes
                              : WINDOW_BYTES;
    struct cast_cursor *made =
        host->allocate(host, sizeof *made + window_bytes);
    int status;

    if (made == NULL)
        return CKPT_MEMORY;
    made->window_bytes = window_bytes;
    made->storage = &cast->storages[storage->cursor_key];
    made->dtype = cast->dtype;
    status = host->tensor_open(host, made->storage->from, &made->stream);
    if (status != CKPT_OK)
        host->release(host, made);
    else
        *cursor = made;
    return status;
}

static void
overflow_tell(const struct ckpt_host *host, const struct cast_cursor *at)
{
    const char *from = ckpt_dtype_name(at->storage->from->dtype);

    if (at->tally.overflow_count > 0 && !at->storage->told)
        host->warn(host, at->storage->name, CKPT_NOWHERE,
                   "%llu of %llu values of %s do not fit %s",
                   (unsigned long long)at->tally.overflow_count,
                   (unsigned long long)at->count, from,
                   ckpt_dtype_name(at->dtype));
    at->storage->told = true;
}

/* How many elements are at hand and have room. Below a byte the last of a
 * tensor may leave bits behind it. */
static size_t
cursor_count(const struct cast_cursor *at, uint32_t width)
{
    size_t room = at->window_bytes / (ckpt_dtype_width_bits(at->dtype) / 8);
    uint64_t left = at->storage->from->element_count - at->count;
    size_t count = width < 8 ? at->left.size_bytes * (8 / width)
                             : at->left.size_bytes / (width / 8);

    if (count > room)
        count = room;
    return count < left ? count : (size_t)left;
}

static int
cast_cursor_next(const struct ckpt_host *host, void *cursor,
                 struct ckpt_span *span)
{
    struct cast_cursor *at = cursor;
    uint32_t from = at->storage->from->dtype;
    uint32_t width = ckpt_dtype_width_bits(from);
    size_t count, used;
    int status = CKPT_OK;

    if (at->left.size_bytes == 0)
        status = host->tensor_next(host, at->stream, &at->left);
    if (status == CKPT_END)
        overflow_tell(host, at);
    if (status != CKPT_OK)
        return status;
    count = cursor_count(at, width);
    if (width < 8)
        sdk_cast_unpacked(from, at->dtype, at->left.data, at->window, count,
                          &at->tally);
    else
        sdk_cast(from, at->dtype, at->left.data, at->window, count, &at->tally);
    used = width < 8 ? (count * width + 7) / 8 : count * (width / 8);
    at->left.data += used;
    at->left.size_bytes -= used;
    at->count += count;
    span->data = at->window;
    span->size_bytes = count * (ckpt_dtype_width_bits(at->dtype) / 8);
    return CKPT_OK;
}

static void
cast_cursor_close(const struct ckpt_host *host, void *cursor)
{
    struct cast_cursor *at = cursor;

    host->tensor_close(host, at->stream);
    host->release(host, at);
}

static const struct ckpt_transform cast_transform = {
    .size = sizeof(struct ckpt_transform),
    .id = "cast",
    .summary = "other element types for tensors, as torch's casts have them",
    .argument = "DTYPE",
    .options = cast_options,
    .open = cast_open,
    .apply = cast_apply,
    .close = cast_close,
    .cursor_open = cast_cursor_open,
    .cursor_next = cast_cursor_next,
    .cursor_close = cast_cursor_close,
};

static const struct ckpt_transform *const cast_transforms[] = {&cast_transform,
                                                               NULL};

CKPT_PLUGIN(cast) = {
    .abi = CKPT_ABI,
    .size = sizeof(struct ckpt_plugin),
    .id = "cast",
    .version = "0.1.0",
    .summary = "element types",
    .transforms = cast_transforms,
};
