/* SPDX-License-Identifier: MIT
 *
 * Which walk reads a file, and which code decodes its data.
 */
#include "hdf5_file.h"

#include "hdf5_fill.h"
#include "hdf5_walk.h"

/* Has libhdf5 open the file, once. */
static int
file_need_lib(const struct ckpt_host *host, struct hdf5_file *file)
{
    if (file->lib != NULL)
        return CKPT_OK;
    return hdf5_lib_open(host, &file->part, &file->lib);
}

/* Fills the tree by the plugin's own walk, or else by libhdf5's. */
int
hdf5_file_read(const struct ckpt_host *host, struct hdf5_file *file)
{
    int status;

    hdf5_tree_init(host, &file->part, &file->tree);
    status = hdf5_walk(&file->tree);
    if (status != CKPT_END) {
        host->debug(host, "the plugin's own walk read the structures");
        return status;
    }
#ifdef HDF5_FUZZED
    return host->fail(host, CKPT_UNSUPPORTED, NULL, CKPT_NOWHERE,
                      "libhdf5 is not fuzzed here");
#endif
    hdf5_tree_fini(&file->tree);
    hdf5_tree_init(host, &file->part, &file->tree);
    status = hdf5_lib_rehearse(host, &file->part);
    if (status == CKPT_OK)
        status = file_need_lib(host, file);
    return status == CKPT_OK ? hdf5_lib_walk(file->lib, &file->tree) : status;
}

void
hdf5_file_close(struct hdf5_file *file)
{
    hdf5_lib_close(file->lib);
    hdf5_tree_fini(&file->tree);
}

/* ---- Cursors ---- */

/* A cursor of libhdf5, or one over a fill value. */
struct file_cursor {
    bool by_lib;
    void *inner;
};

int
hdf5_file_cursor_open(const struct ckpt_host *host, struct hdf5_file *file,
                      size_t index, void **cursor)
{
    struct hdf5_object *object = file->tree.objects[index];
    struct file_cursor *made = host->allocate(host, sizeof *made);
    int status = CKPT_OK;

    if (made == NULL)
        return CKPT_MEMORY;
    made->by_lib = object->data.place == HDF5_CODED;
    if (!made->by_lib)
        status = hdf5_fill_open(host, object, &made->inner);
    else
        status = file_need_lib(host, file);
    if (status == CKPT_OK && made->by_lib)
        status =
            hdf5_lib_cursor_open(file->lib, &file->tree, object, &made->inner);
    if (status == CKPT_OK)
        *cursor = made;
    else
        host->release(host, made);
    return status;
}

int
hdf5_file_cursor_next(const struct ckpt_host *host, void *self,
                      struct ckpt_span *span)
{
    struct file_cursor *cursor = self;

    return cursor->by_lib ? hdf5_lib_cursor_next(host, cursor->inner, span)
                          : hdf5_fill_next(host, cursor->inner, span);
}

void
hdf5_file_cursor_close(const struct ckpt_host *host, void *self)
{
    struct file_cursor *cursor = self;

    if (cursor->by_lib)
        hdf5_lib_cursor_close(host, cursor->inner);
    else
        hdf5_fill_close(host, cursor->inner);
    host->release(host, cursor);
}
