/* SPDX-License-Identifier: MIT
 *
 * Elements in memory, laid out in another order.
 */
#ifndef HUB_IO_GATHER_LAYOUT_H
#define HUB_IO_GATHER_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One dimension of a box; distances are in elements. */
struct gather_dim {
    uint64_t extent;
    uint64_t from;  /* in the storage */
    uint64_t mid;   /* where it was read to */
    uint64_t to;    /* in the box */
    uint64_t inner; /* elements that one index takes there */
    bool apart;     /* its indices are read one by one */
};

/* Copies from where it was read to, by `mid`, to the box, by `to`. */
void hub_gather_layout(const struct gather_dim *dims, size_t count,
                       size_t item_bytes, const unsigned char *from,
                       unsigned char *to);

#endif
