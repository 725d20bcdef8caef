/* SPDX-License-Identifier: MIT
 *
 * All files that the index names are read, in the order of their names, into
 * one graph. A cursor's key has the file's number above the object's.
 */
#include "hdf5_shards.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hdf5_file.h"
#include "hdf5_graph.h"
#include "json.h"

#define HEAD_BYTES ((size_t)4096)
#define INDEX_MAX (UINT64_C(64) << 20)
#define FILES_MAX 100000
#define KEY_BITS 32

struct shards {
    const struct ckpt_host *host;
    const struct ckpt_source *source;
    struct sdk_buffer text;  /* of the index */
    struct sdk_buffer names; /* const char *: files, each once, sorted */
    struct hdf5_file *files;
    size_t file_count;
};

/* ---- The index ---- */

struct parser {
    struct shards *shards;
    struct sdk_json json;
};

static int
index_refuse(struct parser *p, const char *reason)
{
    const struct ckpt_host *host = p->shards->host;

    sdk_json_refuse(&p->json, reason);
    return host->fail(host, CKPT_FORMAT, NULL, p->json.at, "index: %s",
                      p->json.error);
}

/* The name of a file, decoded in its place; it ends before its quote. */
static int
index_name(struct parser *p)
{
    struct shards *shards = p->shards;
    char *name =
        (char *)shards->text.data + (p->json.text - (char *)shards->text.data);
    size_t size = sdk_json_unescape(&p->json, name);

    if (memchr(name, '\0', size) != NULL)
        return index_refuse(p, "a name with a zero byte");
    if (shards->names.size_bytes / sizeof name >= FILES_MAX)
        return index_refuse(p, "more than 100000 files");
    name[size] = '\0';
    return sdk_buffer_append(shards->host, &shards->names, &name, sizeof name);
}

/* A name or a list of them. */
static int
index_names(struct parser *p)
{
    enum sdk_json_event event = sdk_json_next(&p->json);
    int status = CKPT_OK;

    if (event == SDK_JSON_STRING)
        return index_name(p);
    if (event != SDK_JSON_ARRAY_BEGIN)
        return index_refuse(p, "a group without a file");
    while (status == CKPT_OK &&
           (event = sdk_json_next(&p->json)) == SDK_JSON_STRING)
        status = index_name(p);
    if (status == CKPT_OK && event != SDK_JSON_ARRAY_END)
        return index_refuse(p, "a file without a name");
    return status;
}

static int
index_map(struct parser *p)
{
    int status = CKPT_OK;

    if (sdk_json_next(&p->json) != SDK_JSON_OBJECT_BEGIN)
        return index_refuse(p, "weight_map is not a map");
    while (status == CKPT_OK && sdk_json_next(&p->json) == SDK_JSON_KEY)
        status = index_names(p);
    if (status == CKPT_OK && p->json.event != SDK_JSON_OBJECT_END)
        return index_refuse(p, "weight_map is not a map");
    return status;
}

static int
index_parse(struct parser *p)
{
    enum sdk_json_event event;
    bool found = false;
    int status = CKPT_OK;

    if (sdk_json_next(&p->json) != SDK_JSON_OBJECT_BEGIN)
        return index_refuse(p, "not a map");
    while ((event = sdk_json_next(&p->json)) == SDK_JSON_KEY) {
        if (!sdk_json_is(&p->json, "weight_map")) {
            sdk_json_skip(&p->json);
            continue;
        }
        found = true;
        status = index_map(p);
        if (status != CKPT_OK)
            return status;
    }
    if (event != SDK_JSON_OBJECT_END || sdk_json_next(&p->json) != SDK_JSON_END)
        return index_refuse(p, "not a map");
    return found ? CKPT_OK : index_refuse(p, "there is no weight_map");
}

static int
compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void
index_sort(struct shards *shards)
{
    const char **names = (const char **)(void *)shards->names.data;
    size_t count = shards->names.size_bytes / sizeof *names, i, kept = 0;

    if (count > 0)
        qsort(names, count, sizeof *names, compare_names);
    for (i = 0; i < count; i++)
        if (kept == 0 || strcmp(names[kept - 1], names[i]) != 0)
            names[kept++] = names[i];
    shards->names.size_bytes = kept * sizeof *names;
}

static int
index_read(struct shards *shards)
{
    const struct ckpt_host *host = shards->host;
    uint64_t size = host->source_size(host, shards->source);
    struct parser p = {.shards = shards};
    int status;

    if (size > INDEX_MAX)
        return host->fail(host, CKPT_LIMIT, NULL, CKPT_NOWHERE,
                          "an index of %llu bytes; at most 64 MiB are read",
                          (unsigned long long)size);
    status = sdk_buffer_reserve(host, &shards->text, (size_t)size + 1);
    if (status == CKPT_OK)
        status = host->source_read(host, shards->source, 0, shards->text.data,
                                   (size_t)size);
    if (status != CKPT_OK)
        return status;
    sdk_json_init(&p.json, shards->text.data, (size_t)size);
    status = index_parse(&p);
    if (status == CKPT_OK)
        index_sort(shards);
    return status;
}

/* ---- The reader ---- */

static int
shards_probe(const struct ckpt_host *host, const struct ckpt_source *source,
             struct ckpt_evidence *evidence)
{
    uint64_t size = host->source_size(host, source);
    size_t head = size < HEAD_BYTES ? (size_t)size : HEAD_BYTES;
    struct ckpt_span span;
    int status;

    if (host->source_is_folder(host, source) || head == 0)
        return CKPT_OK;
    status = host->source_peek(host, source, 0, head, &span);
    if (status != CKPT_OK || span.data[0] != '{' ||
        memmem(span.data, head, "\"weight_map\"", 12) == NULL ||
        memmem(span.data, head, ".weights.h5\"", 12) == NULL)
        return status;
    evidence->level = CKPT_EVIDENCE_STRUCTURE;
    snprintf(evidence->how, sizeof evidence->how, "index of .weights.h5 files");
    return CKPT_OK;
}

static int
shards_open(const struct ckpt_host *host, const struct ckpt_source *source,
            const struct ckpt_option_value *options, void **self)
{
    struct shards *made = host->allocate(host, sizeof *made);

    (void)options;
    if (made == NULL)
        return CKPT_MEMORY;
    made->host = host;
    made->source = source;
    *self = made;
    return CKPT_OK;
}

/* One file goes into the graph. */
static int
shards_add(struct shards *shards, size_t number, struct ckpt_graph *graph,
           struct ckpt_value *root)
{
    const struct ckpt_host *host = shards->host;
    const char *const *names =
        (const char *const *)(const void *)shards->names.data;
    struct hdf5_file *file = &shards->files[number];
    int status = host->source_open(host, shards->source, names[number],
                                   &file->part.source);

    if (status != CKPT_OK)
        return status;
    file->part.size_bytes = host->source_size(host, file->part.source);
    shards->file_count = number + 1;
    status = hdf5_file_read(host, file);
    return status == CKPT_OK ? hdf5_graph_add(&file->tree, graph, root,
                                              (uint64_t)number << KEY_BITS)
                             : status;
}

static int
shards_describe(const struct ckpt_host *host, void *self,
                struct ckpt_graph *graph)
{
    struct shards *shards = self;
    struct ckpt_value *root;
    size_t count, i;
    int status = index_read(shards);

    if (status != CKPT_OK)
        return status;
    count = shards->names.size_bytes / sizeof(const char *);
    shards->files = host->allocate(host, (count + 1) * sizeof *shards->files);
    if (shards->files == NULL)
        return CKPT_MEMORY;
    status = hdf5_graph_begin(host, graph, &root);
    for (i = 0; i < count && status == CKPT_OK; i++)
        status = shards_add(shards, i, graph, root);
    return status == CKPT_OK ? host->root_set(host, graph, root) : status;
}

static void
shards_close(const struct ckpt_host *host, void *self)
{
    struct shards *shards = self;
    size_t i;

    for (i = 0; i < shards->file_count; i++)
        hdf5_file_close(&shards->files[i]);
    host->release(host, shards->files);
    sdk_buffer_fini(host, &shards->names);
    sdk_buffer_fini(host, &shards->text);
    host->release(host, shards);
}

static int
shards_cursor_open(const struct ckpt_host *host, void *self,
                   const struct ckpt_storage *storage, void **cursor)
{
    struct shards *shards = self;

    return hdf5_file_cursor_open(
        host, &shards->files[storage->cursor_key >> KEY_BITS],
        (size_t)(storage->cursor_key & UINT32_MAX), cursor);
}

/* As Keras lays the index out. */
#define INDEX_HEAD "{\n    \"metadata\": {"

static const struct ckpt_magic shards_magics[] = {
    {0, INDEX_HEAD, sizeof INDEX_HEAD - 1}, {0, NULL, 0}};

static const char *const shards_suffixes[] = {".weights.json", NULL};

const struct ckpt_reader hdf5_shards_reader = {
    .size = sizeof(struct ckpt_reader),
    .id = "hdf5-shards",
    .summary = "weights of Keras 3 in several files, by their index",
    .suffixes = shards_suffixes,
    .magics = shards_magics,
    .capabilities = CKPT_READS_INERT | CKPT_READS_FRAGILE,
    .threads = CKPT_THREADS_SERIAL,
    .probe = shards_probe,
    .open = shards_open,
    .describe = shards_describe,
    .close = shards_close,
    .cursor_open = shards_cursor_open,
    .cursor_next = hdf5_file_cursor_next,
    .cursor_close = hdf5_file_cursor_close,
};
