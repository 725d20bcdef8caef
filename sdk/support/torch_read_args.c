/* SPDX-License-Identifier: MIT
 *
 * The arguments of torch's rebuild functions, by count and type; they are
 * listed in torch_read_tensor.c.
 */
#include "torch_read_layout.h"
#include "torch_read_rebuilt.h"
#include "torch_read_storage.h"

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

void
sdk_torch_check_hooks(struct torch_reader *r, uint32_t hooks, uint32_t owner)
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
    if (pairs.count > 4)
        return sdk_torch_fail(r, CKPT_UNSUPPORTED, owner,
                              "a tensor with metadata not known here");
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

/* A persistent id, or the bytes of a storage that a plain pickle has. */
static bool
is_storage(struct torch_reader *r, uint32_t ref)
{
    return sdk_pickled_kind(r->pickled, ref) == SDK_PICKLED_PERSISTENT ||
           sdk_torch_known_call(r, ref) == TORCH_LOAD_BYTES;
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
        !is_storage(r, args->refs[0]) ||
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

bool
sdk_torch_is_dtype(struct torch_reader *r, uint32_t ref)
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

    if (args->count != 7 || !is_storage(r, args->refs[0]) ||
        sdk_pickled_kind(p, args->refs[2]) != SDK_PICKLED_TUPLE ||
        sdk_pickled_kind(p, args->refs[3]) != SDK_PICKLED_TUPLE ||
        sdk_pickled_kind(p, args->refs[5]) != SDK_PICKLED_BOOL ||
        !sdk_torch_is_quantiser(r, args->refs[4]))
        return fail_args(r, ref);
    rebuilt->storage = args->refs[0];
    rebuilt->quantiser = args->refs[4];
    rebuilt->requires_grad = sdk_pickled_at(p, args->refs[5])->as.truth;
    sdk_torch_check_hooks(r, args->refs[6], ref);
    status = sdk_torch_check_storage(r, args->refs[0]);
    if (status == CKPT_OK)
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

    if (args->count != 4 || !sdk_torch_is_dtype(r, args->refs[0]) ||
        sdk_pickled_kind(p, args->refs[1]) != SDK_PICKLED_TUPLE ||
        sdk_pickled_kind(p, args->refs[2]) != SDK_PICKLED_TUPLE ||
        sdk_pickled_kind(p, args->refs[3]) != SDK_PICKLED_BOOL)
        return fail_args(r, ref);
    rebuilt->storage = SDK_PICKLED_NOTHING;
    rebuilt->dtype = sdk_torch_name_of(r, args->refs[0])->dtype;
    rebuilt->requires_grad = sdk_pickled_at(p, args->refs[3])->as.truth;
    return read_dims(r, ref, args->refs + 1, rebuilt);
}

int
sdk_torch_read_args(struct torch_reader *r, uint32_t ref, uint32_t known,
                    uint32_t tuple, struct rebuilt *rebuilt)
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
    status = sdk_torch_check_storage(r, args.refs[0]);
    if (status == CKPT_OK)
        status = read_offset(r, ref, args.refs[1], rebuilt);
    if (status == CKPT_OK)
        status = read_dims(r, ref, args.refs + 2, rebuilt);
    if (status != CKPT_OK)
        return status;
    rebuilt->storage = args.refs[0];
    if (args.count > 4) {
        rebuilt->requires_grad =
            sdk_pickled_at(r->pickled, args.refs[4])->as.truth;
        sdk_torch_check_hooks(r, args.refs[5], ref);
    }
    if (known == TORCH_REBUILD_TENSOR_V3)
        rebuilt->dtype = sdk_torch_name_of(r, args.refs[6])->dtype;
    return args.count > metadata
               ? read_metadata(r, args.refs[metadata], ref, rebuilt)
               : CKPT_OK;
}

int
sdk_torch_read_rebuild(struct torch_reader *r, uint32_t ref, uint32_t known,
                       struct rebuilt *rebuilt)
{
    struct sdk_pickled_call call = sdk_pickled_call(r->pickled, ref);

    if (call.items.count > 0 || call.pairs.count > 0)
        return sdk_torch_fail(r, CKPT_FORMAT, ref,
                              "a tensor that is filled like a list or a dict");
    if (call.state != SDK_PICKLED_NOTHING)
        return sdk_torch_fail(r, CKPT_UNSUPPORTED, ref,
                              "a tensor with a state of its own");
    return sdk_torch_read_args(r, ref, known, call.args, rebuilt);
}
