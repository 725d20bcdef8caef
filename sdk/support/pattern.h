/* SPDX-License-Identifier: MIT
 *
 * Patterns over names: shell globs, in which `*` and `?` meet any character,
 * dots and slashes too, and `[...]` one of a set; or, behind `re:`, regular
 * expressions of PCRE2 that are sought anywhere in the name. Names are bytes.
 */
#ifndef SDK_PATTERN_H
#define SDK_PATTERN_H

#include "ckpt/host.h"

struct sdk_pattern;

/* `text` is borrowed until free. CKPT_OPTION, with the reason and where in
 * the expression, if it is none. */
int sdk_pattern_new(const struct ckpt_host *host, const char *text,
                    struct sdk_pattern **pattern);

/* Whether the whole name is met by the glob, or a part of it by the
 * expression. CKPT_LIMIT: finding out would take too long. */
int sdk_pattern_match(const struct ckpt_host *host,
                      const struct sdk_pattern *pattern,
                      const struct ckpt_text *name, bool *matches);

/* `pattern` may be NULL. */
void sdk_pattern_free(const struct ckpt_host *host,
                      struct sdk_pattern *pattern);

/* `s/PATTERN/TEMPLATE/flags`, with any character in the place of `/`. The
 * pattern is a regular expression, in the template $1 or ${1} is its first
 * group, ${name} a named one and $$ a dollar; `/` cannot stand in it. Flags: g
 * (each time, not only the first) and i (case does not matter). */
struct sdk_substitution;

int sdk_substitution_new(const struct ckpt_host *host, const char *text,
                         struct sdk_substitution **substitution);

/* The name as it is to become; it lives until the next call. `*renamed` is
 * the name itself if nothing is to be replaced. CKPT_LIMIT as above, or a text
 * over 64 KiB; CKPT_OPTION: the template names a group that is not there. */
int sdk_substitution_apply(const struct ckpt_host *host,
                           struct sdk_substitution *substitution,
                           const struct ckpt_text *name,
                           struct ckpt_text *renamed);

void sdk_substitution_free(const struct ckpt_host *host,
                           struct sdk_substitution *substitution);

#endif
