/* SPDX-License-Identifier: MIT
 *
 * Which plugins there are, as their descriptions tell, and what each of them
 * reads and writes. Nothing is loaded here; see loader.h.
 */
#ifndef HUB_LOAD_REGISTRY_H
#define HUB_LOAD_REGISTRY_H

#include "ckpt.h"
#include "ckpt/plugin.h"
#include "hub/core/arena.h"

#define HUB_MAGIC_MAX 32

struct hub_magic {
    uint64_t offset;
    unsigned char bytes[HUB_MAGIC_MAX];
    size_t size_bytes;
    struct hub_magic *next;
};

struct hub_transform {
    struct ckpt_transform_info info; /* first: what the public sees */
    struct hub_plugin *plugin;
    struct ckpt_transform table; /* zero until loaded */
    struct hub_transform *next;
};

/* One reader or writer. */
struct hub_format {
    struct ckpt_format_info info; /* first: what the public sees */
    struct hub_plugin *plugin;
    struct hub_magic *magics; /* NULL: must always be asked */
    uint64_t capabilities;
    struct ckpt_reader reader; /* both zero until loaded */
    struct ckpt_writer writer;
    struct hub_format *next;
};

struct hub_plugin {
    struct ckpt_plugin_info info; /* lists: filled when asked for */
    void *module;                 /* of dlopen, or NULL */
    struct hub_format *formats;
    struct hub_transform *transforms;
    bool scans; /* it has scanners, as its description says */
    const struct ckpt_scanner *const *scanners; /* once loaded, or NULL */
    struct hub_plugin *next;
};

/* A folder that was searched for plugins. */
struct hub_folder {
    const char *path;
    const char *origin;
    struct hub_folder *next;
};

struct hub_installed;

struct hub_registry {
    struct hub_arena arena;
    struct hub_plugin *plugins; /* those of better right first */
    size_t count;
    struct hub_folder *folders;    /* likewise */
    struct hub_installed *recipes; /* once they are looked for */
};

/* Lists the plugins of all places. Of two with one id the better right wins:
 * --plugin, then CKPT_PLUGIN_PATH, then the folder beside the library. */
int hub_registry_init(struct hub_registry *registry, struct hub_budget *budget,
                      const char *const *plugin_files);
void hub_registry_fini(struct hub_registry *registry);

/* Enters the formats of a plugin that has no description, or none that could
 * be read, from its own tables. */
int hub_registry_describe(struct hub_registry *registry,
                          struct hub_plugin *plugin,
                          const struct ckpt_plugin *tables);

/* The plugin of that id that is in use, or NULL. */
const struct hub_plugin *
hub_registry_plugin(const struct hub_registry *registry, const char *id);

/* The reader or writer of that id among the plugins in use, or NULL. */
struct hub_format *hub_registry_find(const struct hub_registry *registry,
                                     const char *id, bool reads);

/* Walks the readers or writers of the plugins in use; NULL begins. */
struct hub_format *hub_registry_next(const struct hub_registry *registry,
                                     struct hub_format *format, bool reads);

/* The transform of that id among the plugins in use, or NULL. The first of
 * two with one id is taken. */
struct hub_transform *
hub_registry_transform(const struct hub_registry *registry, const char *id);

#endif
