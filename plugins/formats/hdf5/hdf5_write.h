/* SPDX-License-Identifier: MIT
 *
 * All of an output but its payload, made by libhdf5: groups, data sets, hard
 * links, attributes. Where the file lies is the driver's; see hdf5_plan.c and
 * hdf5_write_chunks.c.
 */
#ifndef HDF5_WRITE_H
#define HDF5_WRITE_H

#include "hdf5_driver.h"
#include "hdf5_error.h"
#include "hdf5_holds.h"
#include "hdf5_layers.h"
#include "hdf5_tree.h"

/* One open output. */
struct hdf5_out {
    const struct ckpt_host *host;
    const struct ckpt_graph *graph;
    struct hdf5_names names;
    struct hdf5_layers layers; /* KERAS2; its texts are lent to `paths` */
    int gzip_level;            /* 0: contiguous data sets */
    /* What is done with a new data set before it is closed; NULL: nothing. */
    int (*each)(struct hdf5_out *out, size_t entry, hid_t data);
    void *context; /* for each */
    /* What became of the bytes. They tell libhdf5 of no failure: it would keep
     * a file that it cannot close, and try again when the process ends. */
    const int *broken;
    struct hdf5_driver driver;
    hid_t file;
    /* Property lists. */
    hid_t links, utf8_links, groups, sets, texts, chunked, attrs;
    hid_t types[CKPT_DTYPE_COUNT]; /* once needed */
    hid_t text;                    /* the type of variable strings */
    struct sdk_table paths;        /* of groups: 1; of data sets: 2 */
    struct sdk_table views;        /* of what makes twins: 1 + entry */
    uint64_t **view_keys;          /* of each entry, what the table borrows */
    size_t *first;          /* of each entry: that whose data set it is */
    uint64_t *offsets;      /* of each entry; CKPT_NOWHERE: no bytes */
    struct sdk_buffer path; /* a path with its NUL, for libhdf5 */
    struct hdf5_quiet quiet;
};

/* Begins a file over `bytes`; fini is due whatever comes of it. */
int hdf5_out_init(struct hdf5_out *out, const struct ckpt_host *host,
                  enum hdf5_layout layout, int gzip_level,
                  const struct ckpt_graph *graph,
                  const struct hdf5_bytes *bytes);

/* Makes everything. */
int hdf5_out_fill(struct hdf5_out *out);

/* Closes the file; nothing is written after this. */
int hdf5_out_finish(struct hdf5_out *out);
void hdf5_out_fini(struct hdf5_out *out);

/* Says why libhdf5 refused, and returns the status. `name` may be NULL. */
int hdf5_out_fail(const struct hdf5_out *out, const char *name);

/* Makes sure that a group is there and opens it. CKPT_END: something else is
 * in its way. */
int hdf5_out_group(struct hdf5_out *out, const char *path, size_t size_bytes,
                   hid_t *group);

/* ---- Types: hdf5_write_type.c ---- */

/* The type of a dtype, kept in `out`; negative if libhdf5 refuses. */
hid_t hdf5_out_type(struct hdf5_out *out, uint32_t dtype);

/* The chunks of a tensor with bytes: runs of whole rows, so that each is one
 * run of the tensor's bytes. */
#define HDF5_CHUNK_BYTES (1 << 20)
void hdf5_chunk_shape(const struct ckpt_tensor *tensor, hsize_t *chunk);

/* ---- Attributes: hdf5_write_attr.c ---- */

/* Adds an attribute, one that HDF5 holds, to an open object. */
int hdf5_out_attr(struct hdf5_out *out, hid_t object, const char *own,
                  const struct ckpt_value *value);

/* Adds a string, and a list of strings as Keras keeps them: NUL-padded, of
 * one length, split where it is too large for one attribute. */
int hdf5_out_string(struct hdf5_out *out, hid_t object, const char *own,
                    const char *text);
int hdf5_out_list(struct hdf5_out *out, hid_t object, const char *own,
                  const struct ckpt_text *texts, size_t count);

/* ---- Keras 2: hdf5_write_keras.c ---- */

/* Adds groups and attributes by which Keras 2 finds its layers. */
int hdf5_out_layers(struct hdf5_out *out);

#endif
