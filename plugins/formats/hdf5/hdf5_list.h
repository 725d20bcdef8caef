/* SPDX-License-Identifier: MIT
 *
 * All names of a tree: every hard link from the root on, a group before what
 * it holds, links in the order of the file. A group with several names is
 * listed under the first alone; a data set under each.
 */
#ifndef HDF5_LIST_H
#define HDF5_LIST_H

#include "buffer.h"
#include "hdf5_tree.h"

struct hdf5_entry {
    struct ckpt_text path; /* without leading slash, in the arena */
    struct hdf5_object *object;
    bool placed; /* in hdf5_list.order already */
};

struct hdf5_list {
    struct hdf5_tree *tree;
    uint32_t family;           /* enum hdf5_family */
    struct sdk_buffer entries; /* struct hdf5_entry; the root is not one */
    struct sdk_buffer order;   /* uint64_t: indexes of data sets, as they
                                  go into the graph */
    struct sdk_table names;    /* path to index, where that is asked for */
};

/* Lists everything, soft links to data sets too; `order` stays empty.
 * CKPT_FORMAT: two links of one name; CKPT_UNSUPPORTED: an external link, a
 * name that is not UTF-8. */
int hdf5_list_make(struct hdf5_tree *tree, struct hdf5_list *list);
void hdf5_list_fini(struct hdf5_list *list);

size_t hdf5_list_count(const struct hdf5_list *list);
struct hdf5_entry *hdf5_list_at(const struct hdf5_list *list, size_t index);

/* The entry of a path, or NULL. [if hdf5_keras_names] */
struct hdf5_entry *hdf5_list_find(const struct hdf5_list *list,
                                  const char *path, size_t path_bytes);

/* Puts a data set next into the order, unless it has its place. */
int hdf5_list_place(struct hdf5_list *list, struct hdf5_entry *entry);

#endif
