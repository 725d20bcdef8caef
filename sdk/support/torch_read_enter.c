/* SPDX-License-Identifier: MIT
 *
 * What the walk puts on its stack when it enters a value, by what the node
 * is: a list, a map, an object, a module, the parts of a tensor.
 */
#include "torch_read_walk.h"
#include "torch_safe.h"

#define DEPTH_MAX 500 /* values within values, as the hub allows */
#define TOLD_MAX 20   /* findings of one kind */

/* The innermost object that is being filled, or NOTHING. */
static uint32_t
object_around(const struct torch_reader *r)
{
    size_t i;

    for (i = r->frame_count; i-- > 0;)
        if (r->frames[i].kind == FRAME_OBJECT)
            return r->frames[i].node;
    return SDK_PICKLED_NOTHING;
}

/* The node of the class of an object: where torch rebuilds one of a class, it
 * is the second argument. */
static uint32_t
class_of(struct torch_reader *r, uint32_t object)
{
    struct sdk_pickled_call call = sdk_pickled_call(r->pickled, object);
    struct sdk_pickled_list args = sdk_pickled_list(r->pickled, call.args);

    if (sdk_torch_known_call(r, object) == TORCH_REBUILD_TYPED &&
        args.count > 1)
        return args.refs[1];
    return call.callee;
}

void
sdk_torch_tell_storage(struct torch_reader *r, uint32_t ref)
{
    const struct torch_name *name;
    uint32_t callee, object = object_around(r);

    if (object == SDK_PICKLED_NOTHING || r->told == TOLD_MAX)
        return;
    callee = class_of(r, object);
    if (sdk_pickled_kind(r->pickled, callee) != SDK_PICKLED_GLOBAL)
        return;
    name = sdk_torch_name_of(r, callee);
    if (sdk_torch_safe(name->module, name->name) != SDK_TORCH_UNKNOWN)
        return;
    r->told++;
    r->host->warn(r->host, sdk_torch_path(r), sdk_torch_byte(r, ref),
                  "a storage hangs on an object of '%.60s.%.60s', which is "
                  "not known here: both are kept as they are",
                  name->module, name->name);
}

/* ---- Tensors of strangers ---- */

/* Whether a node stands for a storage: not for a class, and not for a tensor,
 * which a container may list by a key too. */
static int
find_storage(struct torch_reader *r, uint32_t ref, bool *storage)
{
    uint32_t kind = sdk_pickled_kind(r->pickled, ref);
    struct ckpt_value *value;
    int status = CKPT_OK;

    *storage = kind == SDK_PICKLED_PERSISTENT && !sdk_torch_is_module(r, ref);
    if (sdk_torch_is_named(r, ref) ||
        (kind == SDK_PICKLED_CALL &&
         sdk_torch_known_call(r, ref) == TORCH_LOAD_BYTES)) {
        status = sdk_torch_value_of(r, ref, 0, &value);
        *storage = status == CKPT_OK && value->kind == CKPT_KIND_OBJECT &&
                   value->as.object->made == CKPT_MADE_PERSISTENT;
    }
    return status;
}

/* What makes an object, if that is a name that is not known here; else
 * NULL. `*args` are what it is given. */
static const struct torch_name *
stranger_of(struct torch_reader *r, uint32_t ref, struct sdk_pickled_list *args)
{
    struct sdk_pickled_call call = sdk_pickled_call(r->pickled, ref);
    const struct torch_name *name;

    if (sdk_pickled_kind(r->pickled, call.callee) != SDK_PICKLED_GLOBAL)
        return NULL;
    *args = sdk_pickled_list(r->pickled, call.args);
    if (sdk_torch_known_call(r, ref) == TORCH_REBUILD_TYPED) {
        /* It calls its first argument with its third. */
        if (args->count < 3 ||
            sdk_pickled_kind(r->pickled, args->refs[0]) != SDK_PICKLED_GLOBAL ||
            sdk_pickled_kind(r->pickled, args->refs[2]) != SDK_PICKLED_TUPLE)
            return NULL;
        call.callee = args->refs[0];
        *args = sdk_pickled_list(r->pickled, args->refs[2]);
    }
    name = sdk_torch_name_of(r, call.callee);
    return name->known == TORCH_UNKNOWN &&
                   sdk_torch_safe(name->module, name->name) == SDK_TORCH_UNKNOWN
               ? name
               : NULL;
}

static int
fail_stranger(struct torch_reader *r, uint32_t ref,
              const struct torch_name *name)
{
    r->host->fail(r->host, CKPT_UNSUPPORTED, sdk_torch_path(r),
                  sdk_torch_byte(r, ref),
                  "a tensor that '%.100s.%.100s', which is not known here, "
                  "makes of a storage",
                  name->module, name->name);
    return CKPT_UNSUPPORTED;
}

/* A function or class that is not known here and is given a storage makes a
 * tensor of it, as torch's own do: as an argument, or first in a tuple that
 * is its state. What the bytes mean, nobody can tell; an object that only
 * holds one among its attributes is kept. */
static int
check_stranger(struct torch_reader *r, uint32_t ref)
{
    uint32_t state = sdk_pickled_call(r->pickled, ref).state;
    struct sdk_pickled_list args;
    const struct torch_name *name = stranger_of(r, ref, &args);
    bool storage = false;
    int status = CKPT_OK;
    uint32_t i;

    if (name == NULL)
        return CKPT_OK;
    for (i = 0; i < args.count && status == CKPT_OK && !storage; i++)
        status = find_storage(r, args.refs[i], &storage);
    if (status == CKPT_OK && !storage && state != SDK_PICKLED_NOTHING &&
        sdk_pickled_kind(r->pickled, state) == SDK_PICKLED_TUPLE) {
        args = sdk_pickled_list(r->pickled, state);
        if (args.count > 0)
            status = find_storage(r, args.refs[0], &storage);
    }
    return status == CKPT_OK && storage ? fail_stranger(r, ref, name) : status;
}

/* ---- Frames ---- */

/* Depth of a value that the walk is about to enter; attributes and pairs of
 * one value are entered one after the other. */
static uint32_t
depth_of(const struct torch_reader *r, const struct ckpt_value *target)
{
    const struct torch_frame *top;

    if (r->frame_count == 0)
        return 1;
    top = &r->frames[r->frame_count - 1];
    return top->target == target ? top->depth : top->depth + 1;
}

int
sdk_torch_push(struct torch_reader *r, uint32_t kind, uint32_t node,
               struct ckpt_value *target, struct sdk_pickled_list list)
{
    struct torch_frame *frame;
    uint32_t depth = depth_of(r, target);

    if (depth > DEPTH_MAX)
        return sdk_torch_fail(r, CKPT_LIMIT, node,
                              "values nest deeper than 500");
    if (r->frame_count == r->frame_capacity) {
        size_t wanted = r->frame_capacity ? r->frame_capacity * 2 : 16;
        struct torch_frame *frames =
            r->host->reallocate(r->host, r->frames, wanted * sizeof *frames);

        if (frames == NULL)
            return CKPT_MEMORY;
        r->frames = frames;
        r->frame_capacity = wanted;
    }
    frame = &r->frames[r->frame_count++];
    frame->kind = kind;
    frame->index = 0;
    frame->node = node;
    frame->depth = depth;
    frame->path_bytes = r->path.size_bytes;
    frame->target = target;
    frame->list = list;
    frame->modules = NULL;
    return CKPT_OK;
}

/* The list that a builtin of one argument is called with. */
static struct ckpt_value *
inner_list(const struct ckpt_value *value)
{
    return (struct ckpt_value *)(uintptr_t)
        value->as.object->args->as.list.items[0];
}

/* The attributes of a tensor or map: the state it was built with. */
static int
push_attrs(struct torch_reader *r, uint32_t ref, struct ckpt_value *value,
           uint32_t state)
{
    if (state == SDK_PICKLED_NOTHING)
        return CKPT_OK;
    return sdk_torch_push(r, FRAME_ATTRS, ref, value,
                          sdk_pickled_list(r->pickled, state));
}

static bool
is_parts(struct torch_reader *r, uint32_t ref)
{
    uint32_t known = sdk_torch_known_call(r, ref);

    return known == TORCH_REBUILD_SPARSE || known == TORCH_REBUILD_NESTED;
}

/* A sparse or nested tensor. */
static int
push_parts(struct torch_reader *r, uint32_t ref, struct ckpt_value *value)
{
    struct sdk_pickled_list parts = {NULL, 0};
    const struct sdk_torch_layout *layout = sdk_torch_parts(r, ref, &parts);
    int status;

    if (layout == NULL)
        return CKPT_END;
    status = sdk_torch_push(r, FRAME_PARTS, ref, value, parts);
    if (status == CKPT_OK)
        r->frames[r->frame_count - 1].names = layout->parts;
    return status;
}

/* What the map was made of goes in first, then what was put into it; frames
 * are a stack. */
static int
enter_map(struct torch_reader *r, uint32_t ref, struct ckpt_value *value,
          const struct sdk_pickled_call *call)
{
    struct sdk_pickled_list args = sdk_pickled_list(r->pickled, call->args);
    int status = push_attrs(r, ref, value, call->state);

    if (status == CKPT_OK)
        status = sdk_torch_push(r, FRAME_PAIRS, ref, value, call->pairs);
    if (status != CKPT_OK || args.count == 0)
        return status;
    return sdk_torch_push(r, FRAME_COUPLES, ref, value,
                          sdk_pickled_list(r->pickled, args.refs[0]));
}

static int
enter_module(struct torch_reader *r, uint32_t ref, struct ckpt_value *value)
{
    struct sdk_pickled_list none = {NULL, 0};
    int status = sdk_torch_push(r, FRAME_MODULE, ref, value, none);

    return status == CKPT_OK
               ? sdk_torch_modules_open(r, ref, value,
                                        &r->frames[r->frame_count - 1].modules)
               : status;
}

static int
enter_call(struct torch_reader *r, uint32_t ref, struct ckpt_value *value)
{
    struct sdk_pickled_call call = sdk_pickled_call(r->pickled, ref);
    struct sdk_pickled_list args = {NULL, 0};
    struct torch_module module;
    int status;

    if (value->kind == CKPT_KIND_MAP && sdk_torch_module_find(r, ref, &module))
        return enter_module(r, ref, value);
    if (value->kind == CKPT_KIND_MAP && is_parts(r, ref))
        return push_parts(r, ref, value);
    if (value->kind == CKPT_KIND_MAP)
        return enter_map(r, ref, value, &call);
    if (value->kind == CKPT_KIND_TENSOR) {
        args = sdk_pickled_list(r->pickled, call.args);
        return push_attrs(r, ref, value, args.refs[3]);
    }
    status = check_stranger(r, ref);
    return status == CKPT_OK ? sdk_torch_push(r, FRAME_OBJECT, ref, value, args)
                             : status;
}

/* Goes into a container that has not been filled. */
int
sdk_torch_enter(struct torch_reader *r, uint32_t ref)
{
    struct ckpt_value *value;

    ref = sdk_torch_class(r, ref);
    if (!(r->numbers[ref] & TORCH_PENDING))
        return CKPT_OK;
    r->numbers[ref] &= ~TORCH_PENDING;
    value = r->values[r->numbers[ref] - 1];
    switch (sdk_pickled_kind(r->pickled, ref)) {
    case SDK_PICKLED_TUPLE:
    case SDK_PICKLED_LIST:
        return sdk_torch_push(r, FRAME_LIST, ref, value,
                              sdk_pickled_list(r->pickled, ref));
    case SDK_PICKLED_SET:
    case SDK_PICKLED_FROZENSET:
        return sdk_torch_push(r, FRAME_LIST, ref, inner_list(value),
                              sdk_pickled_list(r->pickled, ref));
    case SDK_PICKLED_DICT:
        return sdk_torch_push(r, FRAME_PAIRS, ref, value,
                              sdk_pickled_list(r->pickled, ref));
    default:
        return enter_call(r, ref, value);
    }
}
