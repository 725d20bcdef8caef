/* SPDX-License-Identifier: MIT
 *
 * Pairs of words in a file that a user wrote: two columns of text, with `#`
 * before comments; one JSON object of strings; or one YAML map of scalars,
 * without aliases, anchors and tags. What begins with `{` is JSON, to the
 * letter; what has a colon behind its first word is YAML.
 */
#ifndef SDK_PAIRS_H
#define SDK_PAIRS_H

#include "ckpt/host.h"

/* A pair: texts without NUL in them, that live for the call. `line` counts
 * from 1. */
typedef int (*sdk_pairs_take)(void *context, const char *first,
                              const char *second, size_t line);

/* Gives all pairs in order to `take`, until it fails. CKPT_OPTION: the file is
 * not of that form, with file and line or
 * byte; CKPT_LIMIT: it is over 16 MiB. */
int sdk_pairs_read(const struct ckpt_host *host,
                   const struct ckpt_source *source, sdk_pairs_take take,
                   void *context);

#endif
