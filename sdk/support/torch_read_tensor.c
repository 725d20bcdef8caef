/* SPDX-License-Identifier: MIT
 *
 * Calls to the rebuild functions of torch._utils, by count and type of their
 * arguments:
 *
 *   _rebuild_tensor     storage, offset, size, stride
 *   _rebuild_tensor_v2  the same, requires_grad, hooks[, metadata]
 *   _rebuild_tensor_v3  the same, requires_grad, hooks, dtype[, metadata]
 *   _rebuild_parameter  tensor, requires_grad, hooks
 *   _rebuild_parameter_with_state               the same, state
 *   _rebuild_qtensor    storage, offset, size, stride, quantiser,
 *                       requires_grad, hooks
 *   _rebuild_meta_tensor_no_storage             dtype, size, stride,
 *                                               requires_grad
 *   _rebuild_device_tensor_from_cpu_tensor      tensor, dtype, device,
 *                                               requires_grad
 *
 * and torch._tensor._rebuild_from_type_v2, which gives a tensor a class and
 * attributes: function, class, arguments of the function, state. Torch up to
 * 0.3 made classes instead, and gave them states:
 *
 *   FloatTensor and kin   (); storage, offset, size, stride
 *   Parameter, Variable   data; requires_grad, volatile, hooks
 *                         (); data, -, hooks, requires_grad, volatile
 */
#include "torch_read_layout.h"
#include "torch_read_rebuilt.h"
#include "torch_read_storage.h"

#include <stdio.h>
#include <string.h>

#include "checked.h"
#include "utf8.h"

/* What a parameter or variable was given when it was made. */
struct old_state {
    uint32_t data, hooks; /* nodes */
    bool requires_grad;
};

static bool
is_rebuild(uint32_t known)
{
    return known >= TORCH_REBUILD_TENSOR && known <= TORCH_REBUILD_META;
}

/* tensor, dtype, device, requires_grad */
static int
read_device(struct torch_reader *r, uint32_t ref, struct rebuilt *rebuilt)
{
    struct sdk_pickled_call call = sdk_pickled_call(r->pickled, ref);
    struct sdk_pickled_list args = sdk_pickled_list(r->pickled, call.args);
    uint32_t known;
    int status;

    if (args.count != 4 || call.items.count > 0 || call.pairs.count > 0 ||
        call.state != SDK_PICKLED_NOTHING ||
        !sdk_torch_is_dtype(r, args.refs[1]) ||
        sdk_pickled_kind(r->pickled, args.refs[2]) != SDK_PICKLED_TEXT ||
        sdk_pickled_kind(r->pickled, args.refs[3]) != SDK_PICKLED_BOOL)
        return CKPT_END;
    known = sdk_torch_known_call(r, args.refs[0]);
    if (known < TORCH_REBUILD_TENSOR || known > TORCH_REBUILD_TENSOR_V3)
        return CKPT_END;
    status = sdk_torch_read_rebuild(r, args.refs[0], known, rebuilt);
    if (status != CKPT_OK)
        return status;
    rebuilt->device = args.refs[2];
    rebuilt->requires_grad = sdk_pickled_at(r->pickled, args.refs[3])->as.truth;
    return rebuilt->dtype == CKPT_DTYPE_NONE ||
                   rebuilt->dtype == sdk_torch_name_of(r, args.refs[1])->dtype
               ? CKPT_OK
               : CKPT_END;
}

static int
read_old_tensor(struct torch_reader *r, uint32_t ref, struct rebuilt *rebuilt)
{
    struct sdk_pickled_call call = sdk_pickled_call(r->pickled, ref);

    if (call.state == SDK_PICKLED_NOTHING || call.items.count > 0 ||
        call.pairs.count > 0 ||
        sdk_pickled_list(r->pickled, call.args).count > 0 ||
        sdk_pickled_kind(r->pickled, call.state) != SDK_PICKLED_TUPLE)
        return CKPT_END;
    rebuilt->class =
        sdk_torch_name_of(r, sdk_torch_class(r, call.callee))->dtype;
    return sdk_torch_read_args(r, ref, TORCH_REBUILD_TENSOR, call.state,
                               rebuilt);
}

/* A tensor that the container lists under a name. */
static int
read_named(struct torch_reader *r, uint32_t ref, struct rebuilt *rebuilt)
{
    const struct ckpt_tensor *tensor;
    struct ckpt_value *value;
    int status = sdk_torch_value_of(r, ref, 0, &value);
    size_t dims_bytes;

    if (status != CKPT_OK || value->kind != CKPT_KIND_TENSOR)
        return status == CKPT_OK ? CKPT_END : status;
    tensor = value->as.tensor;
    dims_bytes = tensor->rank * sizeof *tensor->shape;
    rebuilt->storage = ref;
    rebuilt->rank = tensor->rank;
    rebuilt->offset = tensor->offset;
    if (dims_bytes > 0) {
        memcpy(rebuilt->shape, tensor->shape, dims_bytes);
        memcpy(rebuilt->strides, tensor->strides, dims_bytes);
    }
    return CKPT_OK;
}

/* The tensor that a parameter is of: one that is no parameter itself. */
static int
read_data(struct torch_reader *r, uint32_t ref, struct rebuilt *rebuilt)
{
    uint32_t known = sdk_torch_known_tensor(r, ref);

    if (sdk_torch_is_named(r, ref))
        return read_named(r, ref, rebuilt);
    if (is_rebuild(known))
        return sdk_torch_read_rebuild(r, ref, known, rebuilt);
    if (known == TORCH_REBUILD_DEVICE_TENSOR)
        return read_device(r, ref, rebuilt);
    return known == TORCH_OLD_TENSOR ? read_old_tensor(r, ref, rebuilt)
                                     : CKPT_END;
}

/* What a class of torch up to 0.3 was given. Without a state, a parameter is
 * one that requires a gradient. */
static bool
read_old_state(struct torch_reader *r, const struct sdk_pickled_call *call,
               uint32_t known, struct old_state *state)
{
    struct sdk_pickled_list args = sdk_pickled_list(r->pickled, call->args);
    struct sdk_pickled_list list;
    uint32_t grad;

    state->data = args.count > 0 ? args.refs[0] : SDK_PICKLED_NOTHING;
    state->hooks = SDK_PICKLED_NOTHING;
    state->requires_grad = known == TORCH_OLD_PARAMETER;
    if (args.count == 2) {
        state->requires_grad =
            sdk_pickled_at(r->pickled, args.refs[1])->as.truth;
        return call->state == SDK_PICKLED_NOTHING &&
               sdk_pickled_kind(r->pickled, args.refs[1]) == SDK_PICKLED_BOOL;
    }
    if (call->state == SDK_PICKLED_NOTHING)
        return args.count == 1;
    if (sdk_pickled_kind(r->pickled, call->state) != SDK_PICKLED_TUPLE)
        return false;
    list = sdk_pickled_list(r->pickled, call->state);
    if (args.count > 1 || list.count != (args.count == 1 ? 3u : 5u))
        return false;
    if (list.count == 5)
        state->data = list.refs[0];
    grad = list.refs[list.count == 5 ? 3 : 0];
    state->hooks = list.refs[2];
    state->requires_grad = sdk_pickled_at(r->pickled, grad)->as.truth;
    return sdk_pickled_kind(r->pickled, grad) == SDK_PICKLED_BOOL;
}

static int
read_old_variable(struct torch_reader *r, uint32_t ref, uint32_t known,
                  struct rebuilt *rebuilt)
{
    struct sdk_pickled_call call = sdk_pickled_call(r->pickled, ref);
    struct old_state state;
    int status;

    if (call.items.count > 0 || call.pairs.count > 0 ||
        !read_old_state(r, &call, known, &state))
        return CKPT_END;
    status = read_data(r, state.data, rebuilt);
    if (status != CKPT_OK)
        return status;
    if (known == TORCH_OLD_PARAMETER)
        rebuilt->role = CKPT_ROLE_PARAMETER;
    rebuilt->requires_grad = state.requires_grad;
    if (state.hooks != SDK_PICKLED_NOTHING)
        sdk_torch_check_hooks(r, state.hooks, ref);
    return CKPT_OK;
}

/* The attributes that a tensor was saved with, or None. */
static bool
state_fits(struct torch_reader *r, uint32_t state)
{
    return sdk_pickled_kind(r->pickled, state) == SDK_PICKLED_NONE ||
           sdk_torch_is_attrs(r, state);
}

static int
read_parameter(struct torch_reader *r, uint32_t ref, uint32_t known,
               struct rebuilt *rebuilt)
{
    struct sdk_pickled_call call = sdk_pickled_call(r->pickled, ref);
    struct sdk_pickled_list args = sdk_pickled_list(r->pickled, call.args);
    int status;

    if (args.count != (known == TORCH_REBUILD_PARAMETER ? 3u : 4u) ||
        sdk_pickled_kind(r->pickled, args.refs[1]) != SDK_PICKLED_BOOL ||
        call.items.count > 0 || call.pairs.count > 0 ||
        call.state != SDK_PICKLED_NOTHING)
        return CKPT_END;
    if (args.count == 4 && !state_fits(r, args.refs[3]))
        return CKPT_END;
    status = read_data(r, args.refs[0], rebuilt);
    if (status != CKPT_OK)
        return status;
    rebuilt->role = CKPT_ROLE_PARAMETER;
    rebuilt->requires_grad = sdk_pickled_at(r->pickled, args.refs[1])->as.truth;
    sdk_torch_check_hooks(r, args.refs[2], ref);
    if (args.count == 4 &&
        sdk_pickled_kind(r->pickled, args.refs[3]) == SDK_PICKLED_DICT)
        rebuilt->state = args.refs[3];
    return CKPT_OK;
}

/* The hub asks the same; here the place in the pickle is known. */
static int
check_view(struct torch_reader *r, uint32_t ref, const struct rebuilt *rebuilt,
           uint32_t dtype, uint64_t size_bytes)
{
    uint64_t last = rebuilt->offset, count = 1, step;
    uint32_t i;

    for (i = 0; i < rebuilt->rank; i++)
        if (rebuilt->shape[i] == 0)
            return CKPT_OK;
    for (i = 0; i < rebuilt->rank; i++) {
        if (!sdk_mul_u64(count, rebuilt->shape[i], &count))
            return sdk_torch_fail(r, CKPT_FORMAT, ref, "sizes that overflow");
        if (!sdk_mul_u64(rebuilt->shape[i] - 1, rebuilt->strides[i], &step) ||
            !sdk_add_u64(last, step, &last))
            return sdk_torch_fail(r, CKPT_FORMAT, ref, "strides that overflow");
    }
    if (last >= size_bytes * 8 / ckpt_dtype_width_bits(dtype))
        return sdk_torch_fail(r, CKPT_FORMAT, ref,
                              "a view of more than its storage holds");
    return CKPT_OK;
}

/* The class of a tensor, as "module.Class"; false if that cannot be told from
 * its name, or is one that is no tensor. */
static bool
read_class(struct torch_reader *r, uint32_t ref, struct rebuilt *rebuilt)
{
    const struct torch_name *name = sdk_torch_name_of(r, ref);
    int length;

    if (name->known == TORCH_TENSOR)
        return true;
    if (name->known != TORCH_UNKNOWN || strchr(name->name, '.') != NULL ||
        name->module[0] == '\0' ||
        !sdk_utf8_valid(name->module, strlen(name->module)) ||
        !sdk_utf8_valid(name->name, strlen(name->name)))
        return false;
    length = snprintf(rebuilt->type_name, TYPE_NAME_BYTES, "%s.%s",
                      name->module, name->name);
    return length > 0 && length < TYPE_NAME_BYTES;
}

/* The offset within the whole storage, if the entry is a view of one. An
 * empty tensor may be anywhere. */
static int
place_view(struct torch_reader *r, uint32_t ref, const struct rebuilt *rebuilt,
           const struct torch_entry *entry, struct ckpt_tensor *tensor)
{
    uint64_t width_bits = ckpt_dtype_width_bits(tensor->dtype);
    uint64_t start = entry->start_bytes * 8 / width_bits;

    if (entry->start_bytes * 8 % width_bits != 0)
        return sdk_torch_fail(r, CKPT_FORMAT, ref,
                              "a view that begins within an element");
    if (!sdk_add_u64(rebuilt->offset, start, &tensor->offset))
        tensor->offset = rebuilt->offset;
    return CKPT_OK;
}

static int
read_typed(struct torch_reader *r, uint32_t ref, struct rebuilt *rebuilt)
{
    struct sdk_pickled_call call = sdk_pickled_call(r->pickled, ref);
    struct sdk_pickled_list args = sdk_pickled_list(r->pickled, call.args);
    uint32_t known;
    int status;

    if (args.count != 4 || call.items.count > 0 || call.pairs.count > 0 ||
        call.state != SDK_PICKLED_NOTHING ||
        sdk_pickled_kind(r->pickled, args.refs[0]) != SDK_PICKLED_GLOBAL ||
        sdk_pickled_kind(r->pickled, args.refs[1]) != SDK_PICKLED_GLOBAL ||
        sdk_pickled_kind(r->pickled, args.refs[2]) != SDK_PICKLED_TUPLE ||
        !state_fits(r, args.refs[3]))
        return CKPT_END;
    known = sdk_torch_name_of(r, args.refs[0])->known;
    if (!is_rebuild(known) || !read_class(r, args.refs[1], rebuilt))
        return CKPT_END;
    status = sdk_torch_read_args(r, ref, known, args.refs[2], rebuilt);
    if (status == CKPT_OK &&
        sdk_pickled_kind(r->pickled, args.refs[3]) == SDK_PICKLED_DICT)
        rebuilt->state = args.refs[3];
    return status;
}

static int
read_any(struct torch_reader *r, uint32_t ref, struct rebuilt *rebuilt)
{
    uint32_t known = sdk_torch_known_tensor(r, ref);

    switch (known) {
    case TORCH_REBUILD_TYPED:
        return read_typed(r, ref, rebuilt);
    case TORCH_REBUILD_DEVICE_TENSOR:
        return read_device(r, ref, rebuilt);
    case TORCH_REBUILD_PARAMETER:
    case TORCH_REBUILD_PARAMETER_STATE:
        return read_parameter(r, ref, known, rebuilt);
    case TORCH_OLD_PARAMETER:
    case TORCH_OLD_VARIABLE:
        return read_old_variable(r, ref, known, rebuilt);
    case TORCH_OLD_TENSOR:
        return read_old_tensor(r, ref, rebuilt);
    default:
        return sdk_torch_read_rebuild(r, ref, known, rebuilt);
    }
}

/* The storage of a meta tensor, or of one that another device holds: a copy
 * of the entry's, which is the CPU's. */
static int
own_storage(struct torch_reader *r, const struct rebuilt *rebuilt,
            const struct torch_entry *entry,
            const struct ckpt_storage **storage)
{
    struct ckpt_storage like = {.place = CKPT_PLACE_ABSENT, .device = "meta"};
    char device[64];

    if (rebuilt->device != SDK_PICKLED_NOTHING) {
        if (!sdk_torch_device_label(r, rebuilt->device, device, sizeof device))
            return CKPT_END;
        like = *entry->storage;
        like.device = device;
    }
    return r->host->storage_new(r->host, r->graph, &like, sizeof like, storage);
}

/* Turned signs are known of types that have them. */
static int
check_flips(struct torch_reader *r, uint32_t ref, uint32_t flips,
            uint32_t dtype)
{
    bool is_complex = dtype >= CKPT_COMPLEX32 && dtype <= CKPT_COMPLEX128;
    bool is_real = dtype >= CKPT_FLOAT16 && dtype <= CKPT_FLOAT64;

    if (flips == 0 || is_complex || (is_real && flips == CKPT_FLIP_NEGATIVE))
        return CKPT_OK;
    return sdk_torch_fail(r, CKPT_UNSUPPORTED, ref,
                          "a conjugate or negative view of a type without "
                          "signs");
}

static int
find_storage(struct torch_reader *r, uint32_t ref,
             const struct rebuilt *rebuilt, struct ckpt_tensor *like)
{
    const struct torch_entry *entry = NULL;
    int status;

    if (rebuilt->storage == SDK_PICKLED_NOTHING)
        return own_storage(r, rebuilt, NULL, &like->storage);
    status = sdk_torch_entry_find(r, rebuilt->storage, rebuilt->dtype, &entry);
    if (status != CKPT_OK)
        return status;
    if (rebuilt->class != CKPT_DTYPE_NONE && rebuilt->class != entry->dtype)
        return sdk_torch_fail(r, CKPT_FORMAT, ref,
                              "a tensor on a storage of another type");
    if (like->dtype == CKPT_DTYPE_NONE)
        like->dtype = entry->dtype;
    like->storage = entry->storage;
    status = check_view(r, ref, rebuilt, like->dtype, entry->size_bytes);
    if (status == CKPT_OK)
        status = place_view(r, ref, rebuilt, entry, like);
    if (status == CKPT_OK && rebuilt->device != SDK_PICKLED_NOTHING)
        status = own_storage(r, rebuilt, entry, &like->storage);
    return status;
}

static int
make_tensor(struct torch_reader *r, uint32_t ref, const struct rebuilt *rebuilt,
            struct ckpt_value **value)
{
    struct ckpt_tensor like = {
        .dtype = rebuilt->dtype,
        .rank = rebuilt->rank,
        .shape = rebuilt->shape,
        .strides = rebuilt->strides,
        .offset = rebuilt->offset,
        .role = rebuilt->role,
        .requires_grad = rebuilt->requires_grad,
        .flips = rebuilt->flips,
        .type_name = rebuilt->type_name[0] ? rebuilt->type_name : NULL,
    };
    int status = find_storage(r, ref, rebuilt, &like);

    if (status == CKPT_OK)
        status = check_flips(r, ref, like.flips, like.dtype);
    if (status == CKPT_OK)
        status = r->host->tensor_new(r->host, r->graph, &like, sizeof like,
                                     sdk_torch_path(r), value);
    if (status == CKPT_OK && rebuilt->quantiser != SDK_PICKLED_NOTHING)
        status = sdk_torch_quantiser_set(r, rebuilt->quantiser, *value);
    return status;
}

int
sdk_torch_tensor_new(struct torch_reader *r, uint32_t ref, uint32_t *state,
                     struct ckpt_value **value)
{
    struct rebuilt rebuilt;
    int status;

    rebuilt.dtype = CKPT_DTYPE_NONE;
    rebuilt.class = CKPT_DTYPE_NONE;
    rebuilt.role = r->role;
    rebuilt.state = SDK_PICKLED_NOTHING;
    rebuilt.quantiser = SDK_PICKLED_NOTHING;
    rebuilt.device = SDK_PICKLED_NOTHING;
    rebuilt.flips = 0;
    rebuilt.requires_grad = false;
    rebuilt.type_name[0] = '\0';
    rebuilt.offset = 0;
    status = read_any(r, ref, &rebuilt);
    if (status == CKPT_OK && rebuilt.quantiser != SDK_PICKLED_NOTHING &&
        sdk_torch_has_attr(r, rebuilt.state, SDK_TORCH_QUANTISER))
        return CKPT_END;
    if (status == CKPT_OK)
        status = make_tensor(r, ref, &rebuilt, value);
    if (status == CKPT_OK)
        *state = rebuilt.state;
    return status;
}
