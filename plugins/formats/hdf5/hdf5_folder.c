/* SPDX-License-Identifier: MIT
 *
 * A Keras 3 model that is no zip. What else the folder holds is left out.
 */
#include "hdf5_folder.h"

#include <stdio.h>
#include <string.h>

#include "hdf5_archive.h"

static bool
folder_has(const char *const *names, const char *name)
{
    while (*names != NULL && strcmp(*names, name) != 0)
        names++;
    return *names != NULL;
}

int
hdf5_folder_probe(const struct ckpt_host *host,
                  const struct ckpt_source *folder,
                  struct ckpt_evidence *evidence)
{
    const char *const *names;
    int status = host->source_list(host, folder, &names);

    if (status != CKPT_OK || !folder_has(names, HDF5_ARCHIVE_CONFIG) ||
        !folder_has(names, HDF5_ARCHIVE_WEIGHTS))
        return status;
    evidence->level = CKPT_EVIDENCE_STRUCTURE;
    snprintf(evidence->how, sizeof evidence->how,
             "folder with " HDF5_ARCHIVE_WEIGHTS);
    return CKPT_OK;
}

int
hdf5_folder_open(const struct ckpt_host *host, const struct ckpt_source *folder,
                 struct hdf5_part *part)
{
    int status =
        host->source_open(host, folder, HDF5_ARCHIVE_WEIGHTS, &part->source);

    if (status == CKPT_OK)
        part->size_bytes = host->source_size(host, part->source);
    return status;
}

static int
folder_text(const struct ckpt_host *host, const struct ckpt_source *folder,
            const char *name, struct ckpt_graph *graph)
{
    struct ckpt_value like = {.kind = CKPT_KIND_STRING}, *value;
    const struct ckpt_source *source;
    uint64_t size = 0;
    char *text = NULL;
    int status = host->source_open(host, folder, name, &source);

    if (status == CKPT_OK)
        size = host->source_size(host, source);
    if (status == CKPT_OK && size > HDF5_VALUE_MAX)
        return host->fail(host, CKPT_LIMIT, NULL, CKPT_NOWHERE,
                          "%s has %llu bytes; at most 64 MiB are read", name,
                          (unsigned long long)size);
    if (status == CKPT_OK) {
        text = host->allocate(host, (size_t)size + 1);
        status = text != NULL
                     ? host->source_read(host, source, 0, text, (size_t)size)
                     : CKPT_MEMORY;
    }
    like.as.text.data = text;
    like.as.text.size_bytes = (size_t)size;
    if (status == CKPT_OK)
        status = host->value_new(host, graph, &like, sizeof like, &value);
    if (status == CKPT_OK)
        status = host->attr_set(host, graph, NULL, name, value);
    host->release(host, text);
    return status;
}

int
hdf5_folder_describe(const struct ckpt_host *host,
                     const struct ckpt_source *folder, struct ckpt_graph *graph)
{
    static const char *const texts[] = {HDF5_ARCHIVE_METADATA,
                                        HDF5_ARCHIVE_CONFIG};
    const char *const *names;
    size_t i, count = 0;
    int status = host->source_list(host, folder, &names);

    for (i = 0; i < 2 && status == CKPT_OK; i++)
        if (folder_has(names, texts[i]))
            status = folder_text(host, folder, texts[i], graph);
    for (; status == CKPT_OK && *names != NULL; names++)
        count += strcmp(*names, HDF5_ARCHIVE_METADATA) != 0 &&
                 strcmp(*names, HDF5_ARCHIVE_CONFIG) != 0 &&
                 strcmp(*names, HDF5_ARCHIVE_WEIGHTS) != 0;
    if (count > 0)
        host->lose(host, NULL, CKPT_NOWHERE,
                   "files besides configuration, metadata and weights are left "
                   "out: %zu",
                   count);
    return status;
}
