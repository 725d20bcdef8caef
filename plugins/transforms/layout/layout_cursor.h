/* SPDX-License-Identifier: MIT
 *
 * Bytes that are made while they are read.
 */
#ifndef LAYOUT_CURSOR_H
#define LAYOUT_CURSOR_H

#include "layout.h"

/* What a storage is made of; its cursor_key is the job's number. */
struct layout_job {
    uint32_t how;       /* TURNED or SUMMED */
    uint32_t dtype;     /* SUMMED */
    uint64_t row_bytes; /* TURNED: three blocks */
    const struct ckpt_tensor *tensors[LAYOUT_PIECES_MAX];
    size_t tensor_count;
};

int layout_cursor_open(const struct ckpt_host *host, void *self,
                       const struct ckpt_storage *storage, void **cursor);
int layout_cursor_next(const struct ckpt_host *host, void *cursor,
                       struct ckpt_span *span);
void layout_cursor_close(const struct ckpt_host *host, void *cursor);

#endif
