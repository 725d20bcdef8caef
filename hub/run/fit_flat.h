/* SPDX-License-Identifier: MIT
 *
 * Fitting to a target that holds one flat map of names.
 */
#ifndef HUB_RUN_FIT_FLAT_H
#define HUB_RUN_FIT_FLAT_H

#include "hub/run/fit.h"

/* Fills the fitted graph's root and says in fit->record whether that loses
 * anything that a record would keep. */
int hub_fit_flat(struct hub_fit *fit);

/* Says there whether a reader will meet the tensors in another order than that
 * of the graph; the fitted graph has its attributes. */
int hub_fit_order(struct hub_fit *fit);

/* Groups the tensors by storage: fills first, storage_set, sets and alone. */
int hub_fit_sets(struct hub_fit *fit);

/* Adds what the writer holds of strings to the map of the fitted graph. */
int hub_fit_texts(struct hub_fit *fit, struct ckpt_value *root);

/* Tells, as losses, what a record would have kept. */
int hub_fit_losses(struct hub_fit *fit);

/* Room in the fit's memory, which ends with it. */
void *hub_fit_allocate(struct hub_fit *fit, size_t count, size_t width);

#endif
