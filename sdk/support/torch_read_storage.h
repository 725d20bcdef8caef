/* SPDX-License-Identifier: MIT
 *
 * The storages that a torch pickle names, each once, by its key.
 */
#ifndef SDK_TORCH_READ_STORAGE_H
#define SDK_TORCH_READ_STORAGE_H

#include "torch_read_state.h"

struct torch_entry {
    const struct ckpt_storage *storage;
    struct ckpt_value *object; /* the bare storage as a value, or NULL */
    const char *key;
    uint32_t key_bytes;
    uint8_t dtype; /* of the class; uint8 if that is untyped */
    bool untyped;
    bool warned;
};

/* More entries of a state than this make no attributes, nor do more bytes of
 * names. One state may be that of many objects, and is looked at for each. */
#define TORCH_ATTRS_MAX 1000
#define TORCH_ATTR_BYTES_MAX ((size_t)64 << 10)

/* Whether the keys of a dict can be the names of attributes. */
bool torch_are_attrs(struct torch_reader *r, uint32_t dict);

/* The storage of a persistent node, made when its key is met first. `dtype`
 * is that of the view it is met in, or NONE. The entry lives until the next
 * call. */
int torch_entry_find(struct torch_reader *r, uint32_t ref, uint32_t dtype,
                     const struct torch_entry **entry);

#endif
