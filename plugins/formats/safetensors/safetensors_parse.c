/* SPDX-License-Identifier: MIT
 *
 * The layout of a safetensors file:
 *
 *  1. 8 bytes: N, the size of the header, little-endian.
 *  2. N bytes: the header, one JSON object, blanks around it allowed:
 *         {"__metadata__": {STRING: STRING, ...},
 *          NAME: {"dtype": TYPE, "shape": [DIM, ...],
 *                 "data_offsets": [BEGIN, END]}, ...}
 *  3. The data, to the end of the file. Offsets count from its start. Every
 *     byte belongs to one tensor; tensors are row-major and little-endian.
 *
 * The header is decoded where it lies: the text of a JSON string is never
 * longer without its escapes, and its closing quote makes room for a NUL.
 */
#include "safetensors_parse.h"

#include <stdlib.h>
#include <string.h>

#include "checked.h"
#include "endian.h"
#include "json.h"
#include "safetensors_types.h"

#define PARSE_LENGTH_BYTES 8

struct parser {
    const struct ckpt_host *host;
    struct safetensors_set *set;
    struct safetensors_file *file;
    uint32_t file_index;
    struct sdk_json json;
    const char *tensor; /* the one being parsed, or NULL */
    unsigned last_type; /* files are mostly of one type */
};

enum parse_member {
    PARSE_UNKNOWN = 0,
    PARSE_DTYPE = 1,
    PARSE_SHAPE = 2,
    PARSE_OFFSETS = 4
};

size_t
safetensors_entry_count(const struct safetensors_set *set)
{
    return set->entries.size_bytes / sizeof(struct safetensors_entry);
}

struct safetensors_entry *
safetensors_entry_at(const struct safetensors_set *set, size_t index)
{
    return (struct safetensors_entry *)(void *)set->entries.data + index;
}

size_t
safetensors_pair_count(const struct safetensors_set *set)
{
    return set->pairs.size_bytes / sizeof(struct safetensors_pair);
}

const struct safetensors_pair *
safetensors_pair_at(const struct safetensors_set *set, size_t index)
{
    return (const struct safetensors_pair *)(void *)set->pairs.data + index;
}

const struct safetensors_file *
safetensors_file_at(const struct safetensors_set *set, size_t index)
{
    return (const struct safetensors_file *)(void *)set->files.data + index;
}

const char *
safetensors_file_name(const struct ckpt_host *host,
                      const struct safetensors_set *set, uint32_t file)
{
    if (!set->sharded)
        return "";
    if (safetensors_file_at(set, file)->is_index)
        return "index";
    return host->source_name(host, safetensors_file_at(set, file)->source);
}

const char *
safetensors_colon(const struct safetensors_set *set)
{
    return set->sharded ? ": " : "";
}

uint64_t
safetensors_place(const struct safetensors_set *set, uint32_t file,
                  const struct ckpt_text *text)
{
    const struct safetensors_file *at = safetensors_file_at(set, file);

    /* Its opening quote is one byte before it. */
    return (at->is_index ? 0 : PARSE_LENGTH_BYTES) +
           (uint64_t)(text->data - at->header) - 1;
}

/* Fails for what the scanner found, or else for `reason`, at the last event. */
static int
parse_refuse(struct parser *p, const char *reason)
{
    const struct ckpt_host *host = p->host;

    sdk_json_refuse(&p->json, reason);
    return host->fail(host, CKPT_FORMAT, p->tensor,
                      PARSE_LENGTH_BYTES + p->json.at, "%s%sheader: %s",
                      safetensors_file_name(host, p->set, p->file_index),
                      safetensors_colon(p->set), p->json.error);
}

/* Fails for a tensor whose entry is whole. */
static int
parse_refuse_entry(struct parser *p, const struct safetensors_entry *entry,
                   const char *reason)
{
    const struct ckpt_host *host = p->host;

    return host->fail(host, CKPT_FORMAT, entry->name.data,
                      safetensors_place(p->set, entry->file, &entry->name),
                      "%s%s%s; data offsets [%llu, %llu]",
                      safetensors_file_name(host, p->set, entry->file),
                      safetensors_colon(p->set), reason,
                      (unsigned long long)entry->begin,
                      (unsigned long long)entry->end);
}

/* The text of the last event, decoded in its place. */
static struct ckpt_text
parse_text(struct parser *p)
{
    char *at = p->file->header + (p->json.text - p->file->header);
    struct ckpt_text text = {at, p->json.text_bytes};

    if (p->json.escaped)
        text.size_bytes = sdk_json_unescape(&p->json, at);
    at[text.size_bytes] = '\0';
    return text;
}

static int
parse_metadata(struct parser *p)
{
    struct safetensors_pair pair = {.file = p->file_index};
    enum sdk_json_event event = sdk_json_next(&p->json);
    int status;

    if (event == SDK_JSON_NULL)
        return CKPT_OK;
    if (event != SDK_JSON_OBJECT_BEGIN)
        return parse_refuse(p, "__metadata__ is not an object");
    while ((event = sdk_json_next(&p->json)) == SDK_JSON_KEY) {
        pair.key = parse_text(p);
        if (sdk_json_next(&p->json) != SDK_JSON_STRING)
            return parse_refuse(p, "a value of __metadata__ is not a string");
        pair.value = parse_text(p);
        status = sdk_buffer_append(p->host, &p->set->pairs, &pair, sizeof pair);
        if (status != CKPT_OK)
            return status;
    }
    return event == SDK_JSON_OBJECT_END ? CKPT_OK : parse_refuse(p, NULL);
}

static int
parse_dtype(struct parser *p, struct safetensors_entry *entry)
{
    unsigned type = p->last_type;

    if (sdk_json_next(&p->json) != SDK_JSON_STRING)
        return parse_refuse(p, "a dtype that is not a string");
    if (!sdk_json_is(&p->json, safetensors_types[type].name))
        for (type = 0; type < SAFETENSORS_TYPE_COUNT; type++)
            if (sdk_json_is(&p->json, safetensors_types[type].name))
                break;
    if (type == SAFETENSORS_TYPE_COUNT)
        return parse_refuse(p, "an unknown dtype");
    p->last_type = type;
    entry->type = (uint8_t)type;
    return CKPT_OK;
}

static int
parse_shape(struct parser *p, struct safetensors_entry *entry)
{
    struct sdk_buffer *dims = &p->set->dims;
    size_t start = dims->size_bytes;
    uint64_t dim;
    int status;

    if (sdk_json_next(&p->json) != SDK_JSON_ARRAY_BEGIN)
        return parse_refuse(p, "a shape that is not a list");
    while (sdk_json_next(&p->json) == SDK_JSON_NUMBER) {
        if (!sdk_json_u64(&p->json, &dim))
            return parse_refuse(p, "a dimension that is not a whole number "
                                   "of 64 bits");
        status = sdk_buffer_append(p->host, dims, &dim, sizeof dim);
        if (status != CKPT_OK)
            return status;
    }
    if (p->json.event != SDK_JSON_ARRAY_END)
        return parse_refuse(p, "a dimension that is not a number");
    if ((dims->size_bytes - start) / sizeof dim > CKPT_MAX_RANK)
        return p->host->fail(p->host, CKPT_UNSUPPORTED, p->tensor,
                             PARSE_LENGTH_BYTES + p->json.at,
                             "a shape of %zu dimensions, where %d can be held",
                             (dims->size_bytes - start) / sizeof dim,
                             CKPT_MAX_RANK);
    entry->shape_at = (uint32_t)(start / sizeof dim);
    entry->rank = (uint8_t)((dims->size_bytes - start) / sizeof dim);
    return CKPT_OK;
}

static int
parse_offsets(struct parser *p, struct safetensors_entry *entry)
{
    uint64_t *offsets[] = {&entry->begin, &entry->end};
    int i;

    if (sdk_json_next(&p->json) != SDK_JSON_ARRAY_BEGIN)
        return parse_refuse(p, "data_offsets that are not a list");
    for (i = 0; i < 2; i++)
        if (sdk_json_next(&p->json) != SDK_JSON_NUMBER ||
            !sdk_json_u64(&p->json, offsets[i]))
            return parse_refuse(p, "a data offset that is not a whole number "
                                   "of 64 bits");
    if (sdk_json_next(&p->json) != SDK_JSON_ARRAY_END)
        return parse_refuse(p, "data_offsets of more than two numbers");
    return CKPT_OK;
}

static unsigned
parse_member(const struct sdk_json *json)
{
    if (sdk_json_is(json, "dtype"))
        return PARSE_DTYPE;
    if (sdk_json_is(json, "shape"))
        return PARSE_SHAPE;
    if (sdk_json_is(json, "data_offsets"))
        return PARSE_OFFSETS;
    return PARSE_UNKNOWN;
}

/* A member that the format does not know: it is passed over, and the first of
 * them is reported. */
static int
parse_unknown(struct parser *p)
{
    const struct ckpt_host *host = p->host;
    uint64_t place = PARSE_LENGTH_BYTES + p->json.at;

    if (!sdk_json_skip(&p->json))
        return parse_refuse(p, NULL);
    if (!p->set->warned)
        host->warn(host, p->tensor, place,
                   "%s%sheader: a member that the format does not have is "
                   "ignored",
                   safetensors_file_name(host, p->set, p->file_index),
                   safetensors_colon(p->set));
    p->set->warned = true;
    return CKPT_OK;
}

/* Checks that the bytes of a tensor are what its shape and type ask for. */
static int
parse_check_size(struct parser *p, const struct safetensors_entry *entry)
{
    const uint64_t *dims = (const uint64_t *)(void *)p->set->dims.data;
    uint64_t count = 1;
    unsigned i;

    /* From left to right, as the reference does: a 0 cannot mend a product
     * that has overflowed before it. */
    for (i = 0; i < entry->rank; i++)
        if (!sdk_mul_u64(count, dims[entry->shape_at + i], &count))
            return parse_refuse_entry(p, entry, "the shape overflows 64 bits");
    if (!sdk_mul_u64(count, safetensors_types[entry->type].width_bits, &count))
        return parse_refuse_entry(p, entry, "the size overflows 64 bits");
    if (count % 8 != 0)
        return parse_refuse_entry(p, entry,
                                  "the shape does not fill whole bytes");
    if (entry->end < entry->begin)
        return parse_refuse_entry(p, entry, "the data end before they begin");
    if (entry->end - entry->begin != count / 8)
        return parse_refuse_entry(p, entry,
                                  "shape and dtype ask for another size");
    return CKPT_OK;
}

static int
parse_entry(struct parser *p)
{
    struct safetensors_entry entry = {.file = p->file_index};
    unsigned seen = 0, member;
    int status = CKPT_OK;

    entry.name = parse_text(p);
    p->tensor = entry.name.data;
    if (sdk_json_next(&p->json) != SDK_JSON_OBJECT_BEGIN)
        return parse_refuse(p, "a tensor's entry is not an object");
    while (status == CKPT_OK && sdk_json_next(&p->json) == SDK_JSON_KEY) {
        member = parse_member(&p->json);
        if (seen & member)
            return parse_refuse(p, "a member that comes twice");
        seen |= member;
        if (member == PARSE_DTYPE)
            status = parse_dtype(p, &entry);
        else if (member == PARSE_SHAPE)
            status = parse_shape(p, &entry);
        else if (member == PARSE_OFFSETS)
            status = parse_offsets(p, &entry);
        else
            status = parse_unknown(p);
    }
    if (status != CKPT_OK)
        return status;
    if (p->json.event != SDK_JSON_OBJECT_END ||
        seen != (PARSE_DTYPE | PARSE_SHAPE | PARSE_OFFSETS))
        return parse_refuse(p, "a tensor without dtype, shape or "
                               "data_offsets");
    status = parse_check_size(p, &entry);
    if (status != CKPT_OK)
        return status;
    p->tensor = NULL;
    return sdk_buffer_append(p->host, &p->set->entries, &entry, sizeof entry);
}

static int
parse_object(struct parser *p)
{
    bool metadata = false;
    int status = CKPT_OK;

    if (sdk_json_next(&p->json) != SDK_JSON_OBJECT_BEGIN)
        return parse_refuse(p, "it is not an object");
    while (status == CKPT_OK && sdk_json_next(&p->json) == SDK_JSON_KEY) {
        if (!sdk_json_is(&p->json, "__metadata__")) {
            status = parse_entry(p);
            continue;
        }
        if (metadata)
            return parse_refuse(p, "__metadata__ comes twice");
        metadata = true;
        status = parse_metadata(p);
    }
    if (status != CKPT_OK)
        return status;
    if (p->json.event != SDK_JSON_OBJECT_END ||
        sdk_json_next(&p->json) != SDK_JSON_END)
        return parse_refuse(p, NULL);
    return CKPT_OK;
}

static int
parse_compare(const void *left, const void *right)
{
    const struct safetensors_entry *a = left, *b = right;

    if (a->begin != b->begin)
        return a->begin < b->begin ? -1 : 1;
    if (a->end != b->end)
        return a->end < b->end ? -1 : 1;
    return a->name.data < b->name.data ? -1 : 1; /* as the header has them */
}

/* Puts the file's entries into the order of their data, and checks that they
 * fill it without hole and overlap. */
static int
parse_check_data(struct parser *p, size_t first)
{
    const struct ckpt_host *host = p->host;
    size_t count = safetensors_entry_count(p->set) - first, i;
    struct safetensors_entry *entries =
        count > 0 ? safetensors_entry_at(p->set, first) : NULL;
    uint64_t position = 0;

    for (i = 1; i < count; i++)
        if (parse_compare(&entries[i - 1], &entries[i]) > 0)
            break;
    if (i < count)
        qsort(entries, count, sizeof *entries, parse_compare);
    for (i = 0; i < count; i++) {
        if (entries[i].begin != position)
            return parse_refuse_entry(
                p, &entries[i],
                entries[i].begin < position
                    ? "the data overlap those of another tensor"
                    : "there is a hole before the data");
        position = entries[i].end;
    }
    if (position == p->file->data_bytes)
        return CKPT_OK;
    return host->fail(
        host, CKPT_FORMAT, NULL,
        PARSE_LENGTH_BYTES + p->file->header_bytes +
            (position < p->file->data_bytes ? position : p->file->data_bytes),
        "%s%sthe tensors take %llu bytes, but %llu follow the header",
        safetensors_file_name(host, p->set, p->file_index),
        safetensors_colon(p->set), (unsigned long long)position,
        (unsigned long long)p->file->data_bytes);
}

/* Reads the header into memory of its own. */
static int
parse_load(struct parser *p, const struct ckpt_source *source)
{
    const struct ckpt_host *host = p->host;
    const char *name = safetensors_file_name(host, p->set, p->file_index);
    const char *colon = safetensors_colon(p->set);
    uint64_t size = host->source_size(host, source), header_bytes;
    unsigned char length[PARSE_LENGTH_BYTES];
    int status;

    if (size < sizeof length)
        return host->fail(host, CKPT_FORMAT, NULL, size,
                          "%s%sa file of %llu bytes; the size of the header "
                          "alone takes 8",
                          name, colon, (unsigned long long)size);
    status = host->source_read(host, source, 0, length, sizeof length);
    if (status != CKPT_OK)
        return status;
    header_bytes = sdk_load_le64(length);
    if (header_bytes > SAFETENSORS_HEADER_MAX)
        return host->fail(host, CKPT_FORMAT, NULL, 0,
                          "%s%sa header of %llu bytes; at most %llu are "
                          "allowed",
                          name, colon, (unsigned long long)header_bytes,
                          (unsigned long long)SAFETENSORS_HEADER_MAX);
    if (header_bytes > size - sizeof length)
        return host->fail(host, CKPT_FORMAT, NULL, 0,
                          "%s%sa header of %llu bytes, but %llu follow", name,
                          colon, (unsigned long long)header_bytes,
                          (unsigned long long)(size - sizeof length));
    p->file->header = host->allocate(host, (size_t)header_bytes + 1);
    if (p->file->header == NULL)
        return CKPT_MEMORY;
    p->file->header_bytes = header_bytes;
    p->file->data_bytes = size - sizeof length - header_bytes;
    return host->source_read(host, source, sizeof length, p->file->header,
                             (size_t)header_bytes);
}

int
safetensors_parse(const struct ckpt_host *host,
                  const struct ckpt_source *source, struct safetensors_set *set)
{
    struct safetensors_file file = {.source = source};
    struct parser parser = {.host = host, .set = set};
    size_t first = safetensors_entry_count(set);
    int status;

    status = sdk_buffer_append(host, &set->files, &file, sizeof file);
    if (status != CKPT_OK)
        return status;
    parser.file_index = (uint32_t)(set->files.size_bytes / sizeof file) - 1;
    parser.file =
        (struct safetensors_file *)(void *)set->files.data + parser.file_index;
    status = parse_load(&parser, source);
    if (status != CKPT_OK)
        return status;
    sdk_json_init(&parser.json, parser.file->header,
                  (size_t)parser.file->header_bytes);
    status = parse_object(&parser);
    if (status != CKPT_OK)
        return status;
    return parse_check_data(&parser, first);
}

void
safetensors_set_fini(const struct ckpt_host *host, struct safetensors_set *set)
{
    struct safetensors_file *files =
        (struct safetensors_file *)(void *)set->files.data;
    size_t i, count = set->files.size_bytes / sizeof *files;

    for (i = 0; i < count; i++)
        host->release(host, files[i].header);
    sdk_buffer_fini(host, &set->files);
    sdk_buffer_fini(host, &set->entries);
    sdk_buffer_fini(host, &set->dims);
    sdk_buffer_fini(host, &set->pairs);
}
