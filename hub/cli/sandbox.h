/* SPDX-License-Identifier: MIT
 *
 * Confinement of the process before it looks at a stranger's file: what it
 * may still open, and which doors of the kernel are shut.
 */
#ifndef CLI_SANDBOX_H
#define CLI_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>

#include "ckpt.h"
#include "out.h"

struct cli_sandbox {
    bool refused;     /* --no-sandbox */
    bool transforms;  /* they may lay bytes down in the temporary folder */
    int landlock_abi; /* 0: not in force */
    bool seccomp;
};

/* From here on the process reads the folders of the inputs, of the plugins
 * and of the system's libraries, and writes the folder of the output; it
 * starts no program, opens no socket and traces nobody. What the kernel does
 * not have is left out: a sandbox may be weaker, never in the way. `output`
 * may be NULL. */
void cli_sandbox_enter(struct cli_sandbox *sandbox, const struct ckpt *user,
                       const char *const *inputs, size_t input_count,
                       const char *output);

/* "Landlock ABI 3, seccomp", or "none" and why. */
void cli_sandbox_describe(const struct cli_sandbox *sandbox,
                          struct cli_out *out);

#endif
