/* SPDX-License-Identifier: MIT
 *
 * The fill value, over and over.
 */
#include "hdf5_fill.h"

#include <string.h>

#define FILL_BYTES ((size_t)64 << 10)
#define FILL_ELEMENT_MAX ((size_t)1 << 20) /* of what cursors give at once */

struct fill {
    uint64_t left_bytes;
    size_t size_bytes; /* of `bytes`, whole elements */
    unsigned char bytes[];
};

int
hdf5_fill_open(const struct ckpt_host *host, const struct hdf5_object *object,
               void **cursor)
{
    const struct hdf5_data *data = &object->data;
    size_t element = data->type.size_bytes, size, at;
    struct fill *fill;

    if (element > FILL_ELEMENT_MAX)
        return host->fail(host, CKPT_LIMIT, object->path, object->offset,
                          "a fill value of %zu bytes", element);
    size = element < FILL_BYTES ? FILL_BYTES / element * element : element;
    fill = host->allocate(host, sizeof *fill + size);
    if (fill == NULL)
        return CKPT_MEMORY;
    fill->left_bytes = data->size_bytes;
    fill->size_bytes = size;
    for (at = 0; at < size && data->bytes != NULL; at += element)
        memcpy(fill->bytes + at, data->bytes, element);
    *cursor = fill;
    return CKPT_OK;
}

int
hdf5_fill_next(const struct ckpt_host *host, void *cursor,
               struct ckpt_span *span)
{
    struct fill *fill = cursor;
    size_t size = fill->size_bytes;

    (void)host;
    if (fill->left_bytes == 0)
        return CKPT_END;
    if (fill->left_bytes < size)
        size = (size_t)fill->left_bytes;
    fill->left_bytes -= size;
    span->data = fill->bytes;
    span->size_bytes = size;
    return CKPT_OK;
}

void
hdf5_fill_close(const struct ckpt_host *host, void *cursor)
{
    host->release(host, cursor);
}
