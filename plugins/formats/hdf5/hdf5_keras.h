/* SPDX-License-Identifier: MIT
 *
 * What Keras means by its groups and attributes: which family a file is of,
 * and the order of its weights.
 */
#ifndef HDF5_KERAS_H
#define HDF5_KERAS_H

#include "hdf5_list.h"

enum hdf5_family {
    HDF5_PLAIN = 0,
    HDF5_KERAS_0,       /* nb_layers, param_<n> */
    HDF5_KERAS_WEIGHTS, /* layer_names in the root: Keras 1, 2, and 3's .h5 */
    HDF5_KERAS_MODEL,   /* the same under model_weights */
    HDF5_KERAS_3,       /* .weights.h5: groups `vars` */
    HDF5_MATLAB,
    HDF5_PYTABLES
};

/* What the root has that tells the family. */
enum hdf5_seen {
    HDF5_SEEN_LAYERS = 1, /* attribute layer_names */
    HDF5_SEEN_COUNT = 2,  /* attribute nb_layers */
    HDF5_SEEN_PYTABLES = 4,
    HDF5_SEEN_MODEL = 8, /* group model_weights */
    HDF5_SEEN_VARS = 16  /* a group that Keras 3 makes */
};

/* What the name of an attribute, or of a link, of the root tells: of enum
 * hdf5_seen, or 0. */
unsigned hdf5_seen_attr(const char *name, size_t name_bytes);
unsigned hdf5_seen_link(const char *name, size_t name_bytes);

enum hdf5_family hdf5_family_of(unsigned seen);

/* The family of a tree, from its root. */
enum hdf5_family hdf5_keras_family(const struct hdf5_tree *tree);

/* Whether its files tell an order by names. */
bool hdf5_keras_names(uint32_t family);

/* Its name, for people. */
const char *hdf5_family_name(enum hdf5_family family);

/* Brings the links of a group `vars` into the order of their numbers; other
 * groups stay. */
int hdf5_keras_sort_vars(struct hdf5_tree *tree, struct hdf5_object *group,
                         const struct ckpt_text *path);

/* Places all data sets of the list: those that layer_names and weight_names
 * tell in their order, the others behind them as they come. */
int hdf5_keras_order(struct hdf5_list *list);

#endif
