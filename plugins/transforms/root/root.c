/* SPDX-License-Identifier: MIT
 *
 * The transform `root`: a part of the tree becomes the whole.
 */
#include "ckpt/plugin.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "state_dict.h"

#define KEYS_SHOWN 8

static int
root_open(const struct ckpt_host *host, const char *argument,
          const struct ckpt_option_value *options, void **self)
{
    (void)options;
    if (argument[0] == '\0')
        return host->fail(host, CKPT_OPTION, NULL, CKPT_NOWHERE,
                          "the key is empty");
    *self = (void *)(uintptr_t)argument;
    return CKPT_OK;
}

static void
root_close(const struct ckpt_host *host, void *self)
{
    (void)host;
    (void)self;
}

/* ---- By name ---- */

/* The bytes of `path` that the key takes, with the dot behind it; 0: none. A
 * key is a string or a number, as it is in the names of tensors. */
static size_t
key_takes(const struct ckpt_value *key, const char *path)
{
    char number[24];
    const char *text = key->as.text.data;
    size_t length = key->as.text.size_bytes;

    if (key->kind == CKPT_KIND_INT && !key->wide) {
        length = (size_t)snprintf(number, sizeof number, "%" PRId64,
                                  key->as.integer);
        text = number;
    } else if (key->kind != CKPT_KIND_STRING) {
        return 0;
    }
    if (strncmp(path, text, length) != 0 || strlen(path) < length)
        return 0;
    if (path[length] == '\0')
        return length;
    return path[length] == '.' ? length + 1 : 0;
}

static const struct ckpt_value *root_find(const struct ckpt_value *value,
                                          const char *path);

/* A key may have dots in it, so all that fit are tried. */
static const struct ckpt_value *
find_in_map(const struct ckpt_value *map, const char *path)
{
    const struct ckpt_pair *pair = map->as.map.pairs;
    const struct ckpt_value *found = NULL;
    size_t i, taken;

    for (i = 0; i < map->as.map.count && found == NULL; i++) {
        taken = key_takes(pair[i].key, path);
        if (taken > 0)
            found = root_find(pair[i].value, path + taken);
    }
    return found;
}

static const struct ckpt_value *
find_in_list(const struct ckpt_value *list, const char *path)
{
    struct ckpt_value index = {.kind = CKPT_KIND_INT};
    size_t taken, i;

    for (i = 0; i < list->as.list.count; i++) {
        index.as.integer = (int64_t)i;
        taken = key_takes(&index, path);
        if (taken > 0)
            return root_find(list->as.list.items[i], path + taken);
    }
    return NULL;
}

/* The state and the pairs of an object add nothing to a name. */
static const struct ckpt_value *
find_in_object(const struct ckpt_object *object, const char *path)
{
    const struct ckpt_value *found = NULL;

    if (object->state != NULL && object->state->kind == CKPT_KIND_MAP)
        found = find_in_map(object->state, path);
    if (found == NULL && object->pairs != NULL)
        found = find_in_map(object->pairs, path);
    return found;
}

/* Each step takes at least one byte of the path, and so cycles end. */
static const struct ckpt_value *
root_find(const struct ckpt_value *value, const char *path)
{
    if (path[0] == '\0')
        return value;
    if (value->kind == CKPT_KIND_MAP)
        return find_in_map(value, path);
    if (value->kind == CKPT_KIND_LIST || value->kind == CKPT_KIND_TUPLE)
        return find_in_list(value, path);
    if (value->kind == CKPT_KIND_OBJECT)
        return find_in_object(value->as.object, path);
    return NULL;
}

/* The first keys of the root, for whoever named one that is not there. */
static void
keys_show(const struct ckpt_value *root, char *text, size_t room)
{
    const struct ckpt_value *key;
    size_t i, used = 0, shown = 0;

    snprintf(text, room, "no keys");
    if (root->kind != CKPT_KIND_MAP)
        return;
    for (i = 0; i < root->as.map.count && used < room; i++) {
        key = root->as.map.pairs[i].key;
        if (key->kind != CKPT_KIND_STRING)
            continue;
        if (shown++ == KEYS_SHOWN) {
            snprintf(text + used, room - used, ", ...");
            break;
        }
        used += (size_t)snprintf(text + used, room - used, "%s%.40s",
                                 shown > 1 ? ", " : "", key->as.text.data);
    }
}

static int
root_apply(const struct ckpt_host *host, void *self,
           const struct ckpt_graph *const *graphs, size_t graph_count,
           struct ckpt_edits *edits)
{
    const char *path = self;
    const struct ckpt_value *found;
    char keys[400];

    (void)graph_count;
    if (strcmp(path, "auto") == 0)
        found = sdk_state_dict_find(graphs[0]->root);
    else
        found = root_find(graphs[0]->root, path);
    if (found != NULL)
        return host->edit_root(host, edits, found);
    keys_show(graphs[0]->root, keys, sizeof keys);
    if (strcmp(path, "auto") == 0)
        host->edit_unmatched(
            host, edits,
            "which part is the state dict cannot be told; the root has %s",
            keys);
    else
        host->edit_unmatched(host, edits, "there is no '%s'; the root has %s",
                             path, keys);
    return CKPT_OK;
}

static const struct ckpt_transform root_transform = {
    .size = sizeof(struct ckpt_transform),
    .id = "root",
    .summary = "makes the value of that name the whole; auto: the state dict",
    .argument = "NAME|auto",
    .open = root_open,
    .apply = root_apply,
    .close = root_close,
};

static const struct ckpt_transform *const root_transforms[] = {&root_transform,
                                                               NULL};

CKPT_PLUGIN(root) = {
    .abi = CKPT_ABI,
    .size = sizeof(struct ckpt_plugin),
    .id = "root",
    .version = "0.1.0",
    .summary = "a part of the tree as the whole",
    .transforms = root_transforms,
};
