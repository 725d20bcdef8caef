/* SPDX-License-Identifier: MIT
 *
 * The layers of a Keras 2 output: those that the attributes of the graph list,
 * in that order, then those of the other tensors as they come.
 */
#ifndef HDF5_LAYERS_H
#define HDF5_LAYERS_H

#include "hdf5_names.h"

struct hdf5_layers {
    const struct ckpt_host *host;
    const struct hdf5_names *names;
    const struct ckpt_graph *graph;
    struct sdk_table table;  /* of paths: 1 + index */
    struct ckpt_text *paths; /* of their groups, in order */
    size_t count, room;
    size_t *layer;          /* of each entry: 1 + index; 0: none */
    size_t *begin, *sorted; /* sorted[begin[i]] is the first entry of the i-th
                               layer; begin has one more */
    struct ckpt_text *list; /* what was asked for last */
    struct hdf5_kept *kept; /* texts of paths */
};

/* fini is due whatever comes of it; a zeroed struct is fine. */
int hdf5_layers_init(struct hdf5_layers *layers, const struct hdf5_names *names,
                     const struct ckpt_graph *graph);
void hdf5_layers_fini(struct hdf5_layers *layers);

/* Fills layers->list with the names of all layers; gives their number. */
size_t hdf5_layers_names(struct hdf5_layers *layers);

/* The same with the names of the weights of one, within its group. */
size_t hdf5_layers_weights(struct hdf5_layers *layers, size_t layer);

#endif
