/* SPDX-License-Identifier: MIT
 *
 * Data sets: messages 1, 3, 4, 5, 7, 8 and 11.
 *
 *  1. layout, version 3 and 4: version, class u8; 0 compact: size u16, bytes;
 *     1 contiguous: address u64, size u64; 2 chunked; 3 virtual.
 *  2. fill value, version 1 and 2: version, two times u8, defined u8, size
 *     u32, bytes (version 2: if defined); version 3: version, flags (5:
 *     defined), size u32, bytes. Message 4 is size u32, bytes.
 *  3. filters: version, count u8.
 */
#include "checked.h"
#include "hdf5_walk_file.h"

#define LAYOUT_COMPACT 0
#define LAYOUT_CONTIGUOUS 1
#define LAYOUT_VIRTUAL 3
#define FILL_DEFINED 0x20

static int
data_wrong(struct hdf5_walk *walk, uint64_t address, const char *what)
{
    return walk->host->fail(walk->host, CKPT_FORMAT, hdf5_walk_name(walk),
                            walk->base + address, "%s", what);
}

/* The bytes of one element, or none. */
static int
data_fill(struct hdf5_walk *walk, struct hdf5_data *data)
{
    const struct hdf5_message *message =
        hdf5_message_find(walk, HDF5_MESSAGE_FILL);
    struct hdf5_run run, bytes;
    uint8_t version;
    uint32_t size;
    int status;

    if (message == NULL)
        return CKPT_OK;
    if (message->flags & HDF5_MESSAGE_SHARED)
        return CKPT_END;
    run = hdf5_message_run(walk, message);
    version = hdf5_take_u8(&run);
    if (version == 3) {
        if (!(hdf5_take_u8(&run) & FILL_DEFINED))
            return hdf5_run_check(walk, &run, "a fill value");
    } else {
        hdf5_take(&run, 2);
        if (hdf5_take_u8(&run) == 0 && version == 2)
            return hdf5_run_check(walk, &run, "a fill value");
    }
    if (version < 1 || version > 3)
        return CKPT_END;
    size = hdf5_take_u32(&run);
    bytes = hdf5_take_run(&run, size);
    status = hdf5_run_check(walk, &run, "a fill value");
    if (status != CKPT_OK || size == 0)
        return status;
    if (size != data->type.size_bytes)
        return data_wrong(walk, message->address,
                          "a fill value of another size than its elements");
    data->bytes =
        (const unsigned char *)hdf5_tree_copy(walk->tree, bytes.at, size);
    return data->bytes != NULL ? CKPT_OK : CKPT_MEMORY;
}

/* Reads the strings of `data->bytes` or of the extent. */
static int
data_texts(struct hdf5_walk *walk, struct hdf5_data *data,
           const unsigned char *bytes, uint64_t address)
{
    struct hdf5_run run = {bytes, (size_t)data->size_bytes, address, false};
    int status =
        data->type.class == HDF5_FIXED
            ? hdf5_texts_fixed(walk->tree, &data->type, data->space.count,
                               bytes, &data->texts)
            : hdf5_walk_texts(walk, &run, data->space.count, &data->texts);

    if (status == CKPT_OK)
        data->place = HDF5_TEXT;
    return status;
}

static bool
data_is_text(const struct hdf5_data *data)
{
    return data->type.class == HDF5_FIXED || data->type.class == HDF5_VARIABLE;
}

/* Strings that were never written are empty. */
static int
data_fill_texts(struct hdf5_walk *walk, struct hdf5_data *data)
{
    struct ckpt_text *texts;
    size_t size;
    uint64_t i;

    if (data->bytes != NULL)
        return CKPT_END;
    if (!sdk_mul_size((size_t)data->space.count, sizeof *texts, &size))
        size = SIZE_MAX; /* refused by the host, which says so */
    texts = hdf5_tree_hold(walk->tree, size);
    if (texts == NULL)
        return CKPT_MEMORY;
    for (i = 0; i < data->space.count; i++)
        texts[i].data = "";
    data->texts = texts;
    data->place = HDF5_TEXT;
    return CKPT_OK;
}

static int
data_unwritten(struct hdf5_walk *walk, struct hdf5_data *data)
{
    int status = data_fill(walk, data);

    data->place = HDF5_FILL;
    if (status == CKPT_OK && data_is_text(data))
        status = data_fill_texts(walk, data);
    return status;
}

static int
data_contiguous(struct hdf5_walk *walk, struct hdf5_data *data,
                struct hdf5_run *run)
{
    uint64_t address = hdf5_take_u64(run), size = hdf5_take_u64(run);
    struct sdk_buffer bytes = {0};
    int status = hdf5_run_check(walk, run, "a layout");

    if (status != CKPT_OK)
        return status;
    if (address == WALK_NOWHERE)
        return data_unwritten(walk, data);
    if (size != data->size_bytes)
        return data_wrong(walk, run->address,
                          "the data have another size than shape and type "
                          "say");
    status =
        hdf5_claim(walk, WALK_DATA, address, size, "the extent of the data");
    data->place = HDF5_SPAN;
    data->offset = walk->base + address;
    if (status != CKPT_OK || !data_is_text(data))
        return status;
    status = sdk_buffer_reserve(walk->host, &bytes, (size_t)size);
    if (status == CKPT_OK)
        status =
            walk->host->source_read(walk->host, walk->tree->part.source,
                                    data->offset, bytes.data, (size_t)size);
    if (status == CKPT_OK)
        status = data_texts(walk, data, bytes.data, address);
    sdk_buffer_fini(walk->host, &bytes);
    return status;
}

static int
data_compact(struct hdf5_walk *walk, struct hdf5_data *data,
             struct hdf5_run *run)
{
    struct hdf5_run bytes = hdf5_take_run(run, hdf5_take_u16(run));
    int status = hdf5_run_check(walk, run, "a layout");

    if (status != CKPT_OK)
        return status;
    if (bytes.left != data->size_bytes)
        return data_wrong(walk, run->address,
                          "the data have another size than shape and type "
                          "say");
    if (data_is_text(data))
        return data_texts(walk, data, bytes.at, run->address);
    data->place = HDF5_INLINE;
    data->bytes =
        (const unsigned char *)hdf5_tree_copy(walk->tree, bytes.at, bytes.left);
    return data->bytes != NULL ? CKPT_OK : CKPT_MEMORY;
}

/* Where the bytes are. Whatever has to be decoded is not plain. */
static int
data_layout(struct hdf5_walk *walk, struct hdf5_data *data)
{
    const struct hdf5_message *message =
        hdf5_message_find(walk, HDF5_MESSAGE_LAYOUT);
    struct hdf5_run run = hdf5_message_run(walk, message);
    uint8_t version = hdf5_take_u8(&run), class = hdf5_take_u8(&run);

    if (message->flags & HDF5_MESSAGE_SHARED ||
        hdf5_message_find(walk, HDF5_MESSAGE_FILTERS) != NULL)
        return CKPT_END;
    if (!run.cut && version != 3 && version != 4)
        return CKPT_END;
    if (hdf5_message_find(walk, HDF5_MESSAGE_EXTERNAL) != NULL) {
        data->place = HDF5_REFUSED;
        data->refused = "its data are in other files (external storage)";
        return CKPT_OK;
    }
    if (class == LAYOUT_COMPACT)
        return data_compact(walk, data, &run);
    if (class == LAYOUT_CONTIGUOUS)
        return data_contiguous(walk, data, &run);
    if (class == LAYOUT_VIRTUAL) {
        data->place = HDF5_REFUSED;
        data->refused = "its data are mapped from other data sets (virtual)";
        return CKPT_OK;
    }
    return CKPT_END;
}

int
hdf5_walk_data(struct hdf5_walk *walk)
{
    const struct hdf5_message *space =
        hdf5_message_find(walk, HDF5_MESSAGE_SPACE);
    const struct hdf5_message *type =
        hdf5_message_find(walk, HDF5_MESSAGE_TYPE);
    struct hdf5_data *data = &walk->object->data;
    struct hdf5_run run;
    int status;

    walk->object->kind = HDF5_DATA;
    if (space == NULL || type == NULL)
        return data_wrong(walk, walk->object->address,
                          "a data set without type or space");
    if (space->flags & HDF5_MESSAGE_SHARED)
        return CKPT_END;
    run = hdf5_message_run(walk, type);
    status = type->flags & HDF5_MESSAGE_SHARED
                 ? hdf5_walk_type_shared(walk, &run, &data->type)
                 : hdf5_walk_type(walk, &run, &data->type);
    if (status != CKPT_OK)
        return status;
    run = hdf5_message_run(walk, space);
    status = hdf5_walk_space(walk, &run, &data->space);
    if (status == CKPT_OK)
        status = hdf5_space_bytes(walk->tree, &data->space, &data->type,
                                  walk->base + run.address, &data->size_bytes);
    if (status == CKPT_OK)
        status = data_layout(walk, data);
    if (status == CKPT_OK)
        status =
            hdf5_data_check(walk->tree, walk->object, hdf5_walk_name(walk));
    return status;
}
