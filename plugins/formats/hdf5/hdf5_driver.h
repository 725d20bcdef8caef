/* SPDX-License-Identifier: MIT
 *
 * libhdf5 reads and writes through functions of ours: it is never given a
 * path, opens no file and takes no lock. Each hdf5_driver is a virtual file
 * driver of its own, registered when it is opened and forgotten when it is
 * closed; there is no state besides. It opens one file at a time, so what a
 * file wants from others (virtual data sets) is not there.
 *
 *     struct hdf5_driver driver;
 *
 *     if (hdf5_driver_open(&bytes, &driver))
 *         file = H5Fopen("what messages show", H5F_ACC_RDONLY, driver.access);
 *     ...
 *     H5Fclose(file);
 *     hdf5_driver_close(&driver);
 */
#ifndef HDF5_DRIVER_H
#define HDF5_DRIVER_H

#include <hdf5.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The bytes that libhdf5 takes for one file. Offsets count from the first of
 * them, wherever they lie. The functions return 0, or anything else for a
 * failure, whose reason they keep or have told. */
struct hdf5_bytes {
    /* Copies from within [0, size); what libhdf5 wants beyond is zeros. */
    int (*read)(void *context, uint64_t offset, void *buffer,
                size_t size_bytes);

    /* NULL: nothing can be written, and H5Fcreate fails. Writes may lie
     * anywhere, in any order, also beyond the end. */
    int (*write)(void *context, uint64_t offset, const void *bytes,
                 size_t size_bytes);

    /* Told the size of the file whenever libhdf5 settles it, last when the
     * file is closed; allocated bytes that were never written count. NULL:
     * nobody wants to know. */
    int (*resize)(void *context, uint64_t size_bytes);

    uint64_t size_bytes; /* when it is opened; 0 for a file to be created */
    void *context;
};

struct hdf5_driver_state;

struct hdf5_driver {
    hid_t id;     /* of the driver */
    hid_t access; /* the property list for H5Fopen and H5Fcreate */
    struct hdf5_driver_state *state; /* the driver's own */
};

/* `bytes` is copied; its context lives until the file is closed. The list is
 * the caller's to add to; closing the file closes all objects in it. False:
 * libhdf5 says why, and nothing is left behind. */
bool hdf5_driver_open(const struct hdf5_bytes *bytes,
                      struct hdf5_driver *driver);

/* After the file was closed. A zeroed struct is fine. */
void hdf5_driver_close(struct hdf5_driver *driver);

#endif
