/* SPDX-License-Identifier: MIT
 *
 * A growing run of bytes in memory that is counted against the budget.
 * A zeroed struct is an empty buffer.
 */
#ifndef SDK_BUFFER_H
#define SDK_BUFFER_H

#include "ckpt/host.h"

struct sdk_buffer {
    unsigned char *data;
    size_t size_bytes;
    size_t capacity_bytes;
};

/* Makes room for `more` further bytes. Fails as host->reallocate does. */
int sdk_buffer_reserve(const struct ckpt_host *host, struct sdk_buffer *buffer,
                       size_t more);

/* Appends a copy of the bytes. */
int sdk_buffer_append(const struct ckpt_host *host, struct sdk_buffer *buffer,
                      const void *bytes, size_t size_bytes);

/* Appends formatted text, without its NUL. */
int sdk_buffer_printf(const struct ckpt_host *host, struct sdk_buffer *buffer,
                      const char *format, ...) CKPT_PRINTF(3, 4);

/* Releases the memory and makes the buffer empty. */
void sdk_buffer_fini(const struct ckpt_host *host, struct sdk_buffer *buffer);

#endif
