/* SPDX-License-Identifier: MIT
 *
 * A tensor on its way from the arguments of a call to the graph.
 */
#ifndef SDK_TORCH_READ_REBUILT_H
#define SDK_TORCH_READ_REBUILT_H

#include "torch_read_state.h"

#define TYPE_NAME_BYTES 256

struct rebuilt {
    uint32_t storage; /* a persistent node; NOTHING: it has no bytes */
    uint32_t dtype;   /* NONE: that of the storage */
    uint32_t class;   /* what the storage must be of, or NONE */
    uint32_t role;
    uint32_t state;
    uint32_t quantiser; /* a node, or NOTHING */
    uint32_t device;    /* a node: where it is said to be; or NOTHING */
    uint32_t flips;
    bool requires_grad;
    char type_name[TYPE_NAME_BYTES]; /* "": the plain class */
    uint64_t offset;
    uint32_t rank;
    uint64_t shape[CKPT_MAX_RANK], strides[CKPT_MAX_RANK];
};

/* Reads the arguments of a function that gives a tensor by itself. `ref` is
 * the call, for messages. */
int sdk_torch_read_args(struct torch_reader *r, uint32_t ref, uint32_t known,
                        uint32_t tuple, struct rebuilt *rebuilt);

/* The same of a plain call to it. */
int sdk_torch_read_rebuild(struct torch_reader *r, uint32_t ref,
                           uint32_t known, struct rebuilt *rebuilt);

/* Hooks are left out, and that is told. */
void sdk_torch_check_hooks(struct torch_reader *r, uint32_t hooks,
                           uint32_t owner);

bool sdk_torch_is_dtype(struct torch_reader *r, uint32_t ref);

#endif
