/* SPDX-License-Identifier: MIT
 *
 * A legacy stream of torch.save, from its first byte on:
 *
 *   1. a pickle of the int 0x1950a86a20f9469cfc6c
 *   2. a pickle of the int 1001
 *   3. a pickle of a dict that says what host wrote it; torch does not look.
 *      The pair 'ckpt.attributes': {name: text} in it is this plugin's own:
 *      the attributes of the graph
 *   4. a pickle of the object, with persistent ids
 *   5. a pickle of the list of the storages' keys, views left out
 *   6. for each key, in the order of the list: the count of its elements, 8
 *      bytes, and the elements, little-endian. Counts of big-endian hosts are
 *      big-endian until about torch 1.4
 */
#ifndef TORCH_LEGACY_PARSE_H
#define TORCH_LEGACY_PARSE_H

#include "ckpt/reader.h"
#include "hash_table.h"
#include "torch_read.h"

/* The pair of the third pickle that holds the attributes of the graph. */
#define TORCH_LEGACY_ATTRIBUTES "ckpt.attributes"

#define TORCH_LEGACY_MAGIC_BYTES 10
extern const unsigned char torch_legacy_magic[TORCH_LEGACY_MAGIC_BYTES];

#define TORCH_LEGACY_PROTOCOL 1001

/* One pickle of a source. The text of its nodes is borrowed from `data`. */
struct torch_legacy_pickle {
    struct sdk_pickled pickled;
    unsigned char *data;
    uint64_t origin;
    uint64_t end; /* the position after it */
};

/* Reads the pickle at `offset`, as much of the source as it takes. `pickle`
 * is zeroed before; torch_legacy_free frees it, after a failure too. */
int torch_legacy_load(const struct ckpt_host *host,
                      const struct ckpt_source *source, uint64_t offset,
                      struct torch_legacy_pickle *pickle);
void torch_legacy_free(const struct ckpt_host *host,
                       struct torch_legacy_pickle *pickle);

/* Checks the first two pickles. `*offset` is where the third starts. */
int torch_legacy_check_head(const struct ckpt_host *host,
                            const struct ckpt_source *source, uint64_t *offset);

/* Where the bytes of the storages are: by their index, see
 * sdk_torch_source.meet. */
struct torch_legacy_places {
    uint64_t *offsets;
    size_t count;
};

/* Reads the list of keys at `offset` and goes over the storages, whose bytes
 * it steps over. `places` is zeroed before; the caller releases the offsets,
 * after a failure too. */
int torch_legacy_locate(const struct ckpt_host *host,
                        const struct ckpt_source *source, uint64_t offset,
                        const struct sdk_torch_storage *storages, size_t count,
                        struct torch_legacy_places *places);

#endif
