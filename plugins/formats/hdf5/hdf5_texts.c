/* SPDX-License-Identifier: MIT
 *
 * The paths of an output, of tensors first and then of texts as they come.
 */
#include "hdf5_texts.h"

#include <string.h>

#include "hdf5_tree.h"

#define PATH_GROUP 1
#define PATH_DATA 2

struct hdf5_taken {
    struct hdf5_taken *next;
    char path[];
};

/* What a path is, or 0. */
static uint64_t
taken_as(const struct hdf5_texts *texts, const char *path, size_t size_bytes)
{
    const uint64_t *what = sdk_table_find(&texts->paths, path, size_bytes);

    return what != NULL ? *what : 0;
}

/* Whether a data set can be there: nothing is, and what it is to be in are
 * groups if they are anything. */
static bool
path_is_free(const struct hdf5_texts *texts, const struct ckpt_text *path)
{
    size_t i;

    for (i = 0; i < path->size_bytes; i++)
        if (path->data[i] == '/' && taken_as(texts, path->data, i) == PATH_DATA)
            return false;
    return taken_as(texts, path->data, path->size_bytes) == 0;
}

static int
path_take(const struct ckpt_host *host, struct hdf5_texts *texts,
          const struct ckpt_text *path)
{
    struct hdf5_taken *taken =
        host->allocate(host, sizeof *taken + path->size_bytes);
    uint64_t *what;
    size_t i;
    bool added;

    if (taken == NULL)
        return CKPT_MEMORY;
    taken->next = texts->taken;
    texts->taken = taken;
    memcpy(taken->path, path->data, path->size_bytes);
    for (i = 1; i <= path->size_bytes; i++) {
        if (i < path->size_bytes && path->data[i] != '/')
            continue;
        what = sdk_table_add(host, &texts->paths, taken->path, i, &added);
        if (what == NULL)
            return CKPT_MEMORY;
        if (added)
            *what = i < path->size_bytes ? PATH_GROUP : PATH_DATA;
    }
    return CKPT_OK;
}

static int
texts_ask(const struct ckpt_host *host, struct hdf5_texts *texts,
          struct hdf5_names *names, const struct ckpt_graph *graph)
{
    struct ckpt_text path;
    size_t i;
    int status = CKPT_OK;

    for (i = 0; !texts->asked && i < graph->entry_count && status == CKPT_OK;
         i++) {
        status = hdf5_names_give(names, &graph->entries[i].name, &path);
        if (status == CKPT_OK)
            status = path_take(host, texts, &path);
    }
    texts->asked = true;
    return status;
}

/* The bytes that the reader would count for a string; libhdf5 takes those that
 * end with a NUL. */
static bool
text_adds(const struct ckpt_text *text, uint64_t *bytes)
{
    *bytes += 16 + text->size_bytes;
    return *bytes <= HDF5_VALUE_MAX &&
           memchr(text->data, 0, text->size_bytes) == NULL;
}

static bool
text_fits(const struct ckpt_value *text)
{
    uint64_t bytes = 0;
    size_t i;

    if (text->kind == CKPT_KIND_STRING)
        return text_adds(&text->as.text, &bytes);
    for (i = 0; i < text->as.list.count; i++)
        if (!text_adds(&text->as.list.items[i]->as.text, &bytes))
            return false;
    return true;
}

int
hdf5_texts_give(const struct ckpt_host *host, struct hdf5_texts *texts,
                struct hdf5_names *names, const struct ckpt_graph *graph,
                const struct ckpt_text *own, const struct ckpt_value *text,
                struct ckpt_text *name)
{
    const char *reason;
    int status = texts_ask(host, texts, names, graph);

    if (status == CKPT_OK)
        status = hdf5_names_give(names, own, name);
    if (status != CKPT_OK)
        return status;
    if (!text_fits(text) ||
        !hdf5_path_valid(name->data, name->size_bytes, &reason) ||
        !path_is_free(texts, name))
        return CKPT_END;
    return path_take(host, texts, name);
}

void
hdf5_texts_fini(const struct ckpt_host *host, struct hdf5_texts *texts)
{
    struct hdf5_taken *taken = texts->taken, *next;

    for (; taken != NULL; taken = next) {
        next = taken->next;
        host->release(host, taken);
    }
    sdk_table_fini(host, &texts->paths);
}
