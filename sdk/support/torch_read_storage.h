/* SPDX-License-Identifier: MIT
 *
 * The storages that a torch pickle names, each once, by its key.
 */
#ifndef SDK_TORCH_READ_STORAGE_H
#define SDK_TORCH_READ_STORAGE_H

#include "torch_read_state.h"

struct torch_entry {
    const struct ckpt_storage *storage; /* NULL: not asked for yet */
    struct ckpt_value *object; /* the bare storage as a value, or NULL */
    uint64_t start_bytes;      /* in the storage: of a view */
    uint64_t size_bytes;       /* of the whole, or of the view */
    uint32_t ref;              /* the persistent node that is of it */
    uint32_t root;             /* the entry that it is a view of, or itself */
    uint32_t index;            /* of a root: see sdk_torch_storage */
    uint8_t dtype;             /* of the class; uint8 if that is untyped */
    bool untyped;
    bool warned;
};

/* What a persistent id says. */
struct torch_pid {
    const struct torch_name *class;
    struct ckpt_text key;
    uint32_t location;
    uint64_t size_bytes;
    uint32_t dtype; /* uint8 for an untyped class */
    bool view;      /* of that storage, under a key of its own */
    struct ckpt_text view_key;
    uint64_t view_start_bytes, view_size_bytes;
};

/* Fails for what is no storage. `pid` is zeroed before. */
int sdk_torch_read_pid(struct torch_reader *r, uint32_t ref,
                       struct torch_pid *pid);

/* Whether the node is text, of Python 2 or 3. */
bool sdk_torch_is_text(const struct torch_reader *r, uint32_t ref);

/* Whether the node is a dict whose entries can be attributes. */
bool sdk_torch_is_attrs(struct torch_reader *r, uint32_t ref);

/* The storage of a persistent node, made when its key is asked for first.
 * `dtype` is that of the view it is met in, or NONE. The entry lives until
 * the next call. */
int sdk_torch_entry_find(struct torch_reader *r, uint32_t ref, uint32_t dtype,
                         const struct torch_entry **entry);

/* Appends to the entries; what it gives lives until the next call. */
int sdk_torch_entry_add(struct torch_reader *r, const struct torch_entry *made,
                        struct torch_entry **entry);

/* ---- Persistent ids that are a key alone ---- */

bool sdk_torch_is_named(const struct torch_reader *r, uint32_t ref);

/* Refuses to rebuild a tensor on what is no storage. */
int sdk_torch_check_storage(struct torch_reader *r, uint32_t ref);

/* What the container says that it is. */
int sdk_torch_named_value(struct torch_reader *r, uint32_t ref,
                          struct ckpt_value **value);

/* The storage that a bare storage is, or is a part of; that of a tensor.
 * Pickles that are no container make such values by calls. */
int sdk_torch_named_entry(struct torch_reader *r, uint32_t ref,
                          struct torch_entry **found);

#endif
