/* SPDX-License-Identifier: MIT
 *
 * Reads the files that an index names, in the order of their names, as one
 * state dict, and holds it against the index. Each file is the zip archive of
 * a map; a tie is within one file.
 */
#include "torch_zip_shards.h"

#include <stdio.h>
#include <string.h>

#include "checked.h"
#include "shard_index.h"
#include "torch_records_verify.h"

#define HEAD_BYTES (1 << 20) /* metadata may come first */
#define MEMBER_BITS 32       /* of a cursor's key; the file is above */

static const char *const endings[] = {".bin", ".pt", ".pth"};

struct torch_shards {
    const struct ckpt_source *source;  /* files are beside it, or in it */
    struct sdk_torch_records *records; /* by file */
    size_t count;
};

struct shards {
    const struct ckpt_host *host;
    struct ckpt_graph *graph;
    struct torch_shards *self;
    struct sdk_shard_index index;
    struct sdk_buffer files; /* const char * */
    struct sdk_table names;  /* of entries: the number of the file and one */
    struct ckpt_value *root;
    size_t at; /* the file that is being read */
};

/* ---- Detection ---- */

static bool
ends_with(const char *name, size_t size, const char *ending)
{
    size_t length = strlen(ending);

    return size > length && memcmp(name + size - length, ending, length) == 0;
}

/* "x.bin.index.json", perhaps with a variant: "x.bin.index.fp16.json". */
static bool
is_index_name(const char *name)
{
    char part[16];
    size_t i;

    if (!ends_with(name, strlen(name), ".json"))
        return false;
    for (i = 0; i < sizeof endings / sizeof *endings; i++) {
        snprintf(part, sizeof part, "%s.index.", endings[i]);
        if (strstr(name, part) != NULL)
            return true;
    }
    return false;
}

/* How many indexes are in a folder; one beside which there are safetensors
 * files too is left to their reader. */
static int
find_index(const struct ckpt_host *host, const struct ckpt_source *folder,
           const char **first, size_t *count)
{
    const char *const *names;
    int status = host->source_list(host, folder, &names);

    *count = 0;
    for (; status == CKPT_OK && *names != NULL; names++) {
        if (is_index_name(*names) && (*count)++ == 0)
            *first = *names;
        if (ends_with(*names, strlen(*names), ".safetensors")) {
            *count = 0;
            return CKPT_OK;
        }
    }
    return status;
}

static int
probe_folder(const struct ckpt_host *host, const struct ckpt_source *folder,
             struct ckpt_evidence *evidence)
{
    const char *first = NULL;
    size_t count;
    int status = find_index(host, folder, &first, &count);

    if (status != CKPT_OK || count == 0)
        return status;
    evidence->level = CKPT_EVIDENCE_STRUCTURE;
    snprintf(evidence->how, sizeof evidence->how, "folder with %s", first);
    return CKPT_OK;
}

static int
shards_probe(const struct ckpt_host *host, const struct ckpt_source *source,
             struct ckpt_evidence *evidence)
{
    uint64_t size = host->source_size(host, source);
    struct ckpt_text file;
    struct ckpt_span head;
    size_t i;
    int status;

    if (host->source_is_folder(host, source))
        return probe_folder(host, source, evidence);
    if (size == 0)
        return CKPT_OK;
    if (size > HEAD_BYTES)
        size = HEAD_BYTES;
    status = host->source_peek(host, source, 0, (size_t)size, &head);
    if (status != CKPT_OK)
        return status;
    if (sdk_shard_index_is(&head, &file)) {
        for (i = 0; i < sizeof endings / sizeof *endings; i++)
            if (ends_with(file.data, file.size_bytes, endings[i]))
                evidence->level = CKPT_EVIDENCE_STRUCTURE;
        snprintf(evidence->how, sizeof evidence->how,
                 "json with a weight_map of %s files",
                 evidence->level != CKPT_EVIDENCE_NONE ? "torch" : "other");
    } else if (head.data[0] == '{' &&
               is_index_name(host->source_name(host, source))) {
        evidence->level = CKPT_EVIDENCE_MAGIC;
        snprintf(evidence->how, sizeof evidence->how,
                 "json under the name of an index");
    }
    return CKPT_OK;
}

/* ---- One file ---- */

static const char *
file_name(const struct shards *s, size_t at)
{
    return ((const char **)(void *)s->files.data)[at];
}

/* The records of a file know their members by number, the reader's cursors
 * the file too. */
static int
find_storage(const struct ckpt_host *host, void *user,
             const struct sdk_torch_storage *storage, struct ckpt_storage *like)
{
    struct shards *s = user;
    int status = sdk_torch_records_storage(host, &s->self->records[s->at],
                                           storage, like);

    if (status == CKPT_OK && like->place == CKPT_PLACE_CODED)
        like->cursor_key |= (uint64_t)s->at << MEMBER_BITS;
    return status;
}

static int
add_entry(struct shards *s, const struct ckpt_pair *pair)
{
    const struct ckpt_text *name = &pair->key->as.text;
    uint64_t *file;
    bool added;

    if (pair->key->kind != CKPT_KIND_STRING)
        return s->host->fail(s->host, CKPT_UNSUPPORTED, NULL, CKPT_NOWHERE,
                             "%s: a key that is no text", file_name(s, s->at));
    file =
        sdk_table_add(s->host, &s->names, name->data, name->size_bytes, &added);
    if (file == NULL)
        return CKPT_MEMORY;
    if (!added)
        return s->host->fail(s->host, CKPT_FORMAT, name->data, CKPT_NOWHERE,
                             "in %s and in %s", file_name(s, *file - 1),
                             file_name(s, s->at));
    *file = s->at + 1;
    return s->host->map_set(s->host, s->graph, s->root, pair->key, pair->value);
}

/* The attributes of the first file's map are those of the whole. */
static int
make_root(struct shards *s, const struct ckpt_value *map)
{
    struct ckpt_value like = {.kind = CKPT_KIND_MAP,
                              .type_name = map->type_name};
    const struct ckpt_attr *attr;
    int status =
        s->host->value_new(s->host, s->graph, &like, sizeof like, &s->root);

    for (attr = map->attrs; status == CKPT_OK && attr != NULL;
         attr = attr->next)
        status = s->host->attr_set(s->host, s->graph, s->root, attr->name,
                                   attr->value);
    return status;
}

static int
add_map(struct shards *s, const struct ckpt_value *map)
{
    size_t i;
    int status = CKPT_OK;

    if (map->kind != CKPT_KIND_MAP)
        return s->host->fail(s->host, CKPT_UNSUPPORTED, NULL, CKPT_NOWHERE,
                             "%s: the object is no map", file_name(s, s->at));
    if (s->root == NULL)
        status = make_root(s, map);
    for (i = 0; status == CKPT_OK && i < map->as.map.count; i++)
        status = add_entry(s, &map->as.map.pairs[i]);
    return status;
}

static int
read_object(struct shards *s, struct sdk_torch_records *records,
            const struct sdk_zip_member *member)
{
    struct sdk_torch_bytes bytes = {0};
    struct sdk_pickled pickled = {0};
    struct sdk_torch_source source = {.find = find_storage,
                                      .user = s,
                                      .origin =
                                          sdk_torch_member_origin(member)};
    const struct ckpt_value *map;
    int status =
        sdk_torch_records_pickle(s->host, records, member, &bytes, &pickled);

    if (status == CKPT_OK)
        status = sdk_torch_read(s->host, s->graph, &pickled, &source, &map);
    if (status == CKPT_OK)
        status = add_map(s, map);
    sdk_pickled_fini(s->host, &pickled);
    s->host->release(s->host, bytes.data);
    return status;
}

static int
read_file(struct shards *s)
{
    struct sdk_torch_records *records = &s->self->records[s->at];
    const struct sdk_zip_member *member;
    const struct ckpt_source *file;
    int status = s->host->source_open(s->host, s->self->source,
                                      file_name(s, s->at), &file);

    if (status == CKPT_OK)
        status = sdk_torch_records_open(s->host, file, records);
    if (status == CKPT_OK)
        status = sdk_torch_records_about(s->host, records);
    if (status != CKPT_OK)
        return status;
    member = sdk_torch_records_text(records, "data.pkl");
    if (member == NULL)
        return s->host->fail(s->host, CKPT_FORMAT, NULL, CKPT_NOWHERE,
                             "%s: there is no record 'data.pkl'",
                             file_name(s, s->at));
    status = read_object(s, records, member);
    if (status == CKPT_OK)
        sdk_torch_records_rest(s->host, records);
    return status;
}

/* ---- The index ---- */

static int
check_mapping(struct shards *s, const struct sdk_shard_mapping *mapping,
              size_t *named)
{
    const struct ckpt_text *name = &mapping->tensor;
    uint64_t *file = sdk_table_find(&s->names, name->data, name->size_bytes);

    if (file == NULL || strcmp(file_name(s, (size_t)(*file & UINT32_MAX) - 1),
                               mapping->file.data) != 0)
        return s->host->fail(s->host, CKPT_FORMAT, name->data, CKPT_NOWHERE,
                             "index: the tensor is not in %s",
                             mapping->file.data);
    if (*file >> MEMBER_BITS != 0)
        return s->host->fail(s->host, CKPT_FORMAT, name->data, CKPT_NOWHERE,
                             "index: the tensor comes twice");
    *file |= UINT64_C(1) << MEMBER_BITS;
    (*named)++;
    return CKPT_OK;
}

/* Warns of what the index does not name. */
static void
check_rest(struct shards *s, size_t named)
{
    size_t count = s->root->as.map.count, i;

    for (i = 0; i < count && named < count; i++) {
        const struct ckpt_text *name = &s->root->as.map.pairs[i].key->as.text;
        uint64_t file =
            *sdk_table_find(&s->names, name->data, name->size_bytes);

        if (file >> MEMBER_BITS != 0)
            continue;
        s->host->warn(s->host, name->data, CKPT_NOWHERE,
                      "%s: entries that the index does not name: %zu",
                      file_name(s, (size_t)file - 1), count - named);
        return;
    }
}

/* Writers count the bytes of tensors, or each storage once. */
static int
check_total(struct shards *s)
{
    const struct ckpt_value *map = s->root;
    uint64_t tensors = 0, storages = 0;
    struct sdk_table seen = {0};
    bool added = false;
    size_t i;

    for (i = 0; s->index.has_total && i < map->as.map.count; i++) {
        const struct ckpt_value *value = map->as.map.pairs[i].value;

        if (value->kind != CKPT_KIND_TENSOR)
            continue;
        if (sdk_table_add(s->host, &seen, &value->as.tensor->storage,
                          sizeof value->as.tensor->storage, &added) == NULL)
            break;
        tensors += value->as.tensor->size_bytes;
        if (added)
            storages += value->as.tensor->storage->size_bytes;
    }
    sdk_table_fini(s->host, &seen);
    if (s->index.has_total && i < map->as.map.count)
        return CKPT_MEMORY;
    if (s->index.has_total && s->index.total_bytes != (double)tensors &&
        s->index.total_bytes != (double)storages)
        s->host->warn(s->host, NULL, CKPT_NOWHERE,
                      "index: total_size is %.0f, but the tensors take %llu "
                      "bytes",
                      s->index.total_bytes, (unsigned long long)tensors);
    return CKPT_OK;
}

static int
check_index(struct shards *s)
{
    size_t count = sdk_shard_mapping_count(&s->index), named = 0, i;
    int status = CKPT_OK;

    for (i = 0; i < count && status == CKPT_OK; i++)
        status = check_mapping(s, sdk_shard_mapping_at(&s->index, i), &named);
    if (status != CKPT_OK)
        return status;
    check_rest(s, named);
    return check_total(s);
}

/* The metadata of the index are attributes of the graph. */
static int
read_pairs(struct shards *s)
{
    const struct sdk_shard_pair *pairs = (void *)s->index.pairs.data;
    struct ckpt_value like = {.kind = CKPT_KIND_STRING}, *value;
    size_t i;
    int status = CKPT_OK;

    for (i = 0; i < s->index.pairs.size_bytes / sizeof *pairs; i++) {
        like.as.text = pairs[i].value;
        if (strlen(pairs[i].key.data) != pairs[i].key.size_bytes)
            return s->host->fail(s->host, CKPT_FORMAT, NULL, CKPT_NOWHERE,
                                 "index: a zero byte in a key of metadata");
        if (status == CKPT_OK)
            status = s->host->value_new(s->host, s->graph, &like, sizeof like,
                                        &value);
        if (status == CKPT_OK)
            status = s->host->attr_set(s->host, s->graph, NULL,
                                       pairs[i].key.data, value);
    }
    return status;
}

static int
open_index(struct shards *s)
{
    const struct ckpt_host *host = s->host;
    const struct ckpt_source *index = s->self->source;
    const char *first = NULL;
    size_t count;
    int status = CKPT_OK;

    if (host->source_is_folder(host, index)) {
        status = find_index(host, index, &first, &count);
        if (status == CKPT_OK && count != 1)
            return host->fail(host, CKPT_UNSUPPORTED, NULL, CKPT_NOWHERE,
                              "a folder of %zu indexes of torch files; name "
                              "the one that is meant",
                              count);
        if (status == CKPT_OK)
            status = host->source_open(host, index, first, &index);
    }
    if (status == CKPT_OK)
        status = sdk_shard_index_parse(host, index, &s->index);
    return status == CKPT_OK ? sdk_shard_index_files(host, &s->index, &s->files)
                             : status;
}

static int
read_files(struct shards *s)
{
    size_t count = s->files.size_bytes / sizeof(const char *);
    int status = CKPT_OK;

    s->self->records =
        s->host->allocate(s->host, count * sizeof *s->self->records);
    if (s->self->records == NULL)
        return CKPT_MEMORY;
    s->self->count = count;
    for (s->at = 0; s->at < count && status == CKPT_OK; s->at++)
        status = read_file(s);
    return status;
}

/* ---- The callbacks ---- */

static int
shards_open(const struct ckpt_host *host, const struct ckpt_source *source,
            const struct ckpt_option_value *options, void **self)
{
    struct torch_shards *made = host->allocate(host, sizeof *made);

    (void)options;
    if (made == NULL)
        return CKPT_MEMORY;
    made->source = source;
    *self = made;
    return CKPT_OK;
}

static int
shards_describe(const struct ckpt_host *host, void *self,
                struct ckpt_graph *graph)
{
    struct shards s = {.host = host, .graph = graph, .self = self};
    int status = open_index(&s);

    if (status == CKPT_OK)
        status = read_files(&s);
    if (status == CKPT_OK)
        status = check_index(&s);
    if (status == CKPT_OK)
        status = read_pairs(&s);
    if (status == CKPT_OK)
        status = host->root_set(host, graph, s.root);
    sdk_table_fini(host, &s.names);
    sdk_buffer_fini(host, &s.files);
    sdk_shard_index_fini(host, &s.index);
    return status;
}

static void
shards_close(const struct ckpt_host *host, void *self)
{
    struct torch_shards *shards = self;
    size_t i;

    for (i = 0; i < shards->count; i++)
        sdk_torch_records_close(host, &shards->records[i]);
    host->release(host, shards->records);
    host->release(host, shards);
}

static int
shards_cursor_open(const struct ckpt_host *host, void *self,
                   const struct ckpt_storage *storage, void **cursor)
{
    struct torch_shards *shards = self;

    return sdk_torch_cursor_open(
        host, &shards->records[storage->cursor_key >> MEMBER_BITS],
        (size_t)(storage->cursor_key & UINT32_MAX), storage->size_bytes,
        cursor);
}

static const char *const suffixes[] = {".bin.index.json", ".pt.index.json",
                                       ".pth.index.json", NULL};

static const struct ckpt_magic magics[] = {{0, "{", 1},  {0, " ", 1},
                                           {0, "\n", 1}, {0, "\t", 1},
                                           {0, "\r", 1}, {0, NULL, 0}};

static int
shards_verify(const struct ckpt_host *host, void *self)
{
    struct torch_shards *shards = self;
    size_t i;
    int status = CKPT_OK;

    for (i = 0; i < shards->count && status == CKPT_OK; i++)
        if (shards->records[i].source != NULL)
            status = sdk_torch_records_verify(
                host, &shards->records[i],
                host->source_name(host, shards->records[i].source));
    return status;
}

const struct ckpt_reader torch_zip_shards_reader = {
    .size = sizeof(struct ckpt_reader),
    .id = "torch-shards",
    .summary = "several files of torch.save, by their index",
    .suffixes = suffixes,
    .magics = magics,
    .capabilities = CKPT_READS_FOLDERS,
    .threads = CKPT_THREADS_INSTANCE,
    .probe = shards_probe,
    .open = shards_open,
    .describe = shards_describe,
    .close = shards_close,
    .cursor_open = shards_cursor_open,
    .cursor_next = sdk_torch_cursor_next,
    .cursor_close = sdk_torch_cursor_close,
    .verify = shards_verify,
};
