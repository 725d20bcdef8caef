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
 *
 * and torch._tensor._rebuild_from_type_v2, which gives a plain torch.Tensor
 * attributes: function, class, arguments of the function, state. Torch up to
 * 0.3 made classes instead, and gave them states:
 *
 *   FloatTensor and kin   (); storage, offset, size, stride
 *   Parameter, Variable   data; requires_grad, volatile, hooks
 *                         (); data, -, hooks, requires_grad, volatile
 */
#include "torch_read_storage.h"

#include <string.h>

#include "checked.h"

struct rebuilt {
    uint32_t storage; /* a persistent node */
    uint32_t dtype;   /* NONE: that of the storage */
    uint32_t class;   /* what the storage must be of, or NONE */
    uint32_t role;
    uint32_t state;
    bool requires_grad;
    uint64_t offset;
    uint32_t rank;
    uint64_t shape[CKPT_MAX_RANK], strides[CKPT_MAX_RANK];
};

/* What a parameter or variable was given when it was made. */
struct old_state {
    uint32_t data, hooks; /* nodes */
    bool requires_grad;
};

static bool
read_count(const struct torch_reader *r, uint32_t ref, uint64_t *count)
{
    const struct sdk_pickled_node *node = sdk_pickled_at(r->pickled, ref);

    if (node->kind != SDK_PICKLED_INT || node->as.integer < 0)
        return false;
    *count = (uint64_t)node->as.integer;
    return true;
}

/* What is not a count is an int that is too wide or negative, or no int. */
static int
fail_count(struct torch_reader *r, uint32_t ref, uint32_t owner,
           const char *what)
{
    uint32_t kind = sdk_pickled_kind(r->pickled, ref);

    if (kind == SDK_PICKLED_INT || kind == SDK_PICKLED_WIDE)
        return sdk_torch_fail(r, CKPT_FORMAT, owner, what);
    return sdk_torch_fail(r, CKPT_UNSUPPORTED, owner,
                          "a tensor of dimensions that are no ints");
}

static int
read_dims(struct torch_reader *r, uint32_t owner,
          const struct sdk_pickled_list *args, struct rebuilt *rebuilt)
{
    struct sdk_pickled_list shape = sdk_pickled_list(r->pickled, args->refs[2]);
    struct sdk_pickled_list steps = sdk_pickled_list(r->pickled, args->refs[3]);
    uint32_t i;

    if (!read_count(r, args->refs[1], &rebuilt->offset))
        return fail_count(r, args->refs[1], owner, "an offset out of range");
    if (shape.count != steps.count)
        return sdk_torch_fail(r, CKPT_FORMAT, owner,
                              "a size and a stride of unequal length");
    if (shape.count > CKPT_MAX_RANK)
        return sdk_torch_fail(r, CKPT_FORMAT, owner, "more than 64 dimensions");
    rebuilt->rank = shape.count;
    for (i = 0; i < shape.count; i++) {
        if (!read_count(r, shape.refs[i], &rebuilt->shape[i]))
            return fail_count(r, shape.refs[i], owner, "a size out of range");
        if (!read_count(r, steps.refs[i], &rebuilt->strides[i]))
            return fail_count(r, steps.refs[i], owner, "a stride out of range");
    }
    return CKPT_OK;
}

static void
check_hooks(struct torch_reader *r, uint32_t hooks, uint32_t owner)
{
    if (sdk_pickled_kind(r->pickled, hooks) == SDK_PICKLED_NONE ||
        sdk_torch_is_plain_call(r, hooks, TORCH_ORDERED_DICT))
        return;
    r->host->warn(r->host, sdk_torch_path(r), sdk_torch_byte(r, owner),
                  "backward hooks of a tensor are left out");
}

/* Bits such as conj and neg say that the tensor is not its stored bytes. */
static int
check_metadata(struct torch_reader *r, uint32_t metadata, uint32_t owner)
{
    uint32_t kind = sdk_pickled_kind(r->pickled, metadata);

    if (kind == SDK_PICKLED_NONE ||
        (kind == SDK_PICKLED_DICT &&
         sdk_pickled_list(r->pickled, metadata).count == 0))
        return CKPT_OK;
    return sdk_torch_fail(r, CKPT_UNSUPPORTED, owner,
                          "a tensor with metadata, as conjugate and negative "
                          "views have");
}

static bool
args_fit(struct torch_reader *r, const struct sdk_pickled_list *args,
         uint32_t known)
{
    uint32_t least = known == TORCH_REBUILD_TENSOR      ? 4
                     : known == TORCH_REBUILD_TENSOR_V2 ? 6
                                                        : 7;
    const struct sdk_pickled *p = r->pickled;
    uint32_t most = least == 4 ? 4 : least + 1;

    if (args->count < least || args->count > most ||
        sdk_pickled_kind(p, args->refs[0]) != SDK_PICKLED_PERSISTENT ||
        sdk_pickled_kind(p, args->refs[2]) != SDK_PICKLED_TUPLE ||
        sdk_pickled_kind(p, args->refs[3]) != SDK_PICKLED_TUPLE)
        return false;
    if (least > 4 && sdk_pickled_kind(p, args->refs[4]) != SDK_PICKLED_BOOL)
        return false;
    return least < 7 ||
           (sdk_pickled_kind(p, args->refs[6]) == SDK_PICKLED_GLOBAL &&
            sdk_torch_name_of(r, args->refs[6])->known == TORCH_DTYPE);
}

static int
read_args(struct torch_reader *r, uint32_t ref, uint32_t known, uint32_t tuple,
          struct rebuilt *rebuilt)
{
    struct sdk_pickled_list args = sdk_pickled_list(r->pickled, tuple);
    uint32_t metadata = known == TORCH_REBUILD_TENSOR_V2 ? 6 : 7;
    int status;

    if (!args_fit(r, &args, known))
        return sdk_torch_fail(
            r, CKPT_UNSUPPORTED, ref,
            "a tensor that is rebuilt in a way not known here");
    status = sdk_torch_check_storage(r, args.refs[0]);
    if (status == CKPT_OK)
        status = read_dims(r, ref, &args, rebuilt);
    if (status != CKPT_OK)
        return status;
    rebuilt->storage = args.refs[0];
    if (args.count > 4) {
        rebuilt->requires_grad =
            sdk_pickled_at(r->pickled, args.refs[4])->as.truth;
        check_hooks(r, args.refs[5], ref);
    }
    if (known == TORCH_REBUILD_TENSOR_V3)
        rebuilt->dtype = sdk_torch_name_of(r, args.refs[6])->dtype;
    return args.count > metadata ? check_metadata(r, args.refs[metadata], ref)
                                 : CKPT_OK;
}

static int
read_rebuild(struct torch_reader *r, uint32_t ref, uint32_t known,
             struct rebuilt *rebuilt)
{
    struct sdk_pickled_call call = sdk_pickled_call(r->pickled, ref);

    if (call.items.count > 0 || call.pairs.count > 0)
        return sdk_torch_fail(r, CKPT_FORMAT, ref,
                              "a tensor that is filled like a list or a dict");
    if (call.state != SDK_PICKLED_NOTHING)
        return sdk_torch_fail(r, CKPT_UNSUPPORTED, ref,
                              "a tensor with a state of its own");
    return read_args(r, ref, known, call.args, rebuilt);
}

static bool
is_rebuild(uint32_t known)
{
    return known >= TORCH_REBUILD_TENSOR && known <= TORCH_REBUILD_TENSOR_V3;
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
    return read_args(r, ref, TORCH_REBUILD_TENSOR, call.state, rebuilt);
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
        return read_rebuild(r, ref, known, rebuilt);
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
        check_hooks(r, state.hooks, ref);
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
    check_hooks(r, args.refs[2], ref);
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
        sdk_torch_name_of(r, args.refs[1])->known != TORCH_TENSOR ||
        !state_fits(r, args.refs[3]))
        return CKPT_END;
    known = sdk_torch_name_of(r, args.refs[0])->known;
    if (!is_rebuild(known))
        return CKPT_END;
    status = read_args(r, ref, known, args.refs[2], rebuilt);
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
    case TORCH_REBUILD_PARAMETER:
    case TORCH_REBUILD_PARAMETER_STATE:
        return read_parameter(r, ref, known, rebuilt);
    case TORCH_OLD_PARAMETER:
    case TORCH_OLD_VARIABLE:
        return read_old_variable(r, ref, known, rebuilt);
    case TORCH_OLD_TENSOR:
        return read_old_tensor(r, ref, rebuilt);
    default:
        return read_rebuild(r, ref, known, rebuilt);
    }
}

int
sdk_torch_tensor_new(struct torch_reader *r, uint32_t ref, uint32_t *state,
                     struct ckpt_value **value)
{
    struct rebuilt rebuilt;
    struct ckpt_tensor like = {0};
    const struct torch_entry *entry;
    int status;

    rebuilt.dtype = CKPT_DTYPE_NONE;
    rebuilt.class = CKPT_DTYPE_NONE;
    rebuilt.role = r->role;
    rebuilt.state = SDK_PICKLED_NOTHING;
    rebuilt.requires_grad = false;
    status = read_any(r, ref, &rebuilt);
    if (status != CKPT_OK)
        return status;
    status = sdk_torch_entry_find(r, rebuilt.storage, rebuilt.dtype, &entry);
    if (status != CKPT_OK)
        return status;
    if (rebuilt.class != CKPT_DTYPE_NONE && rebuilt.class != entry->dtype)
        return sdk_torch_fail(r, CKPT_FORMAT, ref,
                              "a tensor on a storage of another type");
    like.dtype = rebuilt.dtype ? rebuilt.dtype : entry->dtype;
    like.rank = rebuilt.rank;
    like.shape = rebuilt.shape;
    like.strides = rebuilt.strides;
    like.storage = entry->storage;
    like.role = rebuilt.role;
    like.requires_grad = rebuilt.requires_grad;
    status = check_view(r, ref, &rebuilt, like.dtype, entry->size_bytes);
    if (status == CKPT_OK)
        status = place_view(r, ref, &rebuilt, entry, &like);
    if (status != CKPT_OK)
        return status;
    status = r->host->tensor_new(r->host, r->graph, &like, sizeof like,
                                 sdk_torch_path(r), value);
    if (status == CKPT_OK)
        *state = rebuilt.state;
    return status;
}
