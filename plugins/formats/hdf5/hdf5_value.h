/* SPDX-License-Identifier: MIT
 *
 * Values of a graph from elements in memory: attributes, and data sets of
 * strings.
 */
#ifndef HDF5_VALUE_H
#define HDF5_VALUE_H

#include "hdf5_tree.h"

/* Makes a value: a scalar of a scalar space, lists within lists of a simple
 * one, none of a null one. Text that is not UTF-8 is bytes. `*made` is NULL
 * for types that no value can hold. */
int hdf5_value_make(struct hdf5_tree *tree, struct ckpt_graph *graph,
                    const struct hdf5_value *value, struct ckpt_value **made);

/* An integer of the type from its bytes; unsigned ones past INT64_MAX wrap. */
int64_t hdf5_value_integer(const struct hdf5_type *type,
                           const unsigned char *bytes);

#endif
