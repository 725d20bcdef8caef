/* SPDX-License-Identifier: MIT
 *
 * The nesting that the flat names of a distributed checkpoint stand for: each
 * has a path of keys of maps and indices of lists.
 */
#ifndef TORCH_DCP_TREE_H
#define TORCH_DCP_TREE_H

#include "buffer.h"
#include "hash_table.h"
#include "pickle_read.h"

struct torch_dcp_node; /* one map, list or value */

struct torch_dcp_tree {
    const struct ckpt_host *host;
    struct ckpt_graph *graph;
    const char *label; /* of what is being put, for messages */
    struct torch_dcp_node *root;
    struct sdk_table nodes;  /* by the bytes of their path */
    uint64_t sought_bytes;   /* of the paths that were looked up */
    struct sdk_buffer owned; /* struct torch_dcp_node *, all of them */
};

/* Starts with an empty map as the root. `tree` is zeroed but for host and
 * graph; it is to be freed whatever comes. */
int torch_dcp_tree_init(struct torch_dcp_tree *tree);

/* Puts a value at a path: a tuple of texts and ints, or NOTHING, and then
 * `name` is a key of the root. CKPT_FORMAT: no such path, or two values meet
 * at it. */
int torch_dcp_tree_put(struct torch_dcp_tree *tree,
                       const struct sdk_pickled *pickled, uint32_t path,
                       const struct ckpt_text *name,
                       const struct ckpt_value *value);

/* Builds the values of all nodes, and gives the root's. */
int torch_dcp_tree_build(struct torch_dcp_tree *tree,
                         const struct ckpt_value **root);

void torch_dcp_tree_fini(struct torch_dcp_tree *tree);

#endif
