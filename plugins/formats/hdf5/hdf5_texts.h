/* SPDX-License-Identifier: MIT
 *
 * Which strings and lists of strings of a graph become data sets of their own:
 * those whose paths nothing else in the output has.
 */
#ifndef HDF5_TEXTS_H
#define HDF5_TEXTS_H

#include "hdf5_names.h"

struct hdf5_taken; /* a path of a tensor */

/* A zeroed struct is one that was not asked yet. */
struct hdf5_texts {
    struct sdk_table paths;   /* of groups and of data sets */
    struct hdf5_taken *taken; /* whose paths the table borrows */
    bool asked;
};

/* As ckpt_writer.text, by an output's names. */
int hdf5_texts_give(const struct ckpt_host *host, struct hdf5_texts *texts,
                    struct hdf5_names *names, const struct ckpt_graph *graph,
                    const struct ckpt_text *own, const struct ckpt_value *text,
                    struct ckpt_text *name);

void hdf5_texts_fini(const struct ckpt_host *host, struct hdf5_texts *texts);

#endif
