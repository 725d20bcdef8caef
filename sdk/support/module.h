/* SPDX-License-Identifier: MIT
 *
 * Shared objects: a look at one before the system's loader maps it, and what a
 * plugin loads only when a file asks for it.
 *
 * Some libraries take longer to be loaded than a small file to be read. What
 * needs one is then kept in a second shared object: the LATER sources of
 * ckpt_add_plugin. It lies in the folder `later` beside the plugin, has the
 * plugin's name, and exports one constant: a table of the plugin's own, which
 * begins with its size.
 *
 *     struct hdf5_library {
 *         size_t size;
 *         ...
 *     };
 *     extern SDK_LATER_EXPORT const struct hdf5_library SDK_LATER(hdf5);
 *
 *     library = SDK_LATER_NEED(host, hdf5);
 *     if (library == NULL)
 *         return CKPT_UNSUPPORTED;
 *
 * Once loaded it is never unloaded, which large libraries would not survive.
 * In programs that link the plugin in (CKPT_STATIC) it is linked in too.
 */
#ifndef SDK_MODULE_H
#define SDK_MODULE_H

#include "ckpt/host.h"

/* Why the file cannot be a whole shared object of this machine, or NULL. The
 * system's loader maps what the headers promise without a look at the file's
 * size, and a file that was cut short would end the process. */
const char *sdk_module_problem(const char *path);

/* The table of what is loaded later, `size_bytes` large; see SDK_LATER_NEED.
 * NULL: it cannot be had; return CKPT_UNSUPPORTED, the reason has been told.
 */
const void *sdk_module_later(const struct ckpt_host *host, size_t size_bytes);

#define SDK_LATER_EXPORT __attribute__((visibility("default")))

/* The argument is the plugin's id with `_` for `-`. */
#if defined(CKPT_STATIC)
#define SDK_LATER(id) ckpt_later_##id
#define SDK_LATER_NEED(host, id) ((void)(host), &SDK_LATER(id))
#else
#define SDK_LATER(id) ckpt_later
#define SDK_LATER_NEED(host, id) sdk_module_later(host, sizeof SDK_LATER(id))
#endif

#endif
