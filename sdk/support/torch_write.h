/* SPDX-License-Identifier: MIT
 *
 * Turns a graph into the pickle that torch.save would have written of it,
 * with the storages left out and numbered. The containers (zip, legacy
 * stream, tar) are for others.
 *
 * How values are said:
 *   map            dict; of type collections.OrderedDict or with attributes:
 *                  OrderedDict, its attributes by BUILD, but for the mark
 *                  SDK_TORCH_MODEL_CLASS: in a map that has it parameters are
 *                  plain tensors, as state_dict() gives them
 *   tensor         torch._utils._rebuild_tensor_v2, or _v3 for dtypes that
 *                  have no storage class; with attributes through
 *                  torch._tensor._rebuild_from_type_v2, as with a class;
 *                  with the attribute `quantiser`: _rebuild_qtensor; without
 *                  bytes: _rebuild_meta_tensor_no_storage; on xla and such:
 *                  _rebuild_device_tensor_from_cpu_tensor; of the type
 *                  "numpy.ndarray": an array, with its bytes
 *   map of a type  _rebuild_sparse_tensor, _rebuild_nested_tensor
 *   "torch.sparse_coo" or the like
 *   parameter      torch._utils._rebuild_parameter, or with attributes
 *                  _rebuild_parameter_with_state
 *   size, device   torch.Size, torch.device
 *   dtype          a bare global: torch float32
 *   bytes          _codecs.encode
 *   object         as it was made; one made PERSISTENT is a bare storage
 * One value is written once and then fetched from the memo.
 *
 * Tensors of different dtypes on one storage, or on a storage whose size is
 * no multiple of the element, are written by _v3 on an untyped storage.
 *
 * In the tar form tensors are not rebuilt but named, and a parameter is
 *                  torch.nn.parameter.Parameter(tensor, requires-grad)
 * as torch 0.1 has it; those with attributes, and others that require a
 * gradient, are written as above. Untyped storages are CKPT_UNSUPPORTED.
 */
#ifndef SDK_TORCH_WRITE_H
#define SDK_TORCH_WRITE_H

#include "ckpt/writer.h"
#include "pickle_write.h"
#include "torch_read.h"

/* The forms differ in how they name a storage. */
enum sdk_torch_form {
    SDK_TORCH_ZIP, /* ('storage', class, key, device, count) */
    /* A None behind it, and a key that is a new string each time. Torch reads
     * no untyped storages back from it, so what needs one fails. */
    SDK_TORCH_LEGACY,
    /* A key alone; and so are tensors, by keys of their own. Untyped storages
     * fail too. */
    SDK_TORCH_TAR
};

/* A storage that the pickle names. */
struct sdk_torch_use {
    const struct ckpt_storage *storage;
    uint32_t item_bytes;  /* of the storage's class */
    uint32_t dtype;       /* of the same; 0: untyped */
    uint64_t key;         /* TAR: as a number */
    const char *location; /* the label of its device; "cpu" if torch has no
                             storages there */
};

/* TAR: what is told of beside the pickle. */
struct sdk_torch_listed {
    const struct ckpt_tensor *tensor;
    size_t use; /* of its storage */
    uint64_t key;
};

struct sdk_torch_list {
    struct sdk_torch_listed *items;
    size_t count, capacity;
};

/* A zeroed struct is empty. The caller may ask for `old_csr`: sparse tensors of
 * the CSR layout by the function of their own that torch had up to 1.13. */
struct sdk_torch_pickle {
    bool old_csr;
    struct sdk_pickler pickle; /* the bytes are pickle.out */
    struct sdk_torch_use *uses;
    size_t use_count;
    bool has_compressed; /* sparse tensors of other layouts than COO */
    bool has_coalesced;  /* a sparse tensor that tells whether it is that */
    /* TAR: tensors, and bare storages that are a part of another one, told by
     * their tensor. Keys are from 1 on in order of first use, over these and
     * the storages. */
    struct sdk_torch_list tensors, views;
};

/* Every dtype that torch has, as ckpt_limits.dtypes. It has names for int4 and
 * its like, but gives each element of them a byte. */
#define SDK_TORCH_DTYPES                                                     \
    (((UINT64_C(1) << CKPT_DTYPE_COUNT) - 2) &                               \
     ~(CKPT_DTYPE_BIT(CKPT_FLOAT4_E2M1) | CKPT_DTYPE_BIT(CKPT_FLOAT6_E2M3) | \
       CKPT_DTYPE_BIT(CKPT_FLOAT6_E3M2) | CKPT_DTYPE_BIT(CKPT_UINT4) |       \
       CKPT_DTYPE_BIT(CKPT_INT4) | CKPT_DTYPE_BIT(CKPT_UINT2) |              \
       CKPT_DTYPE_BIT(CKPT_INT2)))

/* Those of them that have a storage class. */
#define SDK_TORCH_CLASS_DTYPES                                          \
    (CKPT_DTYPE_BIT(CKPT_BOOL) | CKPT_DTYPE_BIT(CKPT_UINT8) |           \
     CKPT_DTYPE_BIT(CKPT_INT8) | CKPT_DTYPE_BIT(CKPT_INT16) |           \
     CKPT_DTYPE_BIT(CKPT_INT32) | CKPT_DTYPE_BIT(CKPT_INT64) |          \
     CKPT_DTYPE_BIT(CKPT_FLOAT16) | CKPT_DTYPE_BIT(CKPT_BFLOAT16) |     \
     CKPT_DTYPE_BIT(CKPT_FLOAT32) | CKPT_DTYPE_BIT(CKPT_FLOAT64) |      \
     CKPT_DTYPE_BIT(CKPT_COMPLEX64) | CKPT_DTYPE_BIT(CKPT_COMPLEX128) | \
     CKPT_DTYPE_BIT(CKPT_QINT8) | CKPT_DTYPE_BIT(CKPT_QUINT8) |         \
     CKPT_DTYPE_BIT(CKPT_QINT32) | CKPT_DTYPE_BIT(CKPT_QUINT4X2) |      \
     CKPT_DTYPE_BIT(CKPT_QUINT2X4))

/* What such a pickle can hold, as ckpt_limits.holds. */
#define SDK_TORCH_HOLDS                                        \
    (CKPT_HOLDS_TREE | CKPT_HOLDS_TIES | CKPT_HOLDS_STRIDES |  \
     CKPT_HOLDS_DEVICES | CKPT_HOLDS_GRAD | CKPT_HOLDS_ROLES | \
     CKPT_HOLDS_FLIPS | CKPT_HOLDS_ABSENT)

/* How deep values may nest; the recursion limit of CPython's pickler is the
 * half of it. */
#define SDK_TORCH_DEPTH_MAX 2000

/* Writes the root of `graph`. `result` is empty before; sdk_torch_fini
 * releases it, after a failure too. CKPT_UNSUPPORTED: a thing that torch or
 * protocol 2 cannot say, by its name. */
int sdk_torch_write(const struct ckpt_host *host,
                    const struct ckpt_graph *graph, uint32_t form,
                    struct sdk_torch_pickle *result);

/* A part of the root, which is a map: the pairs whose number in `shards`, by
 * their order, is `shard`. The attributes of the map go with part 0. */
struct sdk_torch_part {
    const uint32_t *shards;
    uint32_t shard;
};

/* The same of a part of the root; NULL is all of it. */
int sdk_torch_write_part(const struct ckpt_host *host,
                         const struct ckpt_graph *graph, uint32_t form,
                         const struct sdk_torch_part *part,
                         struct sdk_torch_pickle *result);

/* The key of a use by its index, in decimal and NUL-terminated. Returns its
 * size. */
#define SDK_TORCH_KEY_BYTES 24
size_t sdk_torch_key(size_t index, char key[SDK_TORCH_KEY_BYTES]);

/* The class of a storage of that dtype in the module torch, or NULL: newer
 * dtypes have none. */
const char *sdk_torch_storage_class(uint32_t dtype);

void sdk_torch_fini(const struct ckpt_host *host,
                    struct sdk_torch_pickle *result);

#endif
