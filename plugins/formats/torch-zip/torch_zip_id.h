/* SPDX-License-Identifier: MIT
 *
 * The record .data/serialization_id: 20 digits of a hash of all record names,
 * and 20 of one of their CRC-32s. torch takes the names in the order in which
 * a std::unordered_set of libstdc++ lists them; so does this.
 */
#ifndef TORCH_ZIP_ID_H
#define TORCH_ZIP_ID_H

#include "ckpt/host.h"

#define TORCH_ZIP_ID_BYTES 40

/* The hash of one name, as std::hash of libstdc++ has it. */
uint64_t torch_zip_id_name(const char *name, size_t size_bytes);

/* One more value in a combined hash, which begins as 0. */
uint64_t torch_zip_id_combine(uint64_t combined, uint64_t value);

/* The combined hash of names, given their hashes in the order of writing.
 * CKPT_MEMORY, or CKPT_LIMIT. */
int torch_zip_id_names(const struct ckpt_host *host, const uint64_t *hashes,
                       size_t count, uint64_t *combined);

/* The 40 digits; not NUL-terminated. */
void torch_zip_id_text(uint64_t names, uint64_t checks,
                       char text[TORCH_ZIP_ID_BYTES]);

#endif
