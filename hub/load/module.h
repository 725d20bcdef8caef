/* SPDX-License-Identifier: MIT
 *
 * Looking at a shared object before the system's loader maps it.
 */
#ifndef HUB_LOAD_MODULE_H
#define HUB_LOAD_MODULE_H

#include <stddef.h>

/* Why the file cannot be a whole shared object of this machine, or NULL. The
 * system's loader maps what the headers promise without a look at the file's
 * size, and a file that was cut short would end the process. */
const char *hub_module_problem(const char *path);

#endif
