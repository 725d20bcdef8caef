/* SPDX-License-Identifier: MIT
 *
 * How the zip archives of torch are told from each other, by the names of
 * their records. A record counts where no folder or one folder is before it;
 * data.pkl does anywhere, so that a strange archive gets a reason.
 */
#include "torch_records.h"

#include <string.h>

#include "endian.h"
#include "quiet_host.h"

#define LOCAL_BYTES 30 /* of a local header, before its name */

/* Records that tell, by the bit that they set. */
enum seen {
    SEEN_PICKLE = 1,     /* data.pkl, one folder deep at most */
    SEEN_PICKLE_ANY = 2, /* at any depth */
    SEEN_CONSTANTS = 4,
    SEEN_MODEL = 8,
    SEEN_VERSION = 16,
    SEEN_EXPORT = 32,
    SEEN_PACKAGE = 64
};

static const struct {
    const char *record;
    unsigned seen;
} marks[] = {
    {"data.pkl", SEEN_PICKLE},
    {"constants.pkl", SEEN_CONSTANTS},
    {"model.json", SEEN_MODEL},
    {"version", SEEN_VERSION},
    {"archive_format", SEEN_EXPORT},
    {"serialized_exported_program.json", SEEN_EXPORT},
    {"serialized_state_dict.pt", SEEN_EXPORT},
    {".data/extern_modules", SEEN_PACKAGE},
};

static bool
equals(const char *name, size_t name_bytes, const char *record)
{
    return name_bytes == strlen(record) &&
           memcmp(name, record, name_bytes) == 0;
}

/* Whether the name is that of the record, in whatever folder. */
static bool
is_within(const struct sdk_zip_member *member, const char *record)
{
    size_t size = strlen(record), rest = member->name_bytes - size;

    return member->name_bytes >= size &&
           memcmp(member->name + rest, record, size) == 0 &&
           (rest == 0 || member->name[rest - 1] == '/');
}

/* The many records of storages end in a digit, which no mark does. */
static bool
is_storage(const struct sdk_zip_member *member)
{
    unsigned char last =
        member->name_bytes > 0
            ? (unsigned char)member->name[member->name_bytes - 1]
            : 0;

    return last >= '0' && last <= '9';
}

static unsigned
look_at(const struct sdk_zip_member *member)
{
    const char *slash = memchr(member->name, '/', member->name_bytes);
    size_t folder = slash != NULL ? (size_t)(slash - member->name) + 1 : 0, i;
    unsigned seen = is_within(member, "data.pkl") ? SEEN_PICKLE_ANY : 0;

    for (i = 0; i < sizeof marks / sizeof *marks; i++)
        if (equals(member->name, member->name_bytes, marks[i].record) ||
            equals(member->name + folder, member->name_bytes - folder,
                   marks[i].record))
            seen |= marks[i].seen;
    return seen;
}

static enum sdk_torch_archive
judge(unsigned seen)
{
    if (seen & SEEN_EXPORT)
        return SDK_TORCH_EXPORT;
    if (seen & SEEN_CONSTANTS)
        return SDK_TORCH_SCRIPT;
    if ((seen & SEEN_MODEL) && (seen & SEEN_VERSION))
        return SDK_TORCH_MODEL;
    if ((seen & SEEN_PACKAGE) && !(seen & SEEN_PICKLE))
        return SDK_TORCH_PACKAGE;
    if (seen & SEEN_PICKLE_ANY)
        return SDK_TORCH_SAVED;
    return SDK_TORCH_OTHER;
}

/* The file up to `more` bytes into its first member, which begins at `*at`, if
 * that is a data.pkl; it must be stored if any of its bytes are wanted. */
static bool
first_pickle(const struct ckpt_host *host, const struct ckpt_source *source,
             size_t more, struct ckpt_span *span, size_t *at)
{
    struct sdk_zip_member first = {0};
    uint64_t size = host->source_size(host, source);
    size_t extra;

    if (size < LOCAL_BYTES ||
        host->source_peek(host, source, 0, LOCAL_BYTES, span) != CKPT_OK ||
        memcmp(span->data, "PK\3\4", 4) != 0)
        return false;
    first.name_bytes = sdk_load_le16(span->data + 26);
    extra = more > 0 ? sdk_load_le16(span->data + 28) : 0;
    if (more > 0 && sdk_load_le16(span->data + 8) != 0)
        return false;
    *at = LOCAL_BYTES + first.name_bytes + extra;
    if (*at + more > size ||
        host->source_peek(host, source, 0, *at + more, span) != CKPT_OK)
        return false;
    first.name = (const char *)span->data + LOCAL_BYTES;
    return is_within(&first, "data.pkl");
}

/* An archive cut short: what is left of it starts with a data.pkl. */
static bool
starts_with_pickle(const struct ckpt_host *host,
                   const struct ckpt_source *source)
{
    struct ckpt_span span;
    size_t at;

    return first_pickle(host, source, 0, &span, &at);
}

bool
sdk_torch_archive_is_saved(const struct ckpt_host *host,
                           const struct ckpt_source *source)
{
    static const char ordered[] = "ccollections\nOrderedDict\n";
    struct sdk_quiet_host quiet;
    struct ckpt_span span;
    size_t at;

    sdk_quiet_host_init(&quiet, host);
    if (!first_pickle(&quiet.table, source, 2 + sizeof ordered - 1, &span, &at))
        return false;
    return memcmp(span.data + at, "\x80\2", 2) == 0 &&
           (span.data[at + 2] == '}' ||
            memcmp(span.data + at + 2, ordered, sizeof ordered - 1) == 0);
}

int
sdk_torch_archive_of(const struct ckpt_host *host,
                     const struct ckpt_source *source,
                     enum sdk_torch_archive *archive)
{
    struct sdk_quiet_host quiet;
    struct sdk_zip_member member;
    struct sdk_zip_walk walk;
    unsigned seen = 0;
    int status;

    sdk_quiet_host_init(&quiet, host);
    status = sdk_zip_walk_init(&quiet.table, source, &walk);
    while (status == CKPT_OK) {
        status = sdk_zip_walk_next(&walk, &member);
        if (status == CKPT_OK && !is_storage(&member))
            seen |= look_at(&member);
    }
    if (status == CKPT_IO || status == CKPT_CANCELLED)
        return status;
    if (status == CKPT_END)
        *archive = judge(seen);
    else
        *archive = starts_with_pickle(&quiet.table, source) ? SDK_TORCH_DAMAGED
                                                            : SDK_TORCH_BROKEN;
    return CKPT_OK;
}
