/* SPDX-License-Identifier: MIT
 *
 * The bytes around the records of a torch zip:
 *
 *   1. local header, 30 bytes: sizes and CRC 0, flag 8: they follow
 *   2. name
 *   3. zip64 field, if the size or the offset of the header needs it
 *   4. field 'FB' of 'Z's, so that the record begins at a multiple of 64
 *   5. the record
 *   6. descriptor, unless the record is empty: CRC and sizes, 32 bits each,
 *      or 64 with zip64
 *   then for each record a central header, 46 bytes, name, zip64 field;
 *   then the end records of zip64 and of zip.
 *
 * Sizes are told by functions that write nothing, because a plan needs them
 * before the CRCs are known.
 */
#ifndef TORCH_ZIP_LAYOUT_H
#define TORCH_ZIP_LAYOUT_H

#include <stddef.h>
#include <stdint.h>

struct torch_zip_record {
    const char *name; /* with the archive before it */
    size_t name_bytes;
    uint64_t offset; /* of the local header */
    uint64_t size_bytes;
    uint32_t crc32;
};

#define TORCH_ZIP_END_BYTES 98

/* All of 1 to 4. Offsets stay below 2^63 and names below 2^16 - 128. */
size_t torch_zip_local_bytes(const struct torch_zip_record *record);
size_t torch_zip_descriptor_bytes(const struct torch_zip_record *record);
size_t torch_zip_central_bytes(const struct torch_zip_record *record);

/* Each writes as many bytes as the function above says, and returns the
 * place behind them. */
unsigned char *torch_zip_put_local(unsigned char *to,
                                   const struct torch_zip_record *record);
unsigned char *torch_zip_put_descriptor(unsigned char *to,
                                        const struct torch_zip_record *record);
unsigned char *torch_zip_put_central(unsigned char *to,
                                     const struct torch_zip_record *record);

/* TORCH_ZIP_END_BYTES: of `count` central headers of `size_bytes` at
 * `offset`. */
void torch_zip_put_end(unsigned char *to, uint64_t count, uint64_t offset,
                       uint64_t size_bytes);

#endif
