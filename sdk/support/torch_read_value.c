/* SPDX-License-Identifier: MIT
 *
 * Making the value of one node of a torch pickle. Containers and objects are
 * made empty, for the walk to fill.
 */
#include "torch_module.h"
#include "torch_read_array.h"
#include "torch_read_layout.h"
#include "torch_read_storage.h"

#include <string.h>

#include "utf8.h"

#define CALLEE_DEPTH_MAX 100 /* calls of what was called */

static int make(struct torch_reader *r, uint32_t ref, unsigned depth,
                struct ckpt_value **value, bool *fresh);

static int
keep(struct torch_reader *r, struct ckpt_value *value, uint32_t *number)
{
    if (r->value_count == r->value_capacity) {
        size_t wanted = r->value_capacity + r->value_capacity / 2 + 64;
        struct ckpt_value **values =
            r->host->reallocate(r->host, r->values, wanted * sizeof(*values));

        if (values == NULL)
            return CKPT_MEMORY;
        r->values = values;
        r->value_capacity = wanted;
    }
    r->values[r->value_count++] = value;
    *number = (uint32_t)r->value_count;
    return CKPT_OK;
}

int
sdk_torch_value_of(struct torch_reader *r, uint32_t ref, unsigned depth,
                   struct ckpt_value **value)
{
    struct ckpt_value *made;
    uint32_t number;
    bool fresh = false;
    int status;

    ref = sdk_torch_class(r, ref);
    number = r->numbers[ref] & ~TORCH_PENDING;
    if (number != 0) {
        *value = r->values[number - 1];
        return CKPT_OK;
    }
    status = make(r, ref, depth, &made, &fresh);
    if (status == CKPT_OK)
        status = keep(r, made, &number);
    if (status != CKPT_OK)
        return status;
    r->numbers[ref] = number | (fresh ? TORCH_PENDING : 0);
    *value = made;
    return CKPT_OK;
}

/* An object: what a name gives when it is called with these. */
static int
make_called(struct torch_reader *r, const char *module, const char *name,
            const struct ckpt_value *likes, size_t count,
            struct ckpt_value **value)
{
    struct ckpt_value like = {.kind = CKPT_KIND_TUPLE}, *args, *argument;
    struct ckpt_object object = {
        .made = CKPT_MADE_CALLED, .module = module, .name = name};
    int status = sdk_torch_value(r, &like, &args);
    size_t i;

    for (i = 0; i < count && status == CKPT_OK; i++) {
        status = sdk_torch_value(r, &likes[i], &argument);
        if (status == CKPT_OK)
            status = r->host->list_add(r->host, r->graph, args, argument);
    }
    if (status != CKPT_OK)
        return status;
    object.args = args;
    like.kind = CKPT_KIND_OBJECT;
    like.as.object = &object;
    return sdk_torch_value(r, &like, value);
}

/* Texts of Python that are no strings here; see torch_layout.h. */
static int
make_surrogates(struct torch_reader *r, uint32_t ref,
                const struct ckpt_text *text, struct ckpt_value **value)
{
    const struct ckpt_value likes[] = {
        {.kind = CKPT_KIND_BYTES, .as.text = *text},
        {.kind = CKPT_KIND_STRING, .as.text = {"utf-8", 5}},
        {.kind = CKPT_KIND_STRING,
         .as.text = {SDK_TORCH_SURROGATES, strlen(SDK_TORCH_SURROGATES)}}};

    if (!sdk_utf8_surrogates(text->data, text->size_bytes))
        return sdk_torch_fail(r, CKPT_FORMAT, ref,
                              "a string that is not UTF-8");
    return make_called(r, "_codecs", "decode", likes, 3, value);
}

static int
make_text(struct torch_reader *r, uint32_t ref, uint32_t kind,
          struct ckpt_value **value)
{
    struct ckpt_value like = {.kind = kind};
    void *loaded;
    bool utf8;
    int status;

    like.wide = kind == CKPT_KIND_INT;
    status = sdk_torch_text(r, ref, &like.as.text, &loaded);
    if (status != CKPT_OK)
        return status;
    utf8 = kind != CKPT_KIND_STRING ||
           sdk_utf8_valid(like.as.text.data, like.as.text.size_bytes);
    if (!utf8 && sdk_pickled_kind(r->pickled, ref) == SDK_PICKLED_STR)
        like.kind = CKPT_KIND_BYTES;
    else if (!utf8)
        status = make_surrogates(r, ref, &like.as.text, value);
    if (utf8 || like.kind == CKPT_KIND_BYTES)
        status = sdk_torch_value(r, &like, value);
    r->host->release(r->host, loaded);
    return status;
}

static int
make_collection(struct torch_reader *r, uint32_t ref, struct ckpt_value **value,
                bool *fresh)
{
    struct ckpt_value list = {.kind = CKPT_KIND_LIST};
    struct ckpt_value bytes = {.kind = CKPT_KIND_BYTES};
    void *loaded;
    int status;

    switch (sdk_pickled_kind(r->pickled, ref)) {
    case SDK_PICKLED_BYTEARRAY:
        status = sdk_torch_text(r, ref, &bytes.as.text, &loaded);
        if (status == CKPT_OK)
            status = make_called(r, "builtins", "bytearray", &bytes, 1, value);
        r->host->release(r->host, loaded);
        return status;
    case SDK_PICKLED_SET:
        *fresh = true;
        return make_called(r, "builtins", "set", &list, 1, value);
    default:
        *fresh = true;
        return make_called(r, "builtins", "frozenset", &list, 1, value);
    }
}

static int
check_name(struct torch_reader *r, const struct torch_name *name, uint32_t ref)
{
    if (!sdk_utf8_valid(name->module, strlen(name->module)) ||
        !sdk_utf8_valid(name->name, strlen(name->name)))
        return sdk_torch_fail(r, CKPT_FORMAT, ref, "a name that is not UTF-8");
    return CKPT_OK;
}

static int
make_global(struct torch_reader *r, uint32_t ref, struct ckpt_value **value)
{
    const struct torch_name *name = sdk_torch_name_of(r, ref);
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
    return status == CKPT_OK ? sdk_torch_value(r, &like, value) : status;
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
    uint32_t callee = sdk_torch_class(r, call.callee);
    int status = CKPT_OK;

    if (depth > CALLEE_DEPTH_MAX)
        return sdk_torch_fail(r, CKPT_LIMIT, ref, "calls nest too deep");
    if (sdk_pickled_kind(r->pickled, callee) == SDK_PICKLED_GLOBAL) {
        object.module = sdk_torch_name_of(r, callee)->module;
        object.name = sdk_torch_name_of(r, callee)->name;
        status = check_name(r, sdk_torch_name_of(r, callee), ref);
    } else {
        status = sdk_torch_value_of(r, callee, depth + 1, &part);
        object.callee = part;
    }
    if (status == CKPT_OK) {
        status = sdk_torch_value_of(r, call.args, depth + 1, &part);
        object.args = part;
    }
    if (status == CKPT_OK && call.kwargs != SDK_PICKLED_NOTHING) {
        status = sdk_torch_value_of(r, call.kwargs, depth + 1, &part);
        object.kwargs = part;
    }
    like.as.object = &object;
    return status == CKPT_OK ? sdk_torch_value(r, &like, value) : status;
}

/* What Python 2 calls OrderedDict with: [[key, value], ...]. */
static bool
is_pair_list(struct torch_reader *r, uint32_t ref)
{
    struct sdk_pickled_list list;
    uint32_t i, kind;

    if (sdk_pickled_kind(r->pickled, ref) != SDK_PICKLED_LIST)
        return false;
    list = sdk_pickled_list(r->pickled, ref);
    r->steps += list.count;
    for (i = 0; i < list.count; i++) {
        kind = sdk_pickled_kind(r->pickled, list.refs[i]);
        if ((kind != SDK_PICKLED_LIST && kind != SDK_PICKLED_TUPLE) ||
            sdk_pickled_list(r->pickled, list.refs[i]).count != 2)
            return false;
    }
    return true;
}

/* An OrderedDict is a map if its state can be attributes. */
static bool
is_ordered_map(struct torch_reader *r, const struct sdk_pickled_call *call)
{
    struct sdk_pickled_list args = sdk_pickled_list(r->pickled, call->args);

    if (args.count > 1 || (args.count == 1 && !is_pair_list(r, args.refs[0])))
        return false;
    return call->items.count == 0 && (call->state == SDK_PICKLED_NOTHING ||
                                      sdk_torch_is_attrs(r, call->state));
}

/* The map of a sparse or nested tensor. */
static int
make_parts(struct torch_reader *r, uint32_t ref, struct ckpt_value **value,
           bool *fresh)
{
    struct ckpt_value like = {.kind = CKPT_KIND_MAP};
    struct sdk_pickled_list parts;
    const struct sdk_torch_layout *layout = sdk_torch_parts(r, ref, &parts);

    if (layout == NULL)
        return CKPT_END;
    *fresh = true;
    like.type_name = layout->type_name;
    return sdk_torch_value(r, &like, value);
}

static int
make_call(struct torch_reader *r, uint32_t ref, unsigned depth,
          struct ckpt_value **value, bool *fresh)
{
    struct ckpt_value like = {.kind = CKPT_KIND_MAP,
                              .type_name = "collections.OrderedDict"};
    struct sdk_pickled_call call;
    uint32_t known = sdk_torch_known_call(r, ref), state = SDK_PICKLED_NOTHING;
    int status = CKPT_END;

    if (sdk_torch_known_tensor(r, ref) != TORCH_UNKNOWN) {
        status = sdk_torch_tensor_new(r, ref, &state, value);
        *fresh = state != SDK_PICKLED_NOTHING;
    } else if (known == TORCH_LOAD_BYTES) {
        status = sdk_torch_loaded_new(r, ref, value);
    } else if (known == TORCH_TUPLE) {
        status = sdk_torch_named_array(r, ref, value);
    } else if (sdk_torch_is_array(known)) {
        status = sdk_torch_array_new(r, ref, known, value);
    } else if (known == TORCH_REBUILD_SPARSE || known == TORCH_REBUILD_NESTED) {
        status = make_parts(r, ref, value, fresh);
    } else if (known == TORCH_ORDERED_DICT) {
        call = sdk_pickled_call(r->pickled, ref);
        if (is_ordered_map(r, &call)) {
            *fresh = true;
            status = sdk_torch_value(r, &like, value);
        }
    } else if (known != TORCH_UNKNOWN) {
        status = sdk_torch_scalar_call(r, ref, known, value);
    }
    if (status != CKPT_END)
        return status;
    *fresh = true;
    return make_object(r, ref, depth, value);
}

/* A whole model is a map, for the walk to fill. */
static int
make_made(struct torch_reader *r, uint32_t ref, unsigned depth,
          struct ckpt_value **value, bool *fresh)
{
    struct ckpt_value like = {.kind = CKPT_KIND_MAP,
                              .type_name = "collections.OrderedDict"};
    struct torch_module module;

    if (!sdk_torch_module_find(r, ref, &module))
        return make_call(r, ref, depth, value, fresh);
    *fresh = true;
    return sdk_torch_value(r, &like, value);
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
    return sdk_torch_value(r, &like, value);
}

static int
make_storage(struct torch_reader *r, uint32_t ref, struct ckpt_value **value)
{
    int status = sdk_torch_storage_object(r, ref, value);

    if (status == CKPT_OK && (*value)->kind != CKPT_KIND_TENSOR)
        sdk_torch_tell_storage(r, ref);
    return status;
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
    case SDK_PICKLED_NEW:
        return make_made(r, ref, depth, value, fresh);
    case SDK_PICKLED_PERSISTENT:
        return make_storage(r, ref, value);
    default:
        return make_plain(r, ref, value, fresh);
    }
}
