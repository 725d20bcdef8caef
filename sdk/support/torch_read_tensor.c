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
 * attributes: function, class, arguments of the function, state.
 */
#include "torch_read_layout.h"
#include "torch_read_storage.h"

#include <stdio.h>
#include <string.h>

#include "checked.h"
#include "utf8.h"

#define TYPE_NAME_BYTES 256

struct rebuilt {
    uint32_t storage; /* a persistent node; NOTHING: it has no bytes */
    uint32_t dtype;   /* NONE: that of the storage */
    uint32_t role;
    uint32_t state;
    uint32_t quantiser; /* a node, or NOTHING */
    uint32_t device;    /* a node: where it is said to be; or NOTHING */
    uint32_t flips;
    bool requires_grad;
    char type_name[TYPE_NAME_BYTES]; /* "": the plain class */
    uint64_t offset;
    uint32_t rank;
    uint64_t shape[CKPT_MAX_RANK], strides[CKPT_MAX_RANK];
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
read_dims(struct torch_reader *r, uint32_t owner, const uint32_t *refs,
          struct rebuilt *rebuilt)
{
    struct sdk_pickled_list shape = sdk_pickled_list(r->pickled, refs[0]);
    struct sdk_pickled_list steps = sdk_pickled_list(r->pickled, refs[1]);
    uint32_t i;

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

static int
read_offset(struct torch_reader *r, uint32_t owner, uint32_t ref,
            struct rebuilt *rebuilt)
{
    if (!read_count(r, ref, &rebuilt->offset))
        return fail_count(r, ref, owner, "an offset out of range");
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

static uint32_t
flip_of(struct torch_reader *r, uint32_t key)
{
    if (sdk_pickled_is_text(r->pickled, key, "conj"))
        return CKPT_FLIP_CONJUGATE;
    return sdk_pickled_is_text(r->pickled, key, "neg") ? CKPT_FLIP_NEGATIVE : 0;
}

/* {'conj': True, 'neg': True}: the tensor is not its stored bytes. */
static int
read_metadata(struct torch_reader *r, uint32_t metadata, uint32_t owner,
              struct rebuilt *rebuilt)
{
    uint32_t i, flip, kind = sdk_pickled_kind(r->pickled, metadata);
    struct sdk_pickled_list pairs;

    if (kind == SDK_PICKLED_NONE)
        return CKPT_OK;
    if (kind != SDK_PICKLED_DICT)
        return sdk_torch_fail(r, CKPT_UNSUPPORTED, owner,
                              "a tensor with metadata that is no dict");
    pairs = sdk_pickled_list(r->pickled, metadata);
    for (i = 0; i < pairs.count; i += 2) {
        flip = flip_of(r, pairs.refs[i]);
        if (flip == 0 ||
            sdk_pickled_kind(r->pickled, pairs.refs[i + 1]) != SDK_PICKLED_BOOL)
            return sdk_torch_fail(r, CKPT_UNSUPPORTED, owner,
                                  "a tensor with metadata not known here");
        rebuilt->flips &= ~flip;
        if (sdk_pickled_at(r->pickled, pairs.refs[i + 1])->as.truth)
            rebuilt->flips |= flip;
    }
    return CKPT_OK;
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
fail_args(struct torch_reader *r, uint32_t ref)
{
    return sdk_torch_fail(r, CKPT_UNSUPPORTED, ref,
                          "a tensor that is rebuilt in a way not known here");
}

static bool
is_dtype(struct torch_reader *r, uint32_t ref)
{
    return sdk_pickled_kind(r->pickled, ref) == SDK_PICKLED_GLOBAL &&
           sdk_torch_name_of(r, ref)->known == TORCH_DTYPE;
}

/* storage, offset, size, stride, quantiser, requires_grad, hooks */
static int
read_quantised(struct torch_reader *r, uint32_t ref,
               const struct sdk_pickled_list *args, struct rebuilt *rebuilt)
{
    const struct sdk_pickled *p = r->pickled;
    int status;

    if (args->count != 7 ||
        sdk_pickled_kind(p, args->refs[2]) != SDK_PICKLED_TUPLE ||
        sdk_pickled_kind(p, args->refs[3]) != SDK_PICKLED_TUPLE ||
        sdk_pickled_kind(p, args->refs[5]) != SDK_PICKLED_BOOL ||
        !sdk_torch_is_quantiser(r, args->refs[4]))
        return fail_args(r, ref);
    rebuilt->storage = args->refs[0];
    rebuilt->quantiser = args->refs[4];
    rebuilt->requires_grad = sdk_pickled_at(p, args->refs[5])->as.truth;
    check_hooks(r, args->refs[6], ref);
    status = read_offset(r, ref, args->refs[1], rebuilt);
    return status == CKPT_OK ? read_dims(r, ref, args->refs + 2, rebuilt)
                             : status;
}

/* dtype, size, stride, requires_grad */
static int
read_meta(struct torch_reader *r, uint32_t ref,
          const struct sdk_pickled_list *args, struct rebuilt *rebuilt)
{
    const struct sdk_pickled *p = r->pickled;

    if (args->count != 4 || !is_dtype(r, args->refs[0]) ||
        sdk_pickled_kind(p, args->refs[1]) != SDK_PICKLED_TUPLE ||
        sdk_pickled_kind(p, args->refs[2]) != SDK_PICKLED_TUPLE ||
        sdk_pickled_kind(p, args->refs[3]) != SDK_PICKLED_BOOL)
        return fail_args(r, ref);
    rebuilt->storage = SDK_PICKLED_NOTHING;
    rebuilt->dtype = sdk_torch_name_of(r, args->refs[0])->dtype;
    rebuilt->requires_grad = sdk_pickled_at(p, args->refs[3])->as.truth;
    return read_dims(r, ref, args->refs + 1, rebuilt);
}

static int
read_args(struct torch_reader *r, uint32_t ref, uint32_t known, uint32_t tuple,
          struct rebuilt *rebuilt)
{
    struct sdk_pickled_list args = sdk_pickled_list(r->pickled, tuple);
    uint32_t metadata = known == TORCH_REBUILD_TENSOR_V2 ? 6 : 7;
    int status;

    if (known == TORCH_REBUILD_QUANTISED)
        return read_quantised(r, ref, &args, rebuilt);
    if (known == TORCH_REBUILD_META)
        return read_meta(r, ref, &args, rebuilt);
    if (!args_fit(r, &args, known))
        return fail_args(r, ref);
    status = read_offset(r, ref, args.refs[1], rebuilt);
    if (status == CKPT_OK)
        status = read_dims(r, ref, args.refs + 2, rebuilt);
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
    return args.count > metadata
               ? read_metadata(r, args.refs[metadata], ref, rebuilt)
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
        call.state != SDK_PICKLED_NOTHING || !is_dtype(r, args.refs[1]) ||
        sdk_pickled_kind(r->pickled, args.refs[2]) != SDK_PICKLED_TEXT ||
        sdk_pickled_kind(r->pickled, args.refs[3]) != SDK_PICKLED_BOOL)
        return CKPT_END;
    known = sdk_torch_known_call(r, args.refs[0]);
    if (known < TORCH_REBUILD_TENSOR || known > TORCH_REBUILD_TENSOR_V3)
        return CKPT_END;
    status = read_rebuild(r, args.refs[0], known, rebuilt);
    if (status != CKPT_OK)
        return status;
    rebuilt->device = args.refs[2];
    rebuilt->requires_grad = sdk_pickled_at(r->pickled, args.refs[3])->as.truth;
    return rebuilt->dtype == CKPT_DTYPE_NONE ||
                   rebuilt->dtype == sdk_torch_name_of(r, args.refs[1])->dtype
               ? CKPT_OK
               : CKPT_END;
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
    uint32_t inner;
    int status;

    if (args.count != (known == TORCH_REBUILD_PARAMETER ? 3u : 4u) ||
        sdk_pickled_kind(r->pickled, args.refs[1]) != SDK_PICKLED_BOOL ||
        call.items.count > 0 || call.pairs.count > 0 ||
        call.state != SDK_PICKLED_NOTHING)
        return CKPT_END;
    inner = sdk_torch_known_call(r, args.refs[0]);
    if ((!is_rebuild(inner) && inner != TORCH_REBUILD_DEVICE_TENSOR) ||
        (args.count == 4 && !state_fits(r, args.refs[3])))
        return CKPT_END;
    status = inner == TORCH_REBUILD_DEVICE_TENSOR
                 ? read_device(r, args.refs[0], rebuilt)
                 : read_rebuild(r, args.refs[0], inner, rebuilt);
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
    status = read_args(r, ref, known, args.refs[2], rebuilt);
    if (status == CKPT_OK &&
        sdk_pickled_kind(r->pickled, args.refs[3]) == SDK_PICKLED_DICT)
        rebuilt->state = args.refs[3];
    return status;
}

static int
read_any(struct torch_reader *r, uint32_t ref, struct rebuilt *rebuilt)
{
    uint32_t known = sdk_torch_known_call(r, ref);

    if (is_rebuild(known))
        return read_rebuild(r, ref, known, rebuilt);
    if (known == TORCH_REBUILD_TYPED)
        return read_typed(r, ref, rebuilt);
    if (known == TORCH_REBUILD_DEVICE_TENSOR)
        return read_device(r, ref, rebuilt);
    return read_parameter(r, ref, known, rebuilt);
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
    if (like->dtype == CKPT_DTYPE_NONE)
        like->dtype = entry->dtype;
    like->storage = entry->storage;
    status =
        check_view(r, ref, rebuilt, like->dtype, like->storage->size_bytes);
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
    rebuilt.role = CKPT_ROLE_UNKNOWN;
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
