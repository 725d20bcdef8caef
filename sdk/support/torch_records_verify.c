/* SPDX-License-Identifier: MIT
 *
 * Every record is read through once; what does not hold is told and does not
 * stop the rest.
 */
#include "torch_records_verify.h"

#include <libdeflate.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "checked.h"
#include "endian.h"
#include "quiet_host.h"

#define CHUNK_BYTES ((size_t)256 << 10)
#define FLAG_DESCRIPTOR 0x0008

struct verify {
    struct sdk_quiet_host quiet; /* keeps what libzip says */
    const struct ckpt_host *host;
    struct sdk_torch_records *records;
    const char *place;
    struct sdk_torch_checked *checked;
    unsigned char *chunk; /* once a record is deflated */
};

static int find(const struct verify *self, const struct sdk_zip_member *member,
                const char *kind, const char *format, ...) CKPT_PRINTF(4, 5);

static int
find(const struct verify *self, const struct sdk_zip_member *member,
     const char *kind, const char *format, ...)
{
    struct ckpt_finding finding = {.severity = CKPT_SEVERITY_WRONG,
                                   .kind = kind,
                                   .place = self->place,
                                   .byte = member->data_offset};
    va_list arguments;
    char text[400], name[300];

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    snprintf(name, sizeof name, "%.*s",
             (int)(member->name_bytes < 250 ? member->name_bytes : 250),
             member->name);
    finding.name = name;
    finding.text = text;
    return self->host->finding_add(self->host, &finding, sizeof finding);
}

/* What libzip refuses of one member is a finding; all else is a failure. */
static int
refused(struct verify *self, const struct sdk_zip_member *member, int status)
{
    if (status == CKPT_OK || status == CKPT_CANCELLED ||
        self->quiet.reason[0] == '\0')
        return status;
    if (status == CKPT_FORMAT)
        return find(self, member, "checksum", "%s", self->quiet.reason);
    return self->host->fail(self->host, status, NULL, member->header_offset,
                            "%s", self->quiet.reason);
}

/* ---- One record ---- */

static int
sum_stored(struct verify *self, const struct sdk_zip_member *member,
           uint32_t *crc32)
{
    struct ckpt_span span;
    uint64_t at = 0;
    int status = CKPT_OK;

    *crc32 = 0;
    while (at < member->size_bytes && status == CKPT_OK) {
        uint64_t left = member->size_bytes - at;
        size_t size = left < CHUNK_BYTES ? (size_t)left : CHUNK_BYTES;

        status = self->host->source_peek(self->host, self->records->source,
                                         member->data_offset + at, size, &span);
        if (status == CKPT_OK)
            *crc32 = libdeflate_crc32(*crc32, span.data, size);
        at += size;
        if (status == CKPT_OK && self->host->cancelled(self->host))
            status = CKPT_CANCELLED;
    }
    return status;
}

/* libzip compares the CRC-32 itself, at the end. */
static int
read_deflated(struct verify *self, const struct sdk_zip_member *member)
{
    struct sdk_zip_inflate *inflate;
    struct sdk_zip_stream *stream = NULL;
    uint64_t left = member->size_bytes;
    int status = sdk_torch_records_inflate(self->host, self->records, &inflate);

    if (status == CKPT_OK && self->chunk == NULL) {
        self->chunk = self->host->allocate(self->host, CHUNK_BYTES);
        status = self->chunk != NULL ? CKPT_OK : CKPT_MEMORY;
    }
    if (status != CKPT_OK)
        return status;
    self->quiet.reason[0] = '\0';
    status = sdk_zip_stream_open(&self->quiet.table, inflate, member, &stream);
    while (status == CKPT_OK && left > 0) {
        size_t size = left < CHUNK_BYTES ? (size_t)left : CHUNK_BYTES;

        status =
            sdk_zip_stream_read(&self->quiet.table, stream, self->chunk, size);
        left -= size;
        if (status == CKPT_OK && self->host->cancelled(self->host))
            status = CKPT_CANCELLED;
    }
    if (status == CKPT_OK)
        status = sdk_zip_stream_finish(&self->quiet.table, stream);
    sdk_zip_stream_close(self->host, stream);
    self->checked->held_count += status == CKPT_OK;
    return refused(self, member, status);
}

static int
check_stored(struct verify *self, const struct sdk_zip_member *member)
{
    uint32_t crc32;
    int status;

    if (member->crc32 == 0 && member->size_bytes > 0) {
        self->checked->absent_count++;
        return CKPT_OK;
    }
    status = sum_stored(self, member, &crc32);
    if (status != CKPT_OK)
        return status;
    if (crc32 == member->crc32) {
        self->checked->held_count++;
        return CKPT_OK;
    }
    return find(self, member, "checksum",
                "its CRC-32 is %08x, the archive says %08x", crc32,
                member->crc32);
}

/* What follows the data, if the header announces it: of 32 or of 64 bits. */
static int
check_descriptor(struct verify *self, const struct sdk_zip_member *member)
{
    const struct ckpt_host *host = self->host;
    uint64_t at = member->data_offset + member->packed_bytes;
    unsigned char bytes[24];
    bool small, wide;
    int status = CKPT_OK;

    if ((member->flags & FLAG_DESCRIPTOR) == 0 || member->size_bytes == 0 ||
        !sdk_within(at, sizeof bytes,
                    host->source_size(host, self->records->source)))
        return CKPT_OK;
    status =
        host->source_read(host, self->records->source, at, bytes, sizeof bytes);
    if (status != CKPT_OK || memcmp(bytes, "PK\7\10", 4) != 0)
        return status;
    small = sdk_load_le32(bytes + 8) == (uint32_t)member->packed_bytes &&
            sdk_load_le32(bytes + 12) == (uint32_t)member->size_bytes;
    wide = sdk_load_le64(bytes + 8) == member->packed_bytes &&
           sdk_load_le64(bytes + 16) == member->size_bytes;
    if ((!small && !wide) || sdk_load_le32(bytes + 4) != member->crc32)
        status = find(self, member, "size",
                      "its descriptor tells another size or CRC-32 than the "
                      "directory");
    return status;
}

static int
check_member(struct verify *self, size_t index)
{
    const struct sdk_zip_member *member = &self->records->zip.members[index];
    int status = check_descriptor(self, member);

    if (status == CKPT_OK && self->records->used[index] == SDK_TORCH_LONGER)
        status = find(self, member, "size",
                      "%llu bytes, more than its storage has; torch 2.10 and "
                      "newer refuse that",
                      (unsigned long long)member->size_bytes);
    if (status != CKPT_OK)
        return status;
    if (member->method == SDK_ZIP_STORED)
        return check_stored(self, member);
    if (member->method == SDK_ZIP_DEFLATED)
        return read_deflated(self, member);
    return find(self, member, "checksum", "packed by method %u: not checked",
                member->method);
}

/* ---- The whole ---- */

int
sdk_torch_checked_say(const struct ckpt_host *host,
                      const struct sdk_torch_checked *checked,
                      const char *place)
{
    struct ckpt_finding finding = {
        .kind = "checksum", .place = place, .byte = CKPT_NOWHERE};
    char text[200];
    int status = CKPT_OK;

    snprintf(text, sizeof text, "%llu records hold their CRC-32",
             (unsigned long long)checked->held_count);
    finding.text = text;
    if (checked->held_count > 0)
        status = host->finding_add(host, &finding, sizeof finding);
    snprintf(text, sizeof text,
             "no CRC-32 was taken of %llu records: not checked",
             (unsigned long long)checked->absent_count);
    if (status == CKPT_OK && checked->absent_count > 0)
        status = host->finding_add(host, &finding, sizeof finding);
    return status;
}

int
sdk_torch_records_check(const struct ckpt_host *host,
                        struct sdk_torch_records *records, const char *place,
                        struct sdk_torch_checked *checked)
{
    struct verify *self = host->allocate(host, sizeof *self);
    size_t i;
    int status = CKPT_OK;

    if (self == NULL)
        return CKPT_MEMORY;
    sdk_quiet_host_init(&self->quiet, host);
    self->host = host;
    self->records = records;
    self->place = place;
    self->checked = checked;
    for (i = 0; i < records->zip.member_count && status == CKPT_OK; i++)
        status = check_member(self, i);
    host->release(host, self->chunk);
    host->release(host, self);
    return status;
}

int
sdk_torch_records_verify(const struct ckpt_host *host,
                         struct sdk_torch_records *records, const char *place)
{
    struct sdk_torch_checked checked = {0};
    int status = sdk_torch_records_check(host, records, place, &checked);

    return status == CKPT_OK ? sdk_torch_checked_say(host, &checked, place)
                             : status;
}
