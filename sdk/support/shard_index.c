/* SPDX-License-Identifier: MIT
 *
 * Reading the index of a sharded checkpoint, a JSON file beside its shards:
 *
 *     {"metadata": {"total_size": BYTES, KEY: STRING, ...},
 *      "weight_map": {TENSOR: FILE, ...}}
 *
 * Other members are passed over. Files are plain names in the same folder.
 */
#include "shard_index.h"

#include <stdlib.h>
#include <string.h>

#include "hash_table.h"
#include "json.h"

struct index_parser {
    const struct ckpt_host *host;
    struct sdk_shard_index *index;
    struct sdk_json json;
};

size_t
sdk_shard_mapping_count(const struct sdk_shard_index *index)
{
    return index->mappings.size_bytes / sizeof(struct sdk_shard_mapping);
}

const struct sdk_shard_mapping *
sdk_shard_mapping_at(const struct sdk_shard_index *index, size_t at)
{
    return (const struct sdk_shard_mapping *)(void *)index->mappings.data + at;
}

static int
index_refuse(struct index_parser *p, const char *reason)
{
    sdk_json_refuse(&p->json, reason);
    return p->host->fail(p->host, CKPT_FORMAT, NULL, p->json.at, "index: %s",
                         p->json.error);
}

/* The text of the last event, decoded in its place. */
static struct ckpt_text
index_text(struct index_parser *p)
{
    char *at = p->index->text + (p->json.text - p->index->text);
    struct ckpt_text text = {at, p->json.text_bytes};

    if (p->json.escaped)
        text.size_bytes = sdk_json_unescape(&p->json, at);
    at[text.size_bytes] = '\0';
    return text;
}

static bool
index_is_plain(const struct ckpt_text *name)
{
    const char *p = name->data;

    return name->size_bytes > 0 && strcmp(p, ".") != 0 &&
           strcmp(p, "..") != 0 && strlen(p) == name->size_bytes &&
           strpbrk(p, "/\\") == NULL;
}

static int
index_weight_map(struct index_parser *p)
{
    struct sdk_shard_mapping mapping;
    int status;

    if (sdk_shard_mapping_count(p->index) > 0)
        return index_refuse(p, "weight_map comes twice");
    if (sdk_json_next(&p->json) != SDK_JSON_OBJECT_BEGIN)
        return index_refuse(p, "weight_map is not an object");
    while (sdk_json_next(&p->json) == SDK_JSON_KEY) {
        mapping.tensor = index_text(p);
        if (sdk_json_next(&p->json) != SDK_JSON_STRING)
            return index_refuse(p, "a file name that is not a string");
        mapping.file = index_text(p);
        if (!index_is_plain(&mapping.file))
            return index_refuse(p, "a file name that leads out of the folder");
        status = sdk_buffer_append(p->host, &p->index->mappings, &mapping,
                                   sizeof mapping);
        if (status != CKPT_OK)
            return status;
    }
    if (p->json.event != SDK_JSON_OBJECT_END)
        return index_refuse(p, NULL);
    return CKPT_OK;
}

/* One member of the metadata, whose key has been met. */
static int
index_pair(struct index_parser *p)
{
    bool total = sdk_json_is(&p->json, "total_size");
    struct sdk_shard_pair pair = {.key = index_text(p)};
    enum sdk_json_event event = sdk_json_next(&p->json);

    if (total && event == SDK_JSON_NUMBER)
        p->index->has_total = sdk_json_double(&p->json, &p->index->total_bytes);
    if (total || event != SDK_JSON_STRING)
        return sdk_json_skip(&p->json) ? CKPT_OK : index_refuse(p, NULL);
    pair.value = index_text(p);
    return sdk_buffer_append(p->host, &p->index->pairs, &pair, sizeof pair);
}

static int
index_metadata(struct index_parser *p)
{
    int status = CKPT_OK;

    if (sdk_json_next(&p->json) != SDK_JSON_OBJECT_BEGIN)
        return sdk_json_skip(&p->json) ? CKPT_OK : index_refuse(p, NULL);
    while (status == CKPT_OK && sdk_json_next(&p->json) == SDK_JSON_KEY)
        status = index_pair(p);
    if (status != CKPT_OK)
        return status;
    if (p->json.event != SDK_JSON_OBJECT_END)
        return index_refuse(p, NULL);
    return CKPT_OK;
}

static int
index_object(struct index_parser *p)
{
    int status = CKPT_OK;

    if (sdk_json_next(&p->json) != SDK_JSON_OBJECT_BEGIN)
        return index_refuse(p, "it is not an object");
    while (status == CKPT_OK && sdk_json_next(&p->json) == SDK_JSON_KEY) {
        if (sdk_json_is(&p->json, "weight_map"))
            status = index_weight_map(p);
        else if (sdk_json_is(&p->json, "metadata"))
            status = index_metadata(p);
        else if (!sdk_json_skip(&p->json))
            break;
    }
    if (status != CKPT_OK)
        return status;
    if (p->json.event != SDK_JSON_OBJECT_END ||
        sdk_json_next(&p->json) != SDK_JSON_END)
        return index_refuse(p, NULL);
    if (sdk_shard_mapping_count(p->index) == 0)
        return index_refuse(p, "its weight_map names no tensor");
    return CKPT_OK;
}

int
sdk_shard_index_parse(const struct ckpt_host *host,
                      const struct ckpt_source *source,
                      struct sdk_shard_index *index)
{
    struct index_parser parser = {.host = host, .index = index};
    uint64_t size = host->source_size(host, source);
    int status;

    if (size > SDK_SHARD_INDEX_MAX)
        return host->fail(host, CKPT_LIMIT, NULL, 0,
                          "an index of %llu bytes; at most %llu are read",
                          (unsigned long long)size,
                          (unsigned long long)SDK_SHARD_INDEX_MAX);
    index->size_bytes = size;
    index->text = host->allocate(host, (size_t)size + 1);
    if (index->text == NULL)
        return CKPT_MEMORY;
    status = host->source_read(host, source, 0, index->text, (size_t)size);
    if (status != CKPT_OK)
        return status;
    sdk_json_init(&parser.json, index->text, (size_t)size);
    return index_object(&parser);
}

void
sdk_shard_index_fini(const struct ckpt_host *host,
                     struct sdk_shard_index *index)
{
    host->release(host, index->text);
    sdk_buffer_fini(host, &index->mappings);
    sdk_buffer_fini(host, &index->pairs);
    memset(index, 0, sizeof *index);
}

static int
compare_names(const void *left, const void *right)
{
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

int
sdk_shard_index_files(const struct ckpt_host *host,
                      const struct sdk_shard_index *index,
                      struct sdk_buffer *files)
{
    const struct ckpt_text *file;
    struct sdk_table seen = {0};
    size_t i;
    bool added;
    int status = CKPT_OK;

    for (i = 0; i < sdk_shard_mapping_count(index); i++) {
        file = &sdk_shard_mapping_at(index, i)->file;
        if (sdk_table_add(host, &seen, file->data, file->size_bytes, &added) ==
            NULL)
            status = CKPT_MEMORY;
        else if (added)
            status =
                sdk_buffer_append(host, files, &file->data, sizeof file->data);
        if (status != CKPT_OK)
            break;
    }
    sdk_table_fini(host, &seen);
    if (status == CKPT_OK)
        qsort(files->data, files->size_bytes / sizeof(const char *),
              sizeof(const char *), compare_names);
    return status;
}

bool
sdk_shard_index_is(const struct ckpt_span *head, struct ckpt_text *file)
{
    struct sdk_json json;

    sdk_json_init(&json, head->data, head->size_bytes);
    if (sdk_json_next(&json) != SDK_JSON_OBJECT_BEGIN)
        return false;
    while (sdk_json_next(&json) == SDK_JSON_KEY) {
        if (!sdk_json_is(&json, "weight_map")) {
            sdk_json_skip(&json);
            continue;
        }
        if (sdk_json_next(&json) != SDK_JSON_OBJECT_BEGIN ||
            sdk_json_next(&json) != SDK_JSON_KEY ||
            sdk_json_next(&json) != SDK_JSON_STRING)
            return false;
        file->data = json.text;
        file->size_bytes = json.text_bytes;
        return true;
    }
    return false;
}
