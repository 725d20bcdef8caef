/* SPDX-License-Identifier: MIT
 *
 * Loading a plugin and taking over its tables.
 */
#ifndef HUB_LOAD_LOADER_H
#define HUB_LOAD_LOADER_H

#include "hub/load/registry.h"

/* Loads the plugin's shared object, checks what it says of itself, and fills
 * its formats' tables. Once is enough. A plugin that cannot be used gets its
 * problem and CKPT_UNSUPPORTED; the report stays silent, for the user may not
 * need it. */
int hub_plugin_load(struct hub_registry *registry, struct hub_plugin *plugin);

/* The same; one that cannot be used is left as if nobody had tried, so that
 * whoever needs it hears why. */
bool hub_plugin_try(struct hub_registry *registry, struct hub_plugin *plugin);

/* The same, and says why not. */
int hub_plugin_need(struct hub_registry *registry, struct hub_plugin *plugin);

/* The same for the plugin of a format. */
int hub_format_load(struct hub_registry *registry, struct hub_format *format);

/* A plugin that is linked into the program, as if it had been loaded. */
int hub_plugin_static(struct hub_registry *registry,
                      const struct ckpt_plugin *tables);

#endif
