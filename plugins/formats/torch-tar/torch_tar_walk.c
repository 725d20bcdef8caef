/* SPDX-License-Identifier: MIT
 *
 * The walk over the headers of a tar, by libarchive, and what it is held
 * against. The bytes of members are skipped, never read.
 */
#include "torch_tar_walk.h"

#include <archive.h>
#include <archive_entry.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "checked.h"
#include "quiet_host.h"

#define BLOCK_BYTES 512
#define WINDOW_BYTES 8192

const char *const torch_tar_names[TORCH_TAR_NAME_COUNT] = {
    "sys_info", "pickle", "tensors", "storages", "ckpt.attributes"};

struct walk {
    const struct ckpt_host *host;
    struct torch_tar_members *members;
    uint64_t position, size_bytes;
    uint64_t next; /* where the next header should be, for messages */
    int status;    /* of the source */
    unsigned char window[WINDOW_BYTES];
};

/* ---- What libarchive reads through ---- */

static la_ssize_t
walk_read(struct archive *archive, void *user, const void **data)
{
    struct walk *walk = user;
    uint64_t left = walk->size_bytes - walk->position;
    size_t size_bytes = left < WINDOW_BYTES ? (size_t)left : WINDOW_BYTES;

    walk->status =
        walk->host->source_read(walk->host, walk->members->source,
                                walk->position, walk->window, size_bytes);
    if (walk->status != CKPT_OK) {
        archive_set_error(archive, EIO, "the source failed");
        return -1;
    }
    walk->position += size_bytes;
    *data = walk->window;
    return (la_ssize_t)size_bytes;
}

static la_int64_t
walk_skip(struct archive *archive, void *user, la_int64_t wanted)
{
    struct walk *walk = user;
    uint64_t left = walk->size_bytes - walk->position, skipped = 0;

    (void)archive;
    if (wanted > 0)
        skipped = (uint64_t)wanted < left ? (uint64_t)wanted : left;
    walk->position += skipped;
    return (la_int64_t)skipped;
}

/* ---- Members ---- */

static int
walk_fail(const struct walk *walk, int status, uint64_t byte, const char *what)
{
    return walk->host->fail(walk->host, status, NULL, byte, "%s", what);
}

/* Whether a part of the path is "..", or the path begins at the root. */
static bool
name_climbs(const char *name)
{
    const char *part = name, *end;

    if (*name == '/')
        return true;
    for (; part != NULL; part = end == NULL ? NULL : end + 1) {
        end = strchr(part, '/');
        if (strncmp(part, "..", 2) == 0 && (part[2] == '/' || part[2] == 0))
            return true;
    }
    return false;
}

static int
check_entry(const struct walk *walk, struct archive_entry *entry,
            const char *name, uint64_t byte)
{
    if (name_climbs(name))
        return walk_fail(walk, CKPT_FORMAT, byte,
                         "a member whose name climbs out of the archive");
    if (archive_entry_hardlink(entry) != NULL ||
        archive_entry_symlink(entry) != NULL)
        return walk_fail(walk, CKPT_FORMAT, byte, "a member that is a link");
    return CKPT_OK;
}

static int
find_name(const char *name)
{
    int i;

    for (i = 0; i < TORCH_TAR_NAME_COUNT; i++)
        if (strcmp(name, torch_tar_names[i]) == 0)
            return i;
    return -1;
}

/* A number in octal, closed by a space or a zero byte. */
static bool
read_octal(const unsigned char *field, size_t field_bytes, uint64_t *number)
{
    uint64_t sum = 0;
    size_t i = 0;

    while (i < field_bytes && field[i] == ' ')
        i++;
    for (; i < field_bytes && field[i] >= '0' && field[i] <= '7'; i++)
        sum = sum * 8 + (uint64_t)(field[i] - '0');
    if (i < field_bytes && field[i] != ' ' && field[i] != 0)
        return false;
    *number = sum;
    return true;
}

/* The size as the header alone says it: octal, or in GNU's way binary after a
 * first byte of 0x80. */
static bool
read_size(const unsigned char *field, uint64_t *size_bytes)
{
    uint64_t sum = 0;
    size_t i;

    if (field[0] != 0x80)
        return read_octal(field, 12, size_bytes);
    for (i = 1; i < 12; i++) {
        if (sum >> 56 != 0)
            return false;
        sum = sum << 8 | field[i];
    }
    *size_bytes = sum;
    return true;
}

static bool
block_agrees(const unsigned char *block, const char *name, uint64_t size_bytes)
{
    uint64_t said;

    return strncmp((const char *)block, name, 100) == 0 &&
           memcmp(block + 257, "ustar", 5) == 0 &&
           (block[156] == '0' || block[156] == 0) &&
           read_size(block + 124, &said) &&
           (said == size_bytes ||
            (said == 0 && size_bytes >= TORCH_TAR_SIZE_WIDE));
}

static int
add_member(struct walk *walk, struct archive_entry *entry, int which,
           const struct torch_tar_member *member)
{
    const char *name = torch_tar_names[which];
    unsigned char block[BLOCK_BYTES];
    int status;

    if (walk->members->members[which].found)
        return walk->host->fail(walk->host, CKPT_FORMAT, NULL,
                                member->header_offset, "a second member '%s'",
                                name);
    /* Even a damaged one tells what the archive was to be. */
    walk->members->members[which] = *member;
    if (archive_entry_sparse_count(entry) > 0)
        return walk->host->fail(walk->host, CKPT_UNSUPPORTED, NULL,
                                member->header_offset, "member '%s' is sparse",
                                name);
    if (!sdk_within(member->offset, member->size_bytes, walk->size_bytes))
        return walk->host->fail(
            walk->host, CKPT_FORMAT, NULL, member->header_offset,
            "member '%s' goes beyond the end of the file", name);
    status = walk->host->source_read(walk->host, walk->members->source,
                                     member->offset - BLOCK_BYTES, block,
                                     sizeof block);
    if (status == CKPT_OK && !block_agrees(block, name, member->size_bytes))
        return walk->host->fail(
            walk->host, CKPT_FORMAT, NULL, member->offset - BLOCK_BYTES,
            "member '%s' is another thing by its header", name);
    return status;
}

/* The first of the members that are of no use is kept for a message. */
static void
add_other(struct torch_tar_members *members, const char *name, uint64_t byte)
{
    if (members->other_count++ > 0)
        return;
    members->other_offset = byte;
    snprintf(members->other_name, sizeof members->other_name, "%s", name);
}

static int
walk_entry(struct walk *walk, struct archive *archive,
           struct archive_entry *entry)
{
    const char *path = archive_entry_pathname(entry);
    const char *name = path != NULL ? path : "?";
    struct torch_tar_member member = {.found = true};
    int which, status;

    member.header_offset = (uint64_t)archive_read_header_position(archive);
    member.offset = (uint64_t)archive_filter_bytes(archive, 0);
    member.size_bytes = (uint64_t)archive_entry_size(entry);
    walk->next = member.offset + (member.size_bytes + BLOCK_BYTES - 1) /
                                     BLOCK_BYTES * BLOCK_BYTES;
    status = check_entry(walk, entry, name, member.header_offset);
    if (status != CKPT_OK)
        return status;
    which = find_name(name);
    if (which < 0) {
        add_other(walk->members, name, member.header_offset);
        return CKPT_OK;
    }
    return add_member(walk, entry, which, &member);
}

/* libarchive's reason, in the house's form: lower case, no full stop. */
static int
fail_archive(const struct walk *walk, struct archive *archive)
{
    const char *why = archive_error_string(archive);
    uint64_t byte =
        walk->next < walk->size_bytes ? walk->next : walk->size_bytes;
    char text[100] = "the archive is damaged";

    if (walk->status != CKPT_OK)
        return walk->status;
    if (archive_errno(archive) == ENOMEM)
        return walk_fail(walk, CKPT_MEMORY, CKPT_NOWHERE, "no memory");
    if (why != NULL) {
        snprintf(text, sizeof text, "%s", why);
        text[0] = (char)tolower((unsigned char)text[0]);
    }
    return walk_fail(walk, CKPT_FORMAT, byte, text);
}

/* Two blocks of zeros. libarchive takes an archive without them. */
static int
walk_end(const struct walk *walk)
{
    unsigned char end[2 * BLOCK_BYTES];
    size_t i;
    int status;

    if (!sdk_within(walk->next, sizeof end, walk->size_bytes))
        return walk_fail(walk, CKPT_FORMAT, walk->size_bytes,
                         "the archive ends early");
    status = walk->host->source_read(walk->host, walk->members->source,
                                     walk->next, end, sizeof end);
    for (i = 0; status == CKPT_OK && i < sizeof end; i++)
        if (end[i] != 0)
            return walk_fail(walk, CKPT_FORMAT, walk->next + i,
                             "no zeros at the end of the archive");
    return status;
}

static int
walk_entries(struct walk *walk, struct archive *archive)
{
    struct archive_entry *entry;
    unsigned steps = 0;
    int result, status = CKPT_OK;

    while (status == CKPT_OK) {
        result = archive_read_next_header(archive, &entry);
        if (result == ARCHIVE_EOF)
            return walk_end(walk);
        if (result != ARCHIVE_OK && result != ARCHIVE_WARN)
            return fail_archive(walk, archive);
        status = walk_entry(walk, archive, entry);
        if ((++steps & 0xff) == 0 && walk->host->cancelled(walk->host))
            return CKPT_CANCELLED;
    }
    return status;
}

int
torch_tar_walk(const struct ckpt_host *host, const struct ckpt_source *source,
               struct torch_tar_members *members)
{
    struct walk *walk = host->allocate(host, sizeof *walk);
    struct archive *archive = archive_read_new();
    int status = CKPT_MEMORY;

    if (walk == NULL)
        goto out;
    members->source = source;
    walk->host = host;
    walk->members = members;
    walk->size_bytes = host->source_size(host, source);
    if (archive == NULL) {
        status = walk_fail(walk, CKPT_MEMORY, CKPT_NOWHERE, "no memory");
        goto out;
    }
    if (archive_read_support_format_tar(archive) != ARCHIVE_OK ||
        archive_read_open2(archive, walk, NULL, walk_read, walk_skip, NULL) !=
            ARCHIVE_OK)
        status = fail_archive(walk, archive);
    else
        status = walk_entries(walk, archive);
out:
    archive_read_free(archive);
    host->release(host, walk);
    return status;
}

/* ---- Recognising ---- */

/* A file cut within its first member, which torch wrote first. */
static bool
starts_with_sys_info(const struct ckpt_host *host,
                     const struct ckpt_source *source)
{
    struct ckpt_span span;

    return host->source_size(host, source) >= sizeof "sys_info" &&
           host->source_peek(host, source, 0, sizeof "sys_info", &span) ==
               CKPT_OK &&
           memcmp(span.data, "sys_info", sizeof "sys_info") == 0;
}

int
torch_tar_recognise(const struct ckpt_host *host,
                    const struct ckpt_source *source,
                    struct ckpt_evidence *evidence)
{
    struct torch_tar_members found = {0};
    const struct torch_tar_member *members = found.members;
    struct sdk_quiet_host quiet;
    size_t i, count = 0;
    int status;

    /* What is wrong with an archive is said when it is opened. */
    sdk_quiet_host_init(&quiet, host);
    status = torch_tar_walk(&quiet.table, source, &found);
    if (status == CKPT_IO || status == CKPT_CANCELLED || status == CKPT_MEMORY)
        return status;
    for (i = 0; i < TORCH_TAR_ATTRIBUTES; i++)
        count += members[i].found ? 1 : 0;
    if (members[TORCH_TAR_PICKLE].found && count > 2) {
        evidence->level = CKPT_EVIDENCE_STRUCTURE;
        snprintf(evidence->how, sizeof evidence->how,
                 "tar with pickle, tensors and storages");
    } else if (count > 1 || starts_with_sys_info(&quiet.table, source)) {
        evidence->level = CKPT_EVIDENCE_MAGIC;
        snprintf(evidence->how, sizeof evidence->how,
                 "incomplete tar of sys_info, pickle, tensors and storages");
    }
    return CKPT_OK;
}
