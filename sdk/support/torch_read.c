/* SPDX-License-Identifier: MIT
 *
 * The walk from the nodes of a pickle to the values of a graph. A value is
 * made empty where it is met first and filled when the walk enters it, so
 * that it may contain itself; the path to it is kept on a stack.
 */
#include "torch_module.h"
#include "torch_read_layout.h"
#include "torch_read_storage.h"
#include "torch_safe.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define DEPTH_MAX 500 /* values within values, as the hub allows */
#define LABEL_BYTES_MAX 200
#define TOLD_MAX 20 /* findings of one kind */

enum frame_kind {
    FRAME_LIST,    /* the list goes into a list or tuple */
    FRAME_PAIRS,   /* the list goes into a map */
    FRAME_COUPLES, /* the list of lists of two goes into a map */
    FRAME_PARTS,   /* the list goes into a map, under names */
    FRAME_ATTRS,   /* the list goes into the attributes of a value */
    FRAME_OBJECT,  /* the parts of an object, one after the other */
    FRAME_MODULE   /* a module is unfolded into a map */
};

struct torch_frame {
    uint32_t kind;
    uint32_t index; /* of the next item or part */
    uint32_t node;  /* OBJECT */
    uint32_t depth; /* of the target */
    size_t path_bytes;
    struct ckpt_value *target;
    struct sdk_pickled_list list;
    const char *const *names;      /* PARTS */
    struct torch_modules *modules; /* MODULE; owned */
};

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

static int
push_frame(struct torch_reader *r, uint32_t kind, uint32_t node,
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
    return push_frame(r, FRAME_ATTRS, ref, value,
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
    status = push_frame(r, FRAME_PARTS, ref, value, parts);
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
        status = push_frame(r, FRAME_PAIRS, ref, value, call->pairs);
    if (status != CKPT_OK || args.count == 0)
        return status;
    return push_frame(r, FRAME_COUPLES, ref, value,
                      sdk_pickled_list(r->pickled, args.refs[0]));
}

static int
enter_module(struct torch_reader *r, uint32_t ref, struct ckpt_value *value)
{
    struct sdk_pickled_list none = {NULL, 0};
    int status = push_frame(r, FRAME_MODULE, ref, value, none);

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
    return push_frame(r, FRAME_OBJECT, ref, value, args);
}

/* Goes into a container that has not been filled. */
static int
enter(struct torch_reader *r, uint32_t ref)
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

/* Sets the path to that of a frame and one label more. It is for messages,
 * and one long key may be met a million times: so it is cut. */
static int
set_path(struct torch_reader *r, const struct torch_frame *frame,
         const char *label, size_t label_bytes)
{
    int status = CKPT_OK;

    if (label_bytes > LABEL_BYTES_MAX)
        label_bytes = LABEL_BYTES_MAX;
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
        status = sdk_torch_value_of(r, ref, 0, &item);
    if (status == CKPT_OK)
        status = r->host->list_add(r->host, r->graph, target, item);
    return status == CKPT_OK ? enter(r, ref) : status;
}

static int
set_pair(struct torch_reader *r, struct torch_frame *frame, uint32_t key_ref,
         uint32_t ref)
{
    struct ckpt_value *key, *value, *target = frame->target;
    int status = set_path_key(r, frame, key_ref);

    if (status == CKPT_OK)
        status = sdk_torch_value_of(r, key_ref, 0, &key);
    if (status == CKPT_OK)
        status = sdk_torch_value_of(r, ref, 0, &value);
    if (status == CKPT_OK)
        status = r->host->map_set(r->host, r->graph, target, key, value);
    if (status == CKPT_OK)
        status = enter(r, key_ref);
    return status == CKPT_OK ? enter(r, ref) : status;
}

static int
step_parts(struct torch_reader *r, struct torch_frame *frame)
{
    const char *name = frame->names[frame->index];
    uint32_t ref = frame->list.refs[frame->index++];
    struct ckpt_value like = {.kind = CKPT_KIND_STRING};
    struct ckpt_value *key, *value, *target = frame->target;
    int status;

    like.as.text.data = name;
    like.as.text.size_bytes = strlen(name);
    status = set_path(r, frame, name, strlen(name));
    if (status == CKPT_OK)
        status = sdk_torch_value(r, &like, &key);
    if (status == CKPT_OK)
        status = sdk_torch_value_of(r, ref, 0, &value);
    if (status == CKPT_OK)
        status = r->host->map_set(r->host, r->graph, target, key, value);
    return status == CKPT_OK ? enter(r, ref) : status;
}

static int
step_pairs(struct torch_reader *r, struct torch_frame *frame)
{
    const uint32_t *pair = frame->list.refs + frame->index;

    frame->index += 2;
    return set_pair(r, frame, pair[0], pair[1]);
}

static int
step_couples(struct torch_reader *r, struct torch_frame *frame)
{
    uint32_t couple = frame->list.refs[frame->index++];
    const uint32_t *pair = sdk_pickled_list(r->pickled, couple).refs;

    return set_pair(r, frame, pair[0], pair[1]);
}

static int
set_attr(struct torch_reader *r, struct ckpt_value *target,
         const struct ckpt_text *name, const struct ckpt_value *value)
{
    struct sdk_buffer copy = {0};
    int status =
        sdk_buffer_append(r->host, &copy, name->data, name->size_bytes);

    if (status == CKPT_OK)
        status = sdk_buffer_append(r->host, &copy, "", 1);
    if (status == CKPT_OK)
        status = r->host->attr_set(r->host, r->graph, target,
                                   (const char *)copy.data, value);
    sdk_buffer_fini(r->host, &copy);
    return status;
}

static int
step_attrs(struct torch_reader *r, struct torch_frame *frame)
{
    uint32_t name_ref = frame->list.refs[frame->index];
    uint32_t ref = frame->list.refs[frame->index + 1];
    struct ckpt_text name = sdk_pickled_text(r->pickled, name_ref);
    struct ckpt_value *value, *target = frame->target;
    int status;

    frame->index += 2;
    status = set_path(r, frame, name.data, name.size_bytes);
    if (status == CKPT_OK)
        status = sdk_torch_value_of(r, ref, 0, &value);
    if (status == CKPT_OK)
        status = set_attr(r, target, &name, value);
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
    status = sdk_torch_value(r, &like, &made);
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
    status = sdk_torch_value_of(r, state, 0, &value);
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

/* One part of a module; `*done` after the last. */
static int
step_module(struct torch_reader *r, struct torch_frame *frame, bool *done)
{
    uint32_t node = SDK_PICKLED_NOTHING;
    int status = sdk_torch_modules_step(r, frame->modules, &node);

    if (status == CKPT_END) {
        sdk_torch_modules_close(r->host, frame->modules);
        frame->modules = NULL;
        *done = true;
        return CKPT_OK;
    }
    return status == CKPT_OK && node != SDK_PICKLED_NOTHING ? enter(r, node)
                                                            : status;
}

static int
step(struct torch_reader *r)
{
    struct torch_frame *frame = &r->frames[r->frame_count - 1];
    bool done = frame->kind < FRAME_OBJECT && frame->index >= frame->list.count;
    int status = CKPT_OK;

    if (!done && frame->kind == FRAME_LIST)
        return step_list(r, frame);
    if (!done && frame->kind == FRAME_PAIRS)
        return step_pairs(r, frame);
    if (!done && frame->kind == FRAME_PARTS)
        return step_parts(r, frame);
    if (!done && frame->kind == FRAME_COUPLES)
        return step_couples(r, frame);
    if (!done && frame->kind == FRAME_ATTRS)
        return step_attrs(r, frame);
    if (!done)
        status = frame->kind == FRAME_MODULE ? step_module(r, frame, &done)
                                             : step_object(r, frame, &done);
    if (done) {
        r->path.size_bytes = frame->path_bytes;
        r->frame_count--;
    }
    return status;
}

static int
walk(struct torch_reader *r, uint32_t ref, struct ckpt_value **value)
{
    struct ckpt_value *made;
    unsigned steps = 0;
    int status = sdk_torch_value_of(r, ref, 0, &made);

    if (status == CKPT_OK)
        status = enter(r, ref);
    while (status == CKPT_OK && r->frame_count > 0) {
        status = step(r);
        if ((++steps & 0xffff) == 0 && r->host->cancelled(r->host))
            return CKPT_CANCELLED;
    }
    if (status == CKPT_OK)
        *value = made;
    return status;
}

/* ---- Readers ---- */

int
sdk_torch_reader_new(const struct ckpt_host *host, struct ckpt_graph *graph,
                     const struct sdk_pickled *pickled,
                     const struct sdk_torch_source *source,
                     struct torch_reader **reader)
{
    struct torch_reader *r = host->allocate(host, sizeof *r);
    int status;

    if (r == NULL)
        return CKPT_MEMORY;
    r->host = host;
    r->graph = graph;
    r->pickled = pickled;
    r->source = source;
    r->device_node = SDK_PICKLED_NOTHING;
    r->numbers =
        host->allocate(host, (size_t)pickled->node_count * sizeof *r->numbers);
    status = r->numbers != NULL ? sdk_torch_meet(r) : CKPT_MEMORY;
    if (status == CKPT_OK)
        *reader = r;
    else
        sdk_torch_reader_free(r);
    return status;
}

int
sdk_torch_reader_value(struct torch_reader *r, uint32_t ref, const char *name,
                       uint32_t role, struct ckpt_value **value)
{
    int status = CKPT_OK;

    r->role = role;
    r->path.size_bytes = 0;
    if (name != NULL)
        status = sdk_buffer_append(r->host, &r->path, name, strlen(name));
    return status == CKPT_OK ? walk(r, ref, value) : status;
}

void
sdk_torch_reader_free(struct torch_reader *r)
{
    if (r == NULL)
        return;
    while (r->frame_count > 0)
        sdk_torch_modules_close(r->host, r->frames[--r->frame_count].modules);
    sdk_torch_models_fini(r);
    sdk_torch_entries_fini(r);
    sdk_buffer_fini(r->host, &r->path);
    r->host->release(r->host, r->frames);
    r->host->release(r->host, r->values);
    r->host->release(r->host, r->numbers);
    r->host->release(r->host, r);
}

int
sdk_torch_read(const struct ckpt_host *host, struct ckpt_graph *graph,
               const struct sdk_pickled *pickled,
               const struct sdk_torch_source *source,
               const struct ckpt_value **root)
{
    struct torch_reader *r;
    struct ckpt_value *value;
    int status = sdk_torch_reader_new(host, graph, pickled, source, &r);

    if (status != CKPT_OK)
        return status;
    status = sdk_torch_reader_value(r, pickled->root, NULL, CKPT_ROLE_UNKNOWN,
                                    &value);
    if (status == CKPT_OK)
        status = sdk_torch_models_finish(r);
    if (status == CKPT_OK)
        *root = value;
    sdk_torch_reader_free(r);
    return status;
}
