/* SPDX-License-Identifier: MIT
 *
 * Turns a parsed pickle of torch.save into a graph. Where the bytes of a
 * storage are is for the container (zip, legacy stream, tar) to say.
 *
 * How nodes are read:
 *   dict, list, tuple, scalars   as the kinds of the graph
 *   collections.OrderedDict      a map of that type; the entries of its state
 *                                are attributes, such as `_metadata`
 *   torch._utils._rebuild_tensor, _v2, _v3            a tensor
 *   torch._utils._rebuild_parameter, _with_state      a tensor of role
 *                                parameter; its state gives attributes
 *   torch._tensor._rebuild_from_type_v2 of torch.Tensor itself
 *                                a tensor; its state gives attributes
 *   torch.Size, torch.device, torch.float32 ...       size, device, dtype
 *   complex, _codecs.encode, bytes                    complex, bytes
 *   set, frozenset, bytearray    objects: builtins.set([...]) ...
 *   a bare storage               an object made PERSISTENT: module "torch",
 *                                name "FloatStorage" or the like, arguments
 *                                (one-dimensional tensor of all of it)
 *   all else                     objects, as they were made
 * A known name with arguments that are not its own is an object too, but for
 * tensors, where it is CKPT_UNSUPPORTED. The names of Python 2 that protocol
 * 2 writes are given as Python 3 has them: builtins, copyreg. One node gives
 * one value, so that what is shared stays shared and cycles stay.
 */
#ifndef SDK_TORCH_READ_H
#define SDK_TORCH_READ_H

#include "pickle_read.h"

/* What a pickle says of one storage, the first time that it names it. */
struct sdk_torch_storage {
    struct ckpt_text key;
    uint64_t size_bytes;
    uint32_t word_bytes; /* of its elements: the unit of byte order */
    const char *device;
    const char *tensor; /* for messages: the name met first, or NULL */
    uint64_t byte;      /* for messages: where the pickle names it */
};

struct sdk_torch_source {
    /* Says in `like` where the storage is: place and what belongs to it, and
     * byte_order. All else is filled in. Called once per key. */
    int (*find)(const struct ckpt_host *host, void *user,
                const struct sdk_torch_storage *storage,
                struct ckpt_storage *like);
    void *user;
    uint64_t origin; /* of the pickle in the file, or CKPT_NOWHERE */
};

/* Builds the values of the pickle's root, and gives it. */
int sdk_torch_read(const struct ckpt_host *host, struct ckpt_graph *graph,
                   const struct sdk_pickled *pickled,
                   const struct sdk_torch_source *source,
                   const struct ckpt_value **root);

/* ---- The same by parts, for who wants but some of the nodes ---- */

struct torch_reader; /* opaque */

/* The arguments live until the reader is freed. */
int sdk_torch_reader_new(const struct ckpt_host *host, struct ckpt_graph *graph,
                         const struct sdk_pickled *pickled,
                         const struct sdk_torch_source *source,
                         struct torch_reader **reader);

/* Gives the value of a node, with all that is in it; the same one again if it
 * is asked for again. `name` is its full name, for messages, or NULL; `role`
 * is that of its tensors, if the pickle tells none. Nothing more can be asked
 * after a failure. */
int sdk_torch_reader_value(struct torch_reader *reader, uint32_t ref,
                           const char *name, uint32_t role,
                           struct ckpt_value **value);

void sdk_torch_reader_free(struct torch_reader *reader);

#endif
