/* SPDX-License-Identifier: MIT
 *
 * The tables of storages and tensors that precede the object of a torch tar.
 * Pickles are read through small windows: the data between them is passed
 * over.
 */
#include "torch_tar_parse.h"

#include <string.h>

#include "checked.h"
#include "endian.h"
#include "torch_read.h"
#include "torch_tar_stream.h"

#define CANCEL_STRIDE 4096

/* ---- The tables ---- */

/* Makes room for one item more; `array` points to the pointer. */
static int
table_grow(const struct ckpt_host *host, void *array, size_t item_bytes,
           size_t least, size_t *capacity)
{
    size_t wanted = *capacity + *capacity / 2 + 16, size_bytes;
    void *old, *more;

    if (least <= *capacity)
        return CKPT_OK;
    if (wanted < least)
        wanted = least;
    if (!sdk_mul_size(wanted, item_bytes, &size_bytes))
        return host->fail(host, CKPT_LIMIT, NULL, CKPT_NOWHERE,
                          "too many storages or tensors");
    memcpy(&old, array, sizeof old);
    more = host->reallocate(host, old, size_bytes);
    if (more == NULL)
        return CKPT_MEMORY;
    memcpy(array, &more, sizeof more);
    *capacity = wanted;
    return CKPT_OK;
}

/* Keys are borrowed by the table, so their arrays have stopped growing. */
static int
keys_add(struct torch_tar_stream *stream, const int64_t *key, uint64_t number,
         uint64_t byte)
{
    bool added;
    uint64_t *place = sdk_table_add(stream->host, &stream->tables->keys, key,
                                    sizeof *key, &added);

    if (place == NULL)
        return CKPT_MEMORY;
    if (!added)
        return stream->host->fail(stream->host, CKPT_FORMAT, NULL, byte,
                                  "a second storage or tensor of key %lld",
                                  (long long)*key);
    *place = number;
    return CKPT_OK;
}

struct torch_tar_storage *
torch_tar_find_storage(const struct torch_tar_tables *tables, int64_t key)
{
    uint64_t *number = sdk_table_find(&tables->keys, &key, sizeof key);

    if (number == NULL || *number % 2 == 0)
        return NULL;
    return &tables->storages[*number / 2];
}

struct torch_tar_tensor *
torch_tar_find_tensor(const struct torch_tar_tables *tables, int64_t key)
{
    uint64_t *number = sdk_table_find(&tables->keys, &key, sizeof key);

    if (number == NULL || *number % 2 != 0)
        return NULL;
    return &tables->tensors[*number / 2 - 1];
}

/* ---- storages ---- */

static bool
read_int(const struct sdk_pickled *pickled, uint32_t ref, int64_t *number)
{
    const struct sdk_pickled_node *node = sdk_pickled_at(pickled, ref);

    if (node->kind != SDK_PICKLED_INT)
        return false;
    *number = node->as.integer;
    return true;
}

static bool
read_location(const struct sdk_pickled *pickled, uint32_t ref, char *device,
              size_t room)
{
    uint32_t kind = sdk_pickled_kind(pickled, ref);
    struct ckpt_text text;

    if (kind != SDK_PICKLED_TEXT && kind != SDK_PICKLED_STR)
        return false;
    text = sdk_pickled_text(pickled, ref);
    if (text.size_bytes >= room ||
        memchr(text.data, '\0', text.size_bytes) != NULL)
        return false;
    memcpy(device, text.data, text.size_bytes);
    device[text.size_bytes] = '\0';
    return true;
}

static bool
is_plain_tensor(const struct sdk_pickled *pickled, uint32_t ref)
{
    return sdk_pickled_kind(pickled, ref) == SDK_PICKLED_GLOBAL &&
           strcmp(sdk_pickled_module(pickled, ref), "torch") == 0 &&
           strcmp(sdk_pickled_name(pickled, ref), "Tensor") == 0;
}

/* A class that holds elements of one dtype. */
static int
read_class(struct torch_tar_stream *stream, const struct sdk_pickled *pickled,
           uint32_t ref, const char *ending, uint64_t byte, uint32_t *dtype)
{
    if (sdk_pickled_kind(pickled, ref) != SDK_PICKLED_GLOBAL)
        return torch_tar_stream_fail(stream, CKPT_FORMAT, byte,
                                     "a class that is no name");
    *dtype = sdk_torch_class_dtype(sdk_pickled_module(pickled, ref),
                                   sdk_pickled_name(pickled, ref), ending);
    if (*dtype == CKPT_DTYPE_NONE ||
        (TORCH_TAR_DTYPES & CKPT_DTYPE_BIT(*dtype)) == 0)
        return stream->host->fail(
            stream->host, CKPT_UNSUPPORTED, NULL, byte,
            "'%.60s.%.60s' is no class that this form has",
            sdk_pickled_module(pickled, ref), sdk_pickled_name(pickled, ref));
    return CKPT_OK;
}

/* (key, location, class), or of old (key, class). */
static int
read_storage_head(struct torch_tar_stream *stream,
                  struct torch_tar_storage *storage)
{
    struct sdk_pickled pickled = {0};
    struct sdk_pickled_list parts = {NULL, 0};
    int status = torch_tar_stream_pickle(stream, TORCH_TAR_SMALL, &pickled);

    if (status != CKPT_OK)
        return status;
    if (sdk_pickled_kind(&pickled, pickled.root) == SDK_PICKLED_TUPLE)
        parts = sdk_pickled_list(&pickled, pickled.root);
    memcpy(storage->device, "cpu", 4);
    if (parts.count < 2 || parts.count > 3 ||
        !read_int(&pickled, parts.refs[0], &storage->key))
        status = torch_tar_stream_fail(
            stream, CKPT_FORMAT, storage->byte,
            "a storage that is not (key, location, class)");
    else if (parts.count == 3 &&
             !read_location(&pickled, parts.refs[1], storage->device,
                            sizeof storage->device))
        status = torch_tar_stream_fail(stream, CKPT_FORMAT, storage->byte,
                                       "a location that is no device");
    else
        status = read_class(stream, &pickled, parts.refs[parts.count - 1],
                            "Storage", storage->byte, &storage->dtype);
    sdk_pickled_fini(stream->host, &pickled);
    return status;
}

static int
read_storage(struct torch_tar_stream *stream)
{
    struct torch_tar_tables *tables = stream->tables;
    struct torch_tar_storage *storage;
    unsigned char count[8];
    uint64_t size_bytes;
    int status =
        table_grow(stream->host, &tables->storages, sizeof *storage,
                   tables->storage_count + 1, &tables->storage_capacity);

    if (status != CKPT_OK)
        return status;
    storage = &tables->storages[tables->storage_count];
    memset(storage, 0, sizeof *storage);
    storage->byte = stream->at;
    status = read_storage_head(stream, storage);
    if (status == CKPT_OK)
        status = torch_tar_stream_bytes(stream, count, sizeof count);
    if (status != CKPT_OK)
        return status;
    storage->root = tables->storage_count;
    storage->offset = stream->at;
    storage->count = sdk_load_le64(count);
    if (!sdk_mul_u64(storage->count, ckpt_dtype_width_bits(storage->dtype) / 8,
                     &size_bytes) ||
        size_bytes > stream->end - stream->at)
        return torch_tar_stream_fail(stream, CKPT_FORMAT, stream->at - 8,
                                     "a storage of more than the member holds");
    stream->at += size_bytes;
    tables->storage_count++;
    return CKPT_OK;
}

/* A part of a storage, or of another part that was named before. */
static int
read_view(struct torch_tar_stream *stream, const struct sdk_pickled *pickled,
          uint32_t ref, uint64_t byte)
{
    struct torch_tar_tables *tables = stream->tables;
    struct torch_tar_storage *view = &tables->storages[tables->storage_count];
    const struct torch_tar_storage *of;
    struct sdk_pickled_list parts = {NULL, 0};
    int64_t numbers[4];
    uint32_t i;

    if (sdk_pickled_kind(pickled, ref) == SDK_PICKLED_TUPLE)
        parts = sdk_pickled_list(pickled, ref);
    for (i = 0; i < 4; i++)
        if (parts.count != 4 || !read_int(pickled, parts.refs[i], &numbers[i]))
            return torch_tar_stream_fail(
                stream, CKPT_FORMAT, byte,
                "a view of a storage that is not four ints");
    of = torch_tar_find_storage(tables, numbers[1]);
    if (of == NULL)
        return stream->host->fail(stream->host, CKPT_FORMAT, NULL, byte,
                                  "a view of storage %lld, which is not there",
                                  (long long)numbers[1]);
    if (numbers[2] < 0 || numbers[3] < 0 ||
        !sdk_within((uint64_t)numbers[2], (uint64_t)numbers[3], of->count))
        return torch_tar_stream_fail(stream, CKPT_FORMAT, byte,
                                     "a view of more than its storage holds");
    *view = *of;
    view->key = numbers[0];
    view->byte = byte;
    view->first += (uint64_t)numbers[2];
    view->count = (uint64_t)numbers[3];
    tables->storage_count++;
    return keys_add(stream, &view->key, tables->storage_count * 2 - 1, byte);
}

static int
read_view_list(struct torch_tar_stream *stream,
               const struct sdk_pickled *pickled, uint64_t origin)
{
    struct torch_tar_tables *tables = stream->tables;
    struct sdk_pickled_list views;
    size_t i;
    int status;

    if (sdk_pickled_kind(pickled, pickled->root) != SDK_PICKLED_LIST)
        return torch_tar_stream_fail(stream, CKPT_FORMAT, origin,
                                     "views of storages that are no list");
    views = sdk_pickled_list(pickled, pickled->root);
    status = table_grow(
        stream->host, &tables->storages, sizeof *tables->storages,
        tables->storage_count + views.count, &tables->storage_capacity);
    for (i = 0; i < tables->storage_count && status == CKPT_OK; i++)
        status = keys_add(stream, &tables->storages[i].key, i * 2 + 1,
                          tables->storages[i].byte);
    for (i = 0; i < views.count && status == CKPT_OK; i++)
        status =
            read_view(stream, pickled, views.refs[i],
                      origin + sdk_pickled_at(pickled, views.refs[i])->byte);
    return status;
}

static int
read_storages(struct torch_tar_stream *stream)
{
    struct sdk_pickled pickled = {0};
    uint64_t count, i, origin;
    int status = torch_tar_stream_count(stream, &count);

    for (i = 0; status == CKPT_OK && i < count; i++) {
        if (i % CANCEL_STRIDE == 0 && stream->host->cancelled(stream->host))
            return CKPT_CANCELLED;
        status = read_storage(stream);
    }
    if (status != CKPT_OK)
        return status;
    origin = stream->at;
    status = torch_tar_stream_pickle(stream, UINT64_MAX, &pickled);
    if (status == CKPT_OK)
        status = read_view_list(stream, &pickled, origin);
    sdk_pickled_fini(stream->host, &pickled);
    return status;
}

/* ---- tensors ---- */

/* The storage of a tensor, or None for one without elements. */
static int
read_tensor_storage(struct torch_tar_stream *stream,
                    const struct sdk_pickled *pickled, uint32_t ref,
                    struct torch_tar_tensor *tensor)
{
    const struct torch_tar_storage *storage;
    int64_t key;

    tensor->storage = TORCH_TAR_NO_STORAGE;
    if (sdk_pickled_kind(pickled, ref) == SDK_PICKLED_NONE)
        return CKPT_OK;
    if (!read_int(pickled, ref, &key))
        return torch_tar_stream_fail(
            stream, CKPT_FORMAT, tensor->byte,
            "a tensor that is not (key, storage, class)");
    storage = torch_tar_find_storage(stream->tables, key);
    if (storage == NULL)
        return stream->host->fail(
            stream->host, CKPT_FORMAT, NULL, tensor->byte,
            "a tensor on storage %lld, which is not there", (long long)key);
    tensor->storage = (size_t)(storage - stream->tables->storages);
    tensor->dtype = storage->dtype;
    return CKPT_OK;
}

/* (key, storage or None, class), or of old (key, class, storage). */
static int
read_tensor_head(struct torch_tar_stream *stream,
                 struct torch_tar_tensor *tensor)
{
    struct sdk_pickled pickled = {0};
    struct sdk_pickled_list parts = {NULL, 0};
    uint32_t class;
    int status = torch_tar_stream_pickle(stream, TORCH_TAR_SMALL, &pickled);

    if (status != CKPT_OK)
        return status;
    if (sdk_pickled_kind(&pickled, pickled.root) == SDK_PICKLED_TUPLE)
        parts = sdk_pickled_list(&pickled, pickled.root);
    if (parts.count != 3 || !read_int(&pickled, parts.refs[0], &tensor->key)) {
        status =
            torch_tar_stream_fail(stream, CKPT_FORMAT, tensor->byte,
                                  "a tensor that is not (key, storage, class)");
    } else {
        class = sdk_pickled_kind(&pickled, parts.refs[1]) == SDK_PICKLED_GLOBAL
                    ? 1
                    : 2;
        tensor->dtype = CKPT_FLOAT32;
        if (!is_plain_tensor(&pickled, parts.refs[class]))
            status = read_class(stream, &pickled, parts.refs[class], "Tensor",
                                tensor->byte, &tensor->dtype);
        if (status == CKPT_OK)
            status = read_tensor_storage(stream, &pickled,
                                         parts.refs[3 - class], tensor);
    }
    sdk_pickled_fini(stream->host, &pickled);
    return status;
}

/* Rank, sizes, strides and offset. */
static int
read_tensor_view(struct torch_tar_stream *stream,
                 struct torch_tar_tensor *tensor)
{
    struct torch_tar_tables *tables = stream->tables;
    unsigned char rank[8], numbers[(CKPT_MAX_RANK * 2 + 1) * 8];
    uint64_t number, byte = stream->at;
    uint32_t i, count;
    int status = torch_tar_stream_bytes(stream, rank, sizeof rank);

    if (status != CKPT_OK)
        return status;
    tensor->rank = sdk_load_le32(rank);
    if (tensor->rank > CKPT_MAX_RANK)
        return torch_tar_stream_fail(stream, CKPT_FORMAT, byte,
                                     "more than 64 dimensions");
    count = tensor->rank * 2;
    byte = stream->at;
    status = torch_tar_stream_bytes(stream, numbers, (count + 1) * 8);
    if (status == CKPT_OK)
        status =
            table_grow(stream->host, &tables->dims, sizeof *tables->dims,
                       tables->dim_count + count + 1, &tables->dim_capacity);
    if (status != CKPT_OK)
        return status;
    tensor->dims = tables->dim_count;
    for (i = 0; i <= count; i++) {
        number = sdk_load_le64(numbers + i * 8);
        if (number > INT64_MAX)
            return torch_tar_stream_fail(stream, CKPT_FORMAT, byte + i * 8,
                                         "a size, stride or offset below 0");
        if (i < count)
            tables->dims[tables->dim_count++] = number;
        else
            tensor->offset = number;
    }
    return CKPT_OK;
}

/* Without elements a view may be anywhere; the offset is then dropped. */
static int
check_tensor(struct torch_tar_stream *stream, struct torch_tar_tensor *tensor)
{
    const struct torch_tar_tables *tables = stream->tables;
    const uint64_t *shape = tables->dims + tensor->dims;
    const uint64_t *strides = shape + tensor->rank;
    uint64_t last = tensor->offset, count = 1, step, room = 0;
    uint32_t i;

    if (tensor->storage != TORCH_TAR_NO_STORAGE)
        room = tables->storages[tensor->storage].count;
    for (i = 0; i < tensor->rank; i++)
        if (shape[i] == 0)
            return CKPT_OK;
    if (tensor->rank == 0 && room == 0)
        return CKPT_OK;
    for (i = 0; i < tensor->rank; i++)
        if (!sdk_mul_u64(count, shape[i], &count) ||
            !sdk_mul_u64(shape[i] - 1, strides[i], &step) ||
            !sdk_add_u64(last, step, &last))
            return torch_tar_stream_fail(stream, CKPT_FORMAT, tensor->byte,
                                         "sizes and strides that overflow");
    if (last >= room)
        return torch_tar_stream_fail(stream, CKPT_FORMAT, tensor->byte,
                                     "a tensor of more than its storage holds");
    return CKPT_OK;
}

static int
read_tensor(struct torch_tar_stream *stream)
{
    struct torch_tar_tables *tables = stream->tables;
    struct torch_tar_tensor *tensor;
    int status = table_grow(stream->host, &tables->tensors, sizeof *tensor,
                            tables->tensor_count + 1, &tables->tensor_capacity);

    if (status != CKPT_OK)
        return status;
    tensor = &tables->tensors[tables->tensor_count];
    memset(tensor, 0, sizeof *tensor);
    tensor->byte = stream->at;
    status = read_tensor_head(stream, tensor);
    if (status == CKPT_OK)
        status = read_tensor_view(stream, tensor);
    if (status == CKPT_OK)
        status = check_tensor(stream, tensor);
    if (status == CKPT_OK)
        tables->tensor_count++;
    return status;
}

static int
read_tensors(struct torch_tar_stream *stream)
{
    struct torch_tar_tables *tables = stream->tables;
    uint64_t count, i;
    int status = torch_tar_stream_count(stream, &count);

    for (i = 0; status == CKPT_OK && i < count; i++) {
        if (i % CANCEL_STRIDE == 0 && stream->host->cancelled(stream->host))
            return CKPT_CANCELLED;
        status = read_tensor(stream);
    }
    for (i = 0; status == CKPT_OK && i < tables->tensor_count; i++)
        status = keys_add(stream, &tables->tensors[i].key, i * 2 + 2,
                          tables->tensors[i].byte);
    return status;
}

/* ---- sys_info ---- */

/* Such a host wrote its numbers in an order that torch does not read. */
static int
read_sys_info(struct torch_tar_stream *stream)
{
    uint64_t byte = stream->at;
    struct sdk_pickled pickled = {0};
    struct sdk_pickled_list pairs = {NULL, 0};
    const struct sdk_pickled_node *node;
    uint32_t i;
    int status = torch_tar_stream_pickle(stream, TORCH_TAR_SMALL, &pickled);

    if (status != CKPT_OK)
        return status;
    if (sdk_pickled_kind(&pickled, pickled.root) == SDK_PICKLED_DICT)
        pairs = sdk_pickled_list(&pickled, pickled.root);
    for (i = 0; i < pairs.count && status == CKPT_OK; i += 2) {
        node = sdk_pickled_at(&pickled, pairs.refs[i + 1]);
        if (sdk_pickled_is_text(&pickled, pairs.refs[i], "little_endian") &&
            node->kind == SDK_PICKLED_BOOL && !node->as.truth)
            status = torch_tar_stream_fail(stream, CKPT_UNSUPPORTED, byte,
                                           "a file of a big-endian host");
    }
    sdk_pickled_fini(stream->host, &pickled);
    return status;
}

int
torch_tar_tables_read(const struct ckpt_host *host,
                      const struct torch_tar_members *members,
                      struct torch_tar_tables *tables)
{
    static int (*const read[])(struct torch_tar_stream *) = {
        [TORCH_TAR_SYS_INFO] = read_sys_info,
        [TORCH_TAR_TENSORS] = read_tensors,
        [TORCH_TAR_STORAGES] = read_storages};
    static const int order[] = {TORCH_TAR_SYS_INFO, TORCH_TAR_STORAGES,
                                TORCH_TAR_TENSORS};
    struct torch_tar_stream stream;
    size_t i;
    int status = CKPT_OK;

    for (i = 0; i < sizeof order / sizeof *order && status == CKPT_OK; i++) {
        if (!members->members[order[i]].found)
            continue;
        torch_tar_stream_init(&stream, host, members, order[i], tables);
        status = read[order[i]](&stream);
        torch_tar_stream_end(&stream, torch_tar_names[order[i]], status);
    }
    return status;
}

void
torch_tar_tables_fini(const struct ckpt_host *host,
                      struct torch_tar_tables *tables)
{
    host->release(host, tables->storages);
    host->release(host, tables->tensors);
    host->release(host, tables->dims);
    sdk_table_fini(host, &tables->keys);
}
