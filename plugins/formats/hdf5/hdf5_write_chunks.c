/* SPDX-License-Identifier: MIT
 *
 * Payload through libhdf5: each chunk is one run of its tensor's bytes, and
 * is gathered, handed over, compressed and written by itself, so that no more
 * than one is in memory.
 */
#include "hdf5_write_chunks.h"

#include <string.h>

#include "hdf5_write.h"

/* What libhdf5 writes through. */
struct chunks {
    const struct ckpt_host *host;
    struct ckpt_sink *sink;
    unsigned char *buffer; /* one chunk */
    struct ckpt_stream *stream;
    struct ckpt_span left; /* of the stream's last bytes */
    int status; /* of the first failure; libhdf5 is told that all is well */
};

static int
chunks_read(void *context, uint64_t offset, void *buffer, size_t size_bytes)
{
    struct chunks *chunks = context;

    if (chunks->status == CKPT_OK)
        chunks->status = chunks->host->sink_read(chunks->host, chunks->sink,
                                                 offset, buffer, size_bytes);
    if (chunks->status != CKPT_OK)
        memset(buffer, 0, size_bytes);
    return CKPT_OK;
}

static int
chunks_write(void *context, uint64_t offset, const void *bytes,
             size_t size_bytes)
{
    struct chunks *chunks = context;

    if (chunks->status == CKPT_OK)
        chunks->status = chunks->host->sink_write(chunks->host, chunks->sink,
                                                  offset, bytes, size_bytes);
    return CKPT_OK;
}

static int
chunks_resize(void *context, uint64_t size_bytes)
{
    struct chunks *chunks = context;

    if (chunks->status == CKPT_OK)
        chunks->status =
            chunks->host->sink_resize(chunks->host, chunks->sink, size_bytes);
    return CKPT_OK;
}

/* Gathers the next bytes of the stream. */
static int
chunks_gather(struct chunks *chunks, size_t size_bytes)
{
    const struct ckpt_host *host = chunks->host;
    size_t at = 0, step;
    int status;

    for (; at < size_bytes; at += step) {
        if (chunks->left.size_bytes == 0) {
            status = host->tensor_next(host, chunks->stream, &chunks->left);
            if (status == CKPT_END)
                return host->fail(host, CKPT_CONTRACT, NULL, CKPT_NOWHERE,
                                  "a tensor ends before its last byte");
            if (status != CKPT_OK)
                return status;
        }
        step = size_bytes - at < chunks->left.size_bytes
                   ? size_bytes - at
                   : chunks->left.size_bytes;
        memcpy(chunks->buffer + at, chunks->left.data, step);
        chunks->left.data += step;
        chunks->left.size_bytes -= step;
    }
    return CKPT_OK;
}

/* Writes the elements from `start` on, `count` along each dimension. */
static int
chunk_write(struct hdf5_out *out, hid_t data, hid_t space,
            const struct ckpt_tensor *tensor, const hsize_t *start,
            const hsize_t *count)
{
    struct chunks *chunks = out->context;
    uint64_t elements = 1;
    hsize_t length;
    hid_t memory;
    uint32_t d;
    herr_t written = -1;
    int status;

    for (d = 0; d < tensor->rank; d++)
        elements *= count[d];
    status = chunks_gather(
        chunks, (size_t)(elements * ckpt_dtype_width_bits(tensor->dtype) / 8));
    if (status != CKPT_OK)
        return status;
    length = elements;
    memory = H5Screate_simple(1, &length, NULL);
    if (memory >= 0 &&
        (tensor->rank == 0 || H5Sselect_hyperslab(space, H5S_SELECT_SET, start,
                                                  NULL, count, NULL) >= 0))
        written = H5Dwrite(data, hdf5_out_type(out, tensor->dtype), memory,
                           space, H5P_DEFAULT, chunks->buffer);
    if (memory >= 0)
        H5Sclose(memory);
    return written < 0 ? hdf5_out_fail(out, NULL) : CKPT_OK;
}

/* Goes to the next chunk, the last dimension first; false after the last. */
static bool
chunk_next(const struct ckpt_tensor *tensor, const hsize_t *chunk,
           hsize_t *start)
{
    uint32_t d;

    for (d = tensor->rank; d-- > 0;) {
        start[d] += chunk[d];
        if (start[d] < tensor->shape[d])
            return true;
        start[d] = 0;
    }
    return false;
}

static int
data_chunks(struct hdf5_out *out, hid_t data, hid_t space,
            const struct ckpt_tensor *tensor)
{
    hsize_t chunk[HDF5_RANK_MAX], start[HDF5_RANK_MAX] = {0};
    hsize_t count[HDF5_RANK_MAX];
    uint32_t d;
    int status;

    hdf5_chunk_shape(tensor, chunk);
    do {
        for (d = 0; d < tensor->rank; d++)
            count[d] = tensor->shape[d] - start[d] < chunk[d]
                           ? tensor->shape[d] - start[d]
                           : chunk[d];
        status = chunk_write(out, data, space, tensor, start, count);
        if (status == CKPT_OK)
            status = *out->broken;
    } while (status == CKPT_OK && chunk_next(tensor, chunk, start));
    return status;
}

/* Puts the payload of a new data set, chunked or small, into it. */
static int
chunks_each(struct hdf5_out *out, size_t entry, hid_t data)
{
    struct chunks *chunks = out->context;
    const struct ckpt_host *host = out->host;
    const struct ckpt_tensor *tensor =
        out->graph->entries[entry].value->as.tensor;
    hid_t space;
    int status;

    if (tensor->size_bytes == 0)
        return CKPT_OK;
    chunks->left.size_bytes = 0;
    status = host->tensor_open(host, tensor, &chunks->stream);
    if (status != CKPT_OK)
        return status;
    space = H5Dget_space(data);
    if (space < 0)
        status = hdf5_out_fail(out, out->graph->entries[entry].name.data);
    else
        status = data_chunks(out, data, space, tensor);
    if (space >= 0)
        H5Sclose(space);
    host->tensor_close(host, chunks->stream);
    return status;
}

int
hdf5_write_chunks(const struct ckpt_host *host, enum hdf5_layout layout,
                  int gzip_level, const struct ckpt_graph *graph,
                  struct ckpt_sink *sink)
{
    struct chunks chunks = {.host = host, .sink = sink};
    struct hdf5_bytes bytes = {.read = chunks_read,
                               .write = chunks_write,
                               .resize = chunks_resize,
                               .context = &chunks};
    struct hdf5_out out = {0};
    int status;

    chunks.buffer = host->allocate(host, HDF5_CHUNK_BYTES);
    if (chunks.buffer == NULL)
        return CKPT_MEMORY;
    status = hdf5_out_init(&out, host, layout, gzip_level, graph, &bytes);
    out.broken = &chunks.status;
    out.each = chunks_each;
    out.context = &chunks;
    if (status == CKPT_OK)
        status = hdf5_out_fill(&out);
    if (status == CKPT_OK)
        status = hdf5_out_finish(&out);
    hdf5_out_fini(&out);
    host->release(host, chunks.buffer);
    return status;
}
