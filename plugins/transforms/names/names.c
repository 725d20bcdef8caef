/* SPDX-License-Identifier: MIT
 *
 * The transforms `strip-prefix` and `add-prefix`: other keys for the tensors
 * of a state dict, and with them for what torch keeps beside it in the
 * attribute `_metadata`, by module, and where an optimizer stores names.
 */
#include "ckpt/plugin.h"

#include <string.h>

#include "graph_each.h"
#include "optimizer_slots.h"
#include "state_dict.h"

struct names {
    const struct ckpt_host *host;
    struct ckpt_edits *edits;
    const char *prefix;
    size_t prefix_bytes;
    bool finds_prefix; /* strip what wrappers put before all keys */
    struct sdk_optimizers optimizers;
};

static int
names_open(const struct ckpt_host *host, const char *argument, void **self)
{
    struct names *names;

    if (argument[0] == '\0')
        return host->fail(host, CKPT_OPTION, NULL, CKPT_NOWHERE,
                          "the prefix is empty");
    names = host->allocate(host, sizeof *names);
    if (names == NULL)
        return CKPT_MEMORY;
    names->prefix = argument;
    names->prefix_bytes = strlen(argument);
    *self = names;
    return CKPT_OK;
}

static void
names_close(const struct ckpt_host *host, void *self)
{
    struct names *names = self;

    sdk_optimizers_fini(host, &names->optimizers);
    host->release(host, self);
}

static bool
text_begins(const struct ckpt_value *key, const char *prefix, size_t length)
{
    return key->kind == CKPT_KIND_STRING && key->as.text.size_bytes >= length &&
           memcmp(key->as.text.data, prefix, length) == 0;
}

static bool
text_is(const struct ckpt_value *key, const char *text, size_t length)
{
    return text_begins(key, text, length) && key->as.text.size_bytes == length;
}

/* The index of a string key in a map, or its count. */
static size_t
key_find(const struct ckpt_value *map, const char *text, size_t length)
{
    size_t i, count = map->as.map.count;

    for (i = 0; i < count; i++)
        if (text_is(map->as.map.pairs[i].key, text, length))
            break;
    return i;
}

/* The versions of modules, by the module's name; or NULL. */
static const struct ckpt_value *
metadata_of(const struct ckpt_value *map)
{
    const struct ckpt_value *found = sdk_attr_find(map, "_metadata");

    return found != NULL && found->kind == CKPT_KIND_MAP ? found : NULL;
}

static int
key_rename(struct names *names, const struct ckpt_value *map, size_t index,
           const char *key, size_t key_bytes)
{
    int status = names->host->edit_rename(names->host, names->edits, map, index,
                                          key, key_bytes);

    if (status == CKPT_OK)
        status = sdk_slots_rename(names->host, &names->optimizers, map, index,
                                  key, key_bytes);
    return status;
}

/* ---- strip-prefix ---- */

static int
strip_keys(struct names *names, const struct ckpt_value *map)
{
    const struct ckpt_text *key;
    size_t i;
    int status = CKPT_OK;

    for (i = 0; i < map->as.map.count && status == CKPT_OK; i++) {
        if (!text_begins(map->as.map.pairs[i].key, names->prefix,
                         names->prefix_bytes))
            continue;
        key = &map->as.map.pairs[i].key->as.text;
        status = key_rename(names, map, i, key->data + names->prefix_bytes,
                            key->size_bytes - names->prefix_bytes);
    }
    return status;
}

/* The module that the prefix names becomes the outermost one, in the place of
 * its wrapper. */
static int
strip_metadata(struct names *names, const struct ckpt_value *map)
{
    const struct ckpt_host *host = names->host;
    size_t length = names->prefix_bytes - 1, module, wrapper;
    int status = strip_keys(names, map);

    if (status != CKPT_OK || names->prefix[length] != '.')
        return status;
    module = key_find(map, names->prefix, length);
    wrapper = key_find(map, "", 0);
    if (module == map->as.map.count)
        return CKPT_OK;
    status = host->edit_rename(host, names->edits, map, module, "", 0);
    if (status == CKPT_OK && wrapper < map->as.map.count)
        status = host->edit_drop(host, names->edits, map, wrapper);
    return status;
}

/* Whether a tensor of the map has the prefix in its key. */
static bool
strip_applies(const struct names *names, const struct ckpt_value *map)
{
    const struct ckpt_pair *pair = map->as.map.pairs;
    size_t i;

    for (i = 0; i < map->as.map.count; i++, pair++)
        if (pair->value->kind == CKPT_KIND_TENSOR &&
            text_begins(pair->key, names->prefix, names->prefix_bytes))
            return true;
    return false;
}

/* The longest run of wrappers that every key of a map has. */
static void
prefix_find(struct names *names, const struct ckpt_value *map)
{
    names->prefix_bytes = sdk_wrapper_of(map, &names->prefix);
}

/* ---- Names that an optimizer stores ----
 *
 * Where a map beside it holds the parameters, they follow its keys. */

static bool
slot_begins(const struct sdk_slot *slot, const char *prefix, size_t length)
{
    return slot->name->size_bytes >= length &&
           memcmp(slot->name->data, prefix, length) == 0;
}

static void
stored_prefix(struct names *names, const struct sdk_optimizer *optimizer)
{
    size_t i;

    if (optimizer->slot_count == 0)
        return;
    names->prefix = optimizer->slots[0].name->data;
    names->prefix_bytes = sdk_wrapped_bytes(optimizer->slots[0].name);
    for (i = 1; i < optimizer->slot_count; i++)
        names->prefix_bytes = sdk_wrapped_common(
            names->prefix, names->prefix_bytes, optimizer->slots[i].name);
}

static int
strip_stored(struct names *names)
{
    const struct sdk_optimizer *optimizer = names->optimizers.items;
    struct sdk_slot *slot;
    size_t i, j;
    int status = CKPT_OK;

    for (i = 0; i < names->optimizers.count; i++, optimizer++) {
        if (!optimizer->known || !optimizer->stored ||
            optimizer->weights != NULL)
            continue;
        if (names->finds_prefix)
            stored_prefix(names, optimizer);
        slot = optimizer->slots;
        for (j = 0; j < optimizer->slot_count && status == CKPT_OK; j++, slot++)
            if (names->prefix_bytes > 0 &&
                slot_begins(slot, names->prefix, names->prefix_bytes))
                status = sdk_slot_rename(
                    names->host, slot, slot->name->data + names->prefix_bytes,
                    slot->name->size_bytes - names->prefix_bytes);
    }
    return status;
}

static int
strip_visit(void *context, const struct ckpt_value *value)
{
    struct names *names = context;
    const struct ckpt_value *metadata;
    int status;

    if (value->kind != CKPT_KIND_MAP)
        return CKPT_OK;
    if (names->finds_prefix)
        prefix_find(names, value);
    if (names->prefix_bytes == 0 || !strip_applies(names, value))
        return CKPT_OK;
    metadata = metadata_of(value);
    status = strip_keys(names, value);
    if (status == CKPT_OK && metadata != NULL)
        status = strip_metadata(names, metadata);
    return status;
}

static int
strip_open(const struct ckpt_host *host, const char *argument,
           const struct ckpt_option_value *options, void **self)
{
    int status = names_open(host, argument, self);

    (void)options;
    if (status == CKPT_OK)
        ((struct names *)*self)->finds_prefix = strcmp(argument, "auto") == 0;
    return status;
}

static int
strip_apply(const struct ckpt_host *host, void *self,
            const struct ckpt_graph *const *graphs, size_t graph_count,
            struct ckpt_edits *edits)
{
    struct names *names = self;
    int status;

    (void)graph_count;
    names->host = host;
    names->edits = edits;
    status = sdk_optimizers_find(host, graphs[0], &names->optimizers);
    if (status == CKPT_OK)
        status = sdk_graph_each(host, graphs[0], strip_visit, names);
    if (status == CKPT_OK)
        status = strip_stored(names);
    if (status == CKPT_OK)
        status = sdk_slots_edit(host, edits, &names->optimizers);
    return status;
}

/* ---- add-prefix ---- */

static int
add_open(const struct ckpt_host *host, const char *argument,
         const struct ckpt_option_value *options, void **self)
{
    (void)options;
    return names_open(host, argument, self);
}

/* A new key: the prefix, or the module that it names for the outermost one of
 * the metadata. */
static int
add_key(struct names *names, const struct ckpt_value *map, size_t index,
        bool is_module, char *text)
{
    const struct ckpt_text *key = &map->as.map.pairs[index].key->as.text;
    size_t length = names->prefix_bytes + key->size_bytes;

    memcpy(text, names->prefix, names->prefix_bytes);
    memcpy(text + names->prefix_bytes, key->data, key->size_bytes);
    if (is_module && key->size_bytes == 0 && text[length - 1] == '.')
        length--;
    return key_rename(names, map, index, text, length);
}

static int
add_keys(struct names *names, const struct ckpt_value *map, bool are_modules)
{
    const struct ckpt_host *host = names->host;
    const struct ckpt_value *key;
    size_t i, longest = 0;
    char *text;
    int status = CKPT_OK;

    for (i = 0; i < map->as.map.count; i++) {
        key = map->as.map.pairs[i].key;
        if (key->kind == CKPT_KIND_STRING && key->as.text.size_bytes > longest)
            longest = key->as.text.size_bytes;
    }
    text = host->allocate(host, names->prefix_bytes + longest);
    if (text == NULL)
        return CKPT_MEMORY;
    for (i = 0; i < map->as.map.count && status == CKPT_OK; i++)
        if (map->as.map.pairs[i].key->kind == CKPT_KIND_STRING)
            status = add_key(names, map, i, are_modules, text);
    host->release(host, text);
    return status;
}

static bool
add_applies(const struct ckpt_value *root)
{
    size_t i;

    if (root->kind != CKPT_KIND_MAP)
        return false;
    for (i = 0; i < root->as.map.count; i++)
        if (root->as.map.pairs[i].value->kind == CKPT_KIND_TENSOR)
            return true;
    return false;
}

static int
add_apply(const struct ckpt_host *host, void *self,
          const struct ckpt_graph *const *graphs, size_t graph_count,
          struct ckpt_edits *edits)
{
    const struct ckpt_value *metadata, *root = graphs[0]->root;
    struct names *names = self;
    int status;

    (void)graph_count;
    names->host = host;
    names->edits = edits;
    if (!add_applies(root)) {
        host->edit_unmatched(host, edits,
                             "the root is no map of tensors: choose one by "
                             "'root:' first");
        return CKPT_OK;
    }
    metadata = metadata_of(root);
    status = add_keys(names, root, false);
    if (status == CKPT_OK && metadata != NULL)
        status = add_keys(names, metadata, true);
    return status;
}

static const struct ckpt_transform strip_transform = {
    .size = sizeof(struct ckpt_transform),
    .id = "strip-prefix",
    .summary = "takes PREFIX off the keys of tensors that begin with it",
    .argument = "PREFIX|auto",
    .open = strip_open,
    .apply = strip_apply,
    .close = names_close,
};

static const struct ckpt_transform add_transform = {
    .size = sizeof(struct ckpt_transform),
    .id = "add-prefix",
    .summary = "puts PREFIX before every key of the root",
    .argument = "PREFIX",
    .open = add_open,
    .apply = add_apply,
    .close = names_close,
};

static const struct ckpt_transform *const names_transforms[] = {
    &strip_transform, &add_transform, NULL};

CKPT_PLUGIN(names) = {
    .abi = CKPT_ABI,
    .size = sizeof(struct ckpt_plugin),
    .id = "names",
    .version = "0.1.0",
    .summary = "other names for tensors",
    .transforms = names_transforms,
};
