/* SPDX-License-Identifier: MIT
 *
 * The transforms `rename` and `rename-map`: other names for tensors, by a
 * substitution or by a list. A name is the keys from the root; what changes is
 * the last key, so a tensor stays in the map that it is in. Where an optimizer
 * stores the names of its parameters, it follows.
 */
#include "ckpt/plugin.h"

#include <string.h>

#include "graph_each.h"
#include "hash_table.h"
#include "optimizer_slots.h"
#include "pairs.h"
#include "pattern.h"
#include "torch_layout.h"

/* One line of a list. */
struct renamed {
    struct renamed *next;
    char *from, *to;
    bool used;
};

struct rename {
    const struct ckpt_host *host;
    struct ckpt_edits *edits;
    struct sdk_substitution *substitution; /* of `rename` */
    struct renamed *list, **list_end;      /* of `rename-map` */
    struct sdk_table by_name;              /* addresses of the above */
    struct sdk_optimizers optimizers;
};

static void
rename_close(const struct ckpt_host *host, void *self)
{
    struct rename *rename = self;
    struct renamed *next, *line = rename->list;

    for (; line != NULL; line = next) {
        next = line->next;
        host->release(host, line->from);
        host->release(host, line->to);
        host->release(host, line);
    }
    sdk_table_fini(host, &rename->by_name);
    sdk_substitution_free(host, rename->substitution);
    sdk_optimizers_fini(host, &rename->optimizers);
    host->release(host, rename);
}

static int
rename_open(const struct ckpt_host *host, const char *argument,
            const struct ckpt_option_value *options, void **self)
{
    struct rename *rename = host->allocate(host, sizeof *rename);
    int status;

    (void)options;
    if (rename == NULL)
        return CKPT_MEMORY;
    status = sdk_substitution_new(host, argument, &rename->substitution);
    if (status != CKPT_OK)
        rename_close(host, rename);
    else
        *self = rename;
    return status;
}

/* ---- The list ---- */

static char *
text_copy(const struct ckpt_host *host, const char *text)
{
    char *copy = host->allocate(host, strlen(text) + 1);

    if (copy != NULL)
        memcpy(copy, text, strlen(text) + 1);
    return copy;
}

static int
list_take(void *context, const char *from, const char *to, size_t number)
{
    struct rename *rename = context;
    const struct ckpt_host *host = rename->host;
    struct renamed *line = host->allocate(host, sizeof *line);
    uint64_t *found;
    bool added;

    if (line == NULL)
        return CKPT_MEMORY;
    *rename->list_end = line;
    rename->list_end = &line->next;
    line->from = text_copy(host, from);
    line->to = text_copy(host, to);
    if (line->from == NULL || line->to == NULL)
        return CKPT_MEMORY;
    found = sdk_table_add(host, &rename->by_name, line->from,
                          strlen(line->from), &added);
    if (found == NULL)
        return CKPT_MEMORY;
    if (!added)
        return host->fail(host, CKPT_OPTION, NULL, CKPT_NOWHERE,
                          "line %zu: '%.200s' is there twice", number, from);
    *found = (uintptr_t)line;
    return CKPT_OK;
}

static int
list_open(const struct ckpt_host *host, const char *argument,
          const struct ckpt_option_value *options, void **self)
{
    struct rename *rename = host->allocate(host, sizeof *rename);
    int status;

    (void)argument;
    if (rename == NULL)
        return CKPT_MEMORY;
    rename->host = host;
    rename->list_end = &rename->list;
    status = sdk_pairs_read(host, options->source, list_take, rename);
    if (status != CKPT_OK)
        rename_close(host, rename);
    else
        *self = rename;
    return status;
}

/* ---- New names ---- */

static int
name_find(struct rename *rename, const struct ckpt_text *name,
          struct ckpt_text *renamed)
{
    uint64_t *found;
    struct renamed *line;

    *renamed = *name;
    if (rename->substitution != NULL)
        return sdk_substitution_apply(rename->host, rename->substitution, name,
                                      renamed);
    found = sdk_table_find(&rename->by_name, name->data, name->size_bytes);
    if (found == NULL)
        return CKPT_OK;
    line = (struct renamed *)(uintptr_t)*found;
    line->used = true;
    renamed->data = line->to;
    renamed->size_bytes = strlen(line->to);
    return CKPT_OK;
}

/* Whether both begin with the same bytes, up to the last key. */
static bool
same_map(const struct ckpt_text *name, const struct ckpt_text *renamed,
         size_t key_bytes)
{
    size_t above = name->size_bytes - key_bytes;

    return renamed->size_bytes > above &&
           memcmp(name->data, renamed->data, above) == 0;
}

/* Whether it is in an optimizer: what is above its last key is a number there,
 * or follows a parameter. */
static bool
name_follows(const struct rename *rename, const struct ckpt_spot *spot)
{
    return sdk_optimizer_around(&rename->optimizers, spot->owner) != NULL;
}

static int
key_rename(struct rename *rename, const struct ckpt_spot *spot, const char *key,
           size_t key_bytes)
{
    int status = rename->host->edit_rename(
        rename->host, rename->edits, spot->owner, spot->index, key, key_bytes);

    if (status == CKPT_OK)
        status = sdk_slots_rename(rename->host, &rename->optimizers,
                                  spot->owner, spot->index, key, key_bytes);
    return status;
}

/* Whether it is part of what a quantised tensor means, and follows that. */
static bool
is_scale(const struct ckpt_spot *spot)
{
    return spot->owner != NULL && spot->owner->type_name != NULL &&
           strcmp(spot->owner->type_name, SDK_TORCH_PER_CHANNEL) == 0;
}

static int
entry_rename(struct rename *rename, const struct ckpt_entry *entry,
             const struct ckpt_spot *spot)
{
    const struct ckpt_host *host = rename->host;
    const struct ckpt_value *key;
    struct ckpt_text renamed;
    size_t above;
    int status = name_find(rename, &entry->name, &renamed);

    if (status != CKPT_OK || renamed.data == entry->name.data || is_scale(spot))
        return status;
    if (spot->owner == NULL || spot->owner->kind != CKPT_KIND_MAP)
        return host->fail(host, CKPT_UNSUPPORTED, entry->name.data,
                          CKPT_NOWHERE, "only what is in a map has a name");
    key = spot->owner->as.map.pairs[spot->index].key;
    if (key->kind != CKPT_KIND_STRING)
        return host->fail(host, CKPT_UNSUPPORTED, entry->name.data,
                          CKPT_NOWHERE, "its key is no string");
    if (!same_map(&entry->name, &renamed, key->as.text.size_bytes) &&
        name_follows(rename, spot))
        return CKPT_OK;
    if (!same_map(&entry->name, &renamed, key->as.text.size_bytes))
        return host->fail(
            host, CKPT_UNSUPPORTED, entry->name.data, CKPT_NOWHERE,
            "as '%.*s' it would leave its map, or have no key",
            (int)(renamed.size_bytes < 200 ? renamed.size_bytes : 200),
            renamed.data);
    above = entry->name.size_bytes - key->as.text.size_bytes;
    return key_rename(rename, spot, renamed.data + above,
                      renamed.size_bytes - above);
}

/* Names that an optimizer stores while no map beside it holds its parameters:
 * they are renamed by themselves. */
static int
stored_rename(struct rename *rename, const struct sdk_optimizer *optimizer)
{
    struct ckpt_text renamed;
    struct sdk_slot *slot = optimizer->slots;
    int status = CKPT_OK;
    size_t i;

    if (!optimizer->known || !optimizer->stored || optimizer->weights != NULL)
        return CKPT_OK;
    for (i = 0; i < optimizer->slot_count && status == CKPT_OK; i++, slot++) {
        status = name_find(rename, slot->name, &renamed);
        if (status == CKPT_OK && renamed.data != slot->name->data)
            status = sdk_slot_rename(rename->host, slot, renamed.data,
                                     renamed.size_bytes);
    }
    return status;
}

static int
optimizers_rename(struct rename *rename)
{
    int status = CKPT_OK;
    size_t i;

    for (i = 0; i < rename->optimizers.count && status == CKPT_OK; i++)
        status = stored_rename(rename, &rename->optimizers.items[i]);
    if (status == CKPT_OK)
        status =
            sdk_slots_edit(rename->host, rename->edits, &rename->optimizers);
    return status;
}

/* ---- The modules beside a state dict ---- */

/* The new name of a module: what its parameters' names come to begin with. */
static int
module_rename(struct rename *rename, const struct ckpt_value *metadata,
              size_t index)
{
    const struct ckpt_value *key = metadata->as.map.pairs[index].key;
    const struct ckpt_host *host = rename->host;
    struct ckpt_text name, renamed;
    char *dotted;
    int status;

    if (key->kind != CKPT_KIND_STRING || key->as.text.size_bytes == 0)
        return CKPT_OK;
    dotted = host->allocate(host, key->as.text.size_bytes + 2);
    if (dotted == NULL)
        return CKPT_MEMORY;
    memcpy(dotted, key->as.text.data, key->as.text.size_bytes);
    dotted[key->as.text.size_bytes] = '.';
    name.data = dotted;
    name.size_bytes = key->as.text.size_bytes + 1;
    status = name_find(rename, &name, &renamed);
    if (status == CKPT_OK && renamed.data != dotted && renamed.size_bytes > 1 &&
        renamed.data[renamed.size_bytes - 1] == '.')
        status = host->edit_rename(host, rename->edits, metadata, index,
                                   renamed.data, renamed.size_bytes - 1);
    host->release(host, dotted);
    return status;
}

/* The state dict at the root alone: the names of others have more in front. */
static int
modules_rename(struct rename *rename, const struct ckpt_graph *graph)
{
    const struct ckpt_value *metadata = sdk_attr_find(graph->root, "_metadata");
    size_t i;
    int status = CKPT_OK;

    if (metadata == NULL || metadata->kind != CKPT_KIND_MAP)
        return CKPT_OK;
    for (i = 0; i < metadata->as.map.count && status == CKPT_OK; i++)
        status = module_rename(rename, metadata, i);
    return status;
}

static int
rename_apply(const struct ckpt_host *host, void *self,
             const struct ckpt_graph *const *graphs, size_t graph_count,
             struct ckpt_edits *edits)
{
    const struct ckpt_graph *graph = graphs[0];
    struct rename *rename = self;
    const struct renamed *line;
    size_t i;
    int status;

    (void)graph_count;
    rename->host = host;
    rename->edits = edits;
    status = sdk_optimizers_find(host, graph, &rename->optimizers);
    for (i = 0; i < graph->entry_count && status == CKPT_OK; i++)
        status = entry_rename(rename, &graph->entries[i], &graph->spots[i]);
    if (status == CKPT_OK)
        status = optimizers_rename(rename);
    if (status == CKPT_OK)
        status = modules_rename(rename, graph);
    for (line = rename->list; line != NULL && status == CKPT_OK;
         line = line->next)
        if (!line->used)
            host->edit_unmatched(host, edits, "no tensor is called '%.200s'",
                                 line->from);
    return status;
}

static const struct ckpt_transform rename_rename = {
    .size = sizeof(struct ckpt_transform),
    .id = "rename",
    .summary = "other names for tensors, by a regular expression",
    .argument = "s/PATTERN/TEMPLATE/FLAGS",
    .open = rename_open,
    .apply = rename_apply,
    .close = rename_close,
};

static const struct ckpt_transform rename_map = {
    .size = sizeof(struct ckpt_transform),
    .id = "rename-map",
    .summary = "other names for tensors, by a list of old and new ones",
    .argument = "FILE",
    .argument_kind = CKPT_OPTION_FILE,
    .open = list_open,
    .apply = rename_apply,
    .close = rename_close,
};

static const struct ckpt_transform *const rename_transforms[] = {
    &rename_rename, &rename_map, NULL};

CKPT_PLUGIN(rename) = {
    .abi = CKPT_ABI,
    .size = sizeof(struct ckpt_plugin),
    .id = "rename",
    .version = "0.1.0",
    .summary = "names of tensors",
    .transforms = rename_transforms,
};
