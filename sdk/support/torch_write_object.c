/* SPDX-License-Identifier: MIT
 *
 * Objects, as they were made: a name, a call, a new instance, a storage.
 */
#include "torch_write_walk.h"

#include <string.h>

#include "torch_layout.h"
#include "torch_safe.h"
#include "utf8.h"

/* A call says more than a name, so it is said even after one. */
static bool
torch_walk_unsaid(struct torch_walk *walk, uint32_t word, uint32_t said)
{
    const struct sdk_pickler_word *global = &walk->pickle->words[word];
    uint64_t *before;
    bool added;

    before = sdk_table_add(walk->host, &walk->said, global->text,
                           global->size_bytes, &added);
    if (before == NULL) {
        walk->pickle->status = CKPT_MEMORY;
        return false;
    }
    if (*before >= said)
        return false;
    *before = said;
    return true;
}

uint32_t
sdk_torch_walk_global(struct torch_walk *walk, const char *module,
                      const char *name, uint32_t said)
{
    uint32_t word = sdk_pickler_global_word(walk->pickle, module, name);

    if (walk->pickle->status != CKPT_OK ||
        sdk_torch_safe(module, name) != SDK_TORCH_UNKNOWN ||
        !torch_walk_unsaid(walk, word, said))
        return word;
    if (said == TORCH_SAID_CALL)
        walk->host->warn(walk->host, NULL, CKPT_NOWHERE,
                         "writes a call of '%.60s.%.60s': an unguarded "
                         "torch.load would make it",
                         module, name);
    else
        walk->host->warn(walk->host, NULL, CKPT_NOWHERE,
                         "writes the name '%.60s.%.60s': an unguarded "
                         "torch.load would import it",
                         module, name);
    return word;
}

/* A callee may be a value of its own: the name of a function. */
static void
torch_walk_callee_value(struct torch_walk *walk, const struct ckpt_value *value)
{
    const struct ckpt_object *object =
        value->kind == CKPT_KIND_OBJECT ? value->as.object : NULL;

    if (object != NULL && object->made == CKPT_MADE_NAMED &&
        object->module != NULL && object->name != NULL)
        sdk_torch_walk_global(walk, object->module, object->name,
                              TORCH_SAID_CALL);
    sdk_torch_walk_value(walk, value);
}

static void
torch_walk_callee(struct torch_walk *walk, const struct ckpt_value *value)
{
    const struct ckpt_object *object = value->as.object;

    if (object->callee != NULL)
        torch_walk_callee_value(walk, object->callee);
    else if (object->module != NULL && object->name != NULL)
        sdk_pickler_word(walk->pickle,
                         sdk_torch_walk_global(walk, object->module,
                                               object->name, TORCH_SAID_CALL));
    else
        sdk_torch_walk_fail(walk, CKPT_UNSUPPORTED, value,
                            "an object without a class");
}

static void
torch_walk_args(struct torch_walk *walk, const struct ckpt_value *args)
{
    if (args == NULL)
        sdk_pickler_op(walk->pickle, SDK_OP_EMPTY_TUPLE);
    else if (args->kind != CKPT_KIND_TUPLE)
        sdk_torch_walk_fail(walk, CKPT_UNSUPPORTED, args,
                            "arguments that are no tuple");
    else
        sdk_torch_walk_value(walk, args);
}

/* What is set after the object exists, in pickle's order. */
static void
torch_walk_parts(struct torch_walk *walk, const struct ckpt_object *object)
{
    if (object->items != NULL)
        sdk_torch_walk_items(walk, object->items->as.list.items,
                             object->items->as.list.count, false);
    if (object->pairs != NULL)
        sdk_torch_walk_pairs(walk, object->pairs->as.map.pairs,
                             object->pairs->as.map.count, false);
    if (object->state != NULL) {
        sdk_torch_walk_value(walk, object->state);
        sdk_pickler_op(walk->pickle, SDK_OP_BUILD);
    }
}

/* `callee` and `args` are on the stack. If the object was met again within
 * its own arguments, it is in the memo by now, and this one is dropped. */
static void
torch_walk_make(struct torch_walk *walk, const struct ckpt_value *value,
                uint32_t op)
{
    sdk_pickler_op(walk->pickle, op);
    if (walk->memo[value->id] != 0) {
        sdk_pickler_op(walk->pickle, SDK_OP_POP);
        sdk_pickler_get(walk->pickle, walk->memo[value->id] - 1);
        return;
    }
    sdk_torch_walk_put(walk, value);
    torch_walk_parts(walk, value->as.object);
}

/* A class or function by its name; what is set on it belongs to the name. */
static void
torch_walk_named(struct torch_walk *walk, const struct ckpt_value *value)
{
    const struct ckpt_object *object = value->as.object;
    struct sdk_pickler *pickle = walk->pickle;
    uint32_t word;

    if (object->module == NULL || object->name == NULL) {
        torch_walk_callee(walk, value);
        return;
    }
    word = sdk_torch_walk_global(walk, object->module, object->name,
                                 TORCH_SAID_NAME);
    sdk_pickler_word(pickle, word);
    if (pickle->status == CKPT_OK &&
        (object->items || object->pairs || object->state)) {
        walk->memo[value->id] = pickle->words[word].memo;
        torch_walk_parts(walk, object);
    }
}

/* cls.__new__, as getattr(cls, '__new__'). Returns its place in the memo. */
static uint32_t
torch_walk_maker(struct torch_walk *walk, const struct ckpt_value *value)
{
    struct sdk_pickler *pickle = walk->pickle;

    sdk_pickler_global(pickle, "builtins", "getattr");
    torch_walk_callee(walk, value);
    sdk_pickler_string(pickle, "__new__");
    sdk_pickler_tuple(pickle, 2);
    sdk_pickler_put(pickle);
    sdk_pickler_op(pickle, SDK_OP_REDUCE);
    return sdk_pickler_put(pickle);
}

/* (cls, *args) */
static void
torch_walk_maker_args(struct torch_walk *walk, const struct ckpt_value *value)
{
    const struct ckpt_value *args = value->as.object->args;
    size_t i, count = args == NULL ? 0 : args->as.list.count;

    if (count > 2)
        sdk_pickler_op(walk->pickle, SDK_OP_MARK);
    torch_walk_callee(walk, value);
    for (i = 0; i < count; i++)
        sdk_torch_walk_value(walk, args->as.list.items[i]);
    sdk_pickler_tuple(walk->pickle, count + 1);
    sdk_pickler_put(walk->pickle);
}

/* Protocol 2 has no opcode for __new__ with keywords: it calls
 * functools.partial(cls.__new__, cls, *args, **kwargs). */
static void
torch_walk_new_with_keywords(struct torch_walk *walk,
                             const struct ckpt_value *value)
{
    struct sdk_pickler *pickle = walk->pickle;
    uint32_t maker;

    sdk_pickler_global(pickle, "functools", "partial");
    maker = torch_walk_maker(walk, value);
    sdk_pickler_tuple(pickle, 1);
    sdk_pickler_put(pickle);
    sdk_pickler_op(pickle, SDK_OP_REDUCE);
    sdk_pickler_put(pickle);
    sdk_pickler_op(pickle, SDK_OP_MARK);
    sdk_pickler_get(pickle, maker);
    torch_walk_maker_args(walk, value);
    sdk_torch_walk_value(walk, value->as.object->kwargs);
    sdk_pickler_op(pickle, SDK_OP_NONE);
    sdk_pickler_op(pickle, SDK_OP_TUPLE);
    sdk_pickler_put(pickle);
    sdk_pickler_op(pickle, SDK_OP_BUILD);
    sdk_pickler_op(pickle, SDK_OP_EMPTY_TUPLE);
    torch_walk_make(walk, value, SDK_OP_REDUCE);
}

/* torch names storages by containers, and nothing else in a zip. */
static void
torch_walk_persistent(struct torch_walk *walk, const struct ckpt_value *value)
{
    const struct ckpt_object *object = value->as.object;
    const struct ckpt_value *args = object->args;
    const char *name = object->name;
    size_t size_bytes = name == NULL ? 0 : strlen(name);

    if (size_bytes < 7 || strcmp(name + size_bytes - 7, "Storage") != 0 ||
        args == NULL || args->kind != CKPT_KIND_TUPLE ||
        args->as.list.count == 0 ||
        args->as.list.items[0]->kind != CKPT_KIND_TENSOR) {
        sdk_torch_walk_fail(walk, CKPT_UNSUPPORTED, value,
                            "a persistent object that is no storage");
        return;
    }
    sdk_torch_walk_storage(walk, args->as.list.items[0],
                           strcmp(name, "UntypedStorage") == 0);
}

static bool
is_string(const struct ckpt_value *value, const char *text)
{
    return value->kind == CKPT_KIND_STRING &&
           strcmp(value->as.text.data, text) == 0;
}

/* A text with halves of surrogate pairs is a text in the pickle. */
static bool
torch_walk_surrogates(struct torch_walk *walk, const struct ckpt_value *value)
{
    const struct ckpt_object *object = value->as.object;
    const struct ckpt_value *const *args;

    if (object->made != CKPT_MADE_CALLED || object->callee != NULL ||
        object->args == NULL || object->args->kind != CKPT_KIND_TUPLE ||
        object->args->as.list.count != 3 ||
        strcmp(object->module, "_codecs") != 0 ||
        strcmp(object->name, "decode") != 0)
        return false;
    args = object->args->as.list.items;
    if (args[0]->kind != CKPT_KIND_BYTES || !is_string(args[1], "utf-8") ||
        !is_string(args[2], SDK_TORCH_SURROGATES) ||
        !sdk_utf8_surrogates(args[0]->as.text.data,
                             args[0]->as.text.size_bytes))
        return false;
    sdk_pickler_text(walk->pickle, args[0]->as.text.data,
                     args[0]->as.text.size_bytes);
    sdk_torch_walk_put(walk, value);
    return true;
}

void
sdk_torch_walk_object(struct torch_walk *walk, const struct ckpt_value *value)
{
    const struct ckpt_object *object = value->as.object;

    if (torch_walk_surrogates(walk, value))
        return;
    switch (object->made) {
    case CKPT_MADE_NAMED:
        torch_walk_named(walk, value);
        return;
    case CKPT_MADE_PERSISTENT:
        torch_walk_persistent(walk, value);
        return;
    case CKPT_MADE_NEW:
        if (object->kwargs != NULL && object->kwargs->as.map.count > 0) {
            torch_walk_new_with_keywords(walk, value);
            return;
        }
        break;
    default:
        break;
    }
    torch_walk_callee(walk, value);
    torch_walk_args(walk, object->args);
    torch_walk_make(walk, value,
                    object->made == CKPT_MADE_NEW ? SDK_OP_NEWOBJ
                                                  : SDK_OP_REDUCE);
}
