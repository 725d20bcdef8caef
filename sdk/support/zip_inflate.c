/* SPDX-License-Identifier: MIT
 *
 * libzip behind a source of the host.
 */
#include "zip_inflate.h"

#include <string.h>
#include <zip.h>

#define CHUNK_BYTES ((size_t)64 << 10)

struct sdk_zip_inflate {
    const struct ckpt_host *host;
    const struct ckpt_source *source;
    const struct sdk_zip *zip;
    uint64_t size_bytes;
    uint64_t at;
    zip_error_t error;
    int status; /* of the last read of the source that failed */
    zip_t *archive;
};

struct sdk_zip_stream {
    struct sdk_zip_inflate *inflate;
    const struct sdk_zip_member *member;
    zip_file_t *file;
    uint64_t left_bytes;
};

/* ---- The source, as libzip asks for it ---- */

static zip_int64_t
inflate_read(struct sdk_zip_inflate *self, void *data, zip_uint64_t size)
{
    uint64_t left = self->size_bytes - self->at;
    int status;

    if (size > left)
        size = left;
    status =
        self->host->source_read(self->host, self->source,
                                self->zip->base + self->at, data, (size_t)size);
    if (status != CKPT_OK) {
        self->status = status;
        zip_error_set(&self->error, ZIP_ER_READ, 0);
        return -1;
    }
    self->at += size;
    return (zip_int64_t)size;
}

static zip_int64_t
inflate_seek(struct sdk_zip_inflate *self, void *data, zip_uint64_t size)
{
    zip_int64_t to = zip_source_seek_compute_offset(self->at, self->size_bytes,
                                                    data, size, &self->error);

    if (to < 0)
        return -1;
    self->at = (uint64_t)to;
    return 0;
}

static zip_int64_t
inflate_stat(const struct sdk_zip_inflate *self, zip_stat_t *stat)
{
    zip_stat_init(stat);
    stat->valid = ZIP_STAT_SIZE;
    stat->size = self->size_bytes;
    return sizeof *stat;
}

static zip_int64_t
inflate_source(void *user, void *data, zip_uint64_t size,
               zip_source_cmd_t command)
{
    struct sdk_zip_inflate *self = user;

    switch (command) {
    case ZIP_SOURCE_OPEN:
        self->at = 0;
        return 0;
    case ZIP_SOURCE_READ:
        return inflate_read(self, data, size);
    case ZIP_SOURCE_SEEK:
        return inflate_seek(self, data, size);
    case ZIP_SOURCE_TELL:
        return (zip_int64_t)self->at;
    case ZIP_SOURCE_STAT:
        return inflate_stat(self, data);
    case ZIP_SOURCE_ERROR:
        return zip_error_to_data(&self->error, data, size);
    case ZIP_SOURCE_SUPPORTS:
        return zip_source_make_command_bitmap(
            ZIP_SOURCE_OPEN, ZIP_SOURCE_READ, ZIP_SOURCE_CLOSE, ZIP_SOURCE_STAT,
            ZIP_SOURCE_ERROR, ZIP_SOURCE_FREE, ZIP_SOURCE_SEEK, ZIP_SOURCE_TELL,
            ZIP_SOURCE_SUPPORTS, -1);
    case ZIP_SOURCE_CLOSE:
    case ZIP_SOURCE_FREE:
        return 0;
    default:
        zip_error_set(&self->error, ZIP_ER_OPNOTSUPP, 0);
        return -1;
    }
}

/* ---- The archive ---- */

static int
inflate_fail(struct sdk_zip_inflate *self, uint64_t byte, const char *what)
{
    if (self->status != CKPT_OK)
        return self->status;
    return self->host->fail(self->host, CKPT_FORMAT, NULL, byte, "libzip: %s",
                            what);
}

static int
stream_fail(struct sdk_zip_stream *stream, const char *what)
{
    const struct sdk_zip_member *member = stream->member;
    struct sdk_zip_inflate *self = stream->inflate;

    if (self->status != CKPT_OK)
        return self->status;
    return self->host->fail(
        self->host, CKPT_FORMAT, NULL, member->data_offset,
        "record '%.*s' cannot be inflated: %s",
        (int)(member->name_bytes < 200 ? member->name_bytes : 200),
        member->name, what);
}

static int
inflate_start(struct sdk_zip_inflate *self)
{
    zip_error_t error;
    zip_source_t *source;
    int status = CKPT_OK;

    zip_error_init(&error);
    source = zip_source_function_create(inflate_source, self, &error);
    if (source != NULL)
        self->archive = zip_open_from_source(source, ZIP_RDONLY, &error);
    if (self->archive == NULL) {
        status = inflate_fail(self, CKPT_NOWHERE, zip_error_strerror(&error));
        zip_source_free(source);
    }
    zip_error_fini(&error);
    return status;
}

static bool
same_member(const zip_stat_t *stat, const struct sdk_zip_member *member)
{
    const zip_uint64_t wanted = ZIP_STAT_NAME | ZIP_STAT_SIZE |
                                ZIP_STAT_COMP_SIZE | ZIP_STAT_CRC |
                                ZIP_STAT_COMP_METHOD;

    return (stat->valid & wanted) == wanted &&
           strlen(stat->name) == member->name_bytes &&
           memcmp(stat->name, member->name, member->name_bytes) == 0 &&
           stat->size == member->size_bytes &&
           stat->comp_size == member->packed_bytes &&
           stat->crc == member->crc32 && stat->comp_method == member->method;
}

static int
inflate_compare(struct sdk_zip_inflate *self)
{
    const struct sdk_zip *zip = self->zip;
    zip_int64_t count = zip_get_num_entries(self->archive, 0);
    zip_stat_t stat;
    size_t i;

    if (count < 0 || (uint64_t)count != zip->member_count)
        return inflate_fail(self, CKPT_NOWHERE,
                            "it sees another number of members");
    for (i = 0; i < zip->member_count; i++) {
        zip_stat_init(&stat);
        if (zip_stat_index(self->archive, i, ZIP_FL_ENC_RAW, &stat) != 0 ||
            !same_member(&stat, &zip->members[i]))
            return inflate_fail(self, zip->members[i].header_offset,
                                "it sees another member here");
    }
    return CKPT_OK;
}

int
sdk_zip_inflate_open(const struct ckpt_host *host,
                     const struct ckpt_source *source,
                     const struct sdk_zip *zip,
                     struct sdk_zip_inflate **inflate)
{
    struct sdk_zip_inflate *self = host->allocate(host, sizeof *self);
    int status;

    if (self == NULL)
        return CKPT_MEMORY;
    self->host = host;
    self->source = source;
    self->zip = zip;
    self->size_bytes = zip->size_bytes;
    zip_error_init(&self->error);
    status = inflate_start(self);
    if (status == CKPT_OK)
        status = inflate_compare(self);
    if (status == CKPT_OK)
        *inflate = self;
    else
        sdk_zip_inflate_close(host, self);
    return status;
}

void
sdk_zip_inflate_close(const struct ckpt_host *host,
                      struct sdk_zip_inflate *self)
{
    if (self == NULL)
        return;
    if (self->archive != NULL)
        zip_discard(self->archive);
    zip_error_fini(&self->error);
    host->release(host, self);
}

/* ---- Members ---- */

int
sdk_zip_stream_open(const struct ckpt_host *host,
                    struct sdk_zip_inflate *inflate,
                    const struct sdk_zip_member *member,
                    struct sdk_zip_stream **stream)
{
    struct sdk_zip_stream *made = host->allocate(host, sizeof *made);

    if (made == NULL)
        return CKPT_MEMORY;
    inflate->host = host;
    made->inflate = inflate;
    made->member = member;
    made->left_bytes = member->size_bytes;
    made->file = zip_fopen_index(
        inflate->archive, (zip_uint64_t)(member - inflate->zip->members), 0);
    if (made->file == NULL) {
        host->release(host, made);
        return inflate_fail(inflate, member->header_offset,
                            zip_strerror(inflate->archive));
    }
    *stream = made;
    return CKPT_OK;
}

int
sdk_zip_stream_read(const struct ckpt_host *host, struct sdk_zip_stream *stream,
                    void *buffer, size_t size_bytes)
{
    unsigned char *to = buffer;

    stream->inflate->host = host;
    while (size_bytes > 0) {
        zip_int64_t got = zip_fread(stream->file, to, size_bytes);

        if (got < 0)
            return stream_fail(stream, zip_file_strerror(stream->file));
        if (got == 0 || (uint64_t)got > stream->left_bytes)
            return stream_fail(stream, "it has another size than it says");
        to += got;
        size_bytes -= (size_t)got;
        stream->left_bytes -= (uint64_t)got;
    }
    return CKPT_OK;
}

int
sdk_zip_stream_finish(const struct ckpt_host *host,
                      struct sdk_zip_stream *stream)
{
    unsigned char *rest = host->allocate(host, CHUNK_BYTES);
    int status = rest != NULL ? CKPT_OK : CKPT_MEMORY;
    zip_int64_t got;

    stream->inflate->host = host;
    while (status == CKPT_OK && stream->left_bytes > 0)
        status = sdk_zip_stream_read(host, stream, rest,
                                     stream->left_bytes < CHUNK_BYTES
                                         ? (size_t)stream->left_bytes
                                         : CHUNK_BYTES);
    if (status == CKPT_OK) {
        /* The end must be met for libzip to compare the CRC-32. */
        got = zip_fread(stream->file, rest, 1);
        if (got != 0)
            status =
                stream_fail(stream, got < 0 ? zip_file_strerror(stream->file)
                                            : "it has more bytes than it "
                                              "says");
    }
    host->release(host, rest);
    return status;
}

void
sdk_zip_stream_close(const struct ckpt_host *host,
                     struct sdk_zip_stream *stream)
{
    if (stream == NULL)
        return;
    stream->inflate->host = host;
    zip_fclose(stream->file);
    host->release(host, stream);
}
