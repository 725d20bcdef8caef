/* SPDX-License-Identifier: MIT
 *
 * Where the bytes of a data set are, and the filters that they went through.
 * Traps of libhdf5 that are minded here: the offset of a contiguous data set
 * is garbage before it is allocated; what is external or virtual would be
 * read from other files.
 */
#include "hdf5_lib_private.h"

#include <string.h>

#include "checked.h"

#define FILTER_NAME_BYTES 64
#define FILTERS_MAX 32

/* ---- Filters ---- */

struct filter_name {
    H5Z_filter_t id;
    const char *name;
};

/* Of those that come as plugins; libhdf5 knows names of its own alone. */
static const struct filter_name filter_names[] = {
    {305, "lzo"},
    {307, "bzip2"},
    {32000, "lzf"},
    {32001, "blosc"},
    {32004, "lz4"},
    {32008, "bitshuffle"},
    {32013, "zfp"},
    {32015, "zstd"},
    {32017, "sz"},
    {32023, "bitgroom"},
    {32026, "blosc2"},
    {32024, "sz3"},
    {H5Z_FILTER_SZIP, "szip"},
};

static const char *
filter_name(H5Z_filter_t id, const char *told)
{
    size_t i;

    for (i = 0; i < sizeof filter_names / sizeof *filter_names; i++)
        if (filter_names[i].id == id)
            return filter_names[i].name;
    return told[0] != '\0' ? told : "without a name";
}

static bool
filter_there(H5Z_filter_t id)
{
    unsigned flags = 0;

    if (H5Zfilter_avail(id) > 0 && H5Zget_filter_info(id, &flags) >= 0 &&
        (flags & H5Z_FILTER_CONFIG_DECODE_ENABLED))
        return true;
    H5Eclear2(H5E_DEFAULT);
    return false;
}

int
hdf5_lib_filters(const struct hdf5_lib_place *place, hid_t list)
{
    int count = H5Pget_nfilters(list), i;
    char name[FILTER_NAME_BYTES] = "";

    if (count < 0 || count > FILTERS_MAX)
        return hdf5_lib_fail(place, "the filters cannot be read");
    for (i = 0; i < count; i++) {
        unsigned flags, info;
        size_t values = 0;
        H5Z_filter_t id = H5Pget_filter2(list, (unsigned)i, &flags, &values,
                                         NULL, sizeof name, name, &info);

        name[sizeof name - 1] = '\0';
        if (id < 0)
            return hdf5_lib_fail(place, "the filters cannot be read");
        if (!filter_there(id)) {
            place->lib->host->remedy(
                place->lib->host,
                "set HDF5_PLUGIN_PATH to the folder of its plugin, or leave "
                "the tensor out with -t drop:NAME");
            return hdf5_lib_refuse(place, CKPT_UNSUPPORTED,
                                   "its data went through filter '%s' (%d), "
                                   "for which libhdf5 has no plugin",
                                   filter_name(id, name), (int)id);
        }
    }
    return CKPT_OK;
}

/* ---- Chunks ---- */

/* Memory that libhdf5 takes for a chunk twice, packed and unpacked, is asked
 * of the budget, to be told no by it. */
static int
chunk_affordable(const struct hdf5_lib_place *place, uint64_t chunk_bytes)
{
    const struct ckpt_host *host = place->lib->host;
    void *memory;

    if (chunk_bytes > SIZE_MAX / 4)
        return hdf5_lib_refuse(place, CKPT_FORMAT, "chunks of %llu bytes",
                               (unsigned long long)chunk_bytes);
    memory = host->allocate(host, 2 * (size_t)chunk_bytes);
    host->release(host, memory);
    return memory != NULL ? CKPT_OK : CKPT_MEMORY;
}

int
hdf5_lib_chunk(const struct hdf5_lib_place *place, hid_t list, uint64_t *shape,
               uint64_t *chunk_bytes)
{
    const struct hdf5_data *data = &place->object->data;
    uint64_t bytes = data->type.size_bytes;
    hsize_t dims[HDF5_RANK_MAX];
    int rank = H5Pget_chunk(list, HDF5_RANK_MAX, dims), i;

    if (rank < 0 || (uint32_t)rank != data->space.rank)
        return hdf5_lib_fail(place, "the chunks cannot be told");
    for (i = 0; i < rank; i++) {
        shape[i] = dims[i];
        if (dims[i] == 0 || !sdk_mul_u64(bytes, dims[i], &bytes))
            return hdf5_lib_refuse(place, CKPT_FORMAT,
                                   "chunks without elements, or of more than "
                                   "64 bits can count");
    }
    *chunk_bytes = bytes;
    return chunk_affordable(place, bytes);
}

/* ---- Places ---- */

/* One element that stands for all where nothing was written. */
static int
fill_value(const struct hdf5_lib_place *place, hid_t list, hid_t type)
{
    struct hdf5_data *data = &place->object->data;
    H5D_fill_value_t defined;
    unsigned char *bytes;
    uint32_t i = 0, size = data->type.size_bytes;

    data->place = HDF5_FILL;
    if (data->space.count == 0 || data->type.class == HDF5_OTHER)
        return CKPT_OK;
    if (H5Pfill_value_defined(list, &defined) < 0)
        return hdf5_lib_fail(place, "the fill value cannot be read");
    if (defined == H5D_FILL_VALUE_UNDEFINED || size > HDF5_VALUE_MAX)
        return CKPT_OK;
    bytes = hdf5_tree_hold(place->tree, size);
    if (bytes == NULL)
        return CKPT_MEMORY;
    if (H5Pget_fill_value(list, type, bytes) < 0)
        return hdf5_lib_fail(place, "the fill value cannot be read");
    while (i < size && bytes[i] == 0)
        i++;
    data->bytes = i < size ? bytes : NULL;
    return CKPT_OK;
}

static int
place_contiguous(const struct hdf5_lib_place *place, uint64_t stored)
{
    struct hdf5_data *data = &place->object->data;
    haddr_t offset = H5Dget_offset(place->id);

    if (offset == HADDR_UNDEF)
        return hdf5_lib_fail(place, "the data cannot be located");
    if (stored != data->size_bytes)
        return hdf5_lib_refuse(
            place, CKPT_FORMAT, "data of %llu bytes in %llu bytes",
            (unsigned long long)data->size_bytes, (unsigned long long)stored);
    data->place = HDF5_SPAN;
    if (!sdk_add_u64(place->lib->part.base, offset, &data->offset))
        data->offset = UINT64_MAX;
    return CKPT_OK;
}

static int
place_compact(const struct hdf5_lib_place *place, hid_t type)
{
    struct hdf5_data *data = &place->object->data;
    unsigned char *bytes;

    if (data->size_bytes > HDF5_VALUE_MAX)
        return hdf5_lib_refuse(place, CKPT_FORMAT,
                               "%llu bytes of data in a header",
                               (unsigned long long)data->size_bytes);
    bytes = hdf5_tree_hold(place->tree, (size_t)data->size_bytes);
    if (bytes == NULL)
        return CKPT_MEMORY;
    data->place = HDF5_INLINE;
    data->bytes = bytes;
    if (data->type.class != HDF5_OTHER &&
        H5Dread(place->id, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, bytes) < 0)
        return hdf5_lib_fail(place, "the data cannot be read");
    return CKPT_OK;
}

static bool
is_text(const struct hdf5_type *type)
{
    return type->class == HDF5_FIXED || type->class == HDF5_VARIABLE;
}

static int
place_texts(const struct hdf5_lib_place *place, hid_t list, hid_t type,
            bool chunked)
{
    struct hdf5_data *data = &place->object->data;
    uint64_t shape[HDF5_RANK_MAX], chunk_bytes;
    int status = CKPT_OK;

    data->place = HDF5_TEXT;
    if (data->space.count == 0)
        return CKPT_OK;
    if (chunked)
        status = hdf5_lib_chunk(place, list, shape, &chunk_bytes);
    if (status == CKPT_OK && chunked)
        status = hdf5_lib_filters(place, list);
    return status == CKPT_OK ? hdf5_lib_texts(place, type) : status;
}

/* Data in other files, which nobody is to be led to. */
static const char *
elsewhere(hid_t list, H5D_layout_t layout)
{
    if (layout == H5D_VIRTUAL)
        return "its data are those of other data sets (a virtual data set)";
    if (layout == H5D_CONTIGUOUS && H5Pget_external_count(list) != 0)
        return "its data are in other files (external storage)";
    return NULL;
}

/* libhdf5 says 0 both for nothing and for a failure. */
static bool
stored_bytes(hid_t id, uint64_t *stored)
{
    H5Eclear2(H5E_DEFAULT);
    *stored = H5Dget_storage_size(id);
    return *stored > 0 || H5Eget_num(H5E_DEFAULT) == 0;
}

static int
place_data(const struct hdf5_lib_place *place, hid_t list, hid_t type)
{
    struct hdf5_data *data = &place->object->data;
    H5D_layout_t layout = H5Pget_layout(list);
    uint64_t stored;

    data->refused = elsewhere(list, layout);
    if (data->refused != NULL) {
        data->place = HDF5_REFUSED;
        return CKPT_OK;
    }
    if (is_text(&data->type))
        return place_texts(place, list, type, layout == H5D_CHUNKED);
    if (layout == H5D_COMPACT && data->size_bytes > 0)
        return place_compact(place, type);
    if (!stored_bytes(place->id, &stored))
        return hdf5_lib_fail(place, "the data cannot be located");
    if (stored == 0 || data->size_bytes == 0)
        return fill_value(place, list, type);
    if (layout == H5D_CONTIGUOUS)
        return place_contiguous(place, stored);
    if (layout != H5D_CHUNKED)
        return hdf5_lib_fail(place, "a layout of an unknown class");
    data->place = HDF5_CODED;
    data->stored_bytes = stored;
    return CKPT_OK;
}

/* The path, which takes memory, is made for a message alone. */
static int
check_data(const struct hdf5_lib_place *place)
{
    const struct hdf5_data *data = &place->object->data;
    const struct hdf5_part *part = &place->tree->part;
    const char *name = NULL;

    if (!sdk_within(data->offset, data->size_bytes,
                    part->base + part->size_bytes))
        name = hdf5_tree_path(place->tree, place->object);
    return hdf5_data_check(place->tree, place->object, name);
}

static int
describe_data(const struct hdf5_lib_place *place, hid_t list, hid_t type,
              hid_t space)
{
    struct hdf5_data *data = &place->object->data;
    int status;

    if (list < 0 || type < 0 || space < 0)
        return hdf5_lib_fail(place, "a data set cannot be read");
    status = hdf5_lib_type(place, type, &data->type);
    if (status == CKPT_OK)
        status = hdf5_lib_space(place, space, &data->space);
    if (status == CKPT_OK)
        status = hdf5_space_bytes(place->tree, &data->space, &data->type,
                                  place->object->offset, &data->size_bytes);
    if (status == CKPT_OK)
        status = place_data(place, list, type);
    return status == CKPT_OK ? check_data(place) : status;
}

int
hdf5_lib_data(const struct hdf5_lib_place *place)
{
    hid_t list = H5Dget_create_plist(place->id);
    hid_t type = H5Dget_type(place->id), space = H5Dget_space(place->id);
    int status = describe_data(place, list, type, space);

    if (list >= 0)
        H5Pclose(list);
    if (type >= 0)
        H5Tclose(type);
    if (space >= 0)
        H5Sclose(space);
    return status;
}
