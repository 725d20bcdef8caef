/* SPDX-License-Identifier: MIT
 *
 * Telling modules, and what they are made of, by the shape of their nodes.
 */
#include "torch_module.h"

#include <string.h>

#include "utf8.h"

/* A module has fewer attributes than this before its last registry. */
#define STATE_LOOK_MAX 1000

/* What is larger than these is no setting. */
#define PLAIN_NODES_MAX 256
#define PLAIN_DEPTH_MAX 8

bool
sdk_torch_is_name(struct torch_reader *r, uint32_t ref)
{
    struct ckpt_text text;

    if (!sdk_pickled_is_words(r->pickled, ref))
        return false;
    text = sdk_pickled_text(r->pickled, ref);
    r->steps += text.size_bytes / TORCH_STEP_BYTES;
    return memchr(text.data, '\0', text.size_bytes) == NULL &&
           sdk_utf8_valid(text.data, text.size_bytes);
}

bool
sdk_torch_pairs_get(const struct torch_reader *r,
                    const struct torch_pairs *pairs, uint32_t index,
                    uint32_t *key, uint32_t *value)
{
    const struct sdk_pickled *p = r->pickled;
    const uint32_t *refs = pairs->list.refs + index;
    uint32_t kind = SDK_PICKLED_TUPLE;

    if (pairs->listed) {
        kind = sdk_pickled_kind(p, *refs);
        if ((kind != SDK_PICKLED_LIST && kind != SDK_PICKLED_TUPLE) ||
            sdk_pickled_list(p, *refs).count != 2)
            return false;
        refs = sdk_pickled_list(p, *refs).refs;
    } else {
        refs += index;
    }
    *key = refs[0];
    *value = refs[1];
    return true;
}

/* ([[key, value], ...],) */
static bool
find_listed(struct torch_reader *r, struct sdk_pickled_list args,
            struct torch_pairs *pairs)
{
    if (args.count != 1 ||
        sdk_pickled_kind(r->pickled, args.refs[0]) != SDK_PICKLED_LIST)
        return false;
    pairs->list = sdk_pickled_list(r->pickled, args.refs[0]);
    pairs->listed = true;
    return true;
}

bool
sdk_torch_pairs_of(struct torch_reader *r, uint32_t ref,
                   struct torch_pairs *pairs)
{
    struct sdk_pickled_call call;
    struct sdk_pickled_list args;

    pairs->listed = false;
    if (sdk_pickled_kind(r->pickled, ref) == SDK_PICKLED_DICT) {
        pairs->list = sdk_pickled_list(r->pickled, ref);
        return true;
    }
    if (sdk_torch_known_call(r, ref) != TORCH_ORDERED_DICT)
        return false;
    call = sdk_pickled_call(r->pickled, ref);
    args = sdk_pickled_list(r->pickled, call.args);
    if (call.items.count > 0)
        return false;
    if (args.count > 0)
        return call.pairs.count == 0 && find_listed(r, args, pairs);
    pairs->list = call.pairs;
    return true;
}

struct sdk_pickled_list
sdk_torch_set_of(struct torch_reader *r, uint32_t ref)
{
    const struct sdk_pickled *p = r->pickled;
    struct sdk_pickled_list none = {NULL, 0}, args;
    struct sdk_pickled_call call;
    const struct torch_name *name;

    if (ref == SDK_PICKLED_NOTHING)
        return none;
    if (sdk_pickled_kind(p, ref) == SDK_PICKLED_SET)
        return sdk_pickled_list(p, ref);
    if (sdk_pickled_kind(p, ref) != SDK_PICKLED_CALL)
        return none;
    call = sdk_pickled_call(p, ref);
    args = sdk_pickled_list(p, call.args);
    if (sdk_pickled_kind(p, call.callee) != SDK_PICKLED_GLOBAL ||
        args.count != 1 ||
        sdk_pickled_kind(p, args.refs[0]) != SDK_PICKLED_LIST)
        return none;
    name = sdk_torch_name_of(r, call.callee);
    if (strcmp(name->module, "builtins") != 0 || strcmp(name->name, "set") != 0)
        return none;
    return sdk_pickled_list(p, args.refs[0]);
}

/* One pair of the state: a registry, or something else. */
static bool
take(struct torch_reader *r, uint32_t key, uint32_t value,
     struct torch_module *module, unsigned *found)
{
    static const char *const names[] = {"_parameters", "_buffers", "_modules"};
    struct torch_pairs *const pairs[] = {&module->parameters, &module->buffers,
                                         &module->children};
    unsigned i;

    for (i = 0; i < 3; i++) {
        if (!sdk_pickled_is_text(r->pickled, key, names[i]))
            continue;
        *found |= 1u << i;
        return sdk_torch_pairs_of(r, value, pairs[i]);
    }
    if (sdk_pickled_is_text(r->pickled, key, "_non_persistent_buffers_set"))
        module->transient = value;
    else if (sdk_pickled_is_text(r->pickled, key, "training") &&
             sdk_pickled_kind(r->pickled, value) == SDK_PICKLED_BOOL)
        module->training = value;
    return true;
}

static bool
find_module(struct torch_reader *r, uint32_t ref, struct torch_module *module)
{
    const struct sdk_pickled *p = r->pickled;
    uint32_t i, kind = sdk_pickled_kind(p, ref);
    struct sdk_pickled_call call;
    struct sdk_pickled_list pair;
    unsigned found = 0;

    if (kind != SDK_PICKLED_NEW && kind != SDK_PICKLED_CALL)
        return false;
    call = sdk_pickled_call(p, ref);
    if (call.state == SDK_PICKLED_NOTHING || call.items.count > 0 ||
        call.pairs.count > 0)
        return false;
    if (sdk_pickled_kind(p, call.state) == SDK_PICKLED_TUPLE) {
        pair = sdk_pickled_list(p, call.state);
        if (pair.count != 2)
            return false;
        call.state = pair.refs[0];
    }
    if (sdk_pickled_kind(p, call.state) != SDK_PICKLED_DICT)
        return false;
    *module = (struct torch_module){.node = ref,
                                    .transient = SDK_PICKLED_NOTHING,
                                    .training = SDK_PICKLED_NOTHING};
    module->state = sdk_pickled_list(p, call.state);
    for (i = 0; i < module->state.count && i < 2 * STATE_LOOK_MAX; i += 2) {
        r->steps += 4;
        if (!take(r, module->state.refs[i], module->state.refs[i + 1], module,
                  &found))
            return false;
    }
    return found == 7;
}

/* The module that torch.compile was given, by the call that it is saved as;
 * else the node itself. */
static uint32_t
compiled_of(struct torch_reader *r, uint32_t ref)
{
    const struct sdk_pickled *p = r->pickled;
    struct sdk_pickled_call call;
    struct sdk_pickled_list args;
    const struct torch_name *name;

    if (sdk_pickled_kind(p, ref) != SDK_PICKLED_CALL)
        return ref;
    call = sdk_pickled_call(p, ref);
    args = sdk_pickled_list(p, call.args);
    if (sdk_pickled_kind(p, call.callee) != SDK_PICKLED_GLOBAL ||
        args.count == 0)
        return ref;
    name = sdk_torch_name_of(r, call.callee);
    return strcmp(name->module, "torch._dynamo.eval_frame") == 0 &&
                   strcmp(name->name, "OptimizedModule") == 0
               ? args.refs[0]
               : ref;
}

bool
sdk_torch_module_find(struct torch_reader *r, uint32_t ref,
                      struct torch_module *module)
{
    uint32_t inner = compiled_of(r, ref);

    if (!find_module(r, inner, module))
        return false;
    module->compiled = inner != ref;
    return true;
}

const struct torch_name *
sdk_torch_class_of(struct torch_reader *r, uint32_t ref)
{
    const struct sdk_pickled *p = r->pickled;
    uint32_t kind = sdk_pickled_kind(p, ref), class = ref;
    struct sdk_pickled_list args;
    const struct torch_name *name;

    if (kind == SDK_PICKLED_NEW || kind == SDK_PICKLED_CALL)
        class = sdk_pickled_call(p, ref).callee;
    class = sdk_torch_class(r, class);
    if (sdk_pickled_kind(p, class) != SDK_PICKLED_GLOBAL)
        return NULL;
    name = sdk_torch_name_of(r, class);
    if (kind != SDK_PICKLED_CALL || strcmp(name->name, "_reconstructor") != 0 ||
        strcmp(name->module, "copyreg") != 0)
        return name;
    args = sdk_pickled_list(p, sdk_pickled_call(p, ref).args);
    if (args.count == 0)
        return NULL;
    class = sdk_torch_class(r, args.refs[0]);
    return sdk_pickled_kind(p, class) == SDK_PICKLED_GLOBAL
               ? sdk_torch_name_of(r, class)
               : NULL;
}

/* ---- Plain values ---- */

static bool is_plain(struct torch_reader *r, uint32_t ref, unsigned depth,
                     unsigned *left);

static bool
are_plain(struct torch_reader *r, struct sdk_pickled_list list, unsigned depth,
          unsigned *left)
{
    uint32_t i;

    if (list.count > *left)
        return false;
    r->steps += list.count;
    for (i = 0; i < list.count; i++)
        if (!is_plain(r, list.refs[i], depth + 1, left))
            return false;
    return true;
}

static bool
is_plain_call(struct torch_reader *r, uint32_t ref, unsigned depth,
              unsigned *left)
{
    struct sdk_pickled_call call = sdk_pickled_call(r->pickled, ref);

    if (call.state != SDK_PICKLED_NOTHING || call.items.count > 0)
        return false;
    switch (sdk_torch_known_call(r, ref)) {
    case TORCH_ORDERED_DICT:
    case TORCH_SIZE:
    case TORCH_DEVICE:
    case TORCH_COMPLEX:
    case TORCH_ENCODE:
    case TORCH_BYTES:
        return are_plain(r, sdk_pickled_list(r->pickled, call.args), depth,
                         left) &&
               are_plain(r, call.pairs, depth, left);
    default:
        return false;
    }
}

static bool
is_plain(struct torch_reader *r, uint32_t ref, unsigned depth, unsigned *left)
{
    if (depth > PLAIN_DEPTH_MAX || *left == 0)
        return false;
    --*left;
    switch (sdk_pickled_kind(r->pickled, ref)) {
    case SDK_PICKLED_TUPLE:
    case SDK_PICKLED_LIST:
    case SDK_PICKLED_DICT:
    case SDK_PICKLED_SET:
    case SDK_PICKLED_FROZENSET:
        return are_plain(r, sdk_pickled_list(r->pickled, ref), depth, left);
    case SDK_PICKLED_CALL:
        return is_plain_call(r, ref, depth, left);
    case SDK_PICKLED_NEW:
    case SDK_PICKLED_PERSISTENT:
        return false;
    default:
        return true;
    }
}

bool
sdk_torch_is_plain(struct torch_reader *r, uint32_t ref)
{
    unsigned left = PLAIN_NODES_MAX;

    return is_plain(r, ref, 0, &left);
}
