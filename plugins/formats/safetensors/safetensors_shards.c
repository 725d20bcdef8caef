/* SPDX-License-Identifier: MIT
 *
 * Finds the files of a sharded checkpoint, reads them as one set, and holds
 * the set against the index.
 *
 *  - A file is taken for an index.
 *  - A folder is read by the one index in it. Without an index it must hold
 *    exactly one safetensors file, or the whole of one set of files
 *    NAME-00001-of-0000N.safetensors.
 */
#include "safetensors_shards.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "safetensors_graph.h"
#include "shard_index.h"

#define SHARDS_HEAD_BYTES (1 << 20) /* metadata may come first */

/* What a name in a folder is. */
enum shards_kind { SHARDS_OTHER = 0, SHARDS_FILE, SHARDS_INDEX };

struct shards {
    const struct ckpt_host *host;
    const struct ckpt_source *source; /* files are beside it, or in it */
    struct safetensors_set set;
    struct sdk_shard_index index;
    struct sdk_table names;  /* of the tensors */
    struct sdk_buffer files; /* const char *, in order */
    bool indexed;
};

/* A variant may stand before ".json": model.safetensors.index.fp16.json. */
static enum shards_kind
shards_kind_of(const char *name)
{
    static const char suffix[] = SAFETENSORS_SUFFIX, json[] = ".json";
    size_t length = strlen(name), plain = sizeof suffix - 1,
           tail = sizeof json - 1;

    if (length >= plain && strcmp(name + length - plain, suffix) == 0)
        return SHARDS_FILE;
    if (length >= tail && strcmp(name + length - tail, json) == 0 &&
        strstr(name, SAFETENSORS_SUFFIX ".index.") != NULL)
        return SHARDS_INDEX;
    return SHARDS_OTHER;
}

/* The first name of a kind in a list, and how many there are. */
static size_t
shards_count(const char *const *names, enum shards_kind kind,
             const char **first)
{
    size_t count = 0;

    for (; *names != NULL; names++)
        if (shards_kind_of(*names) == kind && count++ == 0)
            *first = *names;
    return count;
}

static int
shards_probe_folder(const struct ckpt_host *host,
                    const struct ckpt_source *folder,
                    struct ckpt_evidence *evidence)
{
    const char *const *names;
    const char *first = NULL;
    int status = host->source_list(host, folder, &names);

    if (status != CKPT_OK)
        return status;
    if (shards_count(names, SHARDS_INDEX, &first) == 0 &&
        shards_count(names, SHARDS_FILE, &first) == 0)
        return CKPT_OK;
    evidence->level = CKPT_EVIDENCE_STRUCTURE;
    snprintf(evidence->how, sizeof evidence->how, "folder with %s", first);
    return CKPT_OK;
}

static bool
shards_is_ours(const struct ckpt_text *file)
{
    static const char suffix[] = SAFETENSORS_SUFFIX;
    size_t length = sizeof suffix - 1;

    return file->size_bytes >= length &&
           memcmp(file->data + file->size_bytes - length, suffix, length) == 0;
}

int
safetensors_shards_probe(const struct ckpt_host *host,
                         const struct ckpt_source *source,
                         struct ckpt_evidence *evidence)
{
    uint64_t size = host->source_size(host, source);
    struct ckpt_text file;
    struct ckpt_span head;
    int status;

    if (host->source_is_folder(host, source))
        return shards_probe_folder(host, source, evidence);
    if (size == 0)
        return CKPT_OK;
    if (size > SHARDS_HEAD_BYTES)
        size = SHARDS_HEAD_BYTES;
    status = host->source_peek(host, source, 0, (size_t)size, &head);
    if (status != CKPT_OK)
        return status;
    if (sdk_shard_index_is(&head, &file) && shards_is_ours(&file)) {
        evidence->level = CKPT_EVIDENCE_STRUCTURE;
        snprintf(evidence->how, sizeof evidence->how,
                 "json with a weight_map of safetensors files");
    } else if (head.data[0] == '{' && shards_kind_of(host->source_name(
                                          host, source)) == SHARDS_INDEX) {
        evidence->level = CKPT_EVIDENCE_MAGIC;
        snprintf(evidence->how, sizeof evidence->how,
                 "json under the name of an index");
    }
    return CKPT_OK;
}

static int
shards_add_file(struct shards *s, const char *name)
{
    return sdk_buffer_append(s->host, &s->files, &name, sizeof name);
}

static size_t
shards_file_count(const struct shards *s)
{
    return s->files.size_bytes / sizeof(const char *);
}

static const char **
shards_files(const struct shards *s)
{
    return (const char **)(void *)s->files.data;
}

/* The index becomes the first file of the set, which takes its text over, and
 * its metadata become pairs of that file. */
static int
shards_keep_index(struct shards *s, const struct ckpt_source *source)
{
    const struct sdk_shard_pair *pairs = (void *)s->index.pairs.data;
    struct safetensors_file file = {.source = source,
                                    .header = s->index.text,
                                    .header_bytes = s->index.size_bytes,
                                    .is_index = true};
    struct safetensors_pair pair = {.file = 0};
    size_t i;
    int status = sdk_buffer_append(s->host, &s->set.files, &file, sizeof file);

    if (status == CKPT_OK)
        s->index.text = NULL;
    for (i = 0; i < s->index.pairs.size_bytes / sizeof *pairs; i++) {
        if (status != CKPT_OK)
            break;
        pair.key = pairs[i].key;
        pair.value = pairs[i].value;
        status = sdk_buffer_append(s->host, &s->set.pairs, &pair, sizeof pair);
    }
    return status;
}

/* Lists the files that the index names, each once, by name. */
static int
shards_by_index(struct shards *s, const struct ckpt_source *source)
{
    int status = sdk_shard_index_parse(s->host, source, &s->index);

    s->indexed = true;
    s->set.sharded = true;
    if (status == CKPT_OK)
        status = shards_keep_index(s, source);
    return status == CKPT_OK
               ? sdk_shard_index_files(s->host, &s->index, &s->files)
               : status;
}

/* If the name is that of a shard, how many there are of its set, else 0;
 * `stem_bytes` is what comes before "-0000I-of-0000N.safetensors". */
static unsigned
shards_of(const char *name, size_t *stem_bytes)
{
    static const char shape[] = "-#####-of-#####" SAFETENSORS_SUFFIX;
    size_t length = strlen(name), tail = sizeof shape - 1, i;
    const char *end;

    if (length < tail)
        return 0;
    end = name + length - tail;
    for (i = 0; i < tail; i++)
        if (shape[i] == '#' ? end[i] < '0' || end[i] > '9' : end[i] != shape[i])
            return 0;
    *stem_bytes = length - tail;
    return (unsigned)strtoul(end + strlen("-#####-of-"), NULL, 10);
}

/* Checks that the files are the whole of one set, in order. */
static int
shards_check_set(struct shards *s, unsigned wanted, size_t stem_bytes)
{
    const char **files = shards_files(s);
    char expected[600];
    unsigned i;

    for (i = 0; i < wanted; i++) {
        snprintf(expected, sizeof expected,
                 "%.*s-%05u-of-%05u" SAFETENSORS_SUFFIX, (int)stem_bytes,
                 files[0], i + 1, wanted);
        if (i >= shards_file_count(s) || strcmp(files[i], expected) != 0)
            return s->host->fail(s->host, CKPT_FORMAT, NULL, CKPT_NOWHERE,
                                 "%s is missing from the folder", expected);
    }
    if (shards_file_count(s) > wanted)
        return s->host->fail(s->host, CKPT_UNSUPPORTED, NULL, CKPT_NOWHERE,
                             "%s is in the folder beside a set of %u shards, "
                             "and there is no index",
                             files[wanted], wanted);
    s->set.sharded = wanted > 1;
    return CKPT_OK;
}

static int
shards_by_names(struct shards *s, const char *const *names)
{
    size_t stem_bytes = 0;
    unsigned wanted;
    int status = CKPT_OK;

    for (; *names != NULL && status == CKPT_OK; names++)
        if (shards_kind_of(*names) == SHARDS_FILE)
            status = shards_add_file(s, *names);
    if (status != CKPT_OK)
        return status;
    if (shards_file_count(s) == 0)
        return s->host->fail(s->host, CKPT_FORMAT, NULL, CKPT_NOWHERE,
                             "a folder without safetensors files");
    wanted = shards_of(shards_files(s)[0], &stem_bytes);
    if (wanted > 0)
        return shards_check_set(s, wanted, stem_bytes);
    if (shards_file_count(s) > 1)
        return s->host->fail(s->host, CKPT_UNSUPPORTED, NULL, CKPT_NOWHERE,
                             "a folder of %zu safetensors files without "
                             "index; name the one that is meant",
                             shards_file_count(s));
    return CKPT_OK;
}

static int
shards_find(struct shards *s)
{
    const struct ckpt_host *host = s->host;
    const struct ckpt_source *index;
    const char *const *names;
    const char *first = NULL;
    size_t count;
    int status;

    if (!host->source_is_folder(host, s->source))
        return shards_by_index(s, s->source);
    status = host->source_list(host, s->source, &names);
    if (status != CKPT_OK)
        return status;
    count = shards_count(names, SHARDS_INDEX, &first);
    if (count == 0)
        return shards_by_names(s, names);
    if (count > 1)
        return host->fail(host, CKPT_UNSUPPORTED, NULL, CKPT_NOWHERE,
                          "a folder of %zu indexes; name the one that is "
                          "meant",
                          count);
    status = host->source_open(host, s->source, first, &index);
    if (status != CKPT_OK)
        return status;
    return shards_by_index(s, index);
}

static int
shards_parse(struct shards *s)
{
    const struct ckpt_source *file;
    size_t i;
    int status = CKPT_OK;

    for (i = 0; i < shards_file_count(s) && status == CKPT_OK; i++) {
        status =
            s->host->source_open(s->host, s->source, shards_files(s)[i], &file);
        if (status == CKPT_OK)
            status = safetensors_parse(s->host, file, &s->set);
    }
    return status;
}

/* Checks that a tensor is where the index says. */
static int
shards_check_mapping(struct shards *s, const struct sdk_shard_mapping *mapping)
{
    const struct ckpt_host *host = s->host;
    struct safetensors_entry *entry = NULL;
    const struct ckpt_text *name = &mapping->tensor;
    const uint64_t *found =
        sdk_table_find(&s->names, name->data, name->size_bytes);
    uint64_t place = safetensors_place(&s->set, 0, name); /* the index */

    if (found != NULL)
        entry = safetensors_entry_at(&s->set, *found);
    if (entry == NULL ||
        strcmp(safetensors_file_name(host, &s->set, entry->file),
               mapping->file.data) != 0)
        return host->fail(host, CKPT_FORMAT, mapping->tensor.data, place,
                          "index: the tensor is not in %s", mapping->file.data);
    if (entry->expected)
        return host->fail(host, CKPT_FORMAT, mapping->tensor.data, place,
                          "index: the tensor comes twice");
    entry->expected = true;
    return CKPT_OK;
}

/* Warns of what the index does not say, or says wrongly. */
static void
shards_check_rest(struct shards *s)
{
    const struct ckpt_host *host = s->host;
    const struct safetensors_entry *entry, *first = NULL;
    size_t count = safetensors_entry_count(&s->set), extra = 0, i;
    uint64_t total = 0;

    for (i = 0; i < count; i++) {
        entry = safetensors_entry_at(&s->set, i);
        total += entry->end - entry->begin;
        if (!entry->expected && extra++ == 0)
            first = entry;
    }
    if (first != NULL)
        host->warn(host, first->name.data,
                   safetensors_place(&s->set, first->file, &first->name),
                   "%s: tensors that the index does not name: %zu",
                   safetensors_file_name(host, &s->set, first->file), extra);
    if (s->index.has_total && s->index.total_bytes != (double)total)
        host->warn(host, NULL, CKPT_NOWHERE,
                   "index: total_size is %.0f, but the tensors take %llu "
                   "bytes",
                   s->index.total_bytes, (unsigned long long)total);
}

static int
shards_check_index(struct shards *s)
{
    size_t i;
    int status = CKPT_OK;

    for (i = 0; i < sdk_shard_mapping_count(&s->index); i++) {
        status = shards_check_mapping(s, sdk_shard_mapping_at(&s->index, i));
        if (status != CKPT_OK)
            return status;
    }
    shards_check_rest(s);
    return CKPT_OK;
}

int
safetensors_shards_describe(const struct ckpt_host *host,
                            const struct ckpt_source *source,
                            struct ckpt_graph *graph)
{
    struct shards s = {.host = host, .source = source};
    int status = shards_find(&s);

    if (status == CKPT_OK)
        status = shards_parse(&s);
    if (status == CKPT_OK)
        status = safetensors_collect(host, &s.set, &s.names);
    if (status == CKPT_OK && s.indexed)
        status = shards_check_index(&s);
    if (status == CKPT_OK)
        status = safetensors_build(
            host, &s.set, safetensors_may_tie(&s.set) ? &s.names : NULL, graph);
    sdk_table_fini(host, &s.names);
    sdk_shard_index_fini(host, &s.index);
    sdk_buffer_fini(host, &s.files);
    safetensors_set_fini(host, &s.set);
    return status;
}
