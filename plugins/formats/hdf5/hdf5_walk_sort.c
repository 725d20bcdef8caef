/* SPDX-License-Identifier: MIT
 *
 * Sorting by place. What a walk finds comes in a few long runs that are in
 * order: those are merged, which takes one look where there is one run.
 */
#include <string.h>

#include "hdf5_walk_file.h"

/* Elements are structs that begin with the number they are sorted by. */
static uint64_t
sort_key(const unsigned char *element)
{
    uint64_t key;

    memcpy(&key, element, sizeof key);
    return key;
}

/* The end of the run that begins at a byte. */
static size_t
sort_run(const struct sdk_buffer *buffer, size_t element, size_t at)
{
    const unsigned char *data = buffer->data;

    for (at += element; at < buffer->size_bytes; at += element)
        if (sort_key(data + at) < sort_key(data + at - element))
            break;
    return at < buffer->size_bytes ? at : buffer->size_bytes;
}

/* Merges [first, middle) and [middle, end), in place of the same bytes of
 * another buffer. */
static void
sort_merge(const unsigned char *from, unsigned char *to, size_t element,
           size_t first, size_t middle, size_t end)
{
    size_t left = first, right = middle;

    for (to += first; left < middle && right < end; to += element) {
        if (sort_key(from + right) < sort_key(from + left)) {
            memcpy(to, from + right, element);
            right += element;
        } else {
            memcpy(to, from + left, element);
            left += element;
        }
    }
    memcpy(to, from + left, middle - left);
    memcpy(to + (middle - left), from + right, end - right);
}

int
hdf5_sort(const struct ckpt_host *host, struct sdk_buffer *buffer,
          size_t element)
{
    struct sdk_buffer other = {0}, swap;
    size_t size = buffer->size_bytes, first, middle, end;
    int status = CKPT_OK;

    while (size > 0 && status == CKPT_OK &&
           sort_run(buffer, element, 0) < size) {
        other.size_bytes = 0;
        status = sdk_buffer_reserve(host, &other, size);
        for (first = 0; first < size && status == CKPT_OK; first = end) {
            middle = sort_run(buffer, element, first);
            end = middle < size ? sort_run(buffer, element, middle) : size;
            sort_merge(buffer->data, other.data, element, first, middle, end);
        }
        if (status != CKPT_OK)
            break;
        other.size_bytes = size;
        swap = *buffer;
        *buffer = other;
        other = swap;
    }
    sdk_buffer_fini(host, &other);
    return status;
}
