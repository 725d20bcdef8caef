/* SPDX-License-Identifier: MIT
 *
 * The records of a zip archive of torch.
 */
#include "torch_records.h"

#include <libdeflate.h>
#include <string.h>

#include "quiet_host.h"

#define CURSOR_BYTES ((size_t)256 << 10)
#define SMALL_BYTES 64 /* records of one word */
#define VERSION_MAX 10
#define REPORTS_MAX 10
#define SHOWN(member)                                               \
    (int)((member)->name_bytes < 200 ? (member)->name_bytes : 200), \
        (member)->name

uint64_t
sdk_torch_member_origin(const struct sdk_zip_member *member)
{
    return member->method == SDK_ZIP_STORED ? member->data_offset
                                            : CKPT_NOWHERE;
}

/* ---- Records ---- */

/* Writers list the storages as the pickle names them, so the next member is
 * often the one; no two have the same name. */
static const struct sdk_zip_member *
next_member(const struct sdk_torch_records *records, const char *name,
            size_t name_bytes)
{
    const struct sdk_zip_member *next = &records->zip.members[records->next];

    return records->next < records->zip.member_count &&
                   next->name_bytes == name_bytes &&
                   memcmp(next->name, name, name_bytes) == 0
               ? next
               : NULL;
}

const struct sdk_zip_member *
sdk_torch_records_find(struct sdk_torch_records *records, const char *record,
                       size_t record_bytes)
{
    const struct sdk_zip_member *member;
    size_t prefix_bytes = records->prefix_bytes;
    char name[512];

    if (record_bytes > sizeof name || prefix_bytes > sizeof name - record_bytes)
        return NULL;
    memcpy(name, records->prefix, prefix_bytes);
    memcpy(name + prefix_bytes, record, record_bytes);
    member = next_member(records, name, prefix_bytes + record_bytes);
    if (member == NULL)
        member = sdk_zip_find(&records->zip, name, prefix_bytes + record_bytes);
    if (member != NULL) {
        records->next = (size_t)(member - records->zip.members) + 1;
        records->used[records->next - 1] = 1;
    }
    return member;
}

const struct sdk_zip_member *
sdk_torch_records_text(struct sdk_torch_records *records, const char *record)
{
    return sdk_torch_records_find(records, record, strlen(record));
}

/* libzip's view of the archive, opened on first use. */
int
sdk_torch_records_inflate(const struct ckpt_host *host,
                          struct sdk_torch_records *records,
                          struct sdk_zip_inflate **inflate)
{
    int status = CKPT_OK;

    if (records->inflate == NULL)
        status = sdk_zip_inflate_open(host, records->source, &records->zip,
                                      &records->inflate);
    *inflate = records->inflate;
    return status;
}

/* Whether what does not hold is told later, by verify. */
static bool
is_told_later(const struct ckpt_host *host)
{
    return host->verifying != NULL && host->verifying(host);
}

/* At its end libzip compares the CRC-32. */
static int
finish_deflated(const struct ckpt_host *host, struct sdk_zip_stream *stream)
{
    struct sdk_quiet_host quiet;

    if (!is_told_later(host))
        return sdk_zip_stream_finish(host, stream);
    sdk_quiet_host_init(&quiet, host);
    sdk_zip_stream_finish(&quiet.table, stream);
    return CKPT_OK;
}

static int
load_deflated(const struct ckpt_host *host, struct sdk_torch_records *records,
              const struct sdk_zip_member *member, void *data)
{
    struct sdk_zip_inflate *inflate;
    struct sdk_zip_stream *stream = NULL;
    int status = sdk_torch_records_inflate(host, records, &inflate);

    if (status == CKPT_OK)
        status = sdk_zip_stream_open(host, inflate, member, &stream);
    if (status == CKPT_OK)
        status =
            sdk_zip_stream_read(host, stream, data, (size_t)member->size_bytes);
    if (status == CKPT_OK)
        status = finish_deflated(host, stream);
    sdk_zip_stream_close(host, stream);
    return status;
}

int
sdk_torch_records_load(const struct ckpt_host *host,
                       struct sdk_torch_records *records,
                       const struct sdk_zip_member *member,
                       struct sdk_torch_bytes *bytes)
{
    unsigned char *data;
    size_t size_bytes = (size_t)member->size_bytes;
    int status;

    if (member->method != SDK_ZIP_STORED && member->method != SDK_ZIP_DEFLATED)
        return host->fail(host, CKPT_UNSUPPORTED, NULL, member->header_offset,
                          "record '%.*s' is packed by method %u", SHOWN(member),
                          member->method);
    data = host->allocate(host, size_bytes + 1);
    if (data == NULL)
        return CKPT_MEMORY;
    if (member->method == SDK_ZIP_STORED)
        status = host->source_read(host, records->source, member->data_offset,
                                   data, size_bytes);
    else
        status = load_deflated(host, records, member, data);
    if (status == CKPT_OK && member->crc32 != 0 && !is_told_later(host) &&
        libdeflate_crc32(0, data, size_bytes) != member->crc32)
        status = host->fail(host, CKPT_FORMAT, NULL, member->data_offset,
                            "record '%.*s' has another CRC-32 than it should",
                            SHOWN(member));
    if (status == CKPT_OK) {
        bytes->data = data;
        bytes->size_bytes = size_bytes;
    } else {
        host->release(host, data);
    }
    return status;
}

int
sdk_torch_records_pickle(const struct ckpt_host *host,
                         struct sdk_torch_records *records,
                         const struct sdk_zip_member *member,
                         struct sdk_torch_bytes *bytes,
                         struct sdk_pickled *pickled)
{
    uint64_t origin = sdk_torch_member_origin(member);
    struct sdk_pickled_input input = {.origin = origin};
    int status = sdk_torch_records_load(host, records, member, bytes);

    if (status != CKPT_OK)
        return status;
    input.data = bytes->data;
    input.size_bytes = bytes->size_bytes;
    status = sdk_pickled_parse(host, &input, pickled);
    if (status == CKPT_OK && pickled->end_bytes < bytes->size_bytes)
        host->warn(host, NULL, sdk_pickled_place(pickled, pickled->end_bytes),
                   "%zu bytes follow the pickle in '%.*s'",
                   bytes->size_bytes - pickled->end_bytes,
                   (int)(member->name_bytes - records->prefix_bytes),
                   member->name + records->prefix_bytes);
    return status;
}

/* Reads a record of one word. */
static int
load_word(const struct ckpt_host *host, struct sdk_torch_records *records,
          const struct sdk_zip_member *member, char word[SMALL_BYTES])
{
    struct sdk_torch_bytes bytes;
    int status;

    if (member->size_bytes >= SMALL_BYTES)
        return host->fail(host, CKPT_FORMAT, NULL, member->header_offset,
                          "record '%.*s' has %llu bytes", SHOWN(member),
                          (unsigned long long)member->size_bytes);
    status = sdk_torch_records_load(host, records, member, &bytes);
    if (status != CKPT_OK)
        return status;
    memcpy(word, bytes.data, bytes.size_bytes);
    word[bytes.size_bytes] = '\0';
    host->release(host, bytes.data);
    return CKPT_OK;
}

/* ---- What is said about the archive ---- */

static int
read_version(const struct ckpt_host *host, struct sdk_torch_records *records)
{
    const struct sdk_zip_member *member =
        sdk_torch_records_text(records, ".data/version");
    const struct sdk_zip_member *plain =
        sdk_torch_records_text(records, "version");
    char word[SMALL_BYTES];
    const char *p = word;
    unsigned version = 0;
    int status;

    if (member == NULL)
        member = plain;
    if (member == NULL)
        return host->fail(host, CKPT_FORMAT, NULL, CKPT_NOWHERE,
                          "there is no record 'version'");
    status = load_word(host, records, member, word);
    if (status != CKPT_OK)
        return status;
    p += strspn(p, " \t\r\n");
    for (; *p >= '0' && *p <= '9' && version <= VERSION_MAX; p++)
        version = version * 10 + (unsigned)(*p - '0');
    p += strspn(p, " \t\r\n");
    if (*p != '\0' || version == 0)
        return host->fail(host, CKPT_FORMAT, NULL, member->data_offset,
                          "the record 'version' holds no version");
    if (version > VERSION_MAX)
        return host->fail(host, CKPT_UNSUPPORTED, NULL, member->data_offset,
                          "version %u of the format is not known", version);
    return CKPT_OK;
}

static int
read_byte_order(const struct ckpt_host *host, struct sdk_torch_records *records)
{
    const struct sdk_zip_member *member =
        sdk_torch_records_text(records, "byteorder");
    char word[SMALL_BYTES];
    int status;

    if (member == NULL)
        return CKPT_OK;
    status = load_word(host, records, member, word);
    if (status != CKPT_OK)
        return status;
    records->big_endian = strcmp(word, "big") == 0;
    if (!records->big_endian && strcmp(word, "little") != 0)
        return host->fail(host, CKPT_FORMAT, NULL, member->data_offset,
                          "the record 'byteorder' holds neither 'little' nor "
                          "'big'");
    return CKPT_OK;
}

/* What file managers leave beside the files that they pack. */
static bool
is_litter(const struct sdk_zip_member *member)
{
    static const char *const names[] = {".DS_Store", "Thumbs.db",
                                        "desktop.ini"};
    const char *name = member->name, *slash;
    size_t i, size = member->name_bytes;

    if (size >= 9 && memcmp(name, "__MACOSX/", 9) == 0)
        return true;
    slash = memrchr(name, '/', size);
    if (slash != NULL) {
        size -= (size_t)(slash - name) + 1;
        name = slash + 1;
    }
    for (i = 0; i < sizeof names / sizeof *names; i++)
        if (size == strlen(names[i]) && memcmp(name, names[i], size) == 0)
            return true;
    return false;
}

bool
sdk_torch_records_holds(const struct sdk_torch_records *records,
                        const struct sdk_zip_member *member)
{
    return member->name_bytes >= records->prefix_bytes &&
           memcmp(member->name, records->prefix, records->prefix_bytes) == 0;
}

/* All members lie in one folder, that of the first one, but for litter. */
static int
check_prefix(const struct ckpt_host *host, struct sdk_torch_records *records)
{
    const struct sdk_zip_member *members = records->zip.members, *first;
    size_t i, count = records->zip.member_count, at = 0;
    const char *slash = NULL;

    while (at < count && is_litter(&members[at]))
        at++;
    first = at < count ? &members[at] : members;
    if (at < count)
        slash = memchr(first->name, '/', first->name_bytes);
    if (slash == NULL || slash == first->name)
        return host->fail(host, CKPT_FORMAT, NULL,
                          first != NULL ? first->header_offset : CKPT_NOWHERE,
                          "the records lie in no folder");
    records->prefix = first->name;
    records->prefix_bytes = (size_t)(slash - first->name) + 1;
    for (i = at + 1; i < count; i++)
        if (!sdk_torch_records_holds(records, &members[i]) &&
            !is_litter(&members[i]))
            return host->fail(host, CKPT_FORMAT, NULL, members[i].header_offset,
                              "record '%.*s' lies in another folder than "
                              "'%.*s'",
                              SHOWN(&members[i]), SHOWN(first));
    return CKPT_OK;
}

int
sdk_torch_records_open(const struct ckpt_host *host,
                       const struct ckpt_source *source,
                       struct sdk_torch_records *records)
{
    return sdk_torch_records_open_part(
        host, source, 0, host->source_size(host, source), records);
}

int
sdk_torch_records_open_part(const struct ckpt_host *host,
                            const struct ckpt_source *source, uint64_t base,
                            uint64_t size_bytes,
                            struct sdk_torch_records *records)
{
    int status =
        sdk_zip_open_part(host, source, base, size_bytes, &records->zip);

    if (status != CKPT_OK)
        return status;
    records->source = source;
    records->used = host->allocate(host, records->zip.member_count + 1);
    if (records->used == NULL)
        return CKPT_MEMORY;
    if (records->zip.trailing_bytes > 0)
        host->warn(host, NULL, CKPT_NOWHERE, "%llu bytes follow the archive",
                   (unsigned long long)records->zip.trailing_bytes);
    return check_prefix(host, records);
}

int
sdk_torch_records_about(const struct ckpt_host *host,
                        struct sdk_torch_records *records)
{
    static const char *const known[] = {".format_version", ".storage_alignment",
                                        ".data/serialization_id"};
    size_t i;
    int status = read_version(host, records);

    if (status == CKPT_OK)
        status = read_byte_order(host, records);
    for (i = 0; status == CKPT_OK && i < sizeof known / sizeof *known; i++)
        sdk_torch_records_text(records, known[i]);
    return status;
}

void
sdk_torch_records_close(const struct ckpt_host *host,
                        struct sdk_torch_records *records)
{
    sdk_zip_inflate_close(host, records->inflate);
    host->release(host, records->used);
    sdk_zip_close(host, &records->zip);
    memset(records, 0, sizeof *records);
}

void
sdk_torch_records_rest(const struct ckpt_host *host,
                       const struct sdk_torch_records *records)
{
    size_t i, rest = 0;

    for (i = 0; i < records->zip.member_count; i++) {
        const struct sdk_zip_member *member = &records->zip.members[i];

        if (records->used[i] || member->name[member->name_bytes - 1] == '/')
            continue;
        if (rest++ < REPORTS_MAX)
            host->warn(host, NULL, member->header_offset,
                       "record '%.*s' belongs to nothing and is left out",
                       SHOWN(member));
    }
    if (rest > REPORTS_MAX)
        host->warn(host, NULL, CKPT_NOWHERE,
                   "%zu more records belong to nothing and are left out",
                   rest - REPORTS_MAX);
}

/* ---- Storages ---- */

/* Compares a record with the storage it is of. A longer one was borne by
 * torch before 2.10; a shorter one made it read beyond its memory. */
static int
check_record(const struct ckpt_host *host,
             const struct sdk_torch_records *records,
             const struct sdk_zip_member *member,
             const struct sdk_torch_storage *storage)
{
    int shown = (int)(member->name_bytes - records->prefix_bytes);
    const char *record = member->name + records->prefix_bytes;

    if (member->size_bytes < storage->size_bytes)
        return host->fail(host, CKPT_FORMAT, storage->tensor,
                          member->data_offset,
                          "record '%.*s' has %llu bytes, its storage has "
                          "%llu",
                          shown, record, (unsigned long long)member->size_bytes,
                          (unsigned long long)storage->size_bytes);
    if (member->size_bytes > storage->size_bytes)
        host->warn(host, storage->tensor, member->data_offset,
                   "record '%.*s' has %llu bytes, its storage only %llu", shown,
                   record, (unsigned long long)member->size_bytes,
                   (unsigned long long)storage->size_bytes);
    if (member->method != SDK_ZIP_STORED && member->method != SDK_ZIP_DEFLATED)
        return host->fail(host, CKPT_UNSUPPORTED, storage->tensor,
                          member->header_offset,
                          "record '%.*s' is packed by method %u", shown, record,
                          member->method);
    return CKPT_OK;
}

int
sdk_torch_records_place(const struct ckpt_host *host,
                        const struct sdk_torch_records *records,
                        const struct sdk_zip_member *member,
                        const struct sdk_torch_storage *storage,
                        struct ckpt_storage *like)
{
    int status = check_record(host, records, member, storage);

    if (status != CKPT_OK)
        return status;
    if (member->size_bytes > storage->size_bytes)
        records->used[member - records->zip.members] = SDK_TORCH_LONGER;
    like->byte_order =
        records->big_endian ? CKPT_BIG_ENDIAN : CKPT_LITTLE_ENDIAN;
    if (member->method == SDK_ZIP_STORED) {
        like->place = CKPT_PLACE_SPAN;
        like->source = records->source;
        like->source_offset = member->data_offset;
    } else {
        like->place = CKPT_PLACE_CODED;
        like->cursor_key = (uint64_t)(member - records->zip.members);
    }
    return CKPT_OK;
}

int
sdk_torch_records_storage(const struct ckpt_host *host, void *user,
                          const struct sdk_torch_storage *storage,
                          struct ckpt_storage *like)
{
    struct sdk_torch_records *records = user;
    const struct sdk_zip_member *member = NULL;
    size_t key_bytes = storage->key.size_bytes;
    char record[256] = "data/";

    if (key_bytes < sizeof record - 5) {
        memcpy(record + 5, storage->key.data, key_bytes);
        member = sdk_torch_records_find(records, record, 5 + key_bytes);
    }
    if (member == NULL)
        return host->fail(host, CKPT_FORMAT, storage->tensor, storage->byte,
                          "there is no record 'data/%.*s'",
                          (int)(key_bytes < 200 ? key_bytes : 200),
                          storage->key.data);
    return sdk_torch_records_place(host, records, member, storage, like);
}

/* ---- Deflated storages ---- */

struct cursor {
    struct sdk_zip_stream *stream;
    uint64_t left_bytes; /* of the storage */
    bool finished;
    unsigned char buffer[CURSOR_BYTES];
};

int
sdk_torch_cursor_open(const struct ckpt_host *host,
                      struct sdk_torch_records *records, size_t member,
                      uint64_t size_bytes, void **cursor)
{
    struct sdk_zip_inflate *inflate;
    struct cursor *made = host->allocate(host, sizeof *made);
    int status = CKPT_MEMORY;

    if (made == NULL)
        return status;
    status = sdk_torch_records_inflate(host, records, &inflate);
    if (status == CKPT_OK)
        status = sdk_zip_stream_open(
            host, inflate, &records->zip.members[member], &made->stream);
    made->left_bytes = size_bytes;
    if (status == CKPT_OK)
        *cursor = made;
    else
        host->release(host, made);
    return status;
}

int
sdk_torch_cursor_next(const struct ckpt_host *host, void *cursor,
                      struct ckpt_span *span)
{
    struct cursor *self = cursor;
    size_t wanted = self->left_bytes < CURSOR_BYTES ? (size_t)self->left_bytes
                                                    : CURSOR_BYTES;
    int status;

    if (self->finished)
        return CKPT_END;
    status = sdk_zip_stream_read(host, self->stream, self->buffer, wanted);
    if (status != CKPT_OK)
        return status;
    self->left_bytes -= wanted;
    /* The check of the whole comes before its last bytes are handed out. */
    if (self->left_bytes == 0) {
        self->finished = true;
        status = sdk_zip_stream_finish(host, self->stream);
        if (status != CKPT_OK || wanted == 0)
            return status != CKPT_OK ? status : CKPT_END;
    }
    span->data = self->buffer;
    span->size_bytes = wanted;
    return CKPT_OK;
}

void
sdk_torch_cursor_close(const struct ckpt_host *host, void *cursor)
{
    sdk_zip_stream_close(host, ((struct cursor *)cursor)->stream);
    host->release(host, cursor);
}
