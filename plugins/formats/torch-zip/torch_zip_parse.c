/* SPDX-License-Identifier: MIT
 *
 * The records of a torch zip, and how one is told from other archives.
 */
#include "torch_zip_parse.h"

#include <libdeflate.h>
#include <stdio.h>
#include <string.h>

#define SMALL_BYTES 64 /* records of one word */
#define VERSION_MAX 10
#define REPORTS_MAX 10
#define SHOWN(member)                                               \
    (int)((member)->name_bytes < 200 ? (member)->name_bytes : 200), \
        (member)->name

/* ---- Records ---- */

/* Writers list the storages as the pickle names them, so the next member is
 * often the one; no two have the same name. */
static const struct sdk_zip_member *
next_member(const struct torch_zip_records *records, const char *name,
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
torch_zip_find(struct torch_zip_records *records, const char *record,
               size_t record_bytes)
{
    const struct sdk_zip_member *member;
    size_t prefix_bytes = records->prefix_bytes;
    char name[512];

    if (record_bytes > sizeof name || prefix_bytes > sizeof name - record_bytes)
        return NULL;
    memcpy(name, records->zip.members[0].name, prefix_bytes);
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

static const struct sdk_zip_member *
find_text(struct torch_zip_records *records, const char *record)
{
    return torch_zip_find(records, record, strlen(record));
}

int
torch_zip_inflate_of(const struct ckpt_host *host,
                     struct torch_zip_records *records,
                     struct torch_zip_inflate **inflate)
{
    int status = CKPT_OK;

    if (records->inflate == NULL)
        status = torch_zip_inflate_open(host, records->source, &records->zip,
                                        &records->inflate);
    *inflate = records->inflate;
    return status;
}

static int
load_deflated(const struct ckpt_host *host, struct torch_zip_records *records,
              const struct sdk_zip_member *member, void *data)
{
    struct torch_zip_inflate *inflate;
    struct torch_zip_stream *stream = NULL;
    int status = torch_zip_inflate_of(host, records, &inflate);

    if (status == CKPT_OK)
        status = torch_zip_stream_open(host, inflate, member, &stream);
    if (status == CKPT_OK)
        status = torch_zip_stream_read(host, stream, data,
                                       (size_t)member->size_bytes);
    if (status == CKPT_OK)
        status = torch_zip_stream_finish(host, stream);
    torch_zip_stream_close(host, stream);
    return status;
}

int
torch_zip_load(const struct ckpt_host *host, struct torch_zip_records *records,
               const struct sdk_zip_member *member,
               struct torch_zip_bytes *bytes)
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
    if (status == CKPT_OK && member->crc32 != 0 &&
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

/* Reads a record of one word. */
static int
load_word(const struct ckpt_host *host, struct torch_zip_records *records,
          const struct sdk_zip_member *member, char word[SMALL_BYTES])
{
    struct torch_zip_bytes bytes;
    int status;

    if (member->size_bytes >= SMALL_BYTES)
        return host->fail(host, CKPT_FORMAT, NULL, member->header_offset,
                          "record '%.*s' has %llu bytes", SHOWN(member),
                          (unsigned long long)member->size_bytes);
    status = torch_zip_load(host, records, member, &bytes);
    if (status != CKPT_OK)
        return status;
    memcpy(word, bytes.data, bytes.size_bytes);
    word[bytes.size_bytes] = '\0';
    host->release(host, bytes.data);
    return CKPT_OK;
}

/* ---- What is said about the archive ---- */

static int
read_version(const struct ckpt_host *host, struct torch_zip_records *records)
{
    const struct sdk_zip_member *member = find_text(records, ".data/version");
    const struct sdk_zip_member *plain = find_text(records, "version");
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
read_byte_order(const struct ckpt_host *host, struct torch_zip_records *records)
{
    const struct sdk_zip_member *member = find_text(records, "byteorder");
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

/* All members lie in one folder, that of the first one. */
static int
check_prefix(const struct ckpt_host *host, struct torch_zip_records *records)
{
    const struct sdk_zip_member *first = records->zip.members;
    const char *slash = NULL;
    size_t i;

    if (records->zip.member_count > 0)
        slash = memchr(first->name, '/', first->name_bytes);
    if (slash == NULL || slash == first->name)
        return host->fail(host, CKPT_FORMAT, NULL,
                          first != NULL ? first->header_offset : CKPT_NOWHERE,
                          "the records lie in no folder");
    records->prefix_bytes = (size_t)(slash - first->name) + 1;
    for (i = 1; i < records->zip.member_count; i++) {
        const struct sdk_zip_member *member = &first[i];

        if (member->name_bytes < records->prefix_bytes ||
            memcmp(member->name, first->name, records->prefix_bytes) != 0)
            return host->fail(host, CKPT_FORMAT, NULL, member->header_offset,
                              "record '%.*s' lies in another folder than "
                              "'%.*s'",
                              SHOWN(member), SHOWN(first));
    }
    return CKPT_OK;
}

static int
check_kind(const struct ckpt_host *host, struct torch_zip_records *records)
{
    const struct sdk_zip_member *constants =
        find_text(records, "constants.pkl");

    if (constants != NULL)
        return host->fail(host, CKPT_UNSUPPORTED, NULL,
                          constants->header_offset,
                          "this is a TorchScript archive");
    records->pickle = find_text(records, "data.pkl");
    if (records->pickle == NULL)
        return host->fail(host, CKPT_FORMAT, NULL, CKPT_NOWHERE,
                          "there is no record 'data.pkl'");
    return CKPT_OK;
}

int
torch_zip_open_records(const struct ckpt_host *host,
                       const struct ckpt_source *source,
                       struct torch_zip_records *records)
{
    static const char *const known[] = {".format_version", ".storage_alignment",
                                        ".data/serialization_id"};
    size_t i;
    int status = sdk_zip_open(host, source, &records->zip);

    if (status != CKPT_OK)
        return status;
    records->source = source;
    records->used = host->allocate(host, records->zip.member_count + 1);
    if (records->used == NULL)
        return CKPT_MEMORY;
    if (records->zip.trailing_bytes > 0)
        host->warn(host, NULL, CKPT_NOWHERE, "%llu bytes follow the archive",
                   (unsigned long long)records->zip.trailing_bytes);
    status = check_prefix(host, records);
    if (status == CKPT_OK)
        status = check_kind(host, records);
    if (status == CKPT_OK)
        status = read_version(host, records);
    if (status == CKPT_OK)
        status = read_byte_order(host, records);
    for (i = 0; status == CKPT_OK && i < sizeof known / sizeof *known; i++)
        find_text(records, known[i]);
    return status;
}

void
torch_zip_close_records(const struct ckpt_host *host,
                        struct torch_zip_records *records)
{
    torch_zip_inflate_close(host, records->inflate);
    host->release(host, records->used);
    sdk_zip_close(host, &records->zip);
    memset(records, 0, sizeof *records);
}

void
torch_zip_report_rest(const struct ckpt_host *host,
                      const struct torch_zip_records *records)
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

/* ---- Detection ---- */

static int CKPT_PRINTF(5, 6)
    say_nothing(const struct ckpt_host *host, int status, const char *tensor,
                uint64_t byte, const char *format, ...)
{
    (void)host;
    (void)tensor;
    (void)byte;
    (void)format;
    return status;
}

/* Whether the name is that of the record, in whatever folder. */
static bool
is_record(const struct sdk_zip_member *member, const char *record)
{
    size_t size = strlen(record);

    return member->name_bytes >= size &&
           memcmp(member->name + member->name_bytes - size, record, size) ==
               0 &&
           (member->name_bytes == size ||
            member->name[member->name_bytes - size - 1] == '/');
}

/* Records by which other formats are told from this one. */
static bool
is_foreign(const struct sdk_zip_member *member)
{
    static const char *const foreign[] = {
        "constants.pkl", "model.json", "archive_format",
        "serialized_exported_program.json", "serialized_state_dict.pt"};
    size_t i;

    for (i = 0; i < sizeof foreign / sizeof *foreign; i++)
        if (is_record(member, foreign[i]))
            return true;
    return false;
}

/* An archive cut short: what is left of it starts with a data.pkl. */
static void
recognise_start(const struct ckpt_host *host, const struct ckpt_source *source,
                struct ckpt_evidence *evidence)
{
    struct sdk_zip_member first = {0};
    struct ckpt_span span;
    uint64_t size = host->source_size(host, source);

    if (size < 30 || host->source_peek(host, source, 0, 30, &span) != CKPT_OK)
        return;
    first.name_bytes = (uint32_t)span.data[26] | (uint32_t)span.data[27] << 8;
    if (first.name_bytes > size - 30 ||
        host->source_peek(host, source, 0, 30 + first.name_bytes, &span) !=
            CKPT_OK)
        return;
    first.name = (const char *)span.data + 30;
    if (!is_record(&first, "data.pkl"))
        return;
    evidence->level = CKPT_EVIDENCE_MAGIC;
    snprintf(evidence->how, sizeof evidence->how,
             "damaged zip that starts with data.pkl");
}

int
torch_zip_recognise(const struct ckpt_host *host,
                    const struct ckpt_source *source,
                    struct ckpt_evidence *evidence)
{
    struct ckpt_host quiet = {0};
    struct sdk_zip_member member;
    struct sdk_zip_walk walk;
    bool pickle = false;
    int status;

    /* What is wrong with an archive is said when it is opened. */
    memcpy(&quiet, host, host->size < sizeof quiet ? host->size : sizeof quiet);
    quiet.fail = say_nothing;
    status = sdk_zip_walk_init(&quiet, source, &walk);
    while (status == CKPT_OK) {
        status = sdk_zip_walk_next(&walk, &member);
        if (status == CKPT_OK && is_foreign(&member)) {
            snprintf(evidence->how, sizeof evidence->how,
                     "zip of TorchScript or of an exported program");
            return CKPT_OK;
        }
        pickle =
            pickle || (status == CKPT_OK && is_record(&member, "data.pkl"));
    }
    if (status == CKPT_IO || status == CKPT_CANCELLED)
        return status;
    if (status != CKPT_END) {
        recognise_start(&quiet, source, evidence);
        return CKPT_OK;
    }
    if (pickle)
        evidence->level = CKPT_EVIDENCE_STRUCTURE;
    snprintf(evidence->how, sizeof evidence->how,
             pickle ? "zip with data.pkl" : "zip without data.pkl");
    return CKPT_OK;
}
