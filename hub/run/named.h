/* SPDX-License-Identifier: MIT
 *
 * Files that options name, beside the input itself.
 */
#ifndef HUB_RUN_NAMED_H
#define HUB_RUN_NAMED_H

#include "hub/run/user.h"

/* Graphs that options name, each with all that it takes to read it. */
struct hub_named;

/* Opens what options of kind FILE and GRAPH name, as sources of the host, and
 * enters them in the values. */
int hub_named_files(struct hub_host *host, const struct ckpt_option *declared,
                    struct ckpt_option_value *values);

/* Reads what options of kind GRAPH name, enters the graphs in the values, and
 * puts them on the list, which begins as NULL and is freed whatever comes of
 * it. All ids in them lie behind those of `after` and of each other, if that
 * is not NULL. */
int hub_named_graphs(struct ckpt *user, const struct ckpt_option *declared,
                     struct ckpt_option_value *values,
                     const struct ckpt_graph *after, struct hub_named **list);
void hub_named_free(struct hub_named *list);

/* CKPT_IO if a file of one of them is not what it was. */
int hub_named_unchanged(const struct hub_named *list);

/* How many graphs are named. */
size_t hub_named_count(const struct ckpt_option *declared,
                       const struct ckpt_option_value *values);

#endif
