/* SPDX-License-Identifier: MIT
 *
 * Reading the side record; its grammar is told in record.c. A record comes
 * from a file and is as hostile as the rest of it.
 */
#include "hub/run/restore.h"

#include <string.h>

#include "hub/run/fit.h"
#include "hub/run/restore_private.h"

int
restore_refuse(struct restore *restore, const char *reason)
{
    if (restore->reason == NULL)
        restore->reason = reason;
    return CKPT_FORMAT;
}

int
restore_expect(struct restore *restore, enum sdk_json_event event)
{
    if (sdk_json_next(&restore->json) == event)
        return CKPT_OK;
    return restore_refuse(restore, restore->json.error != NULL
                                       ? restore->json.error
                                       : "it is not of the known form");
}

int
restore_name(struct restore *restore, const char **name)
{
    struct ckpt_text text;
    int status = restore_text(restore, &text);

    if (status == CKPT_OK && strlen(text.data) != text.size_bytes)
        return restore_refuse(restore, "a name has a NUL in it");
    if (status == CKPT_OK)
        *name = text.data;
    return status;
}

/* Strings without escapes, which nearly all are, need no host. */
int
restore_text(struct restore *restore, struct ckpt_text *text)
{
    const struct sdk_json *json = &restore->json;
    struct ckpt_text found = {json->text, json->text_bytes};
    int status = CKPT_OK;

    restore->scratch.size_bytes = 0;
    if (json->escaped)
        status = sdk_json_text(restore->host, json, &restore->scratch, &found);
    if (status != CKPT_OK)
        return status;
    text->data =
        hub_arena_text(&restore->graph->arena, found.data, found.size_bytes);
    text->size_bytes = found.size_bytes;
    return text->data != NULL ? CKPT_OK : restore->report->status;
}

static int
restore_storages(struct restore *restore)
{
    struct sdk_json *json = &restore->json;
    const char **grown;
    int status = restore_expect(restore, SDK_JSON_ARRAY_BEGIN);

    while (status == CKPT_OK && sdk_json_next(json) == SDK_JSON_OBJECT_BEGIN) {
        grown =
            hub_reallocate(restore->graph->arena.budget, restore->set_devices,
                           (restore->set_count + 1) * sizeof *grown);
        if (grown == NULL)
            return restore->report->status;
        restore->set_devices = grown;
        grown[restore->set_count] = "cpu";
        while (status == CKPT_OK && sdk_json_next(json) == SDK_JSON_KEY) {
            if (!sdk_json_is(json, "device"))
                return restore_refuse(restore, "a storage is malformed");
            status = restore_expect(restore, SDK_JSON_STRING);
            if (status == CKPT_OK)
                status = restore_name(restore, &grown[restore->set_count]);
        }
        restore->set_count++;
    }
    if (status == CKPT_OK && json->event != SDK_JSON_ARRAY_END)
        return restore_refuse(restore, "the storages are malformed");
    return status;
}

/* The names of twins are told as attributes for other readers; here they
 * have served. */
static int
restore_tie(struct restore *restore, const struct ckpt_text *name)
{
    bool added;

    if (hub_table_add(&restore->ties, name->data, name->size_bytes, &added))
        return CKPT_OK;
    return restore->report->status;
}

/* Twins that were written out once more serve other readers alone. */
static int
restore_copy(struct restore *restore, const struct ckpt_text *name)
{
    uint64_t *found =
        hub_table_find(&restore->names, name->data, name->size_bytes);

    if (found == NULL)
        return restore_refuse(restore, "it names a tensor that is not there");
    restore->used[*found] = true;
    return CKPT_OK;
}

/* A list of names, each for `take`. */
static int
restore_names_of(struct restore *restore,
                 int (*take)(struct restore *, const struct ckpt_text *),
                 const char *malformed)
{
    struct ckpt_text name;
    int status = restore_expect(restore, SDK_JSON_ARRAY_BEGIN);

    while (status == CKPT_OK &&
           sdk_json_next(&restore->json) == SDK_JSON_STRING) {
        status = restore_text(restore, &name);
        if (status == CKPT_OK)
            status = take(restore, &name);
    }
    if (status == CKPT_OK && restore->json.event != SDK_JSON_ARRAY_END)
        return restore_refuse(restore, malformed);
    return status;
}

static int
restore_root(struct restore *restore)
{
    struct ckpt_value *root;
    int status;

    sdk_json_next(&restore->json);
    status = restore_node(restore, &root);
    return status == CKPT_OK ? hub_root_set(restore->graph, root) : status;
}

/* The flat graph's attributes, but for the record and the ties; once, when the
 * ties are known. */
static int
restore_copy_attrs(struct restore *restore)
{
    const struct ckpt_attr *attr = restore->flat->attrs;
    size_t ties = 0;
    int status = CKPT_OK;

    if (restore->copied)
        return CKPT_OK;
    restore->copied = true;
    for (; attr != NULL && status == CKPT_OK; attr = attr->next) {
        if (hub_table_find(&restore->ties, attr->name, strlen(attr->name)))
            ties++;
        else if (strcmp(attr->name, HUB_RECORD_NAME) != 0 &&
                 strcmp(attr->name, HUB_FROZEN_NAME) != 0)
            status =
                hub_attr_set(restore->graph, NULL, attr->name, attr->value);
    }
    if (status == CKPT_OK && ties != restore->ties.table.count)
        return restore_refuse(restore, "a tie is not in the metadata");
    return status;
}

/* Which of the record's own keys this is; "version" comes before all. */
static int
restore_key(struct restore *restore)
{
    struct sdk_json *json = &restore->json;
    uint64_t version;
    int status;

    if (sdk_json_is(json, "version")) {
        if (sdk_json_next(json) != SDK_JSON_NUMBER ||
            !sdk_json_u64(json, &version) || version != HUB_RECORD_VERSION)
            return restore_refuse(restore, "its version is not known");
        restore->versioned = true;
        return CKPT_OK;
    }
    if (!restore->versioned)
        return restore_refuse(restore, "its version is not known");
    if (sdk_json_is(json, "storages"))
        return restore_storages(restore);
    if (sdk_json_is(json, "ties"))
        return restore_names_of(restore, restore_tie, "the ties are malformed");
    if (sdk_json_is(json, "copies"))
        return restore_names_of(restore, restore_copy,
                                "the copies are malformed");
    if (sdk_json_is(json, "root"))
        return restore_root(restore);
    if (sdk_json_is(json, "attributes")) {
        status = restore_copy_attrs(restore);
        return status == CKPT_OK ? restore_attrs(restore, NULL) : status;
    }
    return restore_refuse(restore, "it has a key that is not known");
}

static int
restore_all(struct restore *restore)
{
    int status = restore_expect(restore, SDK_JSON_OBJECT_BEGIN);

    while (status == CKPT_OK && sdk_json_next(&restore->json) == SDK_JSON_KEY)
        status = restore_key(restore);
    if (status == CKPT_OK && restore->json.event != SDK_JSON_OBJECT_END)
        return restore_refuse(restore, "it is not of the known form");
    if (status == CKPT_OK)
        status = restore_expect(restore, SDK_JSON_END);
    if (status == CKPT_OK)
        status = restore_copy_attrs(restore);
    if (status == CKPT_OK && restore->graph->public.root == NULL)
        return hub_graph_attributes_check(restore->graph);
    if (status == CKPT_OK)
        status = restore_tensors(restore);
    return status == CKPT_OK ? hub_graph_finish(restore->graph) : status;
}

/* A record of attributes alone leaves the tree as it was described; what the
 * attributes hold has ids beyond those of the tree. */
static void
restore_adopt_tree(struct restore *restore)
{
    struct ckpt_graph *graph = &restore->graph->public;
    struct ckpt_graph made = *graph;

    if (graph->root != NULL)
        return;
    *graph = *restore->flat;
    graph->attrs = made.attrs;
    graph->value_count = made.value_count;
}

/* Turns a refusal into a warning; other failures stand. */
static int
restore_settle(struct restore *restore, int status)
{
    struct hub_report *report = restore->report;

    if (status != CKPT_FORMAT && status != CKPT_CONTRACT)
        return status;
    hub_note(report, CKPT_MESSAGE_WARNING, NULL, CKPT_NOWHERE,
             "the side record '%s' is not used: %s", HUB_RECORD_NAME,
             restore->reason != NULL ? restore->reason : report->text);
    report->status = CKPT_OK;
    report->text[0] = '\0';
    return CKPT_OK;
}

/* The bytes that the file has for tensors. */
static int
restore_stored(struct restore *restore)
{
    const struct ckpt_graph *flat = restore->flat;
    const struct ckpt_storage *storage;
    bool *seen = hub_arena_allocate(&restore->graph->arena,
                                    (size_t)flat->storage_count + 1);
    size_t i;

    if (seen == NULL)
        return restore->report->status;
    for (i = 0; i < flat->entry_count; i++) {
        storage = flat->entries[i].value->as.tensor->storage;
        if (!seen[storage->id])
            restore->stored_bytes += storage->size_bytes;
        seen[storage->id] = true;
    }
    return CKPT_OK;
}

/* What of the flat map is not a tensor. */
static int
restore_flat_texts(struct restore *restore)
{
    const struct ckpt_value *root = restore->flat->root, *key;
    uint64_t *number;
    bool added;
    size_t i;

    restore->texts.arena = &restore->graph->arena;
    if (root->kind != CKPT_KIND_MAP)
        return CKPT_OK;
    for (i = 0; i < root->as.map.count; i++) {
        key = root->as.map.pairs[i].key;
        if (key->kind != CKPT_KIND_STRING ||
            root->as.map.pairs[i].value->kind == CKPT_KIND_TENSOR)
            continue;
        number = hub_table_add(&restore->texts, key->as.text.data,
                               key->as.text.size_bytes, &added);
        if (number == NULL)
            return restore->report->status;
        *number = i;
    }
    return CKPT_OK;
}

static int
restore_names(struct restore *restore)
{
    const struct ckpt_entry *entry;
    uint64_t *number;
    bool added;
    size_t i;

    restore->names.arena = &restore->graph->arena;
    restore->ties.arena = &restore->graph->arena;
    restore->used = hub_arena_allocate(&restore->graph->arena,
                                       restore->flat->entry_count + 1);
    if (restore->used == NULL)
        return restore->report->status;
    for (i = 0; i < restore->flat->entry_count; i++) {
        entry = &restore->flat->entries[i];
        number = hub_table_add(&restore->names, entry->name.data,
                               entry->name.size_bytes, &added);
        if (number == NULL)
            return restore->report->status;
        *number = i;
    }
    return CKPT_OK;
}

int
hub_restore(const struct ckpt_host *host, struct hub_graph *described,
            struct hub_graph *restored, const struct ckpt_graph **graph)
{
    const struct ckpt_value *text =
        hub_attr_find(described->public.attrs, HUB_RECORD_NAME);
    struct restore restore = {.host = host,
                              .report = described->report,
                              .flat = &described->public,
                              .graph = restored};
    struct hub_budget *budget = described->arena.budget;
    int status;

    if (text == NULL || text->kind != CKPT_KIND_STRING)
        return CKPT_OK;
    restore.tensors_end = &restore.tensors;
    restored->public.value_count = described->public.value_count;
    sdk_json_init(&restore.json, text->as.text.data, text->as.text.size_bytes);
    restore.json.depth_max = SDK_JSON_DEPTH_ROOM;
    status = restore_names(&restore);
    if (status == CKPT_OK)
        status = restore_flat_texts(&restore);
    if (status == CKPT_OK)
        status = restore_stored(&restore);
    if (status == CKPT_OK)
        status = restore_all(&restore);
    if (status == CKPT_OK) {
        restore_adopt_tree(&restore);
        *graph = &restored->public;
    }
    hub_release(budget, restore.ids);
    hub_release(budget, restore.set_devices);
    sdk_buffer_fini(host, &restore.scratch);
    return restore_settle(&restore, status);
}
