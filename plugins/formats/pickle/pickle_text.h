/* SPDX-License-Identifier: MIT
 *
 * Bytes that a pickle of protocol 0 to 2 says as text: UTF-8 whose code
 * points are the bytes.
 */
#ifndef PICKLE_TEXT_H
#define PICKLE_TEXT_H

#include "ckpt/host.h"

/* Where a storage is decoded from. */
struct pickle_text {
    uint64_t offset, text_bytes; /* of the text in the file */
    uint64_t skip;               /* bytes before the storage's own */
};

struct pickle_cursor;

int pickle_cursor_open(const struct ckpt_host *host,
                       const struct ckpt_source *source,
                       const struct pickle_text *text, uint64_t size_bytes,
                       struct pickle_cursor **cursor);

/* The next bytes of the storage; CKPT_END after the last. CKPT_FORMAT: text
 * that is no such bytes, or fewer or more of them than there should be. */
int pickle_cursor_next(const struct ckpt_host *host,
                       struct pickle_cursor *cursor, struct ckpt_span *span);

void pickle_cursor_close(const struct ckpt_host *host,
                         struct pickle_cursor *cursor);

#endif
