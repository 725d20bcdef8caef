/* SPDX-License-Identifier: MIT
 *
 * What stands behind an opcode.
 */
#include <string.h>

#include "endian.h"
#include "pickle_scan_walk.h"

int
pickle_scan_break(struct pickle_scan_walk *walk, const char *what, bool *done)
{
    walk->broken = what;
    *done = true;
    return CKPT_OK;
}

int
pickle_scan_number(struct pickle_scan_walk *walk, unsigned width,
                   uint64_t *value, bool *done)
{
    unsigned char bytes[8] = {0};
    int status = pickle_scan_need(walk, width);
    uint64_t past = walk->at - walk->span_at;

    if (status != CKPT_OK)
        return status;
    if (walk->span.size_bytes < past + width) {
        walk->cut = true;
        return pickle_scan_break(walk, "it ends within an opcode", done);
    }
    memcpy(bytes, walk->span.data + past, width);
    *value = sdk_load_le64(bytes);
    walk->at += width;
    return CKPT_OK;
}

int
pickle_scan_skip(struct pickle_scan_walk *walk, uint64_t size_bytes, bool *done)
{
    struct ckpt_span last;
    int status;

    if (size_bytes == 0)
        return CKPT_OK;
    if (size_bytes > UINT64_MAX / 4)
        return pickle_scan_break(walk, "an absurd length", done);
    status = pickle_scan_need(walk, 1);
    if (status != CKPT_OK)
        return status;
    if (walk->at - walk->span_at + size_bytes > walk->span.size_bytes) {
        walk->span.size_bytes = 0;
        status =
            pickle_scan_peek(walk->view, walk->at + size_bytes - 1, 1, &last);
        if (status == CKPT_OK && last.size_bytes == 0) {
            walk->cut = true;
            return pickle_scan_break(walk, "it ends within a value", done);
        }
    }
    walk->at += size_bytes;
    return status;
}

int
pickle_scan_line(struct pickle_scan_walk *walk, struct pickle_scan_value *text,
                 bool *done)
{
    const unsigned char *end = NULL;
    struct ckpt_span span;
    uint64_t to = walk->at;
    int status;

    walk->span.size_bytes = 0;
    for (;; to += span.size_bytes) {
        status = pickle_scan_peek(walk->view, to, 1, &span);
        if (status != CKPT_OK)
            return status;
        if (span.size_bytes == 0) {
            walk->cut = true;
            return pickle_scan_break(walk, "it ends within a line", done);
        }
        end = memchr(span.data, '\n', span.size_bytes);
        if (end != NULL)
            break;
        if (walk->host->cancelled(walk->host))
            return CKPT_CANCELLED;
    }
    to += (uint64_t)(end - span.data);
    text->kind = VALUE_TEXT;
    text->at = walk->at;
    text->size =
        to - walk->at < UINT32_MAX ? (uint32_t)(to - walk->at) : UINT32_MAX;
    walk->at = to + 1;
    return CKPT_OK;
}
