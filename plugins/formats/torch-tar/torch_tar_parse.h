/* SPDX-License-Identifier: MIT
 *
 * The members of a torch tar. Numbers are little-endian; pickles and numbers
 * follow each other without padding.
 *
 *   sys_info   1. a pickle: a dict with `little_endian`, of the host
 *   storages   1. a pickle: an int, how many storages follow
 *              2. each: a pickle (key, location, class), int64 count, data
 *              3. a pickle: a list of views of storages, each
 *                 (key, key of its storage, offset, count), in elements
 *   tensors    1. a pickle: an int, how many tensors follow
 *              2. each: a pickle (key, key of its storage or None, class),
 *                 int32 rank, 4 bytes of garbage, int64 sizes[rank], int64
 *                 strides[rank], int64 offset
 *   pickle     a pickle: the object; its persistent ids are keys in decimal
 *
 * Keys are ints. A first draft of the form had (key, class) for storages and
 * (key, class, key of its storage) for tensors.
 */
#ifndef TORCH_TAR_PARSE_H
#define TORCH_TAR_PARSE_H

#include "hash_table.h"
#include "torch_tar_walk.h"

/* What current torch can load in this form; torch 0.1 knew the floats but
 * bfloat16, and the ints. */
#define TORCH_TAR_DTYPES                                            \
    (CKPT_DTYPE_BIT(CKPT_BOOL) | CKPT_DTYPE_BIT(CKPT_UINT8) |       \
     CKPT_DTYPE_BIT(CKPT_INT8) | CKPT_DTYPE_BIT(CKPT_INT16) |       \
     CKPT_DTYPE_BIT(CKPT_INT32) | CKPT_DTYPE_BIT(CKPT_INT64) |      \
     CKPT_DTYPE_BIT(CKPT_FLOAT16) | CKPT_DTYPE_BIT(CKPT_FLOAT32) |  \
     CKPT_DTYPE_BIT(CKPT_FLOAT64) | CKPT_DTYPE_BIT(CKPT_BFLOAT16) | \
     CKPT_DTYPE_BIT(CKPT_COMPLEX64) | CKPT_DTYPE_BIT(CKPT_COMPLEX128))

/* A storage, or a view of one. */
struct torch_tar_storage {
    int64_t key;
    uint64_t byte;   /* where the file says it */
    uint64_t offset; /* of the data in the file */
    size_t root;     /* its index, or that of the storage it is a view of */
    uint32_t dtype;
    uint64_t first, count;              /* elements of the root */
    const struct ckpt_storage *storage; /* of a root, once it is needed */
    struct ckpt_value *object;          /* of a bare storage, the same */
    char device[32];
};

#define TORCH_TAR_NO_STORAGE SIZE_MAX

struct torch_tar_tensor {
    int64_t key;
    uint64_t byte;
    size_t storage; /* or NO_STORAGE */
    uint32_t dtype, rank;
    size_t dims; /* of sizes, then strides, among all dims */
    uint64_t offset;
    struct ckpt_value *value; /* once it is needed */
};

struct torch_tar_tables {
    struct torch_tar_storage *storages;
    size_t storage_count, storage_capacity;
    struct torch_tar_tensor *tensors;
    size_t tensor_count, tensor_capacity;
    uint64_t *dims;
    size_t dim_count, dim_capacity;
    struct sdk_table keys; /* 2 * index + 1 of a storage, + 2 of a tensor */
};

/* Reads sys_info, storages and tensors into zeroed tables. The caller calls
 * fini, after a failure too. */
int torch_tar_tables_read(const struct ckpt_host *host,
                          const struct torch_tar_members *members,
                          struct torch_tar_tables *tables);
void torch_tar_tables_fini(const struct ckpt_host *host,
                           struct torch_tar_tables *tables);

/* What has that key; NULL: nothing, or another thing. */
struct torch_tar_storage *
torch_tar_find_storage(const struct torch_tar_tables *tables, int64_t key);
struct torch_tar_tensor *
torch_tar_find_tensor(const struct torch_tar_tables *tables, int64_t key);

#endif
