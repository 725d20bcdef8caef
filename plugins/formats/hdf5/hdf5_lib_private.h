/* SPDX-License-Identifier: MIT
 *
 * What the parts of the walk through libhdf5 share. All of it is called
 * between hdf5_quiet_begin and hdf5_quiet_end.
 */
#ifndef HDF5_LIB_PRIVATE_H
#define HDF5_LIB_PRIVATE_H

#include "hdf5_driver.h"
#include "hdf5_error.h"
#include "hdf5_lib.h"

/* What is held of data at once while a cursor makes them. */
#define HDF5_LIB_WINDOW_MAX ((uint64_t)32 << 20)

struct hdf5_lib {
    const struct ckpt_host *host;
    struct hdf5_part part;
    struct hdf5_driver driver;
    hid_t file;
    uint64_t user_block_bytes;
    int status; /* of a read that failed, whose reason was told */
};

/* An object under examination, and what messages name. */
struct hdf5_lib_place {
    struct hdf5_lib *lib;
    struct hdf5_tree *tree;
    struct hdf5_object *object;
    hid_t id;
};

/* Says what libhdf5 could not do with the object, and why. */
int hdf5_lib_fail(const struct hdf5_lib_place *place, const char *what);

/* Refuses: what we, not libhdf5, object to. */
int hdf5_lib_refuse(const struct hdf5_lib_place *place, int status,
                    const char *format, ...) CKPT_PRINTF(3, 4);

/* Opens an object by its address; negative: libhdf5 says why. */
hid_t hdf5_lib_object(const struct hdf5_lib *lib, uint64_t address);

/* ---- hdf5_lib_type.c ---- */

int hdf5_lib_type(const struct hdf5_lib_place *place, hid_t id,
                  struct hdf5_type *type);
int hdf5_lib_space(const struct hdf5_lib_place *place, hid_t id,
                   struct hdf5_space *space);

/* ---- hdf5_lib_value.c ---- */

/* Adds all attributes of the object, in the order they were made if libhdf5
 * knows it, else by name. */
int hdf5_lib_attrs(const struct hdf5_lib_place *place);

/* The elements of a data set of strings. */
int hdf5_lib_texts(const struct hdf5_lib_place *place, hid_t type);

/* ---- hdf5_lib_data.c ---- */

/* Fills object->data of a data set. */
int hdf5_lib_data(const struct hdf5_lib_place *place);

/* The bytes of one chunk of a chunked data set, as far as libhdf5 holds it
 * in memory; `shape` (HDF5_RANK_MAX) gets its dimensions. CKPT_LIMIT: more
 * than the budget has left. */
int hdf5_lib_chunk(const struct hdf5_lib_place *place, hid_t list,
                   uint64_t *shape, uint64_t *chunk_bytes);

/* CKPT_UNSUPPORTED, with its name, if libhdf5 lacks a filter. */
int hdf5_lib_filters(const struct hdf5_lib_place *place, hid_t list);

#endif
