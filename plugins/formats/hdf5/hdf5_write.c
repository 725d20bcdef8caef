/* SPDX-License-Identifier: MIT
 *
 * Making an output's groups, data sets and links. Object times are off and
 * nothing else depends on the day, so that one input gives one file.
 */
#include "hdf5_write.h"

#include <string.h>

/* Data sets of a page or more begin at such multiples. */
#define ALIGN_FROM 2048
#define ALIGN_TO 64
/* What one object takes of metadata, about; and the least and most that is
 * set apart for them at once. */
#define OBJECT_BYTES 512
#define METADATA_LEAST 2048
#define METADATA_MOST (1 << 20)

/* Smaller tensors are not worth the table of their chunks. */
#define CHUNKED_FROM 4096

#define PATH_GROUP 1
#define PATH_DATA 2

int
hdf5_out_fail(const struct hdf5_out *out, const char *name)
{
    return hdf5_fail(out->host, CKPT_UNSUPPORTED, name, CKPT_NOWHERE,
                     "it cannot be written");
}

static bool
out_lists(struct hdf5_out *out)
{
    out->links = H5Pcreate(H5P_LINK_CREATE);
    out->utf8_links = H5Pcreate(H5P_LINK_CREATE);
    out->groups = H5Pcreate(H5P_GROUP_CREATE);
    out->sets = H5Pcreate(H5P_DATASET_CREATE);
    out->texts = H5Pcreate(H5P_DATASET_CREATE);
    out->chunked = H5Pcreate(H5P_DATASET_CREATE);
    out->attrs = H5Pcreate(H5P_ATTRIBUTE_CREATE);
    out->text = H5Tcopy(H5T_C_S1);
    return out->links >= 0 && out->utf8_links >= 0 && out->groups >= 0 &&
           out->sets >= 0 && out->texts >= 0 && out->chunked >= 0 &&
           out->attrs >= 0 && out->text >= 0 &&
           H5Pset_char_encoding(out->utf8_links, H5T_CSET_UTF8) >= 0 &&
           H5Pset_char_encoding(out->attrs, H5T_CSET_UTF8) >= 0 &&
           H5Pset_obj_track_times(out->groups, 0) >= 0 &&
           H5Pset_obj_track_times(out->sets, 0) >= 0 &&
           H5Pset_obj_track_times(out->texts, 0) >= 0 &&
           H5Pset_fill_time(out->sets, H5D_FILL_TIME_NEVER) >= 0 &&
           H5Pset_alloc_time(out->sets, H5D_ALLOC_TIME_EARLY) >= 0 &&
           H5Pset_obj_track_times(out->chunked, 0) >= 0 &&
           H5Pset_deflate(out->chunked, (unsigned)out->gzip_level) >= 0 &&
           H5Tset_size(out->text, H5T_VARIABLE) >= 0 &&
           H5Tset_cset(out->text, H5T_CSET_UTF8) >= 0;
}

static bool
out_file(struct hdf5_out *out)
{
    hsize_t room = (hsize_t)out->graph->entry_count * OBJECT_BYTES;
    hid_t create = H5Pcreate(H5P_FILE_CREATE);
    bool able;

    room = room < METADATA_LEAST  ? METADATA_LEAST
           : room > METADATA_MOST ? METADATA_MOST
                                  : room;
    able = create >= 0 && H5Pset_obj_track_times(create, 0) >= 0 &&
           H5Pset_meta_block_size(out->driver.access, room) >= 0 &&
           H5Pset_alignment(out->driver.access, ALIGN_FROM, ALIGN_TO) >= 0 &&
           H5Pset_libver_bounds(out->driver.access, H5F_LIBVER_EARLIEST,
                                H5F_LIBVER_V18) >= 0;
    if (able)
        out->file =
            H5Fcreate("the output", H5F_ACC_TRUNC, create, out->driver.access);
    if (create >= 0)
        H5Pclose(create);
    return able && out->file >= 0;
}

static int
out_entries(struct hdf5_out *out)
{
    const struct ckpt_host *host = out->host;
    size_t i, count = out->graph->entry_count + 1;

    out->first = host->allocate(host, count * sizeof *out->first);
    out->offsets = host->allocate(host, count * sizeof *out->offsets);
    out->view_keys = host->allocate(host, count * sizeof *out->view_keys);
    if (out->first == NULL || out->offsets == NULL || out->view_keys == NULL)
        return CKPT_MEMORY;
    for (i = 0; i < count; i++)
        out->offsets[i] = CKPT_NOWHERE;
    return CKPT_OK;
}

int
hdf5_out_init(struct hdf5_out *out, const struct ckpt_host *host,
              enum hdf5_layout layout, int gzip_level,
              const struct ckpt_graph *graph, const struct hdf5_bytes *bytes)
{
    int status;

    memset(out, 0, sizeof *out);
    out->host = host;
    out->graph = graph;
    out->gzip_level = gzip_level;
    hdf5_quiet_begin(&out->quiet);
    status = out_entries(out);
    if (status == CKPT_OK)
        status = hdf5_names_init(&out->names, host, layout, graph);
    if (status == CKPT_OK && (!hdf5_driver_open(bytes, &out->driver) ||
                              !out_lists(out) || !out_file(out)))
        status = hdf5_out_fail(out, NULL);
    return status;
}

/* The path with its NUL. */
static const char *
out_path(struct hdf5_out *out, const char *path, size_t size_bytes)
{
    out->path.size_bytes = 0;
    if (sdk_buffer_append(out->host, &out->path, path, size_bytes) ||
        sdk_buffer_append(out->host, &out->path, "", 1))
        return NULL;
    return (const char *)out->path.data;
}

/* The list by which a link is made. Links that are said to be UTF-8 turn their
 * group into the newer kind, which is slower to read and which fewer readers
 * know; in ASCII that says nothing. */
static hid_t
link_list(const struct hdf5_out *out, const char *path)
{
    for (; *path != '\0'; path++)
        if ((unsigned char)*path > 0x7F)
            return out->utf8_links;
    return out->links;
}

/* Where the last step of a path begins. */
static size_t
path_step(const char *path, size_t size_bytes)
{
    size_t at = size_bytes;

    while (at > 0 && path[at - 1] != '/')
        at--;
    return at;
}

static hid_t
group_open(struct hdf5_out *out, const char *path, size_t size_bytes)
{
    const char *named = out_path(out, size_bytes > 0 ? path : "/",
                                 size_bytes > 0 ? size_bytes : 1);

    return named != NULL ? H5Gopen2(out->file, named, H5P_DEFAULT) : -1;
}

/* The group of the first bytes of a path, in the group before its last step:
 * that is `*outer`, if it is open already, and then the new one is. */
static int
group_new(struct hdf5_out *out, const char *path, size_t size_bytes,
          hid_t *outer)
{
    size_t step = path_step(path, size_bytes);
    hid_t group = *outer, made = -1;
    const char *named;

    if (group < 0)
        group = group_open(out, path, step > 0 ? step - 1 : 0);
    named = out_path(out, path + step, size_bytes - step);
    if (group >= 0 && named != NULL) {
        made = H5Gcreate2(group, named, link_list(out, named), out->groups,
                          H5P_DEFAULT);
        H5Gclose(group);
    }
    *outer = made;
    return named == NULL ? CKPT_MEMORY
           : made < 0    ? hdf5_out_fail(out, out_path(out, path, size_bytes))
                         : CKPT_OK;
}

/* Makes all groups of a path that are not there. */
static int
group_ensure(struct hdf5_out *out, const char *path, size_t size_bytes)
{
    uint64_t *what = sdk_table_find(&out->paths, path, size_bytes);
    hid_t outer = -1;
    size_t i;
    bool added;
    int status = CKPT_OK;

    if (what != NULL)
        return *what == PATH_GROUP ? CKPT_OK : CKPT_END;
    for (i = 0; i <= size_bytes && status == CKPT_OK; i++) {
        if (i < size_bytes && path[i] != '/')
            continue;
        what = sdk_table_add(out->host, &out->paths, path, i, &added);
        if (what == NULL)
            status = CKPT_MEMORY;
        else if (!added)
            status = *what == PATH_GROUP ? CKPT_OK : CKPT_END;
        else
            status = group_new(out, path, i, &outer);
        if (what != NULL && added)
            *what = PATH_GROUP;
    }
    if (outer >= 0)
        H5Gclose(outer);
    return status;
}

int
hdf5_out_group(struct hdf5_out *out, const char *path, size_t size_bytes,
               hid_t *group)
{
    int status = size_bytes > 0 ? group_ensure(out, path, size_bytes) : CKPT_OK;
    hid_t opened;

    if (status != CKPT_OK)
        return status;
    opened = group_open(out, path, size_bytes);
    if (opened < 0)
        return hdf5_out_fail(out, NULL);
    *group = opened;
    return CKPT_OK;
}

/* Takes the path for a data set. */
static int
data_place(struct hdf5_out *out, const struct ckpt_text *path)
{
    size_t outer = path_step(path->data, path->size_bytes);
    uint64_t *what;
    bool added;
    int status = hdf5_names_check(&out->names, path);

    if (status == CKPT_OK && outer > 0)
        status = group_ensure(out, path->data, outer - 1);
    if (status == CKPT_END)
        return out->host->fail(out->host, CKPT_UNSUPPORTED, path->data,
                               CKPT_NOWHERE,
                               "HDF5 cannot hold a name that begins with that "
                               "of another tensor");
    if (status != CKPT_OK)
        return status;
    what = sdk_table_add(out->host, &out->paths, path->data, path->size_bytes,
                         &added);
    if (what == NULL)
        return CKPT_MEMORY;
    if (!added)
        return out->host->fail(out->host, CKPT_UNSUPPORTED, path->data,
                               CKPT_NOWHERE,
                               "HDF5 cannot hold a tensor and a group of one "
                               "name");
    *what = PATH_DATA;
    return CKPT_OK;
}

/* Finds the entry that is the same view of the same storage. */
static int
entry_first(struct hdf5_out *out, size_t entry)
{
    const struct ckpt_tensor *tensor =
        out->graph->entries[entry].value->as.tensor;
    size_t words = 5 + 2 * (size_t)tensor->rank;
    uint64_t *key = out->host->allocate(out->host, words * sizeof *key), *first;
    bool added;

    if (key == NULL)
        return CKPT_MEMORY;
    out->view_keys[entry] = key;
    key[0] = tensor->storage->id;
    key[1] = tensor->dtype;
    key[2] = tensor->offset;
    key[3] = tensor->rank;
    key[4] = tensor->flips;
    memcpy(key + 5, tensor->shape, tensor->rank * sizeof *key);
    memcpy(key + 5 + tensor->rank, tensor->strides, tensor->rank * sizeof *key);
    first =
        sdk_table_add(out->host, &out->views, key, words * sizeof *key, &added);
    if (first == NULL)
        return CKPT_MEMORY;
    if (added)
        *first = entry;
    out->first[entry] = (size_t)*first;
    return CKPT_OK;
}

/* The list by which a data set is made: contiguous and allocated at once, so
 * that its place is known, or in chunks. What has no bytes, and what would
 * not fill the table of its chunks, is contiguous always. */
static hid_t
data_list(struct hdf5_out *out, const struct ckpt_tensor *tensor)
{
    hsize_t chunk[HDF5_RANK_MAX];

    if (out->gzip_level == 0 || tensor->rank == 0 ||
        tensor->size_bytes < CHUNKED_FROM)
        return out->sets;
    hdf5_chunk_shape(tensor, chunk);
    if (H5Pset_chunk(out->chunked, (int)tensor->rank, chunk) < 0)
        return -1;
    return out->chunked;
}

static hid_t
data_new(struct hdf5_out *out, const char *path,
         const struct ckpt_tensor *tensor)
{
    hid_t list = data_list(out, tensor), data = -1, space;
    hid_t type = hdf5_out_type(out, tensor->dtype);
    hsize_t shape[HDF5_RANK_MAX];
    uint32_t d;

    for (d = 0; d < tensor->rank; d++)
        shape[d] = tensor->shape[d];
    space = tensor->rank == 0
                ? H5Screate(H5S_SCALAR)
                : H5Screate_simple((int)tensor->rank, shape, NULL);
    if (space >= 0 && type >= 0 && list >= 0)
        data = H5Dcreate2(out->file, path, type, space, link_list(out, path),
                          list, H5P_DEFAULT);
    if (space >= 0)
        H5Sclose(space);
    return data;
}

static int
data_attrs(struct hdf5_out *out, hid_t data, const struct ckpt_value *value)
{
    const struct ckpt_attr *attr = value->attrs;
    uint32_t dtype = value->as.tensor->dtype;
    int status = CKPT_OK;

    if (hdf5_dtype_is_named(dtype))
        status =
            hdf5_out_string(out, data, HDF5_DTYPE_ATTR, ckpt_dtype_name(dtype));
    for (; attr != NULL && status == CKPT_OK; attr = attr->next)
        status = hdf5_out_attr(out, data, attr->name, attr->value);
    return status;
}

/* A new data set, or one more link to that of a twin. */
static int
entry_make(struct hdf5_out *out, size_t entry)
{
    const struct ckpt_entry *at = &out->graph->entries[entry];
    const char *path = at->name.data;
    int status = CKPT_OK;
    hid_t data;

    if (out->first[entry] != entry) {
        if (H5Lcreate_hard(
                out->file, out->graph->entries[out->first[entry]].name.data,
                out->file, path, link_list(out, path), H5P_DEFAULT) < 0)
            return hdf5_out_fail(out, path);
        return CKPT_OK;
    }
    data = data_new(out, path, at->value->as.tensor);
    if (data < 0)
        return hdf5_out_fail(out, path);
    out->offsets[entry] = H5Dget_offset(data);
    status = data_attrs(out, data, at->value);
    if (status == CKPT_OK && out->each != NULL)
        status = out->each(out, entry, data);
    if (H5Dclose(data) < 0 && status == CKPT_OK)
        status = hdf5_out_fail(out, path);
    return status;
}

/* Strings of any length, one or a list of them. */
static int
text_write(struct hdf5_out *out, hid_t data, const struct ckpt_value *text)
{
    const struct ckpt_host *host = out->host;
    size_t count = text->kind == CKPT_KIND_LIST ? text->as.list.count : 1, i;
    const char **texts = host->allocate(host, count * sizeof *texts);
    herr_t written;

    if (texts == NULL)
        return CKPT_MEMORY;
    for (i = 0; i < count; i++)
        texts[i] = text->kind == CKPT_KIND_LIST
                       ? text->as.list.items[i]->as.text.data
                       : text->as.text.data;
    written = H5Dwrite(data, out->text, H5S_ALL, H5S_ALL, H5P_DEFAULT, texts);
    host->release(host, texts);
    return written < 0 ? hdf5_out_fail(out, NULL) : CKPT_OK;
}

/* A data set of strings, which has no part in the plan. */
static int
text_make(struct hdf5_out *out, const struct ckpt_pair *pair)
{
    const struct ckpt_text *path = &pair->key->as.text;
    hid_t space, data = -1;
    hsize_t count;
    int status = data_place(out, path);

    if (status != CKPT_OK)
        return status;
    count = pair->value->as.list.count;
    space = pair->value->kind == CKPT_KIND_LIST
                ? H5Screate_simple(1, &count, NULL)
                : H5Screate(H5S_SCALAR);
    if (space >= 0)
        data = H5Dcreate2(out->file, path->data, out->text, space,
                          link_list(out, path->data), out->texts, H5P_DEFAULT);
    if (data < 0)
        status = hdf5_out_fail(out, path->data);
    else
        status = text_write(out, data, pair->value);
    if (data >= 0)
        H5Dclose(data);
    if (space >= 0)
        H5Sclose(space);
    return status;
}

static int
out_texts(struct hdf5_out *out)
{
    const struct ckpt_value *root = out->graph->root;
    size_t i;
    int status = CKPT_OK;

    for (i = 0; i < root->as.map.count && status == CKPT_OK; i++)
        if (root->as.map.pairs[i].value->kind != CKPT_KIND_TENSOR)
            status = text_make(out, &root->as.map.pairs[i]);
    return status;
}

/* The attributes of the graph, at the root or at the group that they name; or
 * a group without any. */
static int
out_attr(struct hdf5_out *out, const struct ckpt_attr *attr)
{
    const char *own;
    size_t path = hdf5_attr_path(attr->name, &own);
    size_t mark = hdf5_attr_marks(attr);
    int status = CKPT_END;
    hid_t group = -1;

    if (mark > 0) { /* and if a tensor is there, that is more than nothing */
        status = group_ensure(out, attr->name, mark);
        return status == CKPT_END ? CKPT_OK : status;
    }
    if (path > 0)
        status = hdf5_out_group(out, attr->name, path, &group);
    if (status == CKPT_END) {
        own = attr->name;
        status = hdf5_out_group(out, "", 0, &group);
    }
    if (status == CKPT_OK)
        status = hdf5_out_attr(out, group, own, attr->value);
    if (group >= 0)
        H5Gclose(group);
    return status;
}

int
hdf5_out_fill(struct hdf5_out *out)
{
    const struct ckpt_host *host = out->host;
    const struct ckpt_attr *attr = out->graph->attrs;
    size_t i;
    int status = CKPT_OK;

    for (i = 0; i < out->graph->entry_count && status == CKPT_OK; i++) {
        status = data_place(out, &out->graph->entries[i].name);
        if (status == CKPT_OK)
            status = entry_first(out, i);
        if (status == CKPT_OK)
            status = entry_make(out, i);
        if (status == CKPT_OK && host->cancelled(host))
            status = CKPT_CANCELLED;
        if (status == CKPT_OK)
            status = *out->broken;
    }
    if (status == CKPT_OK)
        status = out_texts(out);
    for (; attr != NULL && status == CKPT_OK; attr = attr->next)
        if (!hdf5_names_makes(&out->names, attr->name))
            status = out_attr(out, attr);
    if (status == CKPT_OK && out->names.layout == HDF5_KERAS2)
        status = hdf5_out_layers(out);
    return status;
}

int
hdf5_out_finish(struct hdf5_out *out)
{
    hid_t file = out->file;

    out->file = -1;
    if (H5Fclose(file) < 0)
        return hdf5_out_fail(out, NULL);
    return *out->broken;
}

static void
out_close_lists(struct hdf5_out *out)
{
    size_t i;

    for (i = 0; i < CKPT_DTYPE_COUNT; i++)
        if (out->types[i] > 0)
            H5Tclose(out->types[i]);
    if (out->text > 0)
        H5Tclose(out->text);
    if (out->links > 0)
        H5Pclose(out->links);
    if (out->utf8_links > 0)
        H5Pclose(out->utf8_links);
    if (out->groups > 0)
        H5Pclose(out->groups);
    if (out->sets > 0)
        H5Pclose(out->sets);
    if (out->texts > 0)
        H5Pclose(out->texts);
    if (out->chunked > 0)
        H5Pclose(out->chunked);
    if (out->attrs > 0)
        H5Pclose(out->attrs);
}

void
hdf5_out_fini(struct hdf5_out *out)
{
    const struct ckpt_host *host = out->host;
    size_t i;

    if (out->file > 0)
        H5Fclose(out->file);
    out_close_lists(out);
    hdf5_driver_close(&out->driver);
    for (i = 0; out->view_keys != NULL && i < out->graph->entry_count; i++)
        host->release(host, out->view_keys[i]);
    host->release(host, out->view_keys);
    host->release(host, out->first);
    host->release(host, out->offsets);
    sdk_table_fini(host, &out->paths);
    sdk_table_fini(host, &out->views);
    sdk_buffer_fini(host, &out->path);
    hdf5_layers_fini(&out->layers);
    hdf5_names_fini(&out->names);
    hdf5_quiet_end(&out->quiet);
}
