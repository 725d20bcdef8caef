/* SPDX-License-Identifier: MIT
 *
 * What recording edits and making them share.
 */
#ifndef HUB_GRAPH_EDIT_PRIVATE_H
#define HUB_GRAPH_EDIT_PRIVATE_H

#include "hub/graph/edit.h"

/* What becomes of one place; a member that is NULL stays as it is. */
struct hub_edit {
    const struct ckpt_value *key;
    const struct ckpt_value *value;
    bool dropped;
};

/* The edit of a place, or NULL. */
struct hub_edit *hub_edit_find(const struct ckpt_edits *edits,
                               const struct ckpt_value *owner, size_t index);

#endif
