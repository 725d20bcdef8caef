/* SPDX-License-Identifier: MIT
 *
 * Attributes, and the elements of data sets of strings: what the tree holds
 * in memory. Sizes are looked at before libhdf5 is asked for bytes.
 */
#include "hdf5_lib_private.h"

#include <stdlib.h>
#include <string.h>

#include "checked.h"

/* ---- Attributes ---- */

struct adding {
    struct hdf5_lib_place place;
    const char *name; /* of the attribute */
    int status;
};

static int
attr_fail(const struct adding *adding)
{
    char what[128];

    snprintf(what, sizeof what, "attribute '%.80s' cannot be read",
             adding->name);
    return hdf5_lib_fail(&adding->place, what);
}

/* What libhdf5 allocated for variable strings. */
static void
reclaim(hid_t type, hid_t space, char **strings)
{
#if H5_VERSION_GE(1, 12, 0)
    H5Treclaim(type, space, H5P_DEFAULT, strings);
#else
    H5Dvlen_reclaim(type, space, H5P_DEFAULT, strings);
#endif
}

static int
copy_strings(const struct adding *adding, char *const *strings, size_t count,
             struct ckpt_text *texts)
{
    struct hdf5_tree *tree = adding->place.tree;
    uint64_t total = 0;
    size_t i;

    for (i = 0; i < count; i++) {
        const char *string = strings[i] != NULL ? strings[i] : "";

        texts[i].size_bytes = strlen(string);
        total += texts[i].size_bytes;
        if (total > HDF5_VALUE_MAX)
            return hdf5_lib_refuse(&adding->place, CKPT_LIMIT,
                                   "attribute '%.80s' has more than %llu bytes "
                                   "of text",
                                   adding->name,
                                   (unsigned long long)HDF5_VALUE_MAX);
        texts[i].data = hdf5_tree_copy(tree, string, texts[i].size_bytes);
        if (texts[i].data == NULL)
            return CKPT_MEMORY;
    }
    return CKPT_OK;
}

static int
attr_variable(const struct adding *adding, hid_t attr, hid_t type, hid_t space,
              struct hdf5_value *value)
{
    const struct ckpt_host *host = adding->place.lib->host;
    size_t count = (size_t)value->space.count;
    struct ckpt_text *texts =
        hdf5_tree_hold(adding->place.tree, count * sizeof *texts);
    char **strings = host->allocate(host, (count + 1) * sizeof *strings);
    int status = CKPT_MEMORY;

    if (texts == NULL || strings == NULL)
        goto out;
    if (H5Aread(attr, type, strings) < 0) {
        status = attr_fail(adding);
        goto out;
    }
    status = copy_strings(adding, strings, count, texts);
    reclaim(type, space, strings);
    value->texts = texts;
out:
    host->release(host, strings);
    return status;
}

static int
attr_elements(const struct adding *adding, hid_t attr, hid_t type, hid_t space,
              struct hdf5_value *value)
{
    const struct hdf5_lib_place *place = &adding->place;
    unsigned char *bytes;
    uint64_t size;
    int status = hdf5_space_bytes(place->tree, &value->space, &value->type,
                                  place->object->offset, &size);

    if (status != CKPT_OK || value->type.class == HDF5_OTHER ||
        value->space.count == 0)
        return status;
    if (size > HDF5_VALUE_MAX)
        return hdf5_lib_refuse(place, CKPT_LIMIT,
                               "attribute '%.80s' has %llu bytes; at most %llu "
                               "are read",
                               adding->name, (unsigned long long)size,
                               (unsigned long long)HDF5_VALUE_MAX);
    if (value->type.class == HDF5_VARIABLE)
        return attr_variable(adding, attr, type, space, value);
    bytes = hdf5_tree_hold(place->tree, (size_t)size);
    if (bytes == NULL)
        return CKPT_MEMORY;
    if (H5Aread(attr, type, bytes) < 0)
        return attr_fail(adding);
    if (value->type.class == HDF5_FIXED)
        return hdf5_texts_fixed(place->tree, &value->type, value->space.count,
                                bytes, &value->texts);
    value->bytes = bytes;
    return CKPT_OK;
}

static int
attr_value(const struct adding *adding, hid_t attr, struct hdf5_value *value)
{
    hid_t type = H5Aget_type(attr), space = H5Aget_space(attr);
    int status;

    if (type < 0 || space < 0)
        status = attr_fail(adding);
    else
        status = hdf5_lib_type(&adding->place, type, &value->type);
    if (status == CKPT_OK)
        status = hdf5_lib_space(&adding->place, space, &value->space);
    if (status == CKPT_OK)
        status = attr_elements(adding, attr, type, space, value);
    if (type >= 0)
        H5Tclose(type);
    if (space >= 0)
        H5Sclose(space);
    return status;
}

static herr_t
each_attr(hid_t id, const char *name, const H5A_info_t *info, void *user)
{
    struct adding *adding = user;
    const struct hdf5_lib_place *place = &adding->place;
    struct hdf5_value value = {.bytes = NULL};
    hid_t attr = H5Aopen(id, name, H5P_DEFAULT);

    (void)info;
    adding->name = name;
    if (attr < 0) {
        adding->status = attr_fail(adding);
        return 1;
    }
    adding->status = attr_value(adding, attr, &value);
    if (adding->status == CKPT_OK)
        adding->status =
            hdf5_tree_attr(place->tree, place->object, name, &value);
    H5Aclose(attr);
    return adding->status == CKPT_OK ? 0 : 1;
}

int
hdf5_lib_attrs(const struct hdf5_lib_place *place)
{
    struct adding adding = {*place, NULL, CKPT_OK};

    if (H5Aiterate2(place->id, H5_INDEX_CRT_ORDER, H5_ITER_INC, NULL, each_attr,
                    &adding) >= 0)
        return adding.status;
    if (place->object->attrs != NULL ||
        H5Aiterate2(place->id, H5_INDEX_NAME, H5_ITER_INC, NULL, each_attr,
                    &adding) < 0)
        return hdf5_lib_fail(place, "attributes cannot be listed");
    return adding.status;
}

/* ---- Data sets of strings ---- */

/* Memory for strings, from the arena, up to the most that is read. */
struct pool {
    struct hdf5_tree *tree;
    uint64_t left_bytes;
    int status; /* of a refusal */
};

static void *
pool_take(size_t size_bytes, void *user)
{
    struct pool *pool = user;
    void *memory = NULL;

    if (size_bytes > pool->left_bytes) {
        pool->status = CKPT_LIMIT;
        return NULL;
    }
    pool->left_bytes -= size_bytes;
    memory = hdf5_tree_hold(pool->tree, size_bytes);
    if (memory == NULL)
        pool->status = CKPT_MEMORY;
    return memory;
}

static void
pool_give(void *memory, void *user)
{
    (void)memory;
    (void)user;
}

static int
pool_failed(const struct hdf5_lib_place *place, const struct pool *pool)
{
    if (pool->status == CKPT_LIMIT)
        return hdf5_lib_refuse(place, CKPT_LIMIT,
                               "more than %llu bytes of text",
                               (unsigned long long)HDF5_VALUE_MAX);
    return pool->status != CKPT_OK
               ? pool->status
               : hdf5_lib_fail(place, "strings cannot be read");
}

static int
read_variable(const struct hdf5_lib_place *place, hid_t type, char **strings)
{
    struct pool pool = {place->tree, HDF5_VALUE_MAX, CKPT_OK};
    hid_t list = H5Pcreate(H5P_DATASET_XFER);
    int status = CKPT_OK;

    if (list < 0 ||
        H5Pset_vlen_mem_manager(list, pool_take, &pool, pool_give, &pool) < 0 ||
        H5Dread(place->id, type, H5S_ALL, H5S_ALL, list, strings) < 0)
        status = pool_failed(place, &pool);
    if (list >= 0)
        H5Pclose(list);
    return status;
}

static int
texts_variable(const struct hdf5_lib_place *place, hid_t type)
{
    const struct ckpt_host *host = place->lib->host;
    struct hdf5_data *data = &place->object->data;
    size_t count = (size_t)data->space.count, i;
    struct ckpt_text *texts =
        hdf5_tree_hold(place->tree, count * sizeof *texts);
    char **strings = host->allocate(host, (count + 1) * sizeof *strings);
    int status = CKPT_MEMORY;

    if (texts != NULL && strings != NULL)
        status = read_variable(place, type, strings);
    for (i = 0; i < count && status == CKPT_OK; i++) {
        texts[i].data = strings[i] != NULL ? strings[i] : "";
        texts[i].size_bytes = strlen(texts[i].data);
    }
    host->release(host, strings);
    data->texts = texts;
    return status;
}

static int
texts_fixed(const struct hdf5_lib_place *place, hid_t type)
{
    const struct ckpt_host *host = place->lib->host;
    struct hdf5_data *data = &place->object->data;
    unsigned char *bytes = host->allocate(host, (size_t)data->size_bytes + 1);
    int status = CKPT_OK;

    if (bytes == NULL)
        return CKPT_MEMORY;
    if (H5Dread(place->id, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, bytes) < 0)
        status = hdf5_lib_fail(place, "strings cannot be read");
    if (status == CKPT_OK)
        status = hdf5_texts_fixed(place->tree, &data->type, data->space.count,
                                  bytes, &data->texts);
    host->release(host, bytes);
    return status;
}

int
hdf5_lib_texts(const struct hdf5_lib_place *place, hid_t type)
{
    const struct hdf5_data *data = &place->object->data;

    if (data->size_bytes > HDF5_VALUE_MAX)
        return hdf5_lib_refuse(place, CKPT_LIMIT,
                               "strings of %llu bytes; at most %llu are read",
                               (unsigned long long)data->size_bytes,
                               (unsigned long long)HDF5_VALUE_MAX);
    return data->type.class == HDF5_VARIABLE ? texts_variable(place, type)
                                             : texts_fixed(place, type);
}
