/* SPDX-License-Identifier: MIT
 *
 * The `.metadata` of a distributed checkpoint, a pickle of protocol 4:
 *
 *   Metadata              state_dict_metadata: name -> TensorStorageMetadata
 *                         or BytesStorageMetadata; planner_data: name -> path,
 *                         or None; storage_data: MetadataIndex -> _StorageInfo
 *   TensorStorageMetadata properties (a tuple that begins with the dtype),
 *                         size, chunks: ChunkStorageMetadata
 *   ChunkStorageMetadata  offsets, sizes
 *   MetadataIndex         fqn (the name), index (a hint), offset (of a chunk;
 *                         absent for items of bytes)
 *   _StorageInfo          relative_path, offset, length, and perhaps
 *                         transform_descriptors
 *
 * All are made by NEWOBJ and a dict; only the names of the members count, for
 * the module that the classes are in has changed.
 */
#ifndef TORCH_DCP_PARSE_H
#define TORCH_DCP_PARSE_H

#include "buffer.h"
#include "hash_table.h"
#include "pickle_read.h"

/* Where the bytes of one item are. */
struct torch_dcp_item {
    struct ckpt_text file;
    uint64_t offset, size_bytes;
};

struct torch_dcp_metadata {
    struct sdk_buffer bytes; /* of the file */
    struct sdk_pickled pickled;
    struct sdk_pickled_list entries; /* name, metadata, name, metadata ... */
    uint32_t paths;                  /* the dict of paths; or NOTHING */
    struct sdk_table path_by_name;   /* node of the path */
    struct sdk_table items;          /* by name and offset: index and one */
    struct sdk_buffer infos;         /* struct torch_dcp_item */
    char *keys;                      /* of the items */
};

/* Reads and parses it into a zeroed struct, which is to be freed whatever
 * comes. */
int torch_dcp_parse(const struct ckpt_host *host,
                    const struct ckpt_source *source,
                    struct torch_dcp_metadata *metadata);

void torch_dcp_metadata_fini(const struct ckpt_host *host,
                             struct torch_dcp_metadata *metadata);

/* A member of an object that was made of a dict; or NOTHING. */
uint32_t torch_dcp_member(const struct sdk_pickled *pickled, uint32_t ref,
                          const char *name);

/* Whether the node is an object of a class of this name. */
bool torch_dcp_is(const struct sdk_pickled *pickled, uint32_t ref,
                  const char *name);

/* The numbers of a torch.Size. False: it is none, or one is negative, or
 * there are more than CKPT_MAX_RANK. */
bool torch_dcp_size(const struct sdk_pickled *pickled, uint32_t ref,
                    uint64_t counts[CKPT_MAX_RANK], uint32_t *rank);

/* Finds the item of a name, and of a chunk by its offset (`rank` numbers) or
 * of bytes (none); NULL: there is none. */
int torch_dcp_item_find(const struct ckpt_host *host,
                        const struct torch_dcp_metadata *metadata,
                        const struct ckpt_text *name, const uint64_t *offset,
                        uint32_t rank, const struct torch_dcp_item **item);

#endif
