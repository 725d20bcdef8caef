/* SPDX-License-Identifier: MIT
 *
 * The CRC-32 of each member of an archive. What does not hold is told and
 * does not stop the rest.
 */
#include <libdeflate.h>
#include <stdio.h>

#include "hdf5_archive.h"
#include "quiet_host.h"

#define PIECE_BYTES ((size_t)256 << 10)

struct verify {
    struct sdk_quiet_host quiet; /* keeps what libzip says */
    const struct ckpt_host *host;
    const struct hdf5_archive *archive;
    uint64_t held_count;
};

static int
verify_tell(const struct verify *self, const struct sdk_zip_member *member,
            uint32_t severity, const char *text)
{
    struct ckpt_finding finding = {.severity = severity,
                                   .kind = "checksum",
                                   .byte = CKPT_NOWHERE,
                                   .text = text};
    char name[300];

    if (member != NULL) {
        snprintf(name, sizeof name, "%.*s",
                 (int)(member->name_bytes < 250 ? member->name_bytes : 250),
                 member->name);
        finding.name = name;
        finding.byte = member->data_offset;
    }
    return self->host->finding_add(self->host, &finding, sizeof finding);
}

static int
verify_stored(struct verify *self, const struct sdk_zip_member *member)
{
    const struct ckpt_host *host = self->host;
    uint32_t crc32 = libdeflate_crc32(0, NULL, 0);
    struct ckpt_span span;
    uint64_t at = 0;
    size_t size;
    char text[80];
    int status;

    for (; at < member->size_bytes; at += size) {
        size = member->size_bytes - at < PIECE_BYTES
                   ? (size_t)(member->size_bytes - at)
                   : PIECE_BYTES;
        if (host->cancelled(host))
            return CKPT_CANCELLED;
        status = host->source_peek(host, self->archive->source,
                                   member->data_offset + at, size, &span);
        if (status != CKPT_OK)
            return status;
        crc32 = libdeflate_crc32(crc32, span.data, size);
    }
    self->held_count += crc32 == member->crc32;
    if (crc32 == member->crc32)
        return CKPT_OK;
    snprintf(text, sizeof text, "its CRC-32 is %08x, the archive says %08x",
             crc32, member->crc32);
    return verify_tell(self, member, CKPT_SEVERITY_WRONG, text);
}

/* libzip compares the CRC-32 itself, at the end. */
static int
verify_deflated(struct verify *self, const struct sdk_zip_member *member)
{
    const struct ckpt_host *quiet = &self->quiet.table;
    const struct hdf5_archive *archive = self->archive;
    struct sdk_zip_inflate *inflate = NULL;
    struct sdk_zip_stream *stream = NULL;
    int status;

    self->quiet.reason[0] = '\0';
    status =
        sdk_zip_inflate_open(quiet, archive->source, &archive->zip, &inflate);
    if (status == CKPT_OK)
        status = sdk_zip_stream_open(quiet, inflate, member, &stream);
    if (status == CKPT_OK)
        status = sdk_zip_stream_finish(quiet, stream);
    sdk_zip_stream_close(quiet, stream);
    sdk_zip_inflate_close(quiet, inflate);
    self->held_count += status == CKPT_OK;
    if (status == CKPT_FORMAT && self->quiet.reason[0] != '\0')
        return verify_tell(self, member, CKPT_SEVERITY_WRONG,
                           self->quiet.reason);
    return status;
}

int
hdf5_archive_verify(const struct ckpt_host *host,
                    const struct hdf5_archive *archive)
{
    struct verify self = {.host = host, .archive = archive};
    const struct sdk_zip_member *member;
    char text[80];
    size_t i;
    int status = CKPT_OK;

    sdk_quiet_host_init(&self.quiet, host);
    if (archive->source == NULL)
        return verify_tell(&self, NULL, CKPT_SEVERITY_NOTE,
                           "the file carries no checksums of its data: not "
                           "checked");
    for (i = 0; i < archive->zip.member_count && status == CKPT_OK; i++) {
        member = &archive->zip.members[i];
        if (member->method == SDK_ZIP_STORED)
            status = verify_stored(&self, member);
        else if (member->method == SDK_ZIP_DEFLATED)
            status = verify_deflated(&self, member);
        else
            status = verify_tell(&self, member, CKPT_SEVERITY_WRONG,
                                 "packed by a method that is not known");
    }
    snprintf(text, sizeof text, "%llu members hold their CRC-32",
             (unsigned long long)self.held_count);
    return status == CKPT_OK
               ? verify_tell(&self, NULL, CKPT_SEVERITY_NOTE, text)
               : status;
}
