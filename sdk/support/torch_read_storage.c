/* SPDX-License-Identifier: MIT
 *
 * Persistent ids of torch: ('storage', class, key, location, count). The
 * first one of a key decides what the storage is; a later one that says
 * something else is reported and otherwise ignored, as torch does.
 */
#include "torch_read_storage.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "utf8.h"

/* More attributes, or longer names, than these make an object. */
#define ATTRS_MAX 1000
#define NAME_BYTES_MAX 256
#define KEY_BYTES_MAX 200

/* What a persistent id says. */
struct pid {
    const struct torch_name *class;
    struct ckpt_text key;
    uint32_t location;
    uint64_t size_bytes;
    uint32_t dtype; /* uint8 for an untyped class */
};

static bool
is_text(const struct torch_reader *r, uint32_t ref)
{
    uint32_t kind = sdk_pickled_kind(r->pickled, ref);

    return kind == SDK_PICKLED_TEXT || kind == SDK_PICKLED_STR;
}

static bool
is_attr_name(struct torch_reader *r, uint32_t ref)
{
    struct ckpt_text text;

    if (!is_text(r, ref))
        return false;
    text = sdk_pickled_text(r->pickled, ref);
    return text.size_bytes <= NAME_BYTES_MAX &&
           memchr(text.data, '\0', text.size_bytes) == NULL &&
           sdk_utf8_valid(text.data, text.size_bytes);
}

bool
sdk_torch_is_attrs(struct torch_reader *r, uint32_t ref)
{
    struct sdk_pickled_list pairs;
    uint32_t i;

    if (sdk_pickled_kind(r->pickled, ref) != SDK_PICKLED_DICT)
        return false;
    pairs = sdk_pickled_list(r->pickled, ref);
    if (pairs.count > 2 * ATTRS_MAX)
        return false;
    for (i = 0; i < pairs.count; i += 2)
        if (!is_attr_name(r, pairs.refs[i]))
            return false;
    return true;
}

/* Counts of the packed quantised classes are of bytes already. */
static bool
count_to_bytes(uint32_t dtype, int64_t count, uint64_t *size_bytes)
{
    uint32_t width_bits = ckpt_dtype_width_bits(dtype);

    if (count < 0 || count > INT64_MAX / 64)
        return false;
    *size_bytes = (uint64_t)count * (width_bits < 8 ? 1 : width_bits / 8);
    return true;
}

static int
read_pid(struct torch_reader *r, uint32_t ref, struct pid *pid)
{
    const struct sdk_pickled *p = r->pickled;
    uint32_t tuple = sdk_pickled_pid(p, ref);
    struct sdk_pickled_list list;

    if (sdk_pickled_kind(p, tuple) != SDK_PICKLED_TUPLE)
        return sdk_torch_fail(r, CKPT_UNSUPPORTED, ref,
                              "a persistent id that is no tuple");
    list = sdk_pickled_list(p, tuple);
    if (list.count != 5 || !sdk_pickled_is_text(p, list.refs[0], "storage") ||
        sdk_pickled_kind(p, list.refs[1]) != SDK_PICKLED_GLOBAL ||
        !is_text(r, list.refs[2]) || !is_text(r, list.refs[3]) ||
        sdk_pickled_kind(p, list.refs[4]) != SDK_PICKLED_INT)
        return sdk_torch_fail(r, CKPT_UNSUPPORTED, ref,
                              "a persistent id that is no storage");
    pid->class = sdk_torch_name_of(r, list.refs[1]);
    if (pid->class->known != TORCH_STORAGE)
        return sdk_torch_fail(r, CKPT_UNSUPPORTED, ref,
                              "a storage of an unknown class");
    pid->key = sdk_pickled_text(p, list.refs[2]);
    if (pid->key.size_bytes > KEY_BYTES_MAX)
        return sdk_torch_fail(r, CKPT_FORMAT, ref,
                              "a storage key of more than 200 bytes");
    pid->location = list.refs[3];
    pid->dtype = pid->class->dtype ? pid->class->dtype : CKPT_UINT8;
    if (!count_to_bytes(pid->dtype, sdk_pickled_at(p, list.refs[4])->as.integer,
                        &pid->size_bytes))
        return sdk_torch_fail(r, CKPT_FORMAT, ref,
                              "a storage of an impossible size");
    return CKPT_OK;
}

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

static int
make_storage(struct torch_reader *r, const struct pid *pid, uint32_t ref,
             uint32_t dtype, const struct ckpt_storage **storage)
{
    struct sdk_torch_storage wanted = {
        .key = pid->key,
        .size_bytes = pid->size_bytes,
        .device = r->device,
        .tensor = sdk_torch_path(r),
        .byte = sdk_torch_byte(r, ref),
    };
    struct ckpt_storage like = {0};
    int status;

    wanted.word_bytes = ckpt_dtype_word_bytes(
        pid->class->dtype != CKPT_DTYPE_NONE || dtype == CKPT_DTYPE_NONE
            ? pid->dtype
            : dtype);
    like.size_bytes = pid->size_bytes;
    like.word_bytes = wanted.word_bytes;
    like.device = r->device;
    status = r->source->find(r->host, r->source->user, &wanted, &like);
    if (status != CKPT_OK)
        return status;
    return r->host->storage_new(r->host, r->graph, &like, sizeof like, storage);
}

static int
add_entry(struct torch_reader *r, const struct pid *pid, uint32_t ref,
          uint32_t dtype)
{
    struct torch_entry made = {
        .dtype = (uint8_t)pid->dtype,
        .untyped = pid->class->dtype == CKPT_DTYPE_NONE,
    };
    int status = find_device(r, pid->location, ref);

    if (status == CKPT_OK)
        status = make_storage(r, pid, ref, dtype, &made.storage);
    if (status == CKPT_OK)
        status = grow_entries(r);
    if (status == CKPT_OK)
        r->entries[r->entry_count++] = made;
    return status;
}

static int
find_entry(struct torch_reader *r, uint32_t ref, uint32_t dtype,
           struct torch_entry **found)
{
    struct torch_entry *entry;
    struct pid pid = {0};
    uint64_t *number;
    int status = read_pid(r, ref, &pid);

    if (status != CKPT_OK)
        return status;
    number = find_place(r, &pid.key);
    if (number == NULL)
        return CKPT_MEMORY;
    if (*number == 0) {
        status = add_entry(r, &pid, ref, dtype);
        if (status != CKPT_OK)
            return status;
        *number = r->entry_count;
    }
    entry = &r->entries[*number - 1];
    if ((entry->dtype != pid.dtype ||
         entry->storage->size_bytes != pid.size_bytes) &&
        !entry->warned) {
        entry->warned = true;
        r->host->warn(r->host, sdk_torch_path(r), sdk_torch_byte(r, ref),
                      "storage %.*s is given another type or size than before",
                      (int)pid.key.size_bytes, pid.key.data);
    }
    *found = entry;
    return CKPT_OK;
}

/* ---- Persistent ids of one name ---- */

static bool
is_named(const struct torch_reader *r, uint32_t ref)
{
    uint32_t pid = sdk_pickled_pid(r->pickled, ref);

    return r->source->named != NULL &&
           (is_text(r, pid) ||
            sdk_pickled_kind(r->pickled, pid) == SDK_PICKLED_INT);
}

static int
make_named(struct torch_reader *r, uint32_t ref, struct ckpt_value **value)
{
    uint32_t pid = sdk_pickled_pid(r->pickled, ref);
    struct sdk_torch_named named = {.tensor = sdk_torch_path(r),
                                    .byte = sdk_torch_byte(r, ref)};
    char digits[24];

    if (is_text(r, pid)) {
        named.id = sdk_pickled_text(r->pickled, pid);
    } else {
        named.id.size_bytes = (size_t)snprintf(
            digits, sizeof digits, "%" PRId64,
            sdk_pickled_at(r->pickled, pid)->as.integer);
        named.id.data = digits;
    }
    return r->source->named(r->host, r->source->user, r->graph, &named, value);
}

/* The storage that a tensor is rebuilt on: a whole one. */
static int
named_entry(struct torch_reader *r, uint32_t ref, struct torch_entry **found)
{
    const struct ckpt_tensor *view;
    struct torch_entry made = {0};
    struct ckpt_value *value;
    int status = sdk_torch_value_of(r, ref, 0, &value);

    if (status != CKPT_OK)
        return status;
    if (value->kind != CKPT_KIND_OBJECT)
        return sdk_torch_fail(r, CKPT_FORMAT, ref,
                              "a tensor that is rebuilt on a tensor");
    view = value->as.object->args->as.list.items[0]->as.tensor;
    if (view->size_bytes != view->storage->size_bytes)
        return sdk_torch_fail(r, CKPT_UNSUPPORTED, ref,
                              "a tensor that is rebuilt on a storage's view");
    made.storage = view->storage;
    made.dtype = (uint8_t)view->dtype;
    status = grow_entries(r);
    if (status != CKPT_OK)
        return status;
    r->entries[r->entry_count] = made;
    *found = &r->entries[r->entry_count++];
    return CKPT_OK;
}

int
sdk_torch_entry_find(struct torch_reader *r, uint32_t ref, uint32_t dtype,
                     const struct torch_entry **found)
{
    struct torch_entry *entry = NULL;
    int status = is_named(r, ref) ? named_entry(r, ref, &entry)
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
    struct ckpt_tensor view = {.dtype = entry->dtype, .rank = 1};

    if (width_bits < 8)
        count = entry->storage->size_bytes * (8 / width_bits);
    else
        count = entry->storage->size_bytes / (width_bits / 8);
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

    if (is_named(r, ref))
        return make_named(r, ref, value);
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
