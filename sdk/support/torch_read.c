/* SPDX-License-Identifier: MIT
 *
 * The walk from the nodes of a pickle to the values of a graph. A value is
 * made empty where it is met first and filled when the walk enters it, so
 * that it may contain itself; the path to it is kept on a stack.
 */
#include "torch_read_storage.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "utf8.h"

#define DEPTH_MAX 1000         /* frames of the walk */
#define CALLEE_DEPTH_MAX 100   /* calls of what was called */
#define PENDING ((uintptr_t)1) /* in values[]: made, not filled */

enum frame_kind {
    FRAME_LIST,  /* the list goes into a list or tuple */
    FRAME_PAIRS, /* the list goes into a map */
    FRAME_ATTRS, /* the list goes into the attributes of a value */
    FRAME_OBJECT /* the parts of an object, one after the other */
};

struct torch_frame {
    uint32_t kind;
    uint32_t index; /* of the next item or part */
    uint32_t node;  /* OBJECT */
    size_t path_bytes;
    struct ckpt_value *target;
    struct sdk_pickled_list list;
};

/* ---- Messages ---- */

const char *
torch_path(struct torch_reader *r)
{
    if (r->path.size_bytes == 0 ||
        sdk_buffer_reserve(r->host, &r->path, 1) != CKPT_OK)
        return NULL;
    r->path.data[r->path.size_bytes] = '\0';
    return (const char *)r->path.data;
}

uint64_t
torch_byte(const struct torch_reader *r, uint32_t ref)
{
    if (r->source->origin == CKPT_NOWHERE)
        return CKPT_NOWHERE;
    return r->source->origin + sdk_pickled_at(r->pickled, ref)->byte;
}

int
torch_fail(struct torch_reader *r, int status, uint32_t ref, const char *what)
{
    r->host->fail(r->host, status, torch_path(r), torch_byte(r, ref), "%s",
                  what);
    return status;
}

int
torch_value(struct torch_reader *r, const struct ckpt_value *like,
            struct ckpt_value **value)
{
    return r->host->value_new(r->host, r->graph, like, sizeof *like, value);
}

/* ---- Making values ---- */

static int make(struct torch_reader *r, uint32_t ref, unsigned depth,
                struct ckpt_value **value, bool *fresh);

/* The value of a node, made if need be; containers are left to be filled. */
static int
value_of(struct torch_reader *r, uint32_t ref, unsigned depth,
         struct ckpt_value **value)
{
    struct ckpt_value *made;
    bool fresh = false;
    int status;

    if (r->values[ref] != 0) {
        *value = (struct ckpt_value *)(r->values[ref] & ~PENDING);
        return CKPT_OK;
    }
    status = make(r, ref, depth, &made, &fresh);
    if (status != CKPT_OK)
        return status;
    r->values[ref] = (uintptr_t)made | (fresh ? PENDING : 0);
    *value = made;
    return CKPT_OK;
}

static int
make_text(struct torch_reader *r, uint32_t ref, uint32_t kind,
          struct ckpt_value **value)
{
    struct ckpt_value like = {.kind = kind};

    like.wide = kind == CKPT_KIND_INT;
    like.as.text = sdk_pickled_text(r->pickled, ref);
    if (sdk_pickled_kind(r->pickled, ref) == SDK_PICKLED_STR &&
        !sdk_utf8_valid(like.as.text.data, like.as.text.size_bytes))
        like.kind = CKPT_KIND_BYTES;
    if (like.kind == CKPT_KIND_STRING &&
        !sdk_utf8_valid(like.as.text.data, like.as.text.size_bytes))
        return torch_fail(r, CKPT_FORMAT, ref, "a string that is not UTF-8");
    return torch_value(r, &like, value);
}

/* An object of `builtins` called with one argument that is made here. */
static int
make_builtin(struct torch_reader *r, const char *name,
             const struct ckpt_value *argument, struct ckpt_value **value)
{
    struct ckpt_value like = {.kind = CKPT_KIND_TUPLE}, *args, *first;
    struct ckpt_object object = {
        .made = CKPT_MADE_CALLED, .module = "builtins", .name = name};
    int status = torch_value(r, argument, &first);

    if (status == CKPT_OK)
        status = torch_value(r, &like, &args);
    if (status == CKPT_OK)
        status = r->host->list_add(r->host, r->graph, args, first);
    if (status != CKPT_OK)
        return status;
    object.args = args;
    like.kind = CKPT_KIND_OBJECT;
    like.as.object = &object;
    return torch_value(r, &like, value);
}

static int
make_collection(struct torch_reader *r, uint32_t ref, struct ckpt_value **value,
                bool *fresh)
{
    struct ckpt_value list = {.kind = CKPT_KIND_LIST};
    struct ckpt_value bytes = {.kind = CKPT_KIND_BYTES};

    switch (sdk_pickled_kind(r->pickled, ref)) {
    case SDK_PICKLED_BYTEARRAY:
        bytes.as.text = sdk_pickled_text(r->pickled, ref);
        return make_builtin(r, "bytearray", &bytes, value);
    case SDK_PICKLED_SET:
        *fresh = true;
        return make_builtin(r, "set", &list, value);
    default:
        *fresh = true;
        return make_builtin(r, "frozenset", &list, value);
    }
}

static int
check_name(struct torch_reader *r, const struct torch_name *name, uint32_t ref)
{
    if (!sdk_utf8_valid(name->module, strlen(name->module)) ||
        !sdk_utf8_valid(name->name, strlen(name->name)))
        return torch_fail(r, CKPT_FORMAT, ref, "a name that is not UTF-8");
    return CKPT_OK;
}

static int
make_global(struct torch_reader *r, uint32_t ref, struct ckpt_value **value)
{
    const struct torch_name *name = torch_name_of(r, ref);
    struct ckpt_object object = {
        .made = CKPT_MADE_NAMED, .module = name->module, .name = name->name};
    struct ckpt_value like = {.kind = CKPT_KIND_OBJECT};
    int status;

    like.as.object = &object;
    if (name->known == TORCH_DTYPE) {
        like.kind = CKPT_KIND_DTYPE;
        like.as.dtype = name->dtype;
    }
    status = check_name(r, name, ref);
    return status == CKPT_OK ? torch_value(r, &like, value) : status;
}

/* A call or new object that no neutral kind covers. */
static int
make_object(struct torch_reader *r, uint32_t ref, unsigned depth,
            struct ckpt_value **value)
{
    struct sdk_pickled_call call = sdk_pickled_call(r->pickled, ref);
    bool is_new = sdk_pickled_kind(r->pickled, ref) == SDK_PICKLED_NEW;
    struct ckpt_object object = {.made =
                                     is_new ? CKPT_MADE_NEW : CKPT_MADE_CALLED};
    struct ckpt_value like = {.kind = CKPT_KIND_OBJECT}, *part = NULL;
    int status = CKPT_OK;

    if (depth > CALLEE_DEPTH_MAX)
        return torch_fail(r, CKPT_LIMIT, ref, "calls nest too deep");
    if (sdk_pickled_kind(r->pickled, call.callee) == SDK_PICKLED_GLOBAL) {
        object.module = torch_name_of(r, call.callee)->module;
        object.name = torch_name_of(r, call.callee)->name;
        status = check_name(r, torch_name_of(r, call.callee), ref);
    } else {
        status = value_of(r, call.callee, depth + 1, &part);
        object.callee = part;
    }
    if (status == CKPT_OK) {
        status = value_of(r, call.args, depth + 1, &part);
        object.args = part;
    }
    if (status == CKPT_OK && call.kwargs != SDK_PICKLED_NOTHING) {
        status = value_of(r, call.kwargs, depth + 1, &part);
        object.kwargs = part;
    }
    like.as.object = &object;
    return status == CKPT_OK ? torch_value(r, &like, value) : status;
}

/* An OrderedDict is a map if its state can be attributes. */
static bool
is_ordered_map(struct torch_reader *r, const struct sdk_pickled_call *call)
{
    struct sdk_pickled_list state = {NULL, 0};
    uint32_t i;

    if (sdk_pickled_list(r->pickled, call->args).count != 0 ||
        call->items.count != 0)
        return false;
    if (call->state == SDK_PICKLED_NOTHING)
        return true;
    if (sdk_pickled_kind(r->pickled, call->state) != SDK_PICKLED_DICT)
        return false;
    state = sdk_pickled_list(r->pickled, call->state);
    for (i = 0; i < state.count; i += 2)
        if (!torch_is_attr_name(r, state.refs[i]))
            return false;
    return state.count <= 2 * TORCH_ATTRS_MAX;
}

static int
make_call(struct torch_reader *r, uint32_t ref, unsigned depth,
          struct ckpt_value **value, bool *fresh)
{
    struct ckpt_value like = {.kind = CKPT_KIND_MAP,
                              .type_name = "collections.OrderedDict"};
    struct sdk_pickled_call call;
    uint32_t known = torch_known_call(r, ref), state = SDK_PICKLED_NOTHING;
    int status = CKPT_END;

    if (known >= TORCH_REBUILD_TENSOR &&
        known <= TORCH_REBUILD_PARAMETER_STATE) {
        status = torch_tensor_new(r, ref, &state, value);
        *fresh = state != SDK_PICKLED_NOTHING;
    } else if (known == TORCH_ORDERED_DICT) {
        call = sdk_pickled_call(r->pickled, ref);
        if (is_ordered_map(r, &call)) {
            *fresh = true;
            status = torch_value(r, &like, value);
        }
    } else if (known != TORCH_UNKNOWN) {
        status = torch_scalar_call(r, ref, known, value);
    }
    if (status != CKPT_END)
        return status;
    *fresh = true;
    return make_object(r, ref, depth, value);
}

static int
make_plain(struct torch_reader *r, uint32_t ref, struct ckpt_value **value,
           bool *fresh)
{
    const struct sdk_pickled_node *node = sdk_pickled_at(r->pickled, ref);
    struct ckpt_value like = {0};

    switch (node->kind) {
    case SDK_PICKLED_BOOL:
        like.kind = CKPT_KIND_BOOL;
        like.as.truth = node->as.truth;
        break;
    case SDK_PICKLED_INT:
        like.kind = CKPT_KIND_INT;
        like.as.integer = node->as.integer;
        break;
    case SDK_PICKLED_FLOAT:
        like.kind = CKPT_KIND_FLOAT;
        like.as.real = node->as.real;
        break;
    case SDK_PICKLED_TUPLE:
        like.kind = CKPT_KIND_TUPLE;
        *fresh = true;
        break;
    case SDK_PICKLED_LIST:
        like.kind = CKPT_KIND_LIST;
        *fresh = true;
        break;
    case SDK_PICKLED_DICT:
        like.kind = CKPT_KIND_MAP;
        *fresh = true;
        break;
    default:
        like.kind = CKPT_KIND_NONE;
    }
    return torch_value(r, &like, value);
}

static int
make(struct torch_reader *r, uint32_t ref, unsigned depth,
     struct ckpt_value **value, bool *fresh)
{
    switch (sdk_pickled_kind(r->pickled, ref)) {
    case SDK_PICKLED_TEXT:
    case SDK_PICKLED_STR:
        return make_text(r, ref, CKPT_KIND_STRING, value);
    case SDK_PICKLED_BYTES:
        return make_text(r, ref, CKPT_KIND_BYTES, value);
    case SDK_PICKLED_WIDE:
        return make_text(r, ref, CKPT_KIND_INT, value);
    case SDK_PICKLED_BYTEARRAY:
    case SDK_PICKLED_SET:
    case SDK_PICKLED_FROZENSET:
        return make_collection(r, ref, value, fresh);
    case SDK_PICKLED_GLOBAL:
        return make_global(r, ref, value);
    case SDK_PICKLED_CALL:
        return make_call(r, ref, depth, value, fresh);
    case SDK_PICKLED_NEW:
        *fresh = true;
        return make_object(r, ref, depth, value);
    case SDK_PICKLED_PERSISTENT:
        return torch_storage_object(r, ref, value);
    default:
        return make_plain(r, ref, value, fresh);
    }
}

/* ---- The walk ---- */

static int
push_frame(struct torch_reader *r, uint32_t kind, uint32_t node,
           struct ckpt_value *target, struct sdk_pickled_list list)
{
    struct torch_frame *frame;

    if (r->frame_count == DEPTH_MAX)
        return torch_fail(r, CKPT_LIMIT, node, "values nest too deep");
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
    frame->path_bytes = r->path.size_bytes;
    frame->target = target;
    frame->list = list;
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
    return push_frame(r, FRAME_ATTRS, ref, value,
                      sdk_pickled_list(r->pickled, state));
}

static int
enter_call(struct torch_reader *r, uint32_t ref, struct ckpt_value *value)
{
    struct sdk_pickled_call call = sdk_pickled_call(r->pickled, ref);
    struct sdk_pickled_list args = {NULL, 0};
    int status;

    if (value->kind == CKPT_KIND_MAP) {
        status = push_attrs(r, ref, value, call.state);
        return status == CKPT_OK
                   ? push_frame(r, FRAME_PAIRS, ref, value, call.pairs)
                   : status;
    }
    if (value->kind == CKPT_KIND_TENSOR) {
        args = sdk_pickled_list(r->pickled, call.args);
        return push_attrs(r, ref, value, args.refs[3]);
    }
    return push_frame(r, FRAME_OBJECT, ref, value, args);
}

/* Goes into a container that has not been filled. */
static int
enter(struct torch_reader *r, uint32_t ref)
{
    struct ckpt_value *value;

    if (!(r->values[ref] & PENDING))
        return CKPT_OK;
    r->values[ref] &= ~PENDING;
    value = (struct ckpt_value *)r->values[ref];
    switch (sdk_pickled_kind(r->pickled, ref)) {
    case SDK_PICKLED_TUPLE:
    case SDK_PICKLED_LIST:
        return push_frame(r, FRAME_LIST, ref, value,
                          sdk_pickled_list(r->pickled, ref));
    case SDK_PICKLED_SET:
    case SDK_PICKLED_FROZENSET:
        return push_frame(r, FRAME_LIST, ref, inner_list(value),
                          sdk_pickled_list(r->pickled, ref));
    case SDK_PICKLED_DICT:
        return push_frame(r, FRAME_PAIRS, ref, value,
                          sdk_pickled_list(r->pickled, ref));
    default:
        return enter_call(r, ref, value);
    }
}

/* Sets the path to that of a frame and one label more. */
static int
set_path(struct torch_reader *r, const struct torch_frame *frame,
         const char *label, size_t label_bytes)
{
    int status = CKPT_OK;

    r->path.size_bytes = frame->path_bytes;
    if (frame->path_bytes > 0)
        status = sdk_buffer_append(r->host, &r->path, ".", 1);
    return status == CKPT_OK
               ? sdk_buffer_append(r->host, &r->path, label, label_bytes)
               : status;
}

static int
set_path_key(struct torch_reader *r, const struct torch_frame *frame,
             uint32_t key)
{
    const struct sdk_pickled_node *node = sdk_pickled_at(r->pickled, key);
    char label[32] = "?";

    if (node->kind == SDK_PICKLED_TEXT || node->kind == SDK_PICKLED_STR) {
        struct ckpt_text text = sdk_pickled_text(r->pickled, key);

        return set_path(r, frame, text.data, text.size_bytes);
    }
    if (node->kind == SDK_PICKLED_INT)
        snprintf(label, sizeof label, "%" PRId64, node->as.integer);
    return set_path(r, frame, label, strlen(label));
}

static int
step_list(struct torch_reader *r, struct torch_frame *frame)
{
    uint32_t ref = frame->list.refs[frame->index];
    struct ckpt_value *item, *target = frame->target;
    char label[16];
    int status;

    snprintf(label, sizeof label, "%" PRIu32, frame->index++);
    status = set_path(r, frame, label, strlen(label));
    if (status == CKPT_OK)
        status = value_of(r, ref, 0, &item);
    if (status == CKPT_OK)
        status = r->host->list_add(r->host, r->graph, target, item);
    return status == CKPT_OK ? enter(r, ref) : status;
}

static int
step_pairs(struct torch_reader *r, struct torch_frame *frame)
{
    uint32_t key_ref = frame->list.refs[frame->index];
    uint32_t ref = frame->list.refs[frame->index + 1];
    struct ckpt_value *key, *value, *target = frame->target;
    int status;

    frame->index += 2;
    status = set_path_key(r, frame, key_ref);
    if (status == CKPT_OK)
        status = value_of(r, key_ref, 0, &key);
    if (status == CKPT_OK)
        status = value_of(r, ref, 0, &value);
    if (status == CKPT_OK)
        status = r->host->map_set(r->host, r->graph, target, key, value);
    if (status == CKPT_OK)
        status = enter(r, key_ref);
    return status == CKPT_OK ? enter(r, ref) : status;
}

static int
step_attrs(struct torch_reader *r, struct torch_frame *frame)
{
    uint32_t name_ref = frame->list.refs[frame->index];
    uint32_t ref = frame->list.refs[frame->index + 1];
    struct ckpt_text name = sdk_pickled_text(r->pickled, name_ref);
    struct ckpt_value *value, *target = frame->target;
    size_t prefix;
    int status;

    frame->index += 2;
    prefix = frame->path_bytes ? frame->path_bytes + 1 : 0;
    status = set_path(r, frame, name.data, name.size_bytes);
    if (status == CKPT_OK)
        status = value_of(r, ref, 0, &value);
    if (status == CKPT_OK) {
        /* The path ends with the name; it gives the NUL. */
        status = sdk_buffer_reserve(r->host, &r->path, 1);
        if (status == CKPT_OK) {
            r->path.data[r->path.size_bytes] = '\0';
            status = r->host->attr_set(r->host, r->graph, target,
                                       (char *)r->path.data + prefix, value);
        }
    }
    return status == CKPT_OK ? enter(r, ref) : status;
}

/* Items and pairs get a list and a map of their own. */
static int
start_part(struct torch_reader *r, const struct torch_frame *frame,
           uint32_t part, struct sdk_pickled_list list)
{
    bool pairs = part == CKPT_PART_PAIRS;
    struct ckpt_value like = {.kind = pairs ? CKPT_KIND_MAP : CKPT_KIND_LIST};
    struct ckpt_value *made, *object = frame->target;
    uint32_t node = frame->node;
    int status;

    if (list.count == 0)
        return CKPT_OK;
    status = torch_value(r, &like, &made);
    if (status == CKPT_OK)
        status = r->host->object_set(r->host, r->graph, object, part, made);
    return status == CKPT_OK ? push_frame(r, pairs ? FRAME_PAIRS : FRAME_LIST,
                                          node, made, list)
                             : status;
}

static int
start_state(struct torch_reader *r, const struct torch_frame *frame,
            uint32_t state)
{
    struct ckpt_value *value, *object = frame->target;
    int status;

    if (state == SDK_PICKLED_NOTHING)
        return CKPT_OK;
    status = value_of(r, state, 0, &value);
    if (status == CKPT_OK)
        status = r->host->object_set(r->host, r->graph, object, CKPT_PART_STATE,
                                     value);
    return status == CKPT_OK ? enter(r, state) : status;
}

/* The parts of an object in order; `*done` after the last. */
static int
step_object(struct torch_reader *r, struct torch_frame *frame, bool *done)
{
    struct sdk_pickled_call call = sdk_pickled_call(r->pickled, frame->node);

    r->path.size_bytes = frame->path_bytes;
    switch (frame->index++) {
    case 0:
        return enter(r, call.callee);
    case 1:
        return enter(r, call.args);
    case 2:
        return call.kwargs == SDK_PICKLED_NOTHING ? CKPT_OK
                                                  : enter(r, call.kwargs);
    case 3:
        return start_part(r, frame, CKPT_PART_ITEMS, call.items);
    case 4:
        return start_part(r, frame, CKPT_PART_PAIRS, call.pairs);
    case 5:
        return start_state(r, frame, call.state);
    default:
        *done = true;
        return CKPT_OK;
    }
}

static int
step(struct torch_reader *r)
{
    struct torch_frame *frame = &r->frames[r->frame_count - 1];
    bool done =
        frame->kind != FRAME_OBJECT && frame->index >= frame->list.count;
    int status = CKPT_OK;

    if (!done && frame->kind == FRAME_LIST)
        return step_list(r, frame);
    if (!done && frame->kind == FRAME_PAIRS)
        return step_pairs(r, frame);
    if (!done && frame->kind == FRAME_ATTRS)
        return step_attrs(r, frame);
    if (!done)
        status = step_object(r, frame, &done);
    if (done) {
        r->path.size_bytes = frame->path_bytes;
        r->frame_count--;
    }
    return status;
}

static int
walk(struct torch_reader *r, const struct ckpt_value **root)
{
    struct ckpt_value *value;
    unsigned steps = 0;
    int status = value_of(r, r->pickled->root, 0, &value);

    if (status == CKPT_OK)
        status = enter(r, r->pickled->root);
    while (status == CKPT_OK && r->frame_count > 0) {
        status = step(r);
        if ((++steps & 0xffff) == 0 && r->host->cancelled(r->host))
            return CKPT_CANCELLED;
    }
    if (status == CKPT_OK)
        *root = value;
    return status;
}

int
sdk_torch_read(const struct ckpt_host *host, struct ckpt_graph *graph,
               const struct sdk_pickled *pickled,
               const struct sdk_torch_source *source,
               const struct ckpt_value **root)
{
    struct torch_reader r = {.host = host,
                             .graph = graph,
                             .pickled = pickled,
                             .source = source,
                             .device_node = SDK_PICKLED_NOTHING};
    int status = CKPT_MEMORY;

    r.values =
        host->allocate(host, (size_t)pickled->node_count * sizeof *r.values);
    if (r.values != NULL)
        status = walk(&r, root);
    torch_entries_fini(&r);
    sdk_buffer_fini(host, &r.path);
    host->release(host, r.frames);
    host->release(host, r.values);
    return status;
}
