/* SPDX-License-Identifier: MIT
 *
 * The zip around a Keras 3 model. Its texts are checked by their CRC-32; the
 * weights, which nobody reads as a whole, are not.
 */
#include "hdf5_archive.h"

#include <libdeflate.h>
#include <stdio.h>
#include <string.h>

#include "checked.h"
#include "quiet_host.h"

#define ZIP_HEAD "PK\3\4"
#define ZIP_HEAD_BYTES 4

static bool
member_is(const struct sdk_zip_member *member, const char *name)
{
    return member->name_bytes == strlen(name) &&
           memcmp(member->name, name, member->name_bytes) == 0;
}

static const struct sdk_zip_member *
archive_find(const struct hdf5_archive *archive, const char *name)
{
    return sdk_zip_find(&archive->zip, name, strlen(name));
}

int
hdf5_archive_is(const struct ckpt_host *host, const struct ckpt_source *source,
                bool *is_zip)
{
    struct ckpt_span span;
    int status;

    *is_zip = false;
    if (host->source_is_folder(host, source) ||
        host->source_size(host, source) < ZIP_HEAD_BYTES)
        return CKPT_OK;
    status = host->source_peek(host, source, 0, ZIP_HEAD_BYTES, &span);
    if (status == CKPT_OK)
        *is_zip = memcmp(span.data, ZIP_HEAD, ZIP_HEAD_BYTES) == 0;
    return status;
}

/* ---- Probing ---- */

/* Which of the names that tell the format the directory has. */
static int
probe_names(const struct ckpt_host *host, const struct ckpt_source *source,
            bool *config, const char **weights)
{
    struct sdk_zip_walk walk;
    struct sdk_zip_member member;
    int status = sdk_zip_walk_init(host, source, &walk);

    while (status == CKPT_OK &&
           (status = sdk_zip_walk_next(&walk, &member)) == CKPT_OK) {
        *config = *config || member_is(&member, HDF5_ARCHIVE_CONFIG);
        if (member_is(&member, HDF5_ARCHIVE_WEIGHTS))
            *weights = HDF5_ARCHIVE_WEIGHTS;
        else if (*weights == NULL && member_is(&member, HDF5_ARCHIVE_ARRAYS))
            *weights = HDF5_ARCHIVE_ARRAYS;
    }
    return status == CKPT_END ? CKPT_OK : status;
}

/* Whether a zip that cannot be listed begins as one of Keras does. */
static bool
probe_first(const struct ckpt_host *host, const struct ckpt_source *source)
{
    static const char *const names[] = {
        HDF5_ARCHIVE_METADATA, HDF5_ARCHIVE_CONFIG, HDF5_ARCHIVE_WEIGHTS};
    struct ckpt_span span;
    size_t i, size;

    for (i = 0; i < sizeof names / sizeof *names; i++) {
        size = strlen(names[i]);
        if (sdk_within(HDF5_ARCHIVE_NAME_AT, size,
                       host->source_size(host, source)) &&
            host->source_peek(host, source, HDF5_ARCHIVE_NAME_AT, size,
                              &span) == CKPT_OK &&
            memcmp(span.data, names[i], size) == 0)
            return true;
    }
    return false;
}

int
hdf5_archive_probe(const struct ckpt_host *host,
                   const struct ckpt_source *source,
                   struct ckpt_evidence *evidence)
{
    struct sdk_quiet_host quiet;
    const char *weights = NULL;
    bool config = false;
    int status;

    sdk_quiet_host_init(&quiet, host);
    status = probe_names(&quiet.table, source, &config, &weights);
    if (status == CKPT_OK && config && weights != NULL) {
        evidence->level = CKPT_EVIDENCE_STRUCTURE;
        snprintf(evidence->how, sizeof evidence->how, "zip with %s", weights);
    } else if (status == CKPT_OK) {
        snprintf(evidence->how, sizeof evidence->how,
                 "zip without " HDF5_ARCHIVE_CONFIG
                 " and " HDF5_ARCHIVE_WEIGHTS);
    } else if (status == CKPT_FORMAT && probe_first(&quiet.table, source)) {
        evidence->level = CKPT_EVIDENCE_MAGIC;
        snprintf(evidence->how, sizeof evidence->how,
                 "damaged zip that starts as Keras's");
    }
    return status == CKPT_IO || status == CKPT_MEMORY ? status : CKPT_OK;
}

/* ---- Opening ---- */

int
hdf5_archive_open(const struct ckpt_host *host,
                  const struct ckpt_source *source,
                  struct hdf5_archive *archive, struct hdf5_part *part)
{
    const struct sdk_zip_member *weights;
    int status;

    archive->source = source;
    status = sdk_zip_open(host, source, &archive->zip);
    if (status != CKPT_OK)
        return status;
    weights = archive_find(archive, HDF5_ARCHIVE_WEIGHTS);
    if (weights == NULL && archive_find(archive, HDF5_ARCHIVE_ARRAYS) != NULL)
        return host->fail(host, CKPT_UNSUPPORTED, NULL, CKPT_NOWHERE,
                          "the weights are in " HDF5_ARCHIVE_ARRAYS
                          ", which Keras itself does not load: pickled arrays");
    if (weights == NULL)
        return host->fail(host, CKPT_FORMAT, NULL, CKPT_NOWHERE,
                          "there is no member " HDF5_ARCHIVE_WEIGHTS);
    if (weights->method != SDK_ZIP_STORED)
        return host->fail(host, CKPT_UNSUPPORTED, NULL, weights->header_offset,
                          HDF5_ARCHIVE_WEIGHTS
                          " is packed in the archive, where "
                          "Keras stores it; unpack it and read it alone");
    part->source = source;
    part->base = weights->data_offset;
    part->size_bytes = weights->size_bytes;
    return CKPT_OK;
}

/* ---- Texts ---- */

static int
text_inflate(const struct ckpt_host *host, const struct hdf5_archive *archive,
             const struct sdk_zip_member *member, void *text)
{
    struct sdk_zip_inflate *inflate = NULL;
    struct sdk_zip_stream *stream = NULL;
    int status =
        sdk_zip_inflate_open(host, archive->source, &archive->zip, &inflate);

    if (status == CKPT_OK)
        status = sdk_zip_stream_open(host, inflate, member, &stream);
    if (status == CKPT_OK)
        status =
            sdk_zip_stream_read(host, stream, text, (size_t)member->size_bytes);
    if (status == CKPT_OK)
        status = sdk_zip_stream_finish(host, stream);
    sdk_zip_stream_close(host, stream);
    sdk_zip_inflate_close(host, inflate);
    return status;
}

static int
text_read(const struct ckpt_host *host, const struct hdf5_archive *archive,
          const struct sdk_zip_member *member, void *text)
{
    size_t size = (size_t)member->size_bytes;
    int status;

    if (member->method == SDK_ZIP_DEFLATED)
        return text_inflate(host, archive, member, text);
    status = host->source_read(host, archive->source, member->data_offset, text,
                               size);
    if (status == CKPT_OK && libdeflate_crc32(0, text, size) != member->crc32)
        return host->fail(host, CKPT_FORMAT, NULL, member->data_offset,
                          "member '%.*s' has another CRC-32 than it should",
                          (int)member->name_bytes, member->name);
    return status;
}

static int
text_attribute(const struct ckpt_host *host, const struct hdf5_archive *archive,
               const char *name, struct ckpt_graph *graph)
{
    const struct sdk_zip_member *member = archive_find(archive, name);
    struct ckpt_value like = {.kind = CKPT_KIND_STRING}, *value;
    char *text;
    int status;

    if (member == NULL)
        return CKPT_OK;
    if (member->size_bytes > HDF5_VALUE_MAX ||
        (member->method != SDK_ZIP_STORED &&
         member->method != SDK_ZIP_DEFLATED))
        return host->fail(host, CKPT_UNSUPPORTED, NULL, member->header_offset,
                          "member '%s' of %llu bytes, packed by method %u",
                          name, (unsigned long long)member->size_bytes,
                          member->method);
    text = host->allocate(host, (size_t)member->size_bytes + 1);
    if (text == NULL)
        return CKPT_MEMORY;
    status = text_read(host, archive, member, text);
    like.as.text.data = text;
    like.as.text.size_bytes = (size_t)member->size_bytes;
    if (status == CKPT_OK)
        status = host->value_new(host, graph, &like, sizeof like, &value);
    if (status == CKPT_OK)
        status = host->attr_set(host, graph, NULL, name, value);
    host->release(host, text);
    return status;
}

/* Assets of layers, and whatever else somebody put into the archive. */
static void
report_rest(const struct ckpt_host *host, const struct hdf5_archive *archive)
{
    const struct sdk_zip_member *member;
    size_t i, count = 0;

    for (i = 0; i < archive->zip.member_count; i++) {
        member = &archive->zip.members[i];
        count += member->size_bytes > 0 &&
                 !member_is(member, HDF5_ARCHIVE_CONFIG) &&
                 !member_is(member, HDF5_ARCHIVE_METADATA) &&
                 !member_is(member, HDF5_ARCHIVE_WEIGHTS);
    }
    if (count > 0)
        host->lose(host, NULL, CKPT_NOWHERE,
                   "members besides configuration, metadata and weights are "
                   "left out: %zu",
                   count);
}

int
hdf5_archive_describe(const struct ckpt_host *host,
                      struct hdf5_archive *archive, struct ckpt_graph *graph)
{
    int status;

    if (archive->source == NULL)
        return CKPT_OK;
    report_rest(host, archive);
    status = text_attribute(host, archive, HDF5_ARCHIVE_METADATA, graph);
    return status == CKPT_OK
               ? text_attribute(host, archive, HDF5_ARCHIVE_CONFIG, graph)
               : status;
}

void
hdf5_archive_close(const struct ckpt_host *host, struct hdf5_archive *archive)
{
    sdk_zip_close(host, &archive->zip);
    memset(archive, 0, sizeof *archive);
}
