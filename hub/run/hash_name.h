/* SPDX-License-Identifier: MIT
 *
 * Names of outputs that tell the hash of the file: "model-5c106cde", before
 * the suffix.
 */
#ifndef HUB_RUN_HASH_NAME_H
#define HUB_RUN_HASH_NAME_H

#include "hub/core/arena.h"
#include "hub/io/sink.h"

/* The name with zeros in the place of the digits, before the longest of the
 * `suffixes` (NULL-ended) that it has, else before its last dot. CKPT_OPTION:
 * there is none, or what is before it reads as another hash. */
int hub_hash_name(struct hub_arena *arena, const char *name,
                  const char *const *suffixes, char **made);

/* Puts the digits of what was written into the sink's name, which is one of
 * the above. CKPT_CONFLICT: there is such a file, unless `force`. To be called
 * between finish and commit. */
int hub_hash_sink(struct hub_sink *sink, bool force);

#endif
