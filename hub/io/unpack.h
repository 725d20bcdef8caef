/* SPDX-License-Identifier: MIT
 *
 * A file that is packed as a whole, by gzip: unpacked into a file without a
 * name, and read as that.
 */
#ifndef HUB_IO_UNPACK_H
#define HUB_IO_UNPACK_H

#include "hub/io/source.h"

/* Whether the file begins as one that is packed. */
bool hub_packed(const struct ckpt_source *source);

/* The same of its first two bytes. */
bool hub_packed_bytes(const unsigned char *bytes);

struct hub_unpack {
    struct hub_budget *budget;
    const char *folder;            /* where the file without a name goes */
    bool (*cancelled)(void *user); /* may be NULL */
    void *user;
};

/* Unpacks all of it. What is made is named like the file, without the suffix
 * of packing. CKPT_FORMAT: it is damaged or cut; CKPT_LIMIT: it would fill the
 * disk, or is more than a packer can have made of honest bytes. */
int hub_unpack(const struct hub_unpack *unpack,
               const struct ckpt_source *packed, struct ckpt_source **source);

#endif
