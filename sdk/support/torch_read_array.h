/* SPDX-License-Identifier: MIT
 *
 * Arrays of NumPy in a torch pickle, and bytes that are within a pickle.
 */
#ifndef SDK_TORCH_READ_ARRAY_H
#define SDK_TORCH_READ_ARRAY_H

#include "torch_read_state.h"

/* Bytes that a node holds, or that it names as Latin-1 text. */
struct torch_payload {
    const char *data; /* NULL: they are in the source alone */
    uint64_t offset;  /* in the source's file, or CKPT_NOWHERE */
    uint64_t size_bytes;
    bool latin1; /* as text in UTF-8, whose code points are the bytes */
};

bool sdk_torch_payload(struct torch_reader *r, uint32_t ref,
                       struct torch_payload *payload);

/* Makes a storage like `like`, whose bytes are those of the payload from
 * `skip` on. CKPT_END, with nothing said: they are too many to be kept and
 * nobody can read them later. */
int sdk_torch_payload_storage(struct torch_reader *r, uint32_t ref,
                              const struct torch_payload *payload,
                              uint64_t skip, struct ckpt_storage *like,
                              const struct ckpt_storage **storage);

/* Makes the object of a bare storage from the bytes that a plain pickle has of
 * it. CKPT_END: they are no such bytes, or nobody can read them later. */
int sdk_torch_loaded_new(struct torch_reader *r, uint32_t ref,
                         struct ckpt_value **value);

/* Whether a call is to make an array, or a tensor of one. */
bool sdk_torch_is_array(uint32_t known);

/* Makes the tensor of an array whose type torch has. CKPT_END: it is an
 * object. */
int sdk_torch_array_new(struct torch_reader *r, uint32_t ref, uint32_t known,
                        struct ckpt_value **value);

/* Makes the tensor of tuple((name, array)), as Paddle has it, with its name as
 * an attribute; where arrays are tensors. CKPT_END: it is something else. */
int sdk_torch_named_array(struct torch_reader *r, uint32_t ref,
                          struct ckpt_value **value);

#endif
