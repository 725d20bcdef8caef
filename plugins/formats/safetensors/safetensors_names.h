/* SPDX-License-Identifier: MIT
 *
 * A set of names over an array of items that each begin with their name. It
 * holds indexes only: the items stay the caller's, and stay in place.
 */
#ifndef SAFETENSORS_NAMES_H
#define SAFETENSORS_NAMES_H

#include "ckpt/host.h"

#define SAFETENSORS_NONE SIZE_MAX

struct safetensors_names {
    const unsigned char *items;
    size_t stride_bytes;
    uint64_t *slots; /* upper half of the hash, index + 1; 0 is free */
    size_t mask;
    uint64_t key[2];
};

/* Makes an empty set for at most `count` items, whose first member is a
 * struct ckpt_text. */
int safetensors_names_init(const struct ckpt_host *host,
                           struct safetensors_names *names, const void *items,
                           size_t stride_bytes, size_t count);

/* Puts item `index` in, and returns SAFETENSORS_NONE; or returns the index of
 * the item of that name that is there already. */
size_t safetensors_names_put(struct safetensors_names *names, size_t index);

/* The index of the item of that name, or SAFETENSORS_NONE. */
size_t safetensors_names_find(const struct safetensors_names *names,
                              const struct ckpt_text *name);

void safetensors_names_fini(const struct ckpt_host *host,
                            struct safetensors_names *names);

#endif
