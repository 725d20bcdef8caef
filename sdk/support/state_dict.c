/* SPDX-License-Identifier: MIT
 *
 * Guessing, by the names that are usual.
 */
#include "state_dict.h"

#include <string.h>

#define LEVELS_MAX 8 /* of wrapping that are looked through */

static bool
holds_tensors(const struct ckpt_value *value)
{
    size_t i;

    if (value->kind != CKPT_KIND_MAP)
        return false;
    for (i = 0; i < value->as.map.count; i++)
        if (value->as.map.pairs[i].key->kind == CKPT_KIND_STRING &&
            value->as.map.pairs[i].value->kind == CKPT_KIND_TENSOR)
            return true;
    return false;
}

/* What is under the first of the usual names that is there. */
static const struct ckpt_value *
usual_child(const struct ckpt_value *map)
{
    static const char *const usual[] = {
        "state_dict", "model_state_dict", "model",   "net",
        "network",    "module",           "weights", "params"};
    const struct ckpt_pair *pair = map->as.map.pairs;
    size_t i, k;

    for (k = 0; k < sizeof usual / sizeof *usual; k++)
        for (i = 0; i < map->as.map.count; i++)
            if (pair[i].key->kind == CKPT_KIND_STRING &&
                strcmp(pair[i].key->as.text.data, usual[k]) == 0 &&
                pair[i].value->kind == CKPT_KIND_MAP)
                return pair[i].value;
    return NULL;
}

/* The one map of tensors, or NULL if there are none or several. */
static const struct ckpt_value *
only_child(const struct ckpt_value *map)
{
    const struct ckpt_value *found = NULL, *value;
    size_t i;

    for (i = 0; i < map->as.map.count; i++) {
        value = map->as.map.pairs[i].value;
        if (!holds_tensors(value) || value == found)
            continue;
        if (found != NULL)
            return NULL;
        found = value;
    }
    return found;
}

const struct ckpt_value *
sdk_state_dict_find(const struct ckpt_value *value)
{
    const struct ckpt_value *child;
    int level;

    for (level = 0; level < LEVELS_MAX; level++) {
        if (value->kind != CKPT_KIND_MAP || holds_tensors(value))
            break;
        child = usual_child(value);
        value = child != NULL ? child : only_child(value);
        if (value == NULL)
            return NULL;
    }
    return holds_tensors(value) ? value : NULL;
}

/* The bytes of the wrapper that a text begins with, or 0. */
static size_t
wrapper_bytes(const char *text, size_t length)
{
    static const char *const wrappers[] = {"module.", "_orig_mod.",
                                           "_fsdp_wrapped_module.",
                                           "_checkpoint_wrapped_module."};
    size_t i, bytes;

    for (i = 0; i < sizeof wrappers / sizeof *wrappers; i++) {
        bytes = strlen(wrappers[i]);
        if (bytes <= length && memcmp(text, wrappers[i], bytes) == 0)
            return bytes;
    }
    return 0;
}

/* What wrappers of modules, one in the other, have put before a key. */
size_t
sdk_wrapped_bytes(const struct ckpt_text *key)
{
    size_t more, bytes = 0;

    do {
        more = wrapper_bytes(key->data + bytes, key->size_bytes - bytes);
        bytes += more;
    } while (more > 0);
    return bytes;
}

size_t
sdk_wrapped_common(const char *wrappers, size_t bytes,
                   const struct ckpt_text *name)
{
    const char *dot;

    while (bytes > 0 && (name->size_bytes < bytes ||
                         memcmp(name->data, wrappers, bytes) != 0)) {
        dot = memrchr(wrappers, '.', bytes - 1);
        bytes = dot != NULL ? (size_t)(dot - wrappers) + 1 : 0;
    }
    return bytes;
}

size_t
sdk_wrapper_of(const struct ckpt_value *map, const char **wrapper)
{
    const struct ckpt_pair *pair = map->as.map.pairs;
    size_t i, bytes = 0;

    for (i = 0; i < map->as.map.count; i++) {
        if (pair[i].key->kind != CKPT_KIND_STRING)
            return 0;
        bytes = i == 0 ? sdk_wrapped_bytes(&pair->key->as.text)
                       : sdk_wrapped_common(pair->key->as.text.data, bytes,
                                            &pair[i].key->as.text);
        if (bytes == 0)
            return 0;
    }
    if (bytes > 0)
        *wrapper = pair->key->as.text.data;
    return bytes;
}
