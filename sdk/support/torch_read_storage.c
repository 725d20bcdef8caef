/* SPDX-License-Identifier: MIT
 *
 * Persistent ids of torch: ('storage', class, key, location, count), in old
 * streams with view metadata behind it. The first one of a key decides what
 * the storage is; a later one that says something else is reported and
 * otherwise ignored, as torch does.
 */
#include "torch_read_storage.h"

#include <string.h>

#include "checked.h"

static int
find_device(struct torch_reader *r, uint32_t location, uint32_t ref)
{
    struct ckpt_text text;

    if (r->device_node == location)
        return CKPT_OK;
    text = sdk_pickled_text(r->pickled, location);
    if (text.size_bytes >= sizeof r->device ||
        memchr(text.data, '\0', text.size_bytes) != NULL)
        return sdk_torch_fail(r, CKPT_FORMAT, ref,
                              "a location that is no device");
    memcpy(r->device, text.data, text.size_bytes);
    r->device[text.size_bytes] = '\0';
    r->device_node = location;
    return CKPT_OK;
}

/* ---- The table of keys ---- */

/* The number that a key says in plain decimal; SIZE_MAX if it says none. */
static size_t
direct_key(const struct ckpt_text *key)
{
    size_t i, number = 0;

    if (key->size_bytes == 0 || key->size_bytes > 9 ||
        (key->data[0] == '0' && key->size_bytes > 1))
        return SIZE_MAX;
    for (i = 0; i < key->size_bytes; i++) {
        if (key->data[i] < '0' || key->data[i] > '9')
            return SIZE_MAX;
        number = number * 10 + (size_t)(key->data[i] - '0');
    }
    return number;
}

static int
grow_direct(struct torch_reader *r, size_t least)
{
    size_t wanted = least + least / 2 + 64;
    uint64_t *direct =
        r->host->reallocate(r->host, r->direct, wanted * sizeof *direct);

    if (direct == NULL)
        return CKPT_MEMORY;
    r->direct = direct;
    r->direct_count = wanted;
    return CKPT_OK;
}

/* Where the number of an entry and one is kept; zero: there is none yet. A
 * new key is kept directly if it goes on where the others end, else by its
 * hash. NULL: no memory. */
static uint64_t *
find_place(struct torch_reader *r, const struct ckpt_text *key)
{
    size_t at = direct_key(key);
    uint64_t *place;
    bool added;

    if (at < r->direct_count && r->direct[at] != 0)
        return &r->direct[at];
    if (at > r->entry_count)
        return sdk_table_add(r->host, &r->keys, key->data, key->size_bytes,
                             &added);
    place = sdk_table_find(&r->keys, key->data, key->size_bytes);
    if (place != NULL)
        return place;
    if (at >= r->direct_count && grow_direct(r, at) != CKPT_OK)
        return NULL;
    return &r->direct[at];
}

static int
grow_entries(struct torch_reader *r)
{
    size_t wanted = r->entry_capacity + r->entry_capacity / 2 + 32;
    struct torch_entry *entries;

    if (r->entry_count < r->entry_capacity)
        return CKPT_OK;
    entries =
        r->host->reallocate(r->host, r->entries, wanted * sizeof *entries);
    if (entries == NULL)
        return CKPT_MEMORY;
    r->entries = entries;
    r->entry_capacity = wanted;
    return CKPT_OK;
}

int
sdk_torch_entry_add(struct torch_reader *r, const struct torch_entry *made,
                    struct torch_entry **entry)
{
    int status = grow_entries(r);

    if (status != CKPT_OK)
        return status;
    r->entries[r->entry_count] = *made;
    *entry = &r->entries[r->entry_count++];
    return CKPT_OK;
}

static void
say_storage(const struct torch_reader *r, const struct torch_pid *pid,
            const struct torch_entry *entry, struct sdk_torch_storage *said)
{
    uint32_t width_bits = ckpt_dtype_width_bits(pid->dtype);

    said->key = pid->key;
    said->size_bytes = pid->size_bytes;
    said->word_bytes = ckpt_dtype_word_bytes(pid->dtype);
    said->item_bytes = width_bits < 8 ? 1 : width_bits / 8;
    said->index = entry->index;
    said->byte = sdk_torch_byte(r, entry->ref);
}

/* Asks where the storage of a root is. `pid` is the one that made it. */
static int
make_storage(struct torch_reader *r, const struct torch_pid *pid,
             uint32_t dtype, struct torch_entry *root)
{
    struct sdk_torch_storage wanted = {0};
    struct ckpt_storage like = {0};
    int status = find_device(r, pid->location, root->ref);

    if (status != CKPT_OK)
        return status;
    say_storage(r, pid, root, &wanted);
    wanted.device = r->device;
    wanted.tensor = sdk_torch_path(r);
    if (root->untyped && dtype != CKPT_DTYPE_NONE)
        wanted.word_bytes = ckpt_dtype_word_bytes(dtype);
    like.size_bytes = pid->size_bytes;
    like.word_bytes = wanted.word_bytes;
    like.device = r->device;
    status = r->source->find(r->host, r->source->user, &wanted, &like);
    if (status != CKPT_OK)
        return status;
    return r->host->storage_new(r->host, r->graph, &like, sizeof like,
                                &root->storage);
}

/* The entry of a key; `*added` if it is new, and then empty. */
static int
enter_key(struct torch_reader *r, const struct ckpt_text *key,
          const struct torch_pid *pid, uint32_t ref, uint32_t *at, bool *added)
{
    struct torch_entry made = {
        .ref = ref,
        .dtype = (uint8_t)pid->dtype,
        .untyped = pid->class->dtype == CKPT_DTYPE_NONE,
    };
    uint64_t *number = find_place(r, key);
    int status;

    if (number == NULL)
        return CKPT_MEMORY;
    *added = *number == 0;
    if (*added) {
        status = grow_entries(r);
        if (status != CKPT_OK)
            return status;
        made.root = (uint32_t)r->entry_count;
        r->entries[r->entry_count] = made;
        *number = ++r->entry_count;
    }
    *at = (uint32_t)*number - 1;
    return CKPT_OK;
}

/* A view of a view is one of the same root. What a key named before must be
 * what it names now. */
static int
enter_view(struct torch_reader *r, const struct torch_pid *pid, uint32_t ref,
           uint32_t *at)
{
    struct torch_entry of = r->entries[*at], *view;
    bool added;
    int status;

    if (!sdk_within(pid->view_start_bytes, pid->view_size_bytes, of.size_bytes))
        return sdk_torch_fail(r, CKPT_FORMAT, ref,
                              "view metadata of more than its storage holds");
    status = enter_key(r, &pid->view_key, pid, ref, at, &added);
    if (status != CKPT_OK)
        return status;
    view = &r->entries[*at];
    if (added) {
        view->root = of.root;
        view->start_bytes = of.start_bytes + pid->view_start_bytes;
        view->size_bytes = pid->view_size_bytes;
    } else if (view->root != of.root ||
               view->start_bytes != of.start_bytes + pid->view_start_bytes ||
               view->size_bytes != pid->view_size_bytes) {
        return sdk_torch_fail(r, CKPT_FORMAT, ref,
                              "a view under a key that names something else");
    }
    return CKPT_OK;
}

static void
check_again(struct torch_reader *r, const struct torch_pid *pid, uint32_t ref,
            struct torch_entry *entry)
{
    if ((entry->dtype == pid->dtype && entry->size_bytes == pid->size_bytes) ||
        entry->warned)
        return;
    entry->warned = true;
    r->host->warn(r->host, sdk_torch_path(r), sdk_torch_byte(r, ref),
                  "storage %.*s is given another type or size than before",
                  (int)pid->key.size_bytes, pid->key.data);
}

/* Where the entry of a persistent id stands, which is made if need be. */
static int
enter_pid(struct torch_reader *r, const struct torch_pid *pid, uint32_t ref,
          uint32_t *at)
{
    bool added;
    int status = enter_key(r, &pid->key, pid, ref, at, &added);

    if (status != CKPT_OK)
        return status;
    if (added) {
        r->entries[*at].size_bytes = pid->size_bytes;
        r->entries[*at].index = (uint32_t)r->root_count++;
    } else {
        check_again(r, pid, ref, &r->entries[*at]);
    }
    return pid->view ? enter_view(r, pid, ref, at) : CKPT_OK;
}

static int
find_entry(struct torch_reader *r, uint32_t ref, uint32_t dtype,
           struct torch_entry **found)
{
    struct torch_entry *entry, *root;
    struct torch_pid pid = {0};
    uint32_t at;
    int status = sdk_torch_read_pid(r, ref, &pid);

    if (status == CKPT_OK)
        status = enter_pid(r, &pid, ref, &at);
    if (status != CKPT_OK)
        return status;
    entry = &r->entries[at];
    root = &r->entries[entry->root];
    if (root->storage == NULL) {
        if (root->ref != ref)
            status = sdk_torch_read_pid(r, root->ref, &pid);
        if (status == CKPT_OK)
            status = make_storage(r, &pid, dtype, root);
        if (status != CKPT_OK)
            return status;
    }
    entry->storage = root->storage;
    *found = entry;
    return CKPT_OK;
}

static int
tell_roots(struct torch_reader *r)
{
    struct sdk_torch_storage *all;
    struct torch_pid pid = {0};
    size_t i, count = 0;
    int status = CKPT_OK;

    all = r->host->allocate(r->host, (r->root_count + 1) * sizeof *all);
    if (all == NULL)
        return CKPT_MEMORY;
    for (i = 0; i < r->entry_count && status == CKPT_OK; i++) {
        if (r->entries[i].root != i)
            continue;
        status = sdk_torch_read_pid(r, r->entries[i].ref, &pid);
        say_storage(r, &pid, &r->entries[i], &all[count++]);
    }
    if (status == CKPT_OK)
        status = r->source->meet(r->host, r->source->user, all, count);
    r->host->release(r->host, all);
    return status;
}

int
sdk_torch_meet(struct torch_reader *r)
{
    struct torch_pid pid;
    uint32_t ref, at;
    unsigned met = 0;
    int status = CKPT_OK;

    if (r->source->ids == SDK_TORCH_IDS_ZIP)
        return CKPT_OK;
    for (ref = 0; ref < r->pickled->node_count && status == CKPT_OK; ref++) {
        if (sdk_pickled_kind(r->pickled, ref) != SDK_PICKLED_PERSISTENT)
            continue;
        if ((++met & 0xffff) == 0 && r->host->cancelled(r->host))
            return CKPT_CANCELLED;
        if (sdk_torch_is_module(r, ref)) {
            status = sdk_torch_meet_module(r, ref);
            continue;
        }
        if (r->source->meet == NULL)
            continue;
        memset(&pid, 0, sizeof pid);
        status = sdk_torch_read_pid(r, ref, &pid);
        if (status == CKPT_OK)
            status = enter_pid(r, &pid, ref, &at);
    }
    return status == CKPT_OK && r->source->meet != NULL ? tell_roots(r)
                                                        : status;
}

int
sdk_torch_entry_find(struct torch_reader *r, uint32_t ref, uint32_t dtype,
                     const struct torch_entry **found)
{
    struct torch_entry *entry = NULL;
    bool made = sdk_torch_is_named(r, ref) ||
                sdk_pickled_kind(r->pickled, ref) != SDK_PICKLED_PERSISTENT;
    int status = made ? sdk_torch_named_entry(r, ref, &entry)
                      : find_entry(r, ref, dtype, &entry);

    if (status == CKPT_OK)
        *found = entry;
    return status;
}

void
sdk_torch_entries_fini(struct torch_reader *r)
{
    r->host->release(r->host, r->entries);
    r->host->release(r->host, r->direct);
    sdk_table_fini(r->host, &r->keys);
}

/* ---- A bare storage ---- */

int
sdk_torch_storage_value(const struct ckpt_host *host, struct ckpt_graph *graph,
                        const struct ckpt_tensor *view, bool untyped,
                        const char *name, struct ckpt_value **value)
{
    struct ckpt_value like = {.kind = CKPT_KIND_TUPLE}, *tensor, *args;
    struct ckpt_object object = {.made = CKPT_MADE_PERSISTENT,
                                 .module = "torch"};
    int status =
        host->tensor_new(host, graph, view, sizeof *view, name, &tensor);

    if (status == CKPT_OK)
        status = host->value_new(host, graph, &like, sizeof like, &args);
    if (status == CKPT_OK)
        status = host->list_add(host, graph, args, tensor);
    if (status != CKPT_OK)
        return status;
    object.name = sdk_torch_class_name(untyped ? CKPT_DTYPE_NONE : view->dtype);
    object.args = args;
    like.kind = CKPT_KIND_OBJECT;
    like.as.object = &object;
    return host->value_new(host, graph, &like, sizeof like, value);
}

static int
make_object(struct torch_reader *r, const struct torch_entry *entry,
            struct ckpt_value **value)
{
    uint64_t width_bits = ckpt_dtype_width_bits(entry->dtype);
    uint64_t count, step = 1;
    struct ckpt_tensor view = {
        .dtype = entry->dtype,
        .rank = 1,
        .offset = entry->start_bytes * 8 / width_bits,
    };

    if (width_bits < 8)
        count = entry->size_bytes * (8 / width_bits);
    else
        count = entry->size_bytes / (width_bits / 8);
    view.shape = &count;
    view.strides = &step;
    view.storage = entry->storage;
    return sdk_torch_storage_value(r->host, r->graph, &view, entry->untyped,
                                   sdk_torch_path(r), value);
}

int
sdk_torch_storage_object(struct torch_reader *r, uint32_t ref,
                         struct ckpt_value **value)
{
    struct torch_entry *entry = NULL;
    struct ckpt_value *made;
    int status;

    if (sdk_torch_is_named(r, ref))
        return sdk_torch_named_value(r, ref, value);
    status = find_entry(r, ref, CKPT_DTYPE_NONE, &entry);
    if (status != CKPT_OK)
        return status;
    if (entry->object == NULL) {
        status = make_object(r, entry, &made);
        if (status != CKPT_OK)
            return status;
        entry->object = made;
    }
    *value = entry->object;
    return CKPT_OK;
}
