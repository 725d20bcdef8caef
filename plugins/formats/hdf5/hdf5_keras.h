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

/* The family of a tree, from its root. */
enum hdf5_family hdf5_keras_family(const struct hdf5_tree *tree);

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
