/* SPDX-License-Identifier: MIT
 *
 * Laying out the data file. Where a file is mapped into memory, a tensor can
 * be used in place if it begins with a page of the system: 65,536 bytes serve
 * all of them, 4,096 most. Small tensors are not worth the gap.
 */
#include "onnx_external_plan.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "checked.h"

#define LARGE_BYTES ((uint64_t)1 << 20)
#define LARGE_ALIGN ((uint64_t)65536)
#define MIDDLE_BYTES ((uint64_t)32 << 10)
#define MIDDLE_ALIGN ((uint64_t)4096)
#define SMALL_ALIGN ((uint64_t)16)

struct data_piece {
    struct onnx_piece piece;
    uint64_t offset;
};

static uint64_t
data_align(uint64_t size_bytes)
{
    if (size_bytes > LARGE_BYTES)
        return LARGE_ALIGN;
    return size_bytes >= MIDDLE_BYTES ? MIDDLE_ALIGN : SMALL_ALIGN;
}

/* What tells a piece from others: its view of a storage, or its run of a
 * source. The key is the table's from now on. */
static int
data_key(const struct ckpt_host *host, struct onnx_data *data,
         const struct onnx_piece *piece, const void **key, size_t *key_bytes)
{
    const struct ckpt_tensor *tensor = piece->tensor;
    size_t rank = tensor != NULL ? tensor->rank : 0, words = 6 + 2 * rank;
    uint64_t *packed = host->allocate(host, words * sizeof *packed);
    int status;

    if (packed == NULL)
        return CKPT_MEMORY;
    status = sdk_buffer_append(host, &data->keys, &packed, sizeof packed);
    if (status != CKPT_OK) {
        host->release(host, packed);
        return status;
    }
    packed[0] = piece->size_bytes;
    packed[1] = (uint64_t)(uintptr_t)piece->source;
    packed[2] = piece->source_offset;
    if (tensor != NULL) {
        packed[1] = (uint64_t)(uintptr_t)tensor->storage;
        packed[2] = tensor->offset;
        packed[3] = tensor->dtype;
        packed[4] = tensor->flips;
        packed[5] = rank;
        memcpy(packed + 6, tensor->shape, rank * sizeof *packed);
        memcpy(packed + 6 + rank, tensor->strides, rank * sizeof *packed);
    }
    *key = packed;
    *key_bytes = words * sizeof *packed;
    return CKPT_OK;
}

/* The number of a piece: 0 if it is met for the first time. */
static int
data_number(const struct ckpt_host *host, struct onnx_data *data,
            const struct onnx_piece *piece, uint64_t **number)
{
    const void *key = NULL;
    size_t key_bytes = 0;
    bool added;
    int status = data_key(host, data, piece, &key, &key_bytes);

    if (status != CKPT_OK)
        return status;
    *number = sdk_table_add(host, &data->places, key, key_bytes, &added);
    return *number != NULL ? CKPT_OK : CKPT_MEMORY;
}

int
onnx_data_place(const struct ckpt_host *host, struct onnx_data *data,
                const struct onnx_piece *piece, uint64_t *offset)
{
    uint64_t align = data_align(piece->size_bytes), *number = NULL;
    struct data_piece placed = {.piece = *piece};
    int status = data_number(host, data, piece, &number);

    if (status != CKPT_OK)
        return status;
    if (*number > 0) {
        *offset = *number - 1;
        return CKPT_OK;
    }
    if (!sdk_add_u64(data->end, align - 1, &placed.offset))
        placed.offset = UINT64_MAX;
    placed.offset -= placed.offset % align;
    if (!sdk_add_u64(placed.offset, piece->size_bytes, &data->end) ||
        data->end > INT64_MAX)
        return host->fail(host, CKPT_LIMIT, piece->name, CKPT_NOWHERE,
                          "the data file would be larger than any file");
    *number = placed.offset + 1;
    *offset = placed.offset;
    return sdk_buffer_append(host, &data->pieces, &placed, sizeof placed);
}

static void
put_number_pair(struct onnx_put *put, const char *key, uint64_t number)
{
    char text[24];
    int length = snprintf(text, sizeof text, "%" PRIu64, number);

    onnx_put_pair(put, 13, key, text, (size_t)length);
}

void
onnx_put_place(struct onnx_put *put, const char *location, uint64_t offset,
               uint64_t size_bytes)
{
    onnx_put_pair(put, 13, "location", location, strlen(location));
    put_number_pair(put, "offset", offset);
    put_number_pair(put, "length", size_bytes);
    onnx_put_number(put, 14, 1);
}

int
onnx_data_name(const struct ckpt_host *host, const struct ckpt_plan *plan,
               struct sdk_buffer *name)
{
    int status =
        sdk_buffer_printf(host, name, "%s.data", host->plan_name(host, plan));

    return status == CKPT_OK ? sdk_buffer_append(host, name, "", 1) : status;
}

static int
data_plan_piece(const struct ckpt_host *host, const struct data_piece *placed,
                struct ckpt_plan *plan)
{
    struct ckpt_segment segment = {.kind = CKPT_SEGMENT_PADDING};
    int status = CKPT_OK;

    segment.size_bytes = placed->offset - host->plan_position(host, plan);
    if (segment.size_bytes > 0)
        status = host->plan_add(host, plan, &segment, sizeof segment, NULL);
    segment.kind = placed->piece.tensor != NULL ? CKPT_SEGMENT_TENSOR
                                                : CKPT_SEGMENT_SOURCE;
    segment.size_bytes = placed->piece.size_bytes;
    segment.tensor = placed->piece.tensor;
    segment.source = placed->piece.source;
    segment.offset = placed->piece.source_offset;
    segment.name = placed->piece.name;
    if (status == CKPT_OK)
        status = host->plan_add(host, plan, &segment, sizeof segment, NULL);
    return status;
}

int
onnx_data_plan(const struct ckpt_host *host, const struct onnx_data *data,
               const char *name, struct ckpt_plan *plan)
{
    const struct data_piece *pieces = (const void *)data->pieces.data;
    size_t count = data->pieces.size_bytes / sizeof *pieces, i;
    int status;

    if (strcmp(name, host->plan_name(host, plan)) == 0)
        return host->fail(host, CKPT_OPTION, NULL, CKPT_NOWHERE,
                          "external is the output itself");
    status = host->plan_file(host, plan, name);
    for (i = 0; i < count && status == CKPT_OK; i++)
        status = data_plan_piece(host, &pieces[i], plan);
    if (status == CKPT_OK)
        status = host->plan_file(host, plan, host->plan_name(host, plan));
    return status;
}

void
onnx_data_fini(const struct ckpt_host *host, struct onnx_data *data)
{
    void **keys = (void **)(void *)data->keys.data;
    size_t i;

    for (i = 0; i < data->keys.size_bytes / sizeof *keys; i++)
        host->release(host, keys[i]);
    sdk_table_fini(host, &data->places);
    sdk_buffer_fini(host, &data->keys);
    sdk_buffer_fini(host, &data->pieces);
}
