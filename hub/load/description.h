/* SPDX-License-Identifier: MIT
 *
 * The description that lies beside a plugin; its keys are in
 * sdk/check/describe_plugin.c, which writes it.
 */
#ifndef HUB_LOAD_DESCRIPTION_H
#define HUB_LOAD_DESCRIPTION_H

#include "hub/load/registry.h"

/* Reads `text` into the plugin. False: it is no description that this hub
 * understands; the plugin is left as it was. */
bool hub_description_parse(struct hub_arena *arena, struct hub_plugin *plugin,
                           const char *text, size_t size_bytes);

/* A new format at the end of the plugin's list; NULL: no memory. */
struct hub_format *hub_format_add(struct hub_arena *arena,
                                  struct hub_plugin *plugin, bool reads);

/* A new transform at the end of the plugin's list; NULL: no memory. */
struct hub_transform *hub_transform_add(struct hub_arena *arena,
                                        struct hub_plugin *plugin);

/* Adds a magic; false: it is too long, or no memory. */
bool hub_magic_add(struct hub_arena *arena, struct hub_format *format,
                   uint64_t offset, const void *bytes, size_t size_bytes);

#endif
