/* SPDX-License-Identifier: MIT
 *
 * Bytes in. A source is a file or a folder that the hub opened; a plugin
 * reads it through the functions of host.h and never opens a file itself.
 */
#ifndef CKPT_SOURCE_H
#define CKPT_SOURCE_H

#include <stddef.h>
#include <stdint.h>

struct ckpt_source; /* opaque; of the hub, borrowed by plugins */

/* A borrowed run of bytes. Whoever hands one out says how long it lives. */
struct ckpt_span {
    const unsigned char *data;
    size_t size_bytes;
};

/* A file position that is unknown or does not apply. */
#define CKPT_NOWHERE UINT64_MAX

#endif
