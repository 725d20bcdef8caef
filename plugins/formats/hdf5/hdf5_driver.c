/* SPDX-License-Identifier: MIT
 *
 * A virtual file driver over a table of functions. What libhdf5 carries with
 * the property list, and copies, is a pointer to the driver's state.
 */
#include "hdf5_driver.h"

#include <stdlib.h>
#include <string.h>

#include "checked.h"

#if H5_VERSION_GE(1, 13, 0)
#include <H5FDdevelop.h>
#endif

/* From 512 on the numbers are free for all; libhdf5 looks ours up nowhere. */
#define DRIVER_VALUE 512

struct hdf5_driver_state {
    struct hdf5_bytes bytes;
    bool busy; /* a file is open */
};

struct file {
    H5FD_t base; /* first: libhdf5 sees this alone */
    struct hdf5_driver_state *state;
    struct hdf5_bytes bytes;
    haddr_t allocated, end;
};

static H5FD_t *
driver_open(const char *name, unsigned flags, hid_t access, haddr_t most)
{
    struct hdf5_driver_state *const *carried = H5Pget_driver_info(access);
    struct hdf5_driver_state *state = carried != NULL ? *carried : NULL;
    struct file *file;

    (void)name;
    (void)most;
    if (state == NULL || state->busy ||
        ((flags & H5F_ACC_RDWR) && state->bytes.write == NULL))
        return NULL;
    file = calloc(1, sizeof *file);
    if (file == NULL)
        return NULL;
    state->busy = true;
    file->state = state;
    file->bytes = state->bytes;
    file->end = flags & H5F_ACC_TRUNC ? 0 : state->bytes.size_bytes;
    return &file->base;
}

static herr_t
driver_close(H5FD_t *base)
{
    ((struct file *)base)->state->busy = false;
    free(base);
    return 0;
}

static herr_t
driver_query(const H5FD_t *base, unsigned long *flags)
{
    (void)base;
    *flags = H5FD_FEAT_AGGREGATE_METADATA | H5FD_FEAT_ACCUMULATE_METADATA |
             H5FD_FEAT_DATA_SIEVE | H5FD_FEAT_AGGREGATE_SMALLDATA |
             H5FD_FEAT_SUPPORTS_SWMR_IO;
    return 0;
}

static haddr_t
driver_allocated(const H5FD_t *base, H5FD_mem_t type)
{
    (void)type;
    return ((const struct file *)base)->allocated;
}

static herr_t
driver_allocate(H5FD_t *base, H5FD_mem_t type, haddr_t end)
{
    (void)type;
    ((struct file *)base)->allocated = end;
    return 0;
}

static haddr_t
driver_end(const H5FD_t *base, H5FD_mem_t type)
{
    (void)type;
    return ((const struct file *)base)->end;
}

static herr_t
driver_read(H5FD_t *base, H5FD_mem_t type, hid_t transfer, haddr_t offset,
            size_t size_bytes, void *buffer)
{
    struct file *file = (struct file *)base;
    size_t there = size_bytes;

    (void)type;
    (void)transfer;
    if (!sdk_within(offset, size_bytes, UINT64_MAX))
        return -1;
    if (!sdk_within(offset, size_bytes, file->end))
        there = offset < file->end ? (size_t)(file->end - offset) : 0;
    memset((unsigned char *)buffer + there, 0, size_bytes - there);
    if (there == 0)
        return 0;
    return file->bytes.read(file->bytes.context, offset, buffer, there) ? -1
                                                                        : 0;
}

static herr_t
driver_write(H5FD_t *base, H5FD_mem_t type, hid_t transfer, haddr_t offset,
             size_t size_bytes, const void *buffer)
{
    struct file *file = (struct file *)base;

    (void)type;
    (void)transfer;
    if (file->bytes.write == NULL ||
        !sdk_within(offset, size_bytes, UINT64_MAX) ||
        file->bytes.write(file->bytes.context, offset, buffer, size_bytes))
        return -1;
    if (offset + size_bytes > file->end)
        file->end = offset + size_bytes;
    return 0;
}

static herr_t
driver_truncate(H5FD_t *base, hid_t transfer, hbool_t closing)
{
    struct file *file = (struct file *)base;

    (void)transfer;
    (void)closing;
    if (file->bytes.write == NULL)
        return 0;
    if (file->bytes.resize != NULL &&
        file->bytes.resize(file->bytes.context, file->allocated))
        return -1;
    file->end = file->allocated;
    return 0;
}

static const H5FD_class_t driver_class = {
#ifdef H5FD_CLASS_VERSION
    .version = H5FD_CLASS_VERSION,
    .value = DRIVER_VALUE,
#endif
    .name = "ckpt",
    .maxaddr = (haddr_t)INT64_MAX,
    .fc_degree = H5F_CLOSE_STRONG,
    .fapl_size = sizeof(struct hdf5_driver_state *),
    .open = driver_open,
    .close = driver_close,
    .query = driver_query,
    .get_eoa = driver_allocated,
    .set_eoa = driver_allocate,
    .get_eof = driver_end,
    .read = driver_read,
    .write = driver_write,
    .truncate = driver_truncate,
    .fl_map = H5FD_FLMAP_DICHOTOMY,
};

bool
hdf5_driver_open(const struct hdf5_bytes *bytes, struct hdf5_driver *driver)
{
    struct hdf5_driver made = {-1, -1, calloc(1, sizeof *made.state)};

    if (made.state == NULL)
        return false;
    made.state->bytes = *bytes;
    made.id = H5FDregister(&driver_class);
    if (made.id >= 0)
        made.access = H5Pcreate(H5P_FILE_ACCESS);
    if (made.access >= 0 &&
        H5Pset_driver(made.access, made.id, &made.state) >= 0 &&
        H5Pset_fclose_degree(made.access, H5F_CLOSE_STRONG) >= 0) {
        *driver = made;
        return true;
    }
    hdf5_driver_close(&made);
    return false;
}

void
hdf5_driver_close(struct hdf5_driver *driver)
{
    if (driver->access > 0)
        H5Pclose(driver->access);
    if (driver->id > 0)
        H5FDunregister(driver->id);
    free(driver->state);
    memset(driver, 0, sizeof *driver);
}
