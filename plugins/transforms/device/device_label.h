/* SPDX-License-Identifier: MIT
 *
 * The argument: one label for all, or pairs of labels.
 *
 *   1. DEVICE                 every storage goes there
 *   2. FROM=TO[,FROM=TO]...   what is on FROM, to the letter, goes to TO
 *
 * A label that is gone to has the form TYPE or TYPE:INDEX, TYPE in lower case.
 */
#ifndef DEVICE_LABEL_H
#define DEVICE_LABEL_H

#include "ckpt/host.h"

#define DEVICE_LABEL_BYTES 64

struct device_pair {
    const char *from; /* NULL: whatever it was */
    size_t from_bytes;
    char to[DEVICE_LABEL_BYTES];
    uint64_t matched; /* storages and tensors that it moved */
};

/* Pairs of an argument. They borrow from it; the caller releases them. */
int device_parse(const struct ckpt_host *host, const char *argument,
                 struct device_pair **pairs, size_t *count);

#endif
