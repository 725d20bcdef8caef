/* SPDX-License-Identifier: MIT
 *
 * The walk from the nodes of a pickle to the values of a graph. A value is
 * made empty where it is met first and filled when the walk enters it, so
 * that it may contain itself; the path to it is kept on a stack.
 */
#include "torch_read_walk.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define LABEL_BYTES_MAX 200

/* Steps of looking in one file, which sharing can multiply; those of the
 * largest files come to some millions. */
#define STEPS_MAX (UINT64_C(1) << 26)

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

    if (sdk_pickled_is_words(r->pickled, key)) {
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
    return status == CKPT_OK ? sdk_torch_enter(r, ref) : status;
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
        status = sdk_torch_enter(r, key_ref);
    return status == CKPT_OK ? sdk_torch_enter(r, ref) : status;
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
    return status == CKPT_OK ? sdk_torch_enter(r, ref) : status;
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
    return status == CKPT_OK ? sdk_torch_enter(r, ref) : status;
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
    return status == CKPT_OK
               ? sdk_torch_push(r, pairs ? FRAME_PAIRS : FRAME_LIST, node, made,
                                list)
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
    return status == CKPT_OK ? sdk_torch_enter(r, state) : status;
}

/* The parts of an object in order; `*done` after the last. */
static int
step_object(struct torch_reader *r, struct torch_frame *frame, bool *done)
{
    struct sdk_pickled_call call = sdk_pickled_call(r->pickled, frame->node);

    r->path.size_bytes = frame->path_bytes;
    switch (frame->index++) {
    case 0:
        return sdk_torch_enter(r, call.callee);
    case 1:
        return sdk_torch_enter(r, call.args);
    case 2:
        return call.kwargs == SDK_PICKLED_NOTHING
                   ? CKPT_OK
                   : sdk_torch_enter(r, call.kwargs);
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
    return status == CKPT_OK && node != SDK_PICKLED_NOTHING
               ? sdk_torch_enter(r, node)
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

/* What is being filled. */
static uint32_t
last_node(const struct torch_reader *r, uint32_t root)
{
    return r->frame_count > 0 ? r->frames[r->frame_count - 1].node : root;
}

static int
walk(struct torch_reader *r, uint32_t ref, struct ckpt_value **value)
{
    struct ckpt_value *made;
    unsigned steps = 0;
    int status = sdk_torch_value_of(r, ref, 0, &made);

    if (status == CKPT_OK)
        status = sdk_torch_enter(r, ref);
    while (status == CKPT_OK && r->frame_count > 0) {
        status = step(r);
        if (status == CKPT_OK && r->steps > STEPS_MAX)
            return sdk_torch_fail(r, CKPT_LIMIT, last_node(r, ref),
                                  "values that are looked at too often");
        if ((++steps & 0xfff) == 0 && r->host->cancelled(r->host))
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
