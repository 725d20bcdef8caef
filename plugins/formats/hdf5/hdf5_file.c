/* SPDX-License-Identifier: MIT
 *
 * Which walk reads a file, and which code decodes its data.
 */
#include "hdf5_file.h"

#include "hdf5_fill.h"
#include "hdf5_walk.h"

static int
file_need_library(const struct ckpt_host *host, struct hdf5_file *file)
{
#ifdef CKPT_FUZZED
    return host->fail(host, CKPT_UNSUPPORTED, NULL, CKPT_NOWHERE,
                      "libhdf5 is not fuzzed here");
#endif
    if (file->library == NULL)
        file->library = SDK_LATER_NEED(host, hdf5);
    return file->library != NULL ? CKPT_OK : CKPT_UNSUPPORTED;
}

/* Has libhdf5 open the file, once. */
static int
file_need_lib(const struct ckpt_host *host, struct hdf5_file *file)
{
    int status = file_need_library(host, file);

    if (status != CKPT_OK || file->lib != NULL)
        return status;
    return file->library->open(host, &file->part, &file->lib);
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
    hdf5_tree_fini(&file->tree);
    hdf5_tree_init(host, &file->part, &file->tree);
    status = file_need_library(host, file);
    if (status == CKPT_OK)
        status = file->library->rehearse(host, &file->part);
    if (status == CKPT_OK)
        status = file_need_lib(host, file);
    return status == CKPT_OK ? file->library->walk(file->lib, &file->tree)
                             : status;
}

void
hdf5_file_close(struct hdf5_file *file)
{
    if (file->lib != NULL)
        file->library->close(file->lib);
    hdf5_tree_fini(&file->tree);
}

/* ---- Cursors ---- */

/* A cursor of libhdf5, or one over a fill value. */
struct file_cursor {
    const struct hdf5_library *library; /* NULL: over a fill value */
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
    if (object->data.place != HDF5_CODED)
        status = hdf5_fill_open(host, object, &made->inner);
    else
        status = file_need_lib(host, file);
    if (status == CKPT_OK && object->data.place == HDF5_CODED) {
        made->library = file->library;
        status = file->library->cursor_open(file->lib, &file->tree, object,
                                            &made->inner);
    }
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

    return cursor->library != NULL
               ? cursor->library->cursor_next(host, cursor->inner, span)
               : hdf5_fill_next(host, cursor->inner, span);
}

void
hdf5_file_cursor_close(const struct ckpt_host *host, void *self)
{
    struct file_cursor *cursor = self;

    if (cursor->library != NULL)
        cursor->library->cursor_close(host, cursor->inner);
    else
        hdf5_fill_close(host, cursor->inner);
    host->release(host, cursor);
}
