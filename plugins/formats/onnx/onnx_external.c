/* SPDX-License-Identifier: MIT
 *
 * External data. A location is a path from the model's folder downwards, and
 * the host opens nothing else. The same bytes under two names are a tie, since
 * the format has no other way to say that; bytes that two tensors have in part
 * are what no writer makes.
 */
#include "onnx_external.h"

#include <stdlib.h>
#include <string.h>

#include "checked.h"

/* What the runtime writes for weights that it has in its memory: the offset is
 * then an address. */
#define MEMORY_MARK "_ORT_MEM_ADDR_"
#define FOLDERS_MAX 16 /* down to a file */

static int
fail(const struct ckpt_host *host, const struct onnx_tensor *tensor,
     const char *what)
{
    return host->fail(host, CKPT_FORMAT, tensor->label, tensor->external.byte,
                      "%s: '%.200s'", what, tensor->external.location);
}

/* ---- Locations ---- */

/* Takes `.` and doubled separators out. False: `..`. */
static bool
normalise(const char *location, char *path)
{
    size_t length, at = 0;

    for (; *location != '\0'; location += length) {
        while (*location == '/')
            location++;
        length = strcspn(location, "/");
        if (length == 2 && memcmp(location, "..", 2) == 0)
            return false;
        if (length == 0 || (length == 1 && *location == '.'))
            continue;
        if (at > 0)
            path[at++] = '/';
        memcpy(path + at, location, length);
        at += length;
    }
    path[at] = '\0';
    return true;
}

static int
check_location(const struct ckpt_host *host, const struct onnx_tensor *tensor,
               char *path)
{
    const char *location = tensor->external.location;

    if (strstr(location, MEMORY_MARK) != NULL)
        return fail(host, tensor,
                    "a location in the memory of the program that wrote it");
    if (location[0] == '/' || location[0] == '\\' ||
        (location[0] != '\0' && location[1] == ':'))
        return fail(host, tensor, "an absolute location");
    if (strchr(location, '\\') != NULL)
        return fail(host, tensor, "a location with a backslash");
    if (!normalise(location, path))
        return fail(host, tensor, "a location outside the model's folder");
    if (path[0] == '\0')
        return fail(host, tensor, "a location that names no file");
    return CKPT_OK;
}

/* ---- Files ---- */

static int
add_file(const struct ckpt_host *host, struct onnx_files *files,
         const struct ckpt_source *source, uint64_t *file)
{
    const struct ckpt_source **sources = files->sources;
    size_t wanted = files->capacity == 0 ? 16 : files->capacity * 2, i;

    for (i = 0; i < files->count; i++)
        if (files->sources[i] == source) {
            *file = i;
            return CKPT_OK;
        }
    if (files->count == files->capacity) {
        sources = host->reallocate(host, sources, wanted * sizeof *sources);
        if (sources == NULL)
            return CKPT_MEMORY;
        files->sources = sources;
        files->capacity = wanted;
    }
    *file = files->count;
    files->sources[files->count++] = source;
    return CKPT_OK;
}

/* Goes down the path, one plain name after the other. */
static int
descend(const struct ckpt_host *host, const struct ckpt_source *model,
        const struct onnx_tensor *tensor, char *path,
        const struct ckpt_source **source)
{
    uint32_t depth = 0;
    char *slash;
    int status = CKPT_OK;

    *source = model;
    while (status == CKPT_OK && (slash = strchr(path, '/')) != NULL) {
        *slash = '\0';
        if (++depth > FOLDERS_MAX)
            return fail(host, tensor, "a location in too many folders");
        status = host->source_open(host, *source, path, source);
        if (status == CKPT_OK && !host->source_is_folder(host, *source))
            return fail(host, tensor, "a location below a file");
        path = slash + 1;
    }
    return status == CKPT_OK ? host->source_open(host, *source, path, source)
                             : status;
}

static int
add_checksum(const struct ckpt_host *host, struct onnx_files *files,
             const struct onnx_external *external, uint64_t file)
{
    struct onnx_checksum *all = files->checksums;
    size_t wanted = files->checksum_capacity * 2 + 4, i;

    for (i = 0; i < files->checksum_count; i++)
        if (all[i].file == file &&
            strcmp(all[i].digits, external->checksum) == 0)
            return CKPT_OK;
    if (files->checksum_count == files->checksum_capacity) {
        all = host->reallocate(host, all, wanted * sizeof *all);
        if (all == NULL)
            return CKPT_MEMORY;
        files->checksums = all;
        files->checksum_capacity = wanted;
    }
    all += files->checksum_count++;
    all->file = file;
    all->byte = external->byte;
    memcpy(all->digits, external->checksum, sizeof all->digits);
    return CKPT_OK;
}

/* ---- Ranges ---- */

static int
check_range(const struct ckpt_host *host, const struct onnx_tensor *tensor,
            const struct ckpt_source *source)
{
    const struct onnx_external *external = &tensor->external;
    uint64_t size = host->source_size(host, source);

    if (external->sized && external->size_bytes != tensor->data_bytes)
        return host->fail(host, CKPT_FORMAT, tensor->label, external->byte,
                          "external_data of %llu bytes, its shape takes %llu",
                          (unsigned long long)external->size_bytes,
                          (unsigned long long)tensor->data_bytes);
    if (!sdk_within(external->offset, tensor->data_bytes, size))
        return host->fail(host, CKPT_FORMAT, tensor->label, external->byte,
                          "%llu bytes from byte %llu of '%.200s', which has "
                          "%llu",
                          (unsigned long long)tensor->data_bytes,
                          (unsigned long long)external->offset,
                          external->location, (unsigned long long)size);
    return CKPT_OK;
}

int
onnx_external_find(const struct ckpt_host *host,
                   const struct ckpt_source *model,
                   const struct onnx_tensor *tensor,
                   const struct ckpt_source **source)
{
    char path[ONNX_LOCATION_BYTES_MAX];
    const struct ckpt_source *found = NULL;
    int status = check_location(host, tensor, path);

    if (status == CKPT_OK)
        status = descend(host, model, tensor, path, &found);
    if (status != CKPT_OK)
        return status;
    if (host->source_is_folder(host, found))
        return fail(host, tensor, "a location that is a folder");
    status = check_range(host, tensor, found);
    if (status == CKPT_OK)
        *source = found;
    return status;
}

/* A new range, or the one that is there already. */
static int
add_range(const struct ckpt_host *host, struct onnx_files *files,
          const struct onnx_tensor *tensor, uint64_t file,
          struct onnx_range **range)
{
    struct onnx_range *made = host->allocate(host, sizeof *made);
    uint64_t *known;
    bool added;

    if (made == NULL)
        return CKPT_MEMORY;
    made->key.file = file;
    made->key.offset = tensor->external.offset;
    made->key.size_bytes = tensor->data_bytes;
    made->label = tensor->label;
    made->byte = tensor->external.byte;
    known = sdk_table_add(host, &files->table, &made->key, sizeof made->key,
                          &added);
    if (known == NULL || !added) {
        host->release(host, made);
        if (known == NULL)
            return CKPT_MEMORY;
        *range = (struct onnx_range *)(uintptr_t)*known;
        return CKPT_OK;
    }
    *known = (uint64_t)(uintptr_t)made;
    made->next = files->ranges;
    files->ranges = made;
    files->range_count++;
    *range = made;
    return CKPT_OK;
}

int
onnx_external_storage(const struct ckpt_host *host,
                      const struct ckpt_source *model, struct ckpt_graph *graph,
                      const struct onnx_tensor *tensor,
                      struct onnx_files *files,
                      const struct ckpt_storage **storage)
{
    struct ckpt_storage like = {.place = CKPT_PLACE_SPAN,
                                .size_bytes = tensor->data_bytes,
                                .source_offset = tensor->external.offset};
    struct onnx_range *range = NULL;
    uint64_t file = 0;
    int status = onnx_external_find(host, model, tensor, &like.source);

    if (status == CKPT_OK)
        status = add_file(host, files, like.source, &file);
    if (status == CKPT_OK && tensor->external.checksum[0] != '\0')
        status = add_checksum(host, files, &tensor->external, file);
    if (status == CKPT_OK)
        status = add_range(host, files, tensor, file, &range);
    if (status != CKPT_OK)
        return status;
    like.word_bytes = ckpt_dtype_word_bytes(tensor->dtype);
    if (range->storage == NULL)
        status =
            host->storage_new(host, graph, &like, sizeof like, &range->storage);
    if (status == CKPT_OK)
        *storage = range->storage;
    return status;
}

static int
range_order(const void *a, const void *b)
{
    const struct onnx_range *x = *(struct onnx_range *const *)a;
    const struct onnx_range *y = *(struct onnx_range *const *)b;

    if (x->key.file != y->key.file)
        return x->key.file < y->key.file ? -1 : 1;
    if (x->key.offset != y->key.offset)
        return x->key.offset < y->key.offset ? -1 : 1;
    return x->key.size_bytes < y->key.size_bytes ? -1 : 1;
}

static int
check_overlaps(const struct ckpt_host *host, const struct onnx_files *files,
               struct onnx_range **sorted, size_t count)
{
    size_t i;

    qsort(sorted, count, sizeof *sorted, range_order);
    for (i = 1; i < count; i++) {
        const struct onnx_range *a = sorted[i - 1], *b = sorted[i];

        if (a->key.file == b->key.file &&
            a->key.offset + a->key.size_bytes > b->key.offset)
            return host->fail(
                host, CKPT_FORMAT, b->label, b->byte,
                "its bytes, from byte %llu of '%s', overlap "
                "those of '%.200s'",
                (unsigned long long)b->key.offset,
                host->source_name(host, files->sources[b->key.file]), a->label);
    }
    return CKPT_OK;
}

int
onnx_external_check(const struct ckpt_host *host,
                    const struct onnx_files *files)
{
    struct onnx_range **sorted, *range;
    size_t count = 0;
    int status;

    if (files->range_count < 2)
        return CKPT_OK;
    sorted = host->allocate(host, files->range_count * sizeof *sorted);
    if (sorted == NULL)
        return CKPT_MEMORY;
    for (range = files->ranges; range != NULL; range = range->next)
        if (range->key.size_bytes > 0)
            sorted[count++] = range;
    status = check_overlaps(host, files, sorted, count);
    host->release(host, sorted);
    return status;
}

void
onnx_files_fini(const struct ckpt_host *host, struct onnx_files *files)
{
    struct onnx_range *range = files->ranges, *next;

    for (; range != NULL; range = next) {
        next = range->next;
        host->release(host, range);
    }
    sdk_table_fini(host, &files->table);
    host->release(host, files->sources);
    host->release(host, files->checksums);
}
