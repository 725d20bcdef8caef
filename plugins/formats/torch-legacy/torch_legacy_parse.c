/* SPDX-License-Identifier: MIT
 *
 * The pickles of a legacy stream, and the places of its storages. Nothing
 * tells how long a pickle is but its own opcodes: so it is parsed from a
 * window that grows until it holds all of it.
 */
#include "torch_legacy_parse.h"

#include <inttypes.h>
#include <string.h>

#include "checked.h"
#include "endian.h"

#define WINDOW_BYTES ((uint64_t)4 << 10)
/* It grows fast while it is small, and then no more than it must. */
#define WINDOW_LARGE ((uint64_t)16 << 20)
#define COUNT_BYTES 8
#define NEAR_BYTES 1024

/* Where a storage stands before its place is known. */
#define NO_PLACE UINT64_MAX

/* How much of a key is shown. */
#define SHOWN(key) \
    (int)((key)->size_bytes < 40 ? (key)->size_bytes : 40), (key)->data

const unsigned char torch_legacy_magic[TORCH_LEGACY_MAGIC_BYTES] = {
    0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19};

/* ---- Pickles ---- */

/* Parses what the window holds; CKPT_END: it must grow. */
static int
parse_window(const struct ckpt_host *host, const struct ckpt_source *source,
             uint64_t window_bytes, uint64_t left_bytes,
             struct torch_legacy_pickle *pickle)
{
    struct sdk_pickled_input input = {.size_bytes = (size_t)window_bytes,
                                      .origin = pickle->origin,
                                      .partial = window_bytes < left_bytes};
    unsigned char *data =
        host->reallocate(host, pickle->data, (size_t)window_bytes + 1);
    int status;

    if (data == NULL)
        return CKPT_MEMORY;
    pickle->data = data;
    input.data = data;
    status = host->source_read(host, source, pickle->origin, data,
                               (size_t)window_bytes);
    return status == CKPT_OK ? sdk_pickled_parse(host, &input, &pickle->pickled)
                             : status;
}

int
torch_legacy_load(const struct ckpt_host *host,
                  const struct ckpt_source *source, uint64_t offset,
                  struct torch_legacy_pickle *pickle)
{
    uint64_t left_bytes = host->source_size(host, source);
    uint64_t window_bytes = WINDOW_BYTES;
    int status = CKPT_END;

    left_bytes = offset < left_bytes ? left_bytes - offset : 0;
    pickle->origin = offset;
    while (status == CKPT_END) {
        if (window_bytes > left_bytes)
            window_bytes = left_bytes;
        if (host->cancelled(host))
            return CKPT_CANCELLED;
        status = parse_window(host, source, window_bytes, left_bytes, pickle);
        window_bytes *= window_bytes < WINDOW_LARGE ? 4 : 2;
    }
    if (status == CKPT_OK)
        pickle->end = offset + pickle->pickled.end_bytes;
    return status;
}

void
torch_legacy_free(const struct ckpt_host *host,
                  struct torch_legacy_pickle *pickle)
{
    sdk_pickled_fini(host, &pickle->pickled);
    host->release(host, pickle->data);
    memset(pickle, 0, sizeof *pickle);
}

/* ---- The head ---- */

static bool
is_magic(const struct sdk_pickled *pickled)
{
    struct ckpt_text text;

    if (sdk_pickled_kind(pickled, pickled->root) != SDK_PICKLED_WIDE)
        return false;
    text = sdk_pickled_text(pickled, pickled->root);
    return text.size_bytes == sizeof torch_legacy_magic &&
           memcmp(text.data, torch_legacy_magic, text.size_bytes) == 0;
}

static int
check_magic(const struct ckpt_host *host, const struct ckpt_source *source,
            uint64_t *offset)
{
    struct torch_legacy_pickle pickle = {0};
    int status = torch_legacy_load(host, source, *offset, &pickle);

    if (status == CKPT_OK && !is_magic(&pickle.pickled))
        status = host->fail(host, CKPT_FORMAT, NULL, *offset,
                            "it does not begin with the number of a legacy "
                            "stream");
    if (status == CKPT_OK)
        *offset = pickle.end;
    torch_legacy_free(host, &pickle);
    return status;
}

static int
check_protocol(const struct ckpt_host *host, const struct ckpt_source *source,
               uint64_t *offset)
{
    struct torch_legacy_pickle pickle = {0};
    const struct sdk_pickled_node *root;
    int status = torch_legacy_load(host, source, *offset, &pickle);

    if (status != CKPT_OK)
        goto out;
    root = sdk_pickled_at(&pickle.pickled, pickle.pickled.root);
    if (root->kind != SDK_PICKLED_INT)
        status = host->fail(host, CKPT_FORMAT, NULL, *offset,
                            "the version of the stream is no number");
    else if (root->as.integer != TORCH_LEGACY_PROTOCOL)
        status = host->fail(host, CKPT_UNSUPPORTED, NULL, *offset,
                            "version %" PRId64 " of the stream is not known",
                            root->as.integer);
    else
        *offset = pickle.end;
out:
    torch_legacy_free(host, &pickle);
    return status;
}

int
torch_legacy_check_head(const struct ckpt_host *host,
                        const struct ckpt_source *source, uint64_t *offset)
{
    int status;

    *offset = 0;
    status = check_magic(host, source, offset);
    return status == CKPT_OK ? check_protocol(host, source, offset) : status;
}

/* ---- Storages ---- */

struct locator {
    const struct ckpt_host *host;
    const struct ckpt_source *source;
    uint64_t source_bytes;
    const struct sdk_torch_storage *storages;
    struct torch_legacy_places *places;
    struct sdk_table keys; /* index and one of a storage */
    struct torch_legacy_pickle list;
    uint64_t at;  /* of the count of the next storage */
    bool near;    /* little lies between it and the last one */
    bool swapped; /* a big-endian count was met */
};

static int
enter_keys(struct locator *l)
{
    const struct ckpt_host *host = l->host;
    size_t i, count = l->places->count;
    uint64_t *number;
    bool added;
    int status;

    l->places->offsets =
        host->allocate(host, (count + 1) * sizeof *l->places->offsets);
    if (l->places->offsets == NULL)
        return CKPT_MEMORY;
    status = sdk_table_reserve(host, &l->keys, count);
    for (i = 0; i < count && status == CKPT_OK; i++) {
        number = sdk_table_put(&l->keys, l->storages[i].key.data,
                               l->storages[i].key.size_bytes, &added);
        *number = i + 1;
        l->places->offsets[i] = NO_PLACE;
    }
    return status;
}

/* Behind a small storage the count is likely to be in the source's window. */
static int
load_count(struct locator *l, unsigned char bytes[COUNT_BYTES])
{
    const struct ckpt_host *host = l->host;
    struct ckpt_span span;
    int status;

    if (!l->near)
        return host->source_read(host, l->source, l->at, bytes, COUNT_BYTES);
    status = host->source_peek(host, l->source, l->at, COUNT_BYTES, &span);
    if (status == CKPT_OK)
        memcpy(bytes, span.data, COUNT_BYTES);
    return status;
}

/* Counts are in the order of the host that wrote them. */
static int
check_count(struct locator *l, const struct sdk_torch_storage *storage)
{
    const struct ckpt_host *host = l->host;
    uint64_t wanted = storage->size_bytes / storage->item_bytes;
    unsigned char bytes[COUNT_BYTES];
    int status;

    if (!sdk_within(l->at, COUNT_BYTES, l->source_bytes))
        return host->fail(host, CKPT_FORMAT, NULL, l->at,
                          "the file ends before storage %.*s",
                          SHOWN(&storage->key));
    status = load_count(l, bytes);
    if (status != CKPT_OK || sdk_load_le64(bytes) == wanted)
        return status;
    if (sdk_load_be64(bytes) != wanted)
        return host->fail(host, CKPT_FORMAT, NULL, l->at,
                          "storage %.*s has %" PRIu64
                          " elements here, but %" PRIu64 " in the pickle",
                          SHOWN(&storage->key), sdk_load_le64(bytes), wanted);
    if (!l->swapped)
        host->warn(host, NULL, l->at,
                   "the counts of storages are those of a big-endian host");
    l->swapped = true;
    return CKPT_OK;
}

static int
place_storage(struct locator *l, const struct sdk_torch_storage *storage)
{
    const struct ckpt_host *host = l->host;
    int status = check_count(l, storage);

    if (status != CKPT_OK)
        return status;
    l->at += COUNT_BYTES;
    if (!sdk_within(l->at, storage->size_bytes, l->source_bytes))
        return host->fail(
            host, CKPT_FORMAT, NULL, l->source_bytes,
            "the file ends within storage %.*s, which has %" PRIu64
            " bytes from byte %" PRIu64 " on",
            SHOWN(&storage->key), storage->size_bytes, l->at);
    l->places->offsets[storage - l->storages] = l->at;
    l->at += storage->size_bytes;
    l->near = storage->size_bytes <= NEAR_BYTES;
    return CKPT_OK;
}

/* The storage of an item of the list. */
static int
find_key(struct locator *l, uint32_t ref,
         const struct sdk_torch_storage **storage)
{
    const struct sdk_pickled *pickled = &l->list.pickled;
    uint64_t byte = l->list.origin + sdk_pickled_at(pickled, ref)->byte;
    uint32_t kind = sdk_pickled_kind(pickled, ref);
    const struct ckpt_host *host = l->host;
    const uint64_t *number;
    struct ckpt_text key;

    if (kind != SDK_PICKLED_TEXT && kind != SDK_PICKLED_STR)
        return host->fail(host, CKPT_FORMAT, NULL, byte,
                          "a key in the list of keys is no text");
    key = sdk_pickled_text(pickled, ref);
    number = sdk_table_find(&l->keys, key.data, key.size_bytes);
    if (number == NULL)
        return host->fail(host, CKPT_FORMAT, NULL, byte,
                          "the key %.*s in the list of keys is of no storage",
                          SHOWN(&key));
    if (l->places->offsets[*number - 1] != NO_PLACE)
        return host->fail(host, CKPT_FORMAT, NULL, byte,
                          "the key %.*s is twice in the list of keys",
                          SHOWN(&key));
    *storage = &l->storages[*number - 1];
    return CKPT_OK;
}

static int
place_all(struct locator *l)
{
    const struct sdk_pickled *pickled = &l->list.pickled;
    const struct sdk_torch_storage *storage = NULL;
    struct sdk_pickled_list list;
    uint32_t i;
    int status = CKPT_OK;

    if (sdk_pickled_kind(pickled, pickled->root) != SDK_PICKLED_LIST)
        return l->host->fail(l->host, CKPT_FORMAT, NULL, l->list.origin,
                             "the keys of the storages are no list");
    list = sdk_pickled_list(pickled, pickled->root);
    for (i = 0; i < list.count && status == CKPT_OK; i++) {
        if ((i & 0xfff) == 0xfff && l->host->cancelled(l->host))
            return CKPT_CANCELLED;
        status = find_key(l, list.refs[i], &storage);
        if (status == CKPT_OK)
            status = place_storage(l, storage);
    }
    return status;
}

static int
check_all(struct locator *l)
{
    const struct ckpt_host *host = l->host;
    size_t i;

    for (i = 0; i < l->places->count; i++)
        if (l->places->offsets[i] == NO_PLACE)
            return host->fail(host, CKPT_FORMAT, NULL, l->storages[i].byte,
                              "storage %.*s is not in the list of keys",
                              SHOWN(&l->storages[i].key));
    if (l->at < l->source_bytes)
        host->warn(host, NULL, l->at,
                   "%" PRIu64 " bytes follow the last storage",
                   l->source_bytes - l->at);
    return CKPT_OK;
}

int
torch_legacy_locate(const struct ckpt_host *host,
                    const struct ckpt_source *source, uint64_t offset,
                    const struct sdk_torch_storage *storages, size_t count,
                    struct torch_legacy_places *places)
{
    struct locator l = {.host = host,
                        .source = source,
                        .source_bytes = host->source_size(host, source),
                        .storages = storages,
                        .places = places};
    int status;

    places->count = count;
    status = enter_keys(&l);
    if (status == CKPT_OK)
        status = torch_legacy_load(host, source, offset, &l.list);
    l.at = l.list.end;
    if (status == CKPT_OK)
        status = place_all(&l);
    if (status == CKPT_OK)
        status = check_all(&l);
    torch_legacy_free(host, &l.list);
    sdk_table_fini(host, &l.keys);
    return status;
}
