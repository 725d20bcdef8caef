/* SPDX-License-Identifier: MIT
 *
 * The metadata of a distributed checkpoint, and its table of items. The key
 * of an item is its name, a zero byte, and the numbers of its offset.
 */
#include "torch_dcp_parse.h"

#include <string.h>

#include "checked.h"

#define METADATA_MAX ((uint64_t)1 << 30)
#define MEMBERS_MAX 64 /* of an object: they are looked through */
#define NOTHING SDK_PICKLED_NOTHING

/* ---- Nodes ---- */

static bool
is_text(const struct sdk_pickled *p, uint32_t ref)
{
    return ref != NOTHING && (sdk_pickled_kind(p, ref) == SDK_PICKLED_TEXT ||
                              sdk_pickled_kind(p, ref) == SDK_PICKLED_STR);
}

uint32_t
torch_dcp_member(const struct sdk_pickled *p, uint32_t ref, const char *name)
{
    struct sdk_pickled_list pairs;
    uint32_t state, i;

    if (ref == NOTHING || sdk_pickled_kind(p, ref) != SDK_PICKLED_NEW)
        return NOTHING;
    state = sdk_pickled_call(p, ref).state;
    if (state == NOTHING || sdk_pickled_kind(p, state) != SDK_PICKLED_DICT)
        return NOTHING;
    pairs = sdk_pickled_list(p, state);
    for (i = 0; i < pairs.count; i += 2)
        if (sdk_pickled_is_text(p, pairs.refs[i], name))
            return pairs.refs[i + 1];
    return NOTHING;
}

bool
torch_dcp_is(const struct sdk_pickled *p, uint32_t ref, const char *name)
{
    uint32_t callee;

    if (ref == NOTHING || sdk_pickled_kind(p, ref) != SDK_PICKLED_NEW)
        return false;
    callee = sdk_pickled_call(p, ref).callee;
    return sdk_pickled_kind(p, callee) == SDK_PICKLED_GLOBAL &&
           strcmp(sdk_pickled_name(p, callee), name) == 0;
}

bool
torch_dcp_size(const struct sdk_pickled *p, uint32_t ref,
               uint64_t counts[CKPT_MAX_RANK], uint32_t *rank)
{
    struct sdk_pickled_call call;
    struct sdk_pickled_list list;
    uint32_t i;

    if (ref == NOTHING || sdk_pickled_kind(p, ref) != SDK_PICKLED_CALL)
        return false;
    call = sdk_pickled_call(p, ref);
    list = sdk_pickled_list(p, call.args);
    if (sdk_pickled_kind(p, call.callee) != SDK_PICKLED_GLOBAL ||
        strcmp(sdk_pickled_name(p, call.callee), "Size") != 0 ||
        list.count != 1 ||
        sdk_pickled_kind(p, list.refs[0]) != SDK_PICKLED_TUPLE)
        return false;
    list = sdk_pickled_list(p, list.refs[0]);
    if (list.count > CKPT_MAX_RANK)
        return false;
    for (i = 0; i < list.count; i++) {
        const struct sdk_pickled_node *node = sdk_pickled_at(p, list.refs[i]);

        if (node->kind != SDK_PICKLED_INT || node->as.integer < 0)
            return false;
        counts[i] = (uint64_t)node->as.integer;
    }
    *rank = list.count;
    return true;
}

static bool
read_count(const struct sdk_pickled *p, uint32_t ref, uint64_t *count)
{
    if (ref == NOTHING || sdk_pickled_kind(p, ref) != SDK_PICKLED_INT ||
        sdk_pickled_at(p, ref)->as.integer < 0)
        return false;
    *count = (uint64_t)sdk_pickled_at(p, ref)->as.integer;
    return true;
}

/* ---- Items ---- */

static size_t
key_bytes(size_t name_bytes, uint32_t rank)
{
    return name_bytes + 1 + rank * sizeof(uint64_t);
}

static void
put_key(char *key, const struct ckpt_text *name, const uint64_t *offset,
        uint32_t rank)
{
    memcpy(key, name->data, name->size_bytes);
    key[name->size_bytes] = '\0';
    if (rank > 0)
        memcpy(key + name->size_bytes + 1, offset, rank * sizeof *offset);
}

int
torch_dcp_item_find(const struct ckpt_host *host,
                    const struct torch_dcp_metadata *metadata,
                    const struct ckpt_text *name, const uint64_t *offset,
                    uint32_t rank, const struct torch_dcp_item **item)
{
    size_t size_bytes = key_bytes(name->size_bytes, rank);
    char *key = host->allocate(host, size_bytes);
    const uint64_t *number;

    if (key == NULL)
        return CKPT_MEMORY;
    put_key(key, name, offset, rank);
    number = sdk_table_find(&metadata->items, key, size_bytes);
    host->release(host, key);
    *item = number == NULL
                ? NULL
                : (const struct torch_dcp_item *)(void *)metadata->infos.data +
                      (*number - 1);
    return CKPT_OK;
}

/* An absent list, None and an empty list say that nothing was done. */
static bool
is_plain(const struct sdk_pickled *p, uint32_t transforms)
{
    if (transforms == NOTHING ||
        sdk_pickled_kind(p, transforms) == SDK_PICKLED_NONE)
        return true;
    return (sdk_pickled_kind(p, transforms) == SDK_PICKLED_LIST ||
            sdk_pickled_kind(p, transforms) == SDK_PICKLED_TUPLE) &&
           sdk_pickled_list(p, transforms).count == 0;
}

static int
read_info(const struct ckpt_host *host, const struct sdk_pickled *p,
          uint32_t ref, struct torch_dcp_item *item)
{
    uint64_t byte = sdk_pickled_at(p, ref)->byte;
    uint32_t path = torch_dcp_member(p, ref, "relative_path");

    if (!is_text(p, path) ||
        !read_count(p, torch_dcp_member(p, ref, "offset"), &item->offset) ||
        !read_count(p, torch_dcp_member(p, ref, "length"), &item->size_bytes))
        return host->fail(host, CKPT_FORMAT, NULL, byte,
                          ".metadata: no place of an item where one should "
                          "be");
    if (!is_plain(p, torch_dcp_member(p, ref, "transform_descriptors")))
        return host->fail(host, CKPT_UNSUPPORTED, NULL, byte,
                          ".metadata: an item whose bytes were transformed, "
                          "as by compression");
    item->file = sdk_pickled_text(p, path);
    return CKPT_OK;
}

/* One pair of storage_data; `*at` is where the next key goes. */
static int
add_item(const struct ckpt_host *host, struct torch_dcp_metadata *m,
         uint32_t index, uint32_t info, char **at)
{
    const struct sdk_pickled *p = &m->pickled;
    uint32_t name_ref = torch_dcp_member(p, index, "fqn");
    uint32_t offset_ref = torch_dcp_member(p, index, "offset"), rank = 0;
    uint64_t offset[CKPT_MAX_RANK], *number;
    struct torch_dcp_item item;
    struct ckpt_text name;
    bool added;
    int status;

    if (!is_text(p, name_ref) ||
        (offset_ref != NOTHING &&
         sdk_pickled_kind(p, offset_ref) != SDK_PICKLED_NONE &&
         !torch_dcp_size(p, offset_ref, offset, &rank)))
        return host->fail(host, CKPT_FORMAT, NULL,
                          sdk_pickled_at(p, index)->byte,
                          ".metadata: no name of an item where one should be");
    status = read_info(host, p, info, &item);
    if (status != CKPT_OK)
        return status;
    name = sdk_pickled_text(p, name_ref);
    put_key(*at, &name, offset, rank);
    number = sdk_table_add(host, &m->items, *at,
                           key_bytes(name.size_bytes, rank), &added);
    if (number == NULL)
        return CKPT_MEMORY;
    if (!added)
        return host->fail(
            host, CKPT_FORMAT, NULL, sdk_pickled_at(p, index)->byte,
            ".metadata: two items of '%.*s' at one offset",
            (int)(name.size_bytes < 200 ? name.size_bytes : 200), name.data);
    status = sdk_buffer_append(host, &m->infos, &item, sizeof item);
    *number = m->infos.size_bytes / sizeof item;
    *at += key_bytes(name.size_bytes, rank);
    return status;
}

/* The bytes that all keys take. A name may be shared, so that they can be
 * more than the pickle has; the budget tells when they are too many. */
static bool
sum_keys(const struct sdk_pickled *p, const struct sdk_pickled_list *pairs,
         uint64_t *total)
{
    uint64_t offset[CKPT_MAX_RANK];
    uint32_t i, rank, name;

    *total = 1;
    for (i = 0; i < pairs->count; i += 2) {
        name = torch_dcp_member(p, pairs->refs[i], "fqn");
        rank = 0;
        torch_dcp_size(p, torch_dcp_member(p, pairs->refs[i], "offset"), offset,
                       &rank);
        if (is_text(p, name) &&
            !sdk_add_u64(*total,
                         key_bytes(sdk_pickled_text(p, name).size_bytes, rank),
                         total))
            return false;
    }
    return *total <= SIZE_MAX;
}

static int
read_items(const struct ckpt_host *host, struct torch_dcp_metadata *m,
           uint32_t storage_data)
{
    const struct sdk_pickled *p = &m->pickled;
    struct sdk_pickled_list pairs;
    uint64_t total;
    uint32_t i;
    char *at;
    int status = CKPT_OK;

    if (storage_data == NOTHING ||
        sdk_pickled_kind(p, storage_data) != SDK_PICKLED_DICT)
        return host->fail(host, CKPT_FORMAT, NULL, CKPT_NOWHERE,
                          ".metadata: it has no storage_data");
    pairs = sdk_pickled_list(p, storage_data);
    if (!sum_keys(p, &pairs, &total))
        return host->fail(host, CKPT_LIMIT, NULL, CKPT_NOWHERE,
                          ".metadata: too many items");
    at = m->keys = host->allocate(host, (size_t)total);
    if (at == NULL)
        return CKPT_MEMORY;
    for (i = 0; i < pairs.count && status == CKPT_OK; i += 2) {
        status = add_item(host, m, pairs.refs[i], pairs.refs[i + 1], &at);
        if ((i & 0x1ffe) == 0x1ffe && host->cancelled(host))
            status = CKPT_CANCELLED;
    }
    return status;
}

/* ---- The whole ---- */

/* A dict may be the members of many objects, and is looked through for each
 * of them. */
static int
check_members(const struct ckpt_host *host, const struct sdk_pickled *p)
{
    uint32_t i, state;

    for (i = 0; i < p->node_count; i++) {
        if (sdk_pickled_kind(p, i) != SDK_PICKLED_NEW)
            continue;
        state = sdk_pickled_call(p, i).state;
        if (state != NOTHING &&
            sdk_pickled_kind(p, state) == SDK_PICKLED_DICT &&
            sdk_pickled_list(p, state).count > 2 * MEMBERS_MAX)
            return host->fail(
                host, CKPT_FORMAT, NULL, sdk_pickled_at(p, i)->byte,
                ".metadata: an object of more than %d members", MEMBERS_MAX);
    }
    return CKPT_OK;
}

static int
read_paths(const struct ckpt_host *host, struct torch_dcp_metadata *m)
{
    const struct sdk_pickled *p = &m->pickled;
    struct sdk_pickled_list pairs;
    struct ckpt_text name;
    uint64_t *number;
    uint32_t i;
    bool added;

    if (m->paths == NOTHING ||
        sdk_pickled_kind(p, m->paths) != SDK_PICKLED_DICT)
        return CKPT_OK;
    pairs = sdk_pickled_list(p, m->paths);
    for (i = 0; i < pairs.count; i += 2) {
        if (!is_text(p, pairs.refs[i]))
            return host->fail(host, CKPT_FORMAT, NULL,
                              sdk_pickled_at(p, pairs.refs[i])->byte,
                              ".metadata: a path of what is no name");
        name = sdk_pickled_text(p, pairs.refs[i]);
        number = sdk_table_add(host, &m->path_by_name, name.data,
                               name.size_bytes, &added);
        if (number == NULL)
            return CKPT_MEMORY;
        *number = pairs.refs[i + 1];
    }
    return CKPT_OK;
}

static int
read_root(const struct ckpt_host *host, struct torch_dcp_metadata *m)
{
    const struct sdk_pickled *p = &m->pickled;
    uint32_t entries = torch_dcp_member(p, p->root, "state_dict_metadata");
    uint32_t i;
    int status;

    if (!torch_dcp_is(p, p->root, "Metadata") || entries == NOTHING ||
        sdk_pickled_kind(p, entries) != SDK_PICKLED_DICT)
        return host->fail(host, CKPT_FORMAT, NULL, CKPT_NOWHERE,
                          ".metadata: the object is not of the class Metadata");
    m->entries = sdk_pickled_list(p, entries);
    for (i = 0; i < m->entries.count; i += 2)
        if (!is_text(p, m->entries.refs[i]))
            return host->fail(host, CKPT_FORMAT, NULL,
                              sdk_pickled_at(p, m->entries.refs[i])->byte,
                              ".metadata: an entry whose name is no text");
    m->paths = torch_dcp_member(p, p->root, "planner_data");
    status = read_items(host, m, torch_dcp_member(p, p->root, "storage_data"));
    return status == CKPT_OK ? read_paths(host, m) : status;
}

int
torch_dcp_parse(const struct ckpt_host *host, const struct ckpt_source *source,
                struct torch_dcp_metadata *m)
{
    struct sdk_pickled_input input = {.origin = 0};
    uint64_t size = host->source_size(host, source);
    int status;

    if (size > METADATA_MAX)
        return host->fail(host, CKPT_LIMIT, NULL, CKPT_NOWHERE,
                          ".metadata: %llu bytes; at most %llu are read",
                          (unsigned long long)size,
                          (unsigned long long)METADATA_MAX);
    status = sdk_buffer_reserve(host, &m->bytes, (size_t)size + 1);
    if (status == CKPT_OK)
        status =
            host->source_read(host, source, 0, m->bytes.data, (size_t)size);
    if (status != CKPT_OK)
        return status;
    input.data = m->bytes.data;
    input.size_bytes = (size_t)size;
    status = sdk_pickled_parse(host, &input, &m->pickled);
    if (status == CKPT_OK)
        status = check_members(host, &m->pickled);
    return status == CKPT_OK ? read_root(host, m) : status;
}

void
torch_dcp_metadata_fini(const struct ckpt_host *host,
                        struct torch_dcp_metadata *m)
{
    sdk_table_fini(host, &m->items);
    sdk_table_fini(host, &m->path_by_name);
    sdk_buffer_fini(host, &m->infos);
    host->release(host, m->keys);
    sdk_pickled_fini(host, &m->pickled);
    sdk_buffer_fini(host, &m->bytes);
}
