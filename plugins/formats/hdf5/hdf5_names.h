/* SPDX-License-Identifier: MIT
 *
 * Names in an output: what HDF5 can hold, how each layout splits the names of
 * a graph into groups, and which layers Keras 2 will see.
 */
#ifndef HDF5_NAMES_H
#define HDF5_NAMES_H

#include "buffer.h"
#include "hash_table.h"

enum hdf5_layout {
    HDF5_FLAT = 0,  /* a group ends at each `/` */
    HDF5_IN_GROUPS, /* and at each `.` */
    HDF5_KERAS2,    /* LAYER/WEIGHT; without `/` the last `.` parts the two */
    HDF5_KERAS3     /* PATH/vars/KEY, and no others */
};

#define HDF5_PARTS_MAX 4096 /* of a path */

/* The names of one output. */
struct hdf5_names {
    const struct ckpt_host *host;
    enum hdf5_layout layout;
    struct ckpt_text base;   /* KERAS2: "model_weights/" or empty */
    struct sdk_table layers; /* KERAS2: that the attributes tell */
    struct sdk_buffer text;  /* what hdf5_names_give gave last */
};

/* Looks at the attributes of the graph; fini is due whatever comes of it. */
int hdf5_names_init(struct hdf5_names *names, const struct ckpt_host *host,
                    enum hdf5_layout layout, const struct ckpt_graph *graph);
void hdf5_names_fini(struct hdf5_names *names);

/* The path of a tensor of that name in the output; it may be one that HDF5
 * cannot hold. It lives until the next call. */
int hdf5_names_give(struct hdf5_names *names, const struct ckpt_text *name,
                    struct ckpt_text *path);

/* Refuses a path that HDF5, or the layout, cannot hold. */
int hdf5_names_check(const struct hdf5_names *names,
                     const struct ckpt_text *path);

/* KERAS2: the bytes of a path, the base included, that name its layer's
 * group. 0: it is in none. */
size_t hdf5_names_layer(const struct hdf5_names *names,
                        const struct ckpt_text *path);

/* KERAS2: whether the layout itself makes the attribute of that name. */
bool hdf5_names_makes(const struct hdf5_names *names, const char *attr);

/* Whether HDF5 can hold a path. */
bool hdf5_path_valid(const char *path, size_t size_bytes, const char **reason);

/* The `NAME` of an attribute `PATH@NAME` of a group, and the length of its
 * path; 0 for one of the root, whose name is all of it. */
size_t hdf5_attr_path(const char *name, const char **own);

/* The length of the path of a group that has nothing: such an attribute is
 * `PATH@`, of None. 0: it is any other. */
size_t hdf5_attr_marks(const struct ckpt_attr *attr);

/* Whether these are lists that Keras keeps: `layer_names`, `weight_names`,
 * or one of the pieces that end with a number. */
bool hdf5_attr_lists(const char *own, const char *which);

#endif
