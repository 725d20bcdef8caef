/* SPDX-License-Identifier: MIT
 *
 * A file that libhdf5 has open, and the walk over its objects: each group is
 * listed once, and objects are opened by their addresses, so that neither
 * depth nor cycles matter.
 */
#include "hdf5_lib.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checked.h"
#include "hdf5_lib_private.h"

#if H5_VERSION_GE(1, 12, 0)
#include <H5VLnative.h>
typedef H5L_info2_t link_info;
#else
typedef H5L_info_t link_info;
#endif

#define TARGET_MAX ((size_t)64 << 10)
#define TEXT_BYTES 300
#define CACHE_BYTES ((size_t)512 << 10)

/* ---- Bytes ---- */

static int
lib_read(void *context, uint64_t offset, void *buffer, size_t size_bytes)
{
    struct hdf5_lib *lib = context;
    const struct ckpt_host *host = lib->host;

    if (lib->status == CKPT_OK && host->cancelled(host))
        lib->status = CKPT_CANCELLED;
    if (lib->status == CKPT_OK)
        lib->status =
            host->source_read(host, lib->part.source, lib->part.base + offset,
                              buffer, size_bytes);
    return lib->status;
}

/* Every header is looked at once, so a small cache of them will do. Its size
 * counts bytes of the file, of which libhdf5 makes 15 times as many. */
static void
lib_bound_cache(hid_t access)
{
    H5AC_cache_config_t config = {.version = H5AC__CURR_CACHE_CONFIG_VERSION};

    if (H5Pget_mdc_config(access, &config) < 0)
        return;
    config.set_initial_size = true;
    config.initial_size = CACHE_BYTES;
    config.min_size = CACHE_BYTES;
    config.max_size = CACHE_BYTES;
    H5Pset_mdc_config(access, &config);
}

/* A file that its writer left open is refused unless one says that the writer
 * may still be at it. */
static int
lib_open_file(struct hdf5_lib *lib)
{
    hid_t list;

    lib_bound_cache(lib->driver.access);
    lib->file = H5Fopen("ckpt", H5F_ACC_RDONLY, lib->driver.access);
    if (lib->file < 0 && hdf5_failed_with("already open for"))
        lib->file = H5Fopen("ckpt", H5F_ACC_RDONLY | H5F_ACC_SWMR_READ,
                            lib->driver.access);
    if (lib->file >= 0) {
        hsize_t size = 0;

        list = H5Fget_create_plist(lib->file);
        if (list >= 0 && H5Pget_userblock(list, &size) >= 0)
            lib->user_block_bytes = size;
        H5Pclose(list);
        return CKPT_OK;
    }
    return lib->status != CKPT_OK
               ? lib->status
               : hdf5_fail(lib->host, CKPT_FORMAT, NULL, CKPT_NOWHERE,
                           "the file cannot be opened");
}

int
hdf5_lib_open(const struct ckpt_host *host, const struct hdf5_part *part,
              struct hdf5_lib **lib)
{
    struct hdf5_lib *made = host->allocate(host, sizeof *made);
    struct hdf5_bytes bytes = {
        .read = lib_read, .size_bytes = part->size_bytes, .context = made};
    struct hdf5_quiet quiet;
    int status;

    if (made == NULL)
        return CKPT_MEMORY;
    made->host = host;
    made->part = *part;
    made->file = -1;
    hdf5_quiet_begin(&quiet);
    if (hdf5_driver_open(&bytes, &made->driver))
        status = lib_open_file(made);
    else
        status = hdf5_fail(host, CKPT_MEMORY, NULL, CKPT_NOWHERE,
                           "no driver can be made");
    hdf5_quiet_end(&quiet);
    if (status == CKPT_OK)
        *lib = made;
    else
        hdf5_lib_close(made);
    return status;
}

void
hdf5_lib_close(struct hdf5_lib *lib)
{
    struct hdf5_quiet quiet;

    if (lib == NULL)
        return;
    hdf5_quiet_begin(&quiet);
    if (lib->file >= 0)
        H5Fclose(lib->file);
    hdf5_driver_close(&lib->driver);
    hdf5_quiet_end(&quiet);
    lib->host->release(lib->host, lib);
}

/* ---- Messages ---- */

int
hdf5_lib_fail(const struct hdf5_lib_place *place, const char *what)
{
    if (place->lib->status != CKPT_OK)
        return place->lib->status;
    if (hdf5_failed_with("bad version number"))
        return hdf5_fail(place->lib->host, CKPT_UNSUPPORTED,
                         hdf5_tree_path(place->tree, place->object),
                         place->object->offset,
                         "a newer libhdf5 wrote this than the one in use");
    return hdf5_fail(place->lib->host, CKPT_FORMAT,
                     hdf5_tree_path(place->tree, place->object),
                     place->object->offset, what);
}

int
hdf5_lib_refuse(const struct hdf5_lib_place *place, int status,
                const char *format, ...)
{
    const struct ckpt_host *host = place->lib->host;
    char text[TEXT_BYTES];
    va_list list;

    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    return host->fail(host, status, hdf5_tree_path(place->tree, place->object),
                      place->object->offset, "%s", text);
}

/* ---- Objects and links ---- */

hid_t
hdf5_lib_object(const struct hdf5_lib *lib, uint64_t address)
{
    return H5Oopen_by_addr(lib->file, address);
}

#if H5_VERSION_GE(1, 12, 0)
static bool
lib_address(hid_t id, uint64_t *address)
{
    H5O_info2_t info;
    haddr_t found;

    if (H5Oget_info3(id, &info, H5O_INFO_BASIC) < 0 ||
        H5VLnative_token_to_addr(id, info.token, &found) < 0)
        return false;
    *address = found;
    return true;
}

static bool
lib_link_address(hid_t group, const link_info *info, uint64_t *address)
{
    haddr_t found;

    if (H5VLnative_token_to_addr(group, info->u.token, &found) < 0)
        return false;
    *address = found;
    return true;
}
#define LIB_ITERATE H5Literate2
#else
static bool
lib_address(hid_t id, uint64_t *address)
{
    H5O_info_t info;

    if (H5Oget_info2(id, &info, H5O_INFO_BASIC) < 0)
        return false;
    *address = info.addr;
    return true;
}

static bool
lib_link_address(hid_t group, const link_info *info, uint64_t *address)
{
    (void)group;
    *address = info->u.address;
    return true;
}
#define LIB_ITERATE H5Literate
#endif

/* A group whose links are being listed. */
struct listing {
    struct hdf5_lib_place place;
    int status;
};

/* The text of a link that is not hard: a path, or of another file its name. */
static int
lib_target(const struct listing *listing, hid_t group, const link_info *info,
           struct hdf5_link *link, char **value)
{
    const struct hdf5_lib_place *place = &listing->place;
    const char *file = NULL, *path;
    unsigned flags;

    link->kind = info->type == H5L_TYPE_SOFT ? HDF5_SOFT : HDF5_EXTERNAL;
    if (info->u.val_size > TARGET_MAX)
        return hdf5_lib_refuse(place, CKPT_LIMIT,
                               "a link with a target of %zu bytes",
                               info->u.val_size);
    *value = calloc(1, info->u.val_size + 1);
    if (*value == NULL || H5Lget_val(group, link->name, *value,
                                     info->u.val_size, H5P_DEFAULT) < 0)
        return hdf5_lib_fail(place, "a link cannot be read");
    link->target = *value;
    if (info->type == H5L_TYPE_SOFT)
        return CKPT_OK;
    if (info->type == H5L_TYPE_EXTERNAL &&
        H5Lunpack_elink_val(*value, info->u.val_size, &flags, &file, &path) < 0)
        return hdf5_lib_fail(place, "a link to another file cannot be read");
    link->target = file != NULL ? file : "a place of its writer's own kind";
    return CKPT_OK;
}

static herr_t
lib_each_link(hid_t group, const char *name, const link_info *info, void *user)
{
    struct listing *listing = user;
    const struct hdf5_lib_place *place = &listing->place;
    struct hdf5_link link = {.name = name, .name_bytes = strlen(name)};
    uint64_t address = 0;
    char *value = NULL;
    bool added;
    int status = CKPT_OK;

    if (info->type == H5L_TYPE_HARD) {
        link.kind = HDF5_HARD;
        if (lib_link_address(group, info, &address))
            status =
                hdf5_tree_object(place->tree, address, &link.object, &added);
        else
            status = hdf5_lib_fail(place, "a link has no address");
    } else {
        status = lib_target(listing, group, info, &link, &value);
    }
    if (status == CKPT_OK)
        status = hdf5_tree_link(place->tree, place->object, &link);
    free(value);
    listing->status = status;
    return status == CKPT_OK ? 0 : 1;
}

/* Creation order where the group tracks it, else names. */
static bool
lib_order(hid_t group, H5_index_t *order)
{
    hid_t list = H5Gget_create_plist(group);
    unsigned flags = 0;
    bool known = list >= 0 && H5Pget_link_creation_order(list, &flags) >= 0;

    if (list >= 0)
        H5Pclose(list);
    *order = flags & H5P_CRT_ORDER_TRACKED ? H5_INDEX_CRT_ORDER : H5_INDEX_NAME;
    return known;
}

static int
lib_group(const struct hdf5_lib_place *place)
{
    struct listing listing = {*place, CKPT_OK};
    H5_index_t order;

    place->object->kind = HDF5_GROUP;
    if (!lib_order(place->id, &order) ||
        LIB_ITERATE(place->id, order, H5_ITER_INC, NULL, lib_each_link,
                    &listing) < 0)
        return hdf5_lib_fail(place, "a group cannot be listed");
    return listing.status == CKPT_OK ? hdf5_lib_attrs(place) : listing.status;
}

static int
lib_data(const struct hdf5_lib_place *place)
{
    int status;

    place->object->kind = HDF5_DATA;
    status = hdf5_lib_data(place);
    return status == CKPT_OK ? hdf5_lib_attrs(place) : status;
}

static int
lib_examine(struct hdf5_lib_place *place)
{
    int status;

    place->id = hdf5_lib_object(place->lib, place->object->address);
    if (place->id < 0)
        return hdf5_lib_fail(place, "an object cannot be opened");
    switch (H5Iget_type(place->id)) {
    case H5I_GROUP:
        status = lib_group(place);
        break;
    case H5I_DATASET:
        status = lib_data(place);
        break;
    case H5I_DATATYPE:
        place->object->kind = HDF5_NAMED_TYPE;
        status = CKPT_OK;
        break;
    default:
        status = hdf5_lib_refuse(place, CKPT_FORMAT,
                                 "an object that is neither group nor data "
                                 "set nor type");
    }
    H5Oclose(place->id);
    return status;
}

/* Each object is examined when its turn comes; groups append theirs. */
static int
lib_walk(struct hdf5_lib *lib, struct hdf5_tree *tree)
{
    struct hdf5_lib_place place = {.lib = lib, .tree = tree};
    uint64_t root;
    size_t i;
    bool added;
    int status;

    if (!lib_address(lib->file, &root))
        return hdf5_fail(lib->host, CKPT_FORMAT, NULL, CKPT_NOWHERE,
                         "the root group cannot be opened");
    tree->walk = "libhdf5";
    tree->user_block_bytes = lib->user_block_bytes;
    status = hdf5_tree_object(tree, root, &place.object, &added);
    for (i = 0; i < tree->object_count && status == CKPT_OK; i++) {
        if (i % 256 == 255 && lib->host->cancelled(lib->host))
            return CKPT_CANCELLED;
        place.object = tree->objects[i];
        status = lib_examine(&place);
    }
    if (status == CKPT_OK && tree->objects[0]->kind != HDF5_GROUP)
        return lib->host->fail(lib->host, CKPT_FORMAT, NULL, root,
                               "the root is not a group");
    return status;
}

int
hdf5_lib_walk(struct hdf5_lib *lib, struct hdf5_tree *tree)
{
    struct hdf5_quiet quiet;
    int status;

    hdf5_quiet_begin(&quiet);
    status = lib_walk(lib, tree);
    hdf5_quiet_end(&quiet);
    return status;
}

struct rehearsal {
    const struct ckpt_host *host;
    const struct hdf5_part *part;
};

static int
lib_rehearse(void *context)
{
    const struct rehearsal *rehearsal = context;
    struct hdf5_lib *lib = NULL;
    struct hdf5_tree tree;
    int status = hdf5_lib_open(rehearsal->host, rehearsal->part, &lib);

    if (status != CKPT_OK)
        return status;
    hdf5_tree_init(rehearsal->host, rehearsal->part, &tree);
    status = hdf5_lib_walk(lib, &tree);
    hdf5_tree_fini(&tree);
    hdf5_lib_close(lib);
    return status;
}

int
hdf5_lib_rehearse(const struct ckpt_host *host, const struct hdf5_part *part)
{
    struct rehearsal rehearsal = {host, part};

    return host->rehearse(host, lib_rehearse, &rehearsal);
}
