/* SPDX-License-Identifier: MIT
 *
 * The plan of an output with contiguous data sets.
 */
#ifndef HDF5_PLAN_H
#define HDF5_PLAN_H

#include "hdf5_names.h"

/* As ckpt_writer.arrange. */
int hdf5_arrange(const struct ckpt_host *host, enum hdf5_layout layout,
                 const struct ckpt_graph *graph, uint32_t *order);

int hdf5_plan(const struct ckpt_host *host, enum hdf5_layout layout,
              const struct ckpt_graph *graph, struct ckpt_plan *plan);

#endif
