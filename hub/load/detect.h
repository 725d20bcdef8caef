/* SPDX-License-Identifier: MIT
 *
 * Telling the format of an input, by content first.
 */
#ifndef HUB_LOAD_DETECT_H
#define HUB_LOAD_DETECT_H

#include "hub/load/host_table.h"
#include "hub/load/registry.h"

/* The one reader whose evidence is the best. Of two equal claims the one
 * whose suffix the name has is taken; else CKPT_CONFLICT names both. No claim:
 * a reader whose magic or suffix the file has is given, to say what is wrong
 * with it, unless one knows what the file is instead; else CKPT_UNSUPPORTED,
 * or CKPT_FORMAT for a stump. Loads only plugins whose magic is there. */
int hub_detect(struct hub_registry *registry, struct hub_host *host,
               const struct ckpt_source *source, struct hub_format **format,
               struct ckpt_evidence *evidence);

/* The writer of the longest suffix that the name ends in; or, where that one
 * cannot take the options ("key=value"; NULL-ended or NULL), the one of those
 * that wait to be asked that can. */
int hub_detect_writer(struct hub_registry *registry, const char *name,
                      const char *const *options, struct hub_format **format);

#endif
