/* SPDX-License-Identifier: MIT
 *
 * From the user's "key=value" texts to typed values, by the declaration.
 */
#ifndef HUB_CORE_OPTIONS_H
#define HUB_CORE_OPTIONS_H

#include "ckpt/option.h"
#include "hub/core/arena.h"

/* One value per declared option, in the arena. `given` is NULL-ended or NULL.
 * CKPT_OPTION names the wrong text and, for an unknown key, the known ones. */
int hub_options_parse(struct hub_arena *arena,
                      const struct ckpt_option *declared,
                      const char *const *given,
                      struct ckpt_option_value **values);

/* Whether every text would be taken; says nothing. */
bool hub_options_fit(const struct ckpt_option *declared,
                     const char *const *given);

/* "5GB", "64MiB", "123": decimal suffixes are powers of 1000, those with an
 * `i` powers of 1024. */
bool hub_size_parse(const char *text, uint64_t *size_bytes);

#endif
